package postgres

// QueueLock is the lock that claims are made under.
const QueueLock = queueLock

// PurgedTables are the tables that the removal of an app empties, and the
// columns by which it finds the rows, after the app.
func PurgedTables() map[string][]string {
	tables := map[string][]string{}
	for _, t := range appTables() {
		tables[t.name] = []string{}
		for _, k := range t.key {
			tables[t.name] = append(tables[t.name], k.name)
		}
	}
	return tables
}
