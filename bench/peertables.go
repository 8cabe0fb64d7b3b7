package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// The tables that peers export from are those that people have who keep a chat
// in a database of their own: a column a field, JSON for what has no fixed
// shape, and an index for every question that is asked often. What would have
// to be counted at every export is kept counted.

// peerTable is one of them. A column is its name and what it is: text, a
// number, JSON or a time, or a text that may be NULL.
type peerTable struct {
	name    string
	columns []string
	keys    []string // the primary key, and then other indexes
}

var (
	usersTable = &peerTable{
		"users",
		[]string{"id text", "role text", "name null", "image null", "language null", "teams json", "created_at time", "updated_at time", "custom json"},
		[]string{"id"},
	}
	channelsTable = &peerTable{
		"channels",
		[]string{"cid text", "type text", "id text", "created_by null", "created_at time", "updated_at time", "custom json"},
		[]string{"cid"},
	}
	messagesTable = &peerTable{
		"messages",
		[]string{
			"id text", "cid text", "user_id text", "type text", "text text", "parent_id null", "show_in_channel number", "quoted_message_id null",
			"reply_count number", "attachments json", "created_at time", "updated_at time", "deleted_at time", "custom json",
		},
		[]string{"id", "cid, created_at, id", "user_id, created_at", "parent_id, created_at"},
	}
	reactionsTable = &peerTable{
		"reactions",
		[]string{"message_id text", "user_id text", "type text", "score number", "created_at time", "updated_at time", "custom json"},
		[]string{"message_id, user_id, type", "user_id"},
	}
	mentionsTable = &peerTable{"mentions", []string{"message_id text", "user_id text"}, []string{"message_id, user_id", "user_id"}}
	threadsTable  = &peerTable{"thread_participants", []string{"message_id text", "user_id text"}, []string{"message_id, user_id", "user_id"}}

	peerTables = []*peerTable{usersTable, channelsTable, messagesTable, reactionsTable, mentionsTable, threadsTable}
)

func (t *peerTable) create(types map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (", t.name)
	for _, c := range t.columns {
		name, kind, _ := strings.Cut(c, " ")
		fmt.Fprintf(&b, "%s %s, ", name, types[kind])
	}
	fmt.Fprintf(&b, "PRIMARY KEY (%s))", t.keys[0])
	return b.String()
}

// indexes are made when the table is full, as anybody would.
func (t *peerTable) indexes() []string {
	var all []string
	for i, columns := range t.keys[1:] {
		all = append(all, fmt.Sprintf("CREATE INDEX %s_%d ON %s (%s)", t.name, i, t.name, columns))
	}
	return all
}

// peerRows takes the rows of tables.
type peerRows interface {
	add(t *peerTable, values []sql.NullString) error
}

// fields is an object of an import file.
type fields map[string]json.RawMessage

// take removes a text from the object.
func (f fields) take(key string) (sql.NullString, error) {
	raw, ok := f[key]
	delete(f, key)
	if !ok || string(raw) == "null" {
		return sql.NullString{}, nil
	}
	if raw[0] != '"' {
		return valid(string(raw)), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return sql.NullString{}, err
	}
	return valid(strings.ReplaceAll(s, "\x00", "")), nil // PostgreSQL has no room for it
}

func valid(s string) sql.NullString { return sql.NullString{String: s, Valid: true} }

// row makes a row of the columns of a table, and of what is left its custom
// fields.
func (f fields) row(t *peerTable, known map[string]string) ([]sql.NullString, error) {
	values := make([]sql.NullString, 0, len(t.columns))
	for _, c := range t.columns {
		name, kind, _ := strings.Cut(c, " ")
		given, ok := known[name]
		v := valid(given)
		var err error
		switch {
		case ok:
			delete(f, name)
		case name == "custom":
			v, err = f.rest()
		default:
			v, err = f.take(name)
		}
		if err != nil {
			return nil, err
		}
		if !v.Valid {
			switch {
			case kind == "text":
				v = valid("")
			case kind == "number":
				v = valid("0")
			case name == "updated_at":
				v = values[slices.Index(t.columns, "created_at time")]
			}
		}
		if kind == "number" && v.String == "true" {
			v = valid("1")
		}
		values = append(values, v)
	}
	return values, nil
}

func (f fields) rest() (sql.NullString, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(f)) {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return sql.NullString{}, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(bytes.ReplaceAll(f[key], []byte(`\u0000`), nil))
	}
	b.WriteByte('}')
	return valid(b.String()), nil
}

// loadPeer reads an import file into tables.
func loadPeer(ctx context.Context, path string, to peerRows) error {
	l := peerLoader{to: to, replies: map[string]int{}, seen: map[[2]string]bool{}}
	// How many replies a message has is known only after the first reading.
	if err := eachLine(ctx, path, l.count); err != nil {
		return err
	}
	return eachLine(ctx, path, l.load)
}

type peerLoader struct {
	to      peerRows
	replies map[string]int
	seen    map[[2]string]bool // who has written to which thread
}

func (l *peerLoader) count(line []byte) error {
	if !bytes.Contains(line, []byte(`"parent_id":"`)) {
		return nil
	}
	var m struct {
		Data struct {
			ParentID string `json:"parent_id"`
		}
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return err
	}
	l.replies[m.Data.ParentID]++
	return nil
}

func (l *peerLoader) load(line []byte) error {
	var o struct {
		Type string
		Data fields
	}
	if err := json.Unmarshal(line, &o); err != nil {
		return err
	}
	f := o.Data
	switch o.Type {
	case "user":
		return l.add(usersTable, f, nil)
	case "channel":
		return l.add(channelsTable, f, map[string]string{"cid": unquoted(f["type"]) + ":" + unquoted(f["id"])})
	case "message":
		return l.message(f)
	case "reaction":
		return l.add(reactionsTable, f, nil)
	default: // members and the like are not in a line of a message
		return nil
	}
}

func (l *peerLoader) message(f fields) error {
	id, user, parent := unquoted(f["id"]), unquoted(f["user"]), unquoted(f["parent_id"])
	known := map[string]string{
		"cid": unquoted(f["channel_type"]) + ":" + unquoted(f["channel_id"]), "user_id": user,
		"reply_count": fmt.Sprint(l.replies[id]),
	}
	var mentioned []string
	if raw, ok := f["mentioned_users_ids"]; ok {
		if err := json.Unmarshal(raw, &mentioned); err != nil {
			return err
		}
	}
	for _, key := range []string{"channel_type", "channel_id", "user", "mentioned_users_ids"} {
		delete(f, key)
	}
	if err := l.add(messagesTable, f, known); err != nil {
		return err
	}
	slices.Sort(mentioned)
	for _, m := range slices.Compact(mentioned) {
		if err := l.to.add(mentionsTable, []sql.NullString{valid(id), valid(m)}); err != nil {
			return err
		}
	}
	if at := [2]string{parent, user}; parent != "" && !l.seen[at] {
		l.seen[at] = true
		return l.to.add(threadsTable, []sql.NullString{valid(parent), valid(user)})
	}
	return nil
}

func (l *peerLoader) add(t *peerTable, f fields, known map[string]string) error {
	values, err := f.row(t, known)
	if err != nil {
		return err
	}
	return l.to.add(t, values)
}

func unquoted(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // "" then
	return s
}

// eachLine reads a file of lines, plain or gzip.
func eachLine(ctx context.Context, path string, fn func([]byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewReaderSize(f, 1<<20)
	var plain io.Reader = in
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if plain, err = gzip.NewReader(in); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(make([]byte, 1<<20), maxLine)
	for n := 1; lines.Scan(); n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := fn(lines.Bytes()); err != nil {
			return fmt.Errorf("%s, line %d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
