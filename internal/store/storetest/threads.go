package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
)

func reply(id, user string, at chat.Time, parent string) chat.Message {
	m := newMessage(id, user, at)
	m.ParentID, m.Type = parent, chat.Reply
	return m
}

func testThreads(_ *testing.T, f *fixture) {
	deleted := reply("r3", "alice", 4e15, "p")
	deleted.DeletedAt = 5e15
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{
			newMessage("p", "alice", 1e15), reply("r1", "carol", 2e15, "p"), reply("r2", "bob", 3e15, "p"), deleted, reply("r4", "carol", 5e15, "p"),
		}, false)
		return err
	})
	got := f.message("p")
	f.contains(got, `"reply_count":3,"deleted_reply_count":1`, `"thread_participants":[{"id":"carol"`)
	if strings.Index(got, `"id":"carol"`) > strings.Index(got, `"id":"bob"`) {
		f.Errorf("thread participants are out of order: %s", got)
	}
	f.contains(f.message("r1"), `"parent_id":"p"`, `"type":"reply"`, `"reply_count":0`)
	moved := reply("r4", "carol", 5e15, "r-none")
	moved.ParentID = ""
	f.update(func(tx store.Tx) error { return tx.PutMessage(&moved) })
	f.contains(f.message("p"), `"reply_count":2,"deleted_reply_count":1`)
}

// testAnswered asks which messages have replies, of more than are looked up at once.
func testAnswered(t *testing.T, f *fixture) {
	threads := func(want bool) {
		t.Helper()
		f.view(func(r store.Reader) error {
			some, err := r.Threads()
			if some != want {
				t.Errorf("there are threads: %t, want %t", some, want)
			}
			return err
		})
	}
	ids := []string{"p", "none"}
	for i := range 600 {
		ids = append(ids, fmt.Sprint("m", i))
	}
	ids = append(ids, "gone", "r1")
	f.update(func(tx store.Tx) error { return tx.PutMessage(new(newMessage("p", "alice", 1e15))) })
	threads(false)
	deleted := reply("r3", "bob", 3e15, "m300")
	deleted.DeletedAt = 4e15
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{
			reply("r1", "carol", 2e15, "p"), reply("r2", "bob", 3e15, "p"), deleted, reply("r4", "bob", 3e15, "gone"), reply("r5", "bob", 3e15, "other"),
		}, false)
		return err
	})
	threads(true)
	f.view(func(r store.Reader) error {
		var got []string
		err := r.Answered(ids, func(id string) { got = append(got, id) })
		slices.Sort(got)
		f.equal(got, []string{"gone", "m300", "p"})
		return errors.Join(err, r.Answered(nil, func(string) { t.Error("none was asked for") }))
	})
}

func testThreadsOutOfOrder(_ *testing.T, f *fixture) {
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{reply("r1", "carol", 2e15, "p")}, false)
		return err
	})
	f.update(func(tx store.Tx) error {
		_, err := tx.InsertMessages([]chat.Message{newMessage("p", "alice", 3e15)}, false)
		return err
	})
	f.contains(f.message("p"), `"reply_count":1,"deleted_reply_count":0`)
}
