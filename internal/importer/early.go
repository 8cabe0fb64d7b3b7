package importer

import (
	"errors"
	"io"
)

// early reads the records of a file for loading. In the documented form all
// reactions come behind all messages. It reads both at the same time, and gives
// out the reactions to a message soon behind it, before their turn: a message that
// is written with its reactions need not be written again. Reactions are looked
// for in the order in which they stand in the file. One that is to a message that
// is not among the last ones holds up those behind it until it, or all, have had
// their turn, so nothing of the file is kept.
type early struct {
	parser *parser
	left   int64 // records before the reactions that have not been read
	behind *parser
	next   *record // of behind, nil at the end
	taken  bool    // next has been given out

	// The messages that are in this batch, and in the one before.
	here, before map[string]struct{}
}

var errShorter = errors.New("the import file has changed since it was checked: it ends before its reactions")

// newEarly stands behind the records that have been loaded: so many before the
// reactions, and so many from the first of these on. behind begins at the first
// reaction.
func newEarly(p *parser, behind *parser, l loading) (*early, error) {
	e := &early{parser: p, left: l.reactions - l.from, behind: behind, here: map[string]struct{}{}}
	for range l.early {
		if err := behind.skip(); err != nil {
			return nil, err
		}
	}
	e.taken = true
	return e, e.advance()
}

// advance reads what comes next of the second part of the file.
func (e *early) advance() (err error) {
	if !e.taken {
		return nil
	}
	e.taken = false
	e.next, err = e.behind.next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// record returns the next record as parser.next does, and whether it is of the
// second part of the file.
func (e *early) record(room bool) (r *record, early bool, err error) {
	if err := e.advance(); err != nil {
		return nil, false, err
	}
	if e.left > 0 && (!room || !e.due()) {
		e.left--
		switch r, err = e.parser.next(); {
		case errors.Is(err, io.EOF):
			return nil, false, errShorter
		case err == nil && r.kind == kindMessage:
			e.here[r.message.ID] = struct{}{}
		}
		return r, false, err
	}
	if e.next == nil {
		return nil, false, io.EOF
	}
	e.taken = true
	return e.next, true, nil
}

// due reports whether the next reaction is to a message that is loaded by now. One
// that brings its user along may have to come after other records.
func (e *early) due() bool {
	if e.next == nil || e.next.kind != kindReaction || len(e.next.embedded) > 0 {
		return false
	}
	id := e.next.reaction.MessageID
	_, here := e.here[id]
	_, before := e.before[id]
	return here || before
}

// more reports whether a batch that is full gets one more reaction.
func (e *early) more(room bool) (bool, error) {
	if e.left == 0 || !room {
		return false, nil
	}
	err := e.advance()
	return err == nil && e.due(), err
}

// batched says that a batch is full.
func (e *early) batched() {
	e.before, e.here = e.here, make(map[string]struct{}, len(e.here))
}
