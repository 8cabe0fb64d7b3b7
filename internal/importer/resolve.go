package importer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hansard/internal/importer/refs"
	"hansard/internal/render"
	"hansard/internal/store"
)

// resolver checks the notes about one id after the other: no id twice, and
// nothing refers to what is neither in the file nor in the store.
type resolver struct {
	c      *checker
	reader store.Reader
	form   Form

	def     refs.Note // the first definition of this id
	defined bool
	looked  bool // found is known
	found   bool // it is in the store
	message store.MessageRow
	isReply bool // and is a reply
	render  *render.Renderer
}

func (c *checker) resolve(ctx context.Context, r store.Reader) error {
	res := &resolver{c: c, reader: r, form: c.order.form(), render: render.New(r)}
	count := 0
	c.plan.Again = 0
	return c.table.Each(func(n *refs.Note, first bool) error {
		if count++; count%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if first {
			res.defined, res.looked, res.found = false, false, false
		}
		if n.Ref {
			return res.reference(n)
		}
		res.definition(n)
		return nil
	})
}

func (r *resolver) definition(n *refs.Note) {
	if r.defined && n.Kind == idReaction && r.form == ExportUsers {
		r.c.plan.Again++
	}
	if !r.defined || r.def.Flags&flagWeak != 0 {
		if r.defined && n.Flags&flagWeak != 0 {
			return
		}
		r.def, r.defined = *n, true
		return
	}
	switch {
	case n.Flags&flagWeak != 0:
	case r.form == Documented && n.Kind == idReaction:
		r.problem(n, "type", "names a reaction of this user to this message that is already given on line %d", r.def.Line)
	case r.form == Documented && n.Kind == idMember:
		r.problem(n, named(ids[n.Kind], n.Field), "names a member of this channel who is already given on line %d", r.def.Line)
	case r.form == Documented:
		r.problem(n, named(ids[n.Kind], n.Field), "is already given on line %d", r.def.Line)
	case n.Kind == idMessage && n.Extra != r.def.Extra:
		r.problem(n, "id", "is already given on line %d, in another channel", r.def.Line)
	case n.Kind == idMessage && (n.Flags^r.def.Flags)&flagReply != 0:
		r.problem(n, "id", "is already given on line %d, and only one of the two is a reply", r.def.Line)
	}
}

func (r *resolver) reference(n *refs.Note) error {
	switch {
	case n.Flags&flagParent != 0:
		return r.parent(n)
	case n.Flags&flagStored != 0:
		r.stored(n)
		return nil
	}
	if r.defined {
		return nil
	}
	name, err := r.c.table.Name(n)
	if err != nil {
		return err
	}
	if !r.looked {
		if err := r.look(n.Kind, name); err != nil {
			return err
		}
	}
	if !r.found {
		what := map[refs.Kind]string{idUser: "user", idChannel: "channel", idMessage: "message"}[n.Kind]
		r.problem(n, fieldOf(n), "names the %s %s, which is neither in the file nor in the store", what, name)
	}
	return nil
}

// parent checks the parent of a reply: the one of the file, unless that leaves alone
// the one in the store. A reply that is left alone itself keeps the parent it has.
func (r *resolver) parent(n *refs.Note) error {
	id, cid, reply := "", "", ""
	if !r.defined || r.c.threads.insert {
		name, err := r.c.table.Name(n)
		if err != nil {
			return err
		}
		id, cid, _ = strings.Cut(name, " ")
		cid, reply, _ = strings.Cut(cid, " ")
		if !r.looked {
			if err := r.look(idMessage, id); err != nil {
				return err
			}
		}
	}
	wrong, err := r.wrongParent(n, id, cid)
	if err != nil || wrong == "" {
		return err
	}
	if reply != "" {
		_, err := r.reader.Message(reply)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	r.problem(n, "parent_id", "%s", wrong)
	return nil
}

// wrongParent says what is wrong with a parent, "" if nothing is.
func (r *resolver) wrongParent(n *refs.Note, id, cid string) (string, error) {
	switch {
	case r.defined && r.def.Flags&flagBad != 0:
		return "", nil
	case r.defined && !r.found:
		switch {
		case r.def.Extra != n.Extra:
			return "names a message of another channel", nil
		case r.def.Flags&flagReply != 0:
			return "names a message that is itself a reply", nil
		}
		return "", nil
	case !r.found && r.form.isExport():
		// It was outside the exported window, or has been deleted for good.
		return "", nil
	case !r.found:
		return fmt.Sprintf("names the message %s, which is neither in the file nor in the store", id), nil
	case r.isReply && r.defined:
		return "names a message that is itself a reply in the store", nil
	case r.isReply:
		return "names a message that is itself a reply", nil
	}
	channel, err := r.c.threads.key(r.reader, cid)
	switch {
	case err != nil || channel == r.message.Channel:
		return "", err
	case r.defined:
		return "names a message that the store has in another channel", nil
	}
	return "names a message of another channel", nil
}

// look looks an id up in the store.
func (r *resolver) look(k refs.Kind, id string) (err error) {
	switch k {
	case idUser:
		_, err = r.reader.UserKey(id)
	case idChannel:
		_, err = r.reader.Channel(id)
	case idMessage:
		if r.message, err = r.reader.Message(id); err == nil {
			r.isReply, err = r.storedReply(&r.message)
		}
	}
	r.looked, r.found = true, err == nil
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// fieldOf is the field of a reference, as it is called in the file.
func fieldOf(n *refs.Note) string { return named(fields[n.Field&(1<<fieldBits-1)], n.Field>>fieldBits) }

// named is the name that a record has of several, or the usual one.
func named(names []string, which uint8) string {
	if int(which) < len(names) {
		return names[which]
	}
	return names[0]
}

func (r *resolver) problem(n *refs.Note, field, format string, args ...any) {
	p := problemAt(posOf(n), field, format, args...)
	r.c.problems.add(p)
}
