package sqlstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// Reader is a store.Reader, with what engines may use beyond it.
type Reader interface {
	store.Reader
	// MessagesOf reads the messages of several users, see store.Snapshot.
	MessagesOf(users []int64, fn func(i int, row *store.MessageRow) error) error
	// Stride walks n messages along a range, see store.SharedSnapshot.
	Stride(q store.MessageRange, n int) (walked int, last, next store.MessageKey, err error)
}

// NewReader returns a Reader of one app on a connection that holds one instant.
func NewReader(c Conn, d Dialect, app int64) Reader { return &reader{conn: c, dialect: d, app: app} }

// reader reads the data of one app on a connection that holds one instant.
type reader struct {
	conn    Conn
	app     int64
	dialect Dialect
}

// one runs a query that yields at most one row; without it the error is
// ErrNotFound naming what was looked for.
func (r *reader) one(what, name, sql string, args []any, row func(Row)) error {
	found, err := r.conn.One(sql, args, row)
	switch {
	case err != nil || found:
		return err
	case name == "":
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	return fmt.Errorf("%s %s: %w", what, name, store.ErrNotFound)
}

func (r *reader) UserKey(id string) (key int64, err error) {
	err = r.one("user", id, `SELECT key FROM users WHERE app = $1 AND id = $2`, []any{r.app, id},
		func(s Row) { key = s.Int(0) })
	return key, err
}

const userByKey = `SELECT id, body FROM users WHERE key = $1 AND app = $2`

func (r *reader) UserByKey(key int64) (id string, object []byte, err error) {
	err = r.one("user", "", userByKey, []any{key, r.app},
		func(s Row) { id, object = s.Text(0), s.Copy(1) })
	return id, object, err
}

func (r *reader) UserInto(buf []byte, key int64) (id string, grown []byte, err error) {
	err = r.one("user", "", userByKey, []any{key, r.app},
		func(s Row) { id, buf = s.Text(0), append(buf, s.Bytes(1)...) })
	return id, buf, err
}

func (r *reader) Users(fn func(key int64, id string, object []byte) error) error {
	return r.conn.Query(`SELECT key, id, body FROM users WHERE app = $1 ORDER BY id`, []any{r.app},
		func(s Row) error { return fn(s.Int(0), s.Text(1), s.Bytes(2)) })
}

const channelColumns = `key, type, id, created_by, created_at, updated_at, deleted_at, truncated_at, truncated_by,
	last_message_at, frozen, disabled, team, cooldown, custom, member_count, message_count, total_messages,
	coalesce((SELECT u.id FROM users u WHERE u.key = channels.created_by AND u.app = channels.app), ''),
	coalesce((SELECT u.id FROM users u WHERE u.key = channels.truncated_by AND u.app = channels.app), ''), sequence`

func scanChannel(s Row) (row store.ChannelRow, sequence int64, err error) {
	row = store.ChannelRow{
		Key: s.Int(0),
		Channel: chat.Channel{
			Type: s.Text(1), ID: s.Text(2),
			CreatedAt: s.Time(4), UpdatedAt: s.Time(5), DeletedAt: s.Time(6), TruncatedAt: s.Time(7),
			LastMessageAt: s.Time(9), Frozen: s.Bool(10), Disabled: s.Bool(11), Team: s.Text(12), Cooldown: int(s.Int(13)),
			CreatedBy: s.Text(18), TruncatedBy: s.Text(19),
		},
		CreatedBy: s.Int(3), TruncatedBy: s.Int(8),
		MemberCount: int(s.Int(15)), MessageCount: int(s.Int(16)), TotalMessages: int(s.Int(17)),
	}
	row.Channel.Custom, err = parseCustom(s.Bytes(14))
	return row, s.Int(20), err
}

const (
	channelByCID = `SELECT ` + channelColumns + ` FROM channels WHERE app = $1 AND cid = $2`
	channelByKey = `SELECT ` + channelColumns + ` FROM channels WHERE app = $1 AND key = $2`
)

func (r *reader) Channel(cid string) (row store.ChannelRow, err error) {
	row, _, err = r.channel(cid, channelByCID, cid)
	return row, err
}

func (r *reader) channel(cid, sql string, arg any) (row store.ChannelRow, sequence int64, err error) {
	var serr error
	err = r.one("channel", cid, sql, []any{r.app, arg}, func(s Row) { row, sequence, serr = scanChannel(s) })
	if err == nil {
		err = serr
	}
	return row, sequence, err
}

func (r *reader) Channels(after string, fn func(*store.ChannelRow) error) error {
	return r.conn.Query(`SELECT `+channelColumns+` FROM channels WHERE app = $1 AND cid > $2 ORDER BY cid`, []any{r.app, after},
		func(s Row) error {
			row, _, err := scanChannel(s)
			if err != nil {
				return err
			}
			return fn(&row)
		})
}

func (r *reader) ChannelsOf(user int64, fn func(*store.ChannelRow) error) error {
	return r.conn.Query(`SELECT `+channelColumns+` FROM channels
		WHERE app = $1 AND key IN (SELECT channel FROM members WHERE app = $1 AND "user" = $2) ORDER BY cid`, []any{r.app, user},
		func(s Row) error {
			row, _, err := scanChannel(s)
			if err != nil {
				return err
			}
			return fn(&row)
		})
}

func (r *reader) Members(channel int64, fn func(*store.MemberRow) error) error {
	var row store.MemberRow
	return r.conn.Query(`SELECT m."user", m.body FROM members m`+r.join()+`users u ON u.app = m.app AND u.key = m."user"
		WHERE m.app = $1 AND m.channel = $2 ORDER BY m.created_at, u.id`, []any{r.app, channel},
		func(s Row) error {
			row = store.MemberRow{User: s.Int(0), Body: s.Bytes(1)}
			return fn(&row)
		})
}

func (r *reader) Member(channel, user int64) (row store.MemberRow, err error) {
	err = r.one("member", "", `SELECT "user", body FROM members WHERE app = $1 AND channel = $2 AND "user" = $3`,
		[]any{r.app, channel, user},
		func(s Row) { row = store.MemberRow{User: s.Int(0), Body: s.Copy(1)} })
	return row, err
}

func (r *reader) selectReads() string {
	return `SELECT r."user", u.id, r.last_read, r.last_message_id,
		CASE WHEN r.unread > 0 THEN r.unread ELSE 0 END + c.sequence - r.sequence FROM reads r` + r.join() + `users u
		ON u.app = r.app AND u.key = r."user"` + r.join() + `channels c ON c.app = r.app AND c.key = r.channel
		WHERE r.app = $1 AND r.channel = $2`
}

func scanRead(s Row) store.ReadRow {
	return store.ReadRow{User: s.Int(0), Read: chat.Read{
		UserID: s.Text(1), LastRead: s.Time(2), LastReadMessageID: s.Text(3), Unread: int(s.Int(4)),
	}}
}

func (r *reader) Reads(channel int64, fn func(*store.ReadRow) error) error {
	var row store.ReadRow
	return r.conn.Query(r.selectReads()+` ORDER BY u.id`, []any{r.app, channel}, func(s Row) error {
		row = scanRead(s)
		return fn(&row)
	})
}

func (r *reader) Read(channel, user int64) (row store.ReadRow, err error) {
	err = r.one("read state", "", r.selectReads()+` AND r."user" = $3`, []any{r.app, channel, user},
		func(s Row) { row = scanRead(s) })
	return row, err
}

const messageColumns = `m.channel, m.created_at, m.id, m."user", m.kind, m.deleted_at, m.quoted, m.body, m.reactions, m.thread, m.pin,
	m.parent IS NOT NULL`

// The column kind: what a message is, and flags.
var kinds = [...]string{chat.Regular, chat.Reply, chat.System}

const (
	kindMask   = 3
	kindSilent = 4
	kindShown  = 8 // a reply that its channel shows
)

func kindOf(m *chat.Message) int64 {
	kind := int64(max(slices.Index(kinds[:], m.Type), 0))
	if m.Silent {
		kind |= kindSilent
	}
	if m.ParentID != "" && m.ShowInChannel {
		kind |= kindShown
	}
	return kind
}

// ScanMessage reads a row of a statement for messages, and leaves its bytes
// where they are. S is a parameter so that an engine's own rows are read without
// a detour.
func ScanMessage[S Row](s S, row *store.MessageRow) {
	row.Channel = s.Int(0)
	row.CreatedAt = s.Time(1)
	row.ID = s.Bytes(2)
	row.User = s.Int(3)
	kind := s.Int(4)
	row.Type = kinds[uint(kind&kindMask)%uint(len(kinds))]
	row.Silent = kind&kindSilent != 0
	row.InThread = kind&kindShown == 0 && s.Bool(11)
	row.DeletedAt = s.Time(5)
	row.QuotedID = s.Bytes(6)
	row.Body = s.Bytes(7)
	row.Reactions = s.Bytes(8)
	row.Thread = s.Bytes(9)
	row.Pin = s.Bytes(10)
}

func copyMessage(s Row) store.MessageRow {
	var row store.MessageRow
	ScanMessage(s, &row)
	KeepMessage(&row, nil)
	return row
}

// KeepMessage appends the bytes of a row to buf, which it returns, and makes the
// row refer to them there.
func KeepMessage(row *store.MessageRow, buf []byte) []byte {
	buf = slices.Grow(buf, len(row.ID)+len(row.QuotedID)+len(row.Body)+len(row.Reactions)+len(row.Thread)+len(row.Pin))
	for _, b := range [...]*[]byte{&row.ID, &row.QuotedID, &row.Body, &row.Reactions, &row.Thread, &row.Pin} {
		if *b != nil {
			from := len(buf)
			buf = append(buf, *b...)
			*b = buf[from:len(buf):len(buf)]
		}
	}
	return buf
}

const messageByID = `SELECT ` + messageColumns + ` FROM messages m WHERE app = $1 AND id = $2`

// Statements for an engine that has lists as parameters: rows of the app $1, by
// a list $2 of what they are known by. Those that are not there are left out.
const (
	// MessagesByID yields what ScanMessage reads.
	MessagesByID = `SELECT ` + messageColumns + ` FROM messages m WHERE m.app = $1 AND m.id = ANY ($2)`
	// UsersByKey yields key, id and body.
	UsersByKey = `SELECT key, id, body FROM users WHERE app = $1 AND key = ANY ($2)`
)

func (r *reader) Message(id string) (row store.MessageRow, err error) {
	err = r.one("message", id, messageByID, []any{r.app, id},
		func(s Row) { row = copyMessage(s) })
	return row, err
}

func (r *reader) MessageInto(row *store.MessageRow, buf, id []byte) ([]byte, bool, error) {
	if c, ok := r.conn.(MessageGetter); ok {
		return c.GetMessage(messageByID, r.app, row, buf, id)
	}
	found, err := r.conn.One(messageByID, []any{r.app, string(id)}, func(s Row) { *row = copyMessage(s) })
	return buf, found, err
}

func (r *reader) Messages(q store.MessageRange, fn func(*store.MessageRow) error) error {
	sql, args := inRange(`SELECT `+messageColumns+` FROM messages m WHERE m.app = $1 AND m.channel = $2`, []any{r.app, q.Channel}, "m", &q)
	return r.messages(sql, args, fn)
}

func (r *reader) Stride(q store.MessageRange, n int) (walked int, last, next store.MessageKey, err error) {
	sql, args := inRange(`SELECT m.created_at, m.id FROM messages m WHERE m.app = $1 AND m.channel = $2`, []any{r.app, q.Channel}, "m", &q)
	at := len(args)
	limited := sql + ` LIMIT $` + strconv.Itoa(at+1)
	found := 0
	err = r.conn.Query(limited+` OFFSET $`+strconv.Itoa(at+2), append(slices.Clip(args), 2, n-1), func(s Row) error {
		last, next = next, store.MessageKey{CreatedAt: s.Time(0), ID: s.Text(1)}
		found++
		return nil
	})
	switch {
	case err != nil:
		return 0, last, next, err
	case found == 2:
		return n, last, next, nil
	case found == 1:
		return n, next, last, nil
	}
	err = r.conn.Query(`SELECT count(*) FROM (`+limited+`) walk`, append(slices.Clip(args), n), func(s Row) error {
		walked = int(s.Int(0))
		return nil
	})
	return walked, last, next, err
}

func (r *reader) Replies(parent string, q store.MessageRange, fn func(*store.MessageRow) error) error {
	sql, args := inRange(`SELECT `+messageColumns+` FROM replies r JOIN messages m ON m.app = r.app AND m.id = r.id
		WHERE r.app = $1 AND r.parent = $2`, []any{r.app, parent}, "r", &q)
	return r.messages(sql, args, fn)
}

func (r *reader) Threads() (bool, error) {
	return r.conn.One(`SELECT 1 FROM replies WHERE app = $1 LIMIT 1`, []any{r.app}, func(Row) {})
}

// atOnce is how many ids one statement of Answered asks for: most have no replies,
// and the statement costs more than the look for one of them.
const atOnce = 256

// The LIMIT keeps it from becoming a join, which would read all threads of the app.
var answered = `SELECT column1 FROM (VALUES ` + parameters(2, atOnce) + `) ids
	WHERE (SELECT r.id FROM replies r WHERE r.app = $1 AND r.parent = column1 LIMIT 1) IS NOT NULL`

// parameters are n rows of one parameter each.
func parameters(from, n int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = "($" + strconv.Itoa(from+i) + ")"
	}
	return strings.Join(rows, ", ")
}

func (r *reader) Answered(ids []string, fn func(id string)) error {
	args := make([]any, 1+atOnce)
	args[0] = r.app
	for some := range slices.Chunk(ids, atOnce) {
		for i := range atOnce {
			args[1+i] = ""
			if i < len(some) {
				args[1+i] = some[i]
			}
		}
		err := r.conn.Query(answered, args, func(s Row) error {
			fn(s.Text(0))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inRange narrows a query down to a range of a table whose key is created_at
// and id. Only what is given becomes part of the text, so that each bound is
// one that the key can be searched by.
func inRange(sql string, args []any, table string, q *store.MessageRange) (string, []any) {
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	key := "(" + table + ".created_at, " + table + ".id)"
	switch {
	case q.AfterID != "" && q.AfterTime >= q.Since:
		sql += ` AND ` + key + ` > (` + arg(q.AfterTime) + `, ` + arg(q.AfterID) + `)`
	default:
		sql += ` AND ` + table + `.created_at >= ` + arg(q.Since)
	}
	switch {
	case q.BeforeID != "" && (q.Until == 0 || q.BeforeTime < q.Until):
		sql += ` AND ` + key + ` < (` + arg(q.BeforeTime) + `, ` + arg(q.BeforeID) + `)`
	case q.Until != 0:
		sql += ` AND ` + table + `.created_at < ` + arg(q.Until)
	}
	if q.Newest {
		return sql + ` ORDER BY ` + table + `.created_at DESC, ` + table + `.id DESC`, args
	}
	return sql + ` ORDER BY ` + table + `.created_at, ` + table + `.id`, args
}

func (r *reader) Pinned(channel int64, fn func(*store.MessageRow) error) error {
	return r.messages(`SELECT `+messageColumns+` FROM messages m`+r.by("messages_pinned")+`
		WHERE m.app = $1 AND m.channel = $2 AND m.pin IS NOT NULL ORDER BY m.created_at DESC, m.id DESC`, []any{r.app, channel}, fn)
}

func (r *reader) messages(sql string, args []any, fn func(*store.MessageRow) error) error {
	if c, ok := r.conn.(MessageReader); ok {
		return c.QueryMessages(sql, args, fn)
	}
	var row store.MessageRow
	return r.conn.Query(sql, args, func(s Row) error {
		ScanMessage(s, &row)
		return fn(&row)
	})
}

// by names the index that a statement is to go by, where the engine must be
// told.
func (r *reader) by(index string) string {
	if !r.dialect.Hints {
		return ""
	}
	return ` INDEXED BY ` + index
}

// join joins to the tables before it those that are looked up for each of their
// rows. SQLite must be told not to begin with them.
func (r *reader) join() string {
	if r.dialect.Hints {
		return ` CROSS JOIN `
	}
	return ` JOIN `
}

const reactionColumns = `r.message, r."user", r.created_at, r.type, r.body`

func scanReaction(s Row, row *store.ReactionRow) {
	*row = store.ReactionRow{MessageID: s.Text(0), User: s.Int(1), CreatedAt: s.Time(2), Type: s.Text(3), Body: s.Bytes(4)}
}

func (r *reader) Reactions(message string, fn func(*store.ReactionRow) error) error {
	var row store.ReactionRow
	return r.conn.Query(`SELECT `+reactionColumns+` FROM reactions r`+r.join()+`users u ON u.app = r.app AND u.key = r."user"
		WHERE r.app = $1 AND r.message = $2 ORDER BY r.created_at DESC, u.id, r.type`, []any{r.app, message},
		func(s Row) error {
			scanReaction(s, &row)
			return fn(&row)
		})
}

func (r *reader) ReactionsBy(keys []store.ReactionKey, fn func(i int, row *store.ReactionRow) error) error {
	type found struct {
		i   int
		row store.ReactionRow
	}
	var rows []found
	first := 0
	return inChunks(keys, func(part []store.ReactionKey) error {
		rows = rows[:0]
		err := r.manyRows(`SELECT `+reactionColumns+` FROM reactions r WHERE r.app = $1 AND r.message = $2 AND r."user" = $3 AND r.type = $4`, len(part),
			func(i int) []any { return []any{r.app, part[i].MessageID, part[i].User, part[i].Type} },
			func(i int, s Row) {
				var row store.ReactionRow
				scanReaction(s, &row)
				row.Body = s.Copy(4)
				rows = append(rows, found{first + i, row})
			})
		if err != nil {
			return err
		}
		for i := range rows {
			if err := fn(rows[i].i, &rows[i].row); err != nil {
				return err
			}
		}
		first += len(part)
		return nil
	})
}

const callColumns = `c.cid, c.created_at, c.body, c.details`

func scanCall(s Row, row *store.CallRow) {
	*row = store.CallRow{CID: s.Text(0), CreatedAt: s.Time(1), Body: s.Bytes(2), Details: s.Bytes(3)}
}

func (r *reader) Call(cid string) (row store.CallRow, err error) {
	err = r.one("call", cid, `SELECT `+callColumns+` FROM calls c WHERE app = $1 AND cid = $2`, []any{r.app, cid},
		func(s Row) {
			scanCall(s, &row)
			row.Body, row.Details = s.Copy(2), s.Copy(3)
		})
	return row, err
}

func (r *reader) UserCalls(user int64, fn func(*store.CallRow) error) error {
	var row store.CallRow
	return r.conn.Query(`SELECT `+callColumns+` FROM call_users cu`+r.join()+`calls c ON c.app = cu.app AND c.key = cu.call
		WHERE cu.app = $1 AND cu."user" = $2 ORDER BY c.created_at, c.cid`, []any{r.app, user},
		func(s Row) error {
			scanCall(s, &row)
			return fn(&row)
		})
}

func (r *reader) Calls(fn func(*store.CallRow) error) error {
	var row store.CallRow
	return r.conn.Query(`SELECT `+callColumns+` FROM calls c WHERE app = $1 ORDER BY cid`, []any{r.app}, func(s Row) error {
		scanCall(s, &row)
		return fn(&row)
	})
}
