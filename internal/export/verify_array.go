package export

import (
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// arrayCheck goes through a v1 file, object by object: of an entry, which may
// have millions of messages, only one is in memory.
type arrayCheck struct {
	*verifier
	in  *bounded
	dec *jsontext.Decoder
	cid string // of the entry's channel, once it is known
	n   int    // of the entry, from 1
}

// v1Keys are the keys of an entry, in their order, with the type of what is in
// them.
var (
	v1Keys  = []string{"channel", "messages", "members", "read"}
	v1Types = []string{"channel", "message", "member", "read"}
)

func (v *verifier) array(data io.Reader) error {
	in := &bounded{r: data}
	c := &arrayCheck{verifier: v, in: in, dec: jsontext.NewDecoder(in)}
	c.allow()
	err := c.each(c.entry)
	if err != nil {
		return err
	}
	c.allow()
	switch _, err := c.dec.ReadToken(); {
	case err == nil:
		v.problem("byte %d: something follows the array", c.dec.InputOffset())
	case !errors.Is(err, io.EOF):
		return err
	case v.plain.last[len(v.plain.last)-1] != '\n':
		v.problem("the file does not end with a line end")
	}
	return nil
}

func (c *arrayCheck) allow() { c.in.allow(c.dec.InputOffset()) }

// each calls fn before every element of the array that comes next, and passes
// over anything else.
func (c *arrayCheck) each(fn func() error) error {
	if ok, err := c.open('[', "an array"); !ok {
		return err
	}
	for c.dec.PeekKind() != ']' {
		if err := fn(); err != nil {
			return err
		}
		c.allow()
	}
	_, err := c.dec.ReadToken()
	return err
}

// open goes into an array or object. A value of another kind is a problem and
// passed over.
func (c *arrayCheck) open(kind jsontext.Kind, what string) (ok bool, err error) {
	switch c.dec.PeekKind() {
	case kind:
		_, err = c.dec.ReadToken()
		return err == nil, err
	case 0: // cannot be read on; why is what SkipValue says
	default:
		c.problem("byte %d: there should be %s", c.dec.InputOffset(), what)
	}
	return false, c.dec.SkipValue()
}

// entry checks what there is of one channel.
func (c *arrayCheck) entry() error {
	if ok, err := c.open('{', "an object with a channel"); !ok {
		return err
	}
	c.cid = ""
	c.n++
	begin, last := c.dec.InputOffset(), -1
	var got [4]bool
	for c.dec.PeekKind() != '}' {
		c.allow()
		name, err := c.dec.ReadToken()
		if err != nil {
			return err
		}
		key := slices.Index(v1Keys, name.String())
		if c.n == 1 && last < 0 && slices.Contains(importKeys, name.String()) {
			return errImportFile
		}
		if key < last && key >= 0 {
			c.problem("byte %d: %s should come before %s", c.dec.InputOffset(), v1Keys[key], v1Keys[last])
		}
		switch last = max(last, key); key {
		case -1:
			c.problem("byte %d: the key %s has no place beside %v", c.dec.InputOffset(), quote(name.String()), v1Keys)
			err = c.dec.SkipValue()
		case 0:
			_, err = c.object("channel")
		default:
			err = c.list(v1Types[key])
		}
		if err != nil {
			return err
		}
		if key >= 0 {
			got[key] = true
		}
	}
	for key, there := range got[:3] { // a channel without read states has no list of them
		if !there {
			c.problem("byte %d: the entry has no %s", begin, v1Keys[key])
		}
	}
	_, err := c.dec.ReadToken()
	return err
}

// list checks the objects of one type of the entry.
func (c *arrayCheck) list(typ string) error {
	t := track{begun: true, cid: c.cid}
	order := newChannelOrder() // of nothing: the channel comes once
	return c.each(func() error {
		o, err := c.object(typ)
		if err != nil || o == nil {
			return err
		}
		id, at := o.user, o.created
		if typ == "message" {
			if c.report.Counts.Reactions += o.reactions; o.cid != c.cid {
				c.problem("byte %d: the message %s is of another channel than %s", c.dec.InputOffset(), quote(o.id), quote(c.cid))
			}
			id = o.id
		} else {
			at = 0
		}
		if wrong := t.step(order, c.cid, at, id); wrong != "" {
			c.problem("byte %d: the %s %s %s", c.dec.InputOffset(), typ, quote(id), wrong)
		}
		return nil
	})
}

// object reads and checks the object that comes next; nil if it is wrong.
func (c *arrayCheck) object(typ string) (*object, error) {
	raw, err := c.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	begin := c.dec.InputOffset() - int64(len(raw))
	o, err := readObject(raw, typ)
	if err != nil {
		c.blame("in the "+typ+" at byte", err, begin)
		return nil, nil
	}
	c.verifier.object("byte", begin, typ, o, 0)
	c.add(typ, o)
	if typ == "channel" {
		c.cid = o.cid
	}
	return o, nil
}
