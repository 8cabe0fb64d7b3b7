package export

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// lineCheck goes through a file of JSON lines, v2 or users.
type lineCheck struct {
	*verifier
	n       int64 // of the line
	crlf    bool  // was complained about
	rank    int   // of the last line's type
	order   *channelOrder
	tracks  [6]track // v2: by rank
	user    string   // users: whose lines these are
	at      chat.Time
	id      string
	carried int64 // reactions that are inside messages
	unread  bool  // there are lines that could not be read
}

// The types of lines in their order; in a users file, for each user.
var (
	v2Types    = []string{"user", "channel", "member", "read", "message", "reaction"}
	usersTypes = []string{"user", "message", "reaction", "call"}
)

// flat is what a v2 line carries so that it stands alone.
var flat = map[string]keys{
	"member":   hasChannelCID,
	"read":     hasChannelCID | hasUserID,
	"message":  hasChannelCID | hasUserID | hasMessageID,
	"reaction": hasChannelCID,
}

func (v *verifier) lines(data *bufio.Reader) error {
	c := &lineCheck{verifier: v, order: newChannelOrder()}
	r := lineReader{r: data}
	for {
		line, ended, tooLong, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		c.n++
		switch {
		case tooLong:
			c.unread = true
			v.problem("line %d is longer than %d MiB", c.n, maxObject>>20)
			continue
		case len(bytes.TrimSpace(line)) == 0:
			v.problem("line %d is empty", c.n)
			continue
		case !ended:
			v.problem("line %d, the last one, has no end: the file is cut off", c.n)
		case line[len(line)-1] == '\r' && !c.crlf:
			c.crlf = true
			v.problem("line %d ends with a carriage return", c.n)
		}
		if c.line(line) {
			return errImportFile
		}
	}
	if v.report.Format == "" && !c.unread { // users of whom nothing is there
		v.report.Format = usersFile
	}
	if v.report.Format == V2 && len(v.problems) == 0 && c.carried != v.report.Counts.Reactions {
		v.problem("the messages have %d reactions, but there are %d reaction lines", c.carried, v.report.Counts.Reactions)
	}
	return nil
}

// line checks a line. It reports whether the file turns out to be an import
// file.
func (c *lineCheck) line(raw []byte) (imports bool) {
	typ, o, imports := c.read(raw)
	if imports || o == nil {
		c.unread = true
		return imports
	}
	if c.report.Format == "" && ofImport(typ, o) {
		return true
	}
	c.tell(typ, o)
	also := keys(0)
	if c.report.Format == V2 {
		also = flat[typ]
	}
	c.object("line", c.n, typ, o, also)
	c.add(typ, o)
	if c.report.Format == V2 {
		c.ofChannels(typ, o)
	} else {
		c.ofUsers(typ, o)
	}
	return false
}

// read reads a line, and says what is wrong with it if it gives nil. imports
// reports that it is one of an import file.
func (c *lineCheck) read(raw []byte) (typ string, o *object, imports bool) {
	var data jsontext.Value
	var at int64
	err := wire.Object(raw, func(name string, v jsontext.Value, offset int64) (err error) {
		switch name {
		case "type":
			typ, err = wire.String(name, v, offset)
		case "data":
			data, at = v, offset
		case "item": // how import files called it first
			if c.report.Format == "" {
				return errImportFile
			}
			fallthrough
		default:
			err = &wire.FieldError{Field: name, Offset: offset, Reason: "has no place beside type and data"}
		}
		return err
	})
	column := fmt.Sprintf("line %d, column", c.n)
	switch {
	case errors.Is(err, errImportFile), err == nil && c.report.Format == "" && slices.Contains(importTypes, typ):
		return "", nil, true
	case err != nil:
		c.blame(column, err, 1)
		return "", nil, false
	}
	if data == nil || required[typ] == 0 {
		c.problem("line %d must have data and one of the known types; its type is %s", c.n, quote(typ))
		return "", nil, false
	}
	o, err = readObject(data, typ)
	if err != nil {
		c.blame(column, wire.Within(err, "data", at), 1)
		return "", nil, false
	}
	return typ, o, false
}

// tell decides whether the file is of channels or of users, by the first line
// that says so. Both may begin with users.
func (c *lineCheck) tell(typ string, o *object) {
	switch {
	case c.report.Format != "" || typ == "user":
	case typ == "call", o.given&hasChannelCID == 0 && (typ == "message" || typ == "reaction"):
		c.report.Format = usersFile
	default:
		c.report.Format = V2
	}
}

func (c *lineCheck) ofChannels(typ string, o *object) {
	rank := slices.Index(v2Types, typ)
	if rank < 0 {
		c.problem("line %d: a v2 file has no %s lines", c.n, typ)
		return
	}
	if rank < c.rank {
		c.problem("line %d: a %s line after the %s lines", c.n, typ, v2Types[c.rank])
	}
	c.rank = rank
	wrong, id := "", o.id
	switch typ {
	case "channel":
		c.order.add(o.cid)
	case "member", "read":
		id = o.userID
		wrong = c.tracks[rank].step(c.order, o.channelCID, 0, id)
	case "message":
		c.carried += o.reactions
		wrong = c.tracks[rank].step(c.order, o.cid, o.created, id)
	}
	if wrong != "" {
		c.problem("line %d: the %s %s %s", c.n, typ, quote(id), wrong)
	}
}

func (c *lineCheck) ofUsers(typ string, o *object) {
	rank := slices.Index(usersTypes, typ)
	if rank < 0 {
		c.problem("line %d: a users file has no %s lines", c.n, typ)
		return
	}
	if typ == "user" {
		if o.id == c.user {
			c.problem("line %d: the user %s is there twice", c.n, quote(o.id))
		}
		c.user, c.rank, c.at, c.id = o.id, 0, 0, ""
		return
	}
	switch {
	case c.user == "":
		c.problem("line %d: a %s line before the first user line", c.n, typ)
	case rank < c.rank:
		c.problem("line %d: a %s line after the user's %s lines", c.n, typ, usersTypes[c.rank])
	case typ != "call" && o.user != c.user:
		c.problem("line %d: the %s is not of the user %s", c.n, typ, quote(c.user))
	case rank > c.rank:
	case typ == "message" && o.id == c.id:
		c.problem("line %d: the message %s is there twice", c.n, quote(o.id))
	case o.created < c.at, typ == "message" && !later(o.created, o.id, c.at, c.id):
		c.problem("line %d: the %s is out of order: it is older than the one before it", c.n, typ)
	}
	c.rank, c.at, c.id = rank, o.created, o.id
}
