package sqlstore

// chunk is how many rows are written, or looked up, in one go.
const chunk = 256

// many runs a statement for each of n sets of parameters, and calls done, if it
// is not nil, with how many rows each changed. args may return the same slice
// again.
func (t *tx) many(sql string, n int, args func(i int) []any, done func(i int, changed int64)) error {
	if p, ok := t.conn.(Pipeline); ok {
		return p.Many(sql, n, args, nil, done)
	}
	for i := range n {
		changed, err := t.conn.Exec(sql, args(i)...)
		if err != nil {
			return err
		}
		if done != nil {
			done(i, changed)
		}
	}
	return nil
}

// manyRows runs a query for each of n sets of parameters. row must not run
// other statements.
func (r *reader) manyRows(sql string, n int, args func(i int) []any, row func(i int, s Row)) error {
	if p, ok := r.conn.(Pipeline); ok {
		return p.Many(sql, n, args, row, nil)
	}
	for i := range n {
		err := r.conn.Query(sql, args(i), func(s Row) error {
			row(i, s)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inChunks calls fn with parts of a list.
func inChunks[T any](list []T, fn func([]T) error) error {
	for len(list) > 0 {
		n := min(len(list), chunk)
		if err := fn(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}
