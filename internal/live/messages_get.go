package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// MaxMessageIDs is how many messages one request may ask for by id.
const MaxMessageIDs = 100

// found is a message that a request names, with its channel.
type found struct {
	row     store.MessageRow
	channel store.ChannelRow
	object  []byte // as it is answered
}

// findMessage returns the message with that id, deleted or not. One that was
// truncated, or whose channel was deleted, is as good as none.
func findMessage(r store.Reader, id string) (*found, bool, error) {
	row, err := r.Message(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	rr := render.New(r)
	object, err := rr.Message(nil, &row)
	if err != nil {
		return nil, false, err
	}
	cid := string(bytes.Trim(memberOfObject(object, "cid"), `"`))
	f := &found{row: row, object: object}
	if f.channel, err = r.Channel(cid); err != nil {
		return nil, false, fmt.Errorf("channel of message %s: %w", id, err)
	}
	ch := &f.channel.Channel
	if ch.DeletedAt != 0 || row.CreatedAt < ch.TruncatedAt {
		return nil, false, nil
	}
	if ch.TruncatedAt != 0 && len(row.QuotedID) > 0 {
		// Once more, without what was truncated.
		rr.HideBefore(f.channel.Key, ch.TruncatedAt)
		f.object, err = rr.Message(f.object[:0], &row)
	}
	return f, err == nil, err
}

// mustFind is findMessage for the message that a request is about.
func mustFind(r store.Reader, id string) (*found, error) {
	f, ok, err := findMessage(r, id)
	if err == nil && !ok {
		err = errNoMessage()
	}
	return f, err
}

// mustChange is mustFind for a request that changes the message, which it
// returns as it is stored.
func mustChange(r store.Reader, id string) (*found, chat.Message, error) {
	f, err := mustFind(r, id)
	if err != nil {
		return nil, chat.Message{}, err
	}
	if f.row.DeletedAt != 0 {
		return nil, chat.Message{}, wire.Errorf(wire.CodeBadInput, "the message was deleted")
	}
	m, err := f.message()
	return f, m, err
}

// message is the message as it is stored.
func (f *found) message() (chat.Message, error) { return decodeStored(f.object, &f.row) }

// decodeStored reads back a message that was rendered from its row.
func decodeStored(object []byte, row *store.MessageRow) (chat.Message, error) {
	m, err := wire.DecodeMessage(object, nil)
	m.Type = row.Type // a deleted one does not show what it was
	return m, err
}

func errNoMessage() error { return wire.Errorf(wire.CodeNotFound, "there is no such message") }

// appendMessage appends a message of a channel as it is stored now.
func appendMessage(out []byte, r store.Reader, ch *store.ChannelRow, id string) ([]byte, error) {
	row, err := r.Message(id)
	if err != nil {
		return out, err
	}
	rr := render.New(r)
	rr.HideBefore(ch.Key, ch.Channel.TruncatedAt)
	return rr.Message(out, &row)
}

// GetMessage answers one message, deleted or pending ones too, with its
// channel.
func (s *Service) GetMessage(ctx context.Context, app int64, id string, q url.Values, _ []byte) ([]byte, error) {
	if _, err := queryBool(q, "show_deleted_message"); err != nil {
		return nil, err
	}
	var out []byte
	err := s.Store.View(ctx, app, func(r store.Reader) error {
		f, ok, err := findMessage(r, id)
		if err != nil {
			return err
		}
		var metadata []byte
		if !ok {
			if f, metadata, err = findPending(r, id); err != nil {
				return err
			}
		}
		out = append([]byte(`{"message":`), f.object[:len(f.object)-1]...)
		out = append(out, `,"channel":`...)
		if out, err = render.New(r).Channel(out, &f.channel); err != nil {
			return err
		}
		out = appendMetadata(append(out, '}'), metadata)
		return nil
	})
	return append(out, '}'), err
}

// GetMessages answers those of the messages asked for that are in a channel,
// in the order in which they were asked for.
func (s *Service) GetMessages(ctx context.Context, app int64, typ, id string, q url.Values, _ []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	ids, err := decodeIDs(q["ids"])
	if err != nil {
		return nil, err
	}
	out := []byte(`{"messages":[`)
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		ch, err := channel(r, cid)
		if err != nil {
			return err
		}
		rr := render.New(r)
		rr.HideBefore(ch.Key, ch.Channel.TruncatedAt)
		for _, id := range ids {
			row, err := r.Message(id)
			if errors.Is(err, store.ErrNotFound) || err == nil && (row.Channel != ch.Key || row.CreatedAt < ch.Channel.TruncatedAt) {
				continue
			}
			if err != nil {
				return err
			}
			if out, err = rr.Message(comma(out), &row); err != nil {
				return err
			}
			if len(out) > maxAnswer {
				return errTooLong()
			}
		}
		return nil
	})
	return append(out, `]}`...), err
}

// decodeIDs reads the ids of messages, joined by commas or given one by one.
func decodeIDs(values []string) ([]string, error) {
	var ids []string
	seen := map[string]bool{}
	for _, value := range values {
		for id := range strings.SplitSeq(value, ",") {
			if seen[id] || !wire.ValidID(id, wire.MaxMessageID) {
				continue // nobody can have an id that is not well-formed
			}
			if len(ids) == MaxMessageIDs {
				return nil, wire.BadField("ids", "must be at most %d", MaxMessageIDs)
			}
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 && strings.Join(values, "") == "" {
		return nil, wire.BadField("ids", "is required: the ids of messages, joined by commas")
	}
	return ids, nil
}
