package storetest

import (
	"errors"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
)

func testReactions(t *testing.T, f *fixture) {
	react := func(user, typ string, score int, at chat.Time) chat.Reaction {
		return chat.Reaction{MessageID: "a", UserID: user, Type: typ, Score: score, CreatedAt: at, UpdatedAt: at}
	}
	f.update(func(tx store.Tx) error {
		if _, err := tx.InsertMessages([]chat.Message{newMessage("a", "alice", 1e15)}, false); err != nil {
			return err
		}
		_, err := tx.InsertReactions([]chat.Reaction{
			react("bob", "love", 1, 2e15), react("carol", "like", 3, 3e15), react("bob", "like", 2, 3e15), react("bob", "like", 9, 9e15),
		}, true)
		return err
	})
	got := f.message("a")
	f.contains(got, `"reaction_counts":{"like":2,"love":1}`, `"reaction_scores":{"like":5,"love":1}`, `"own_reactions":[]`,
		`"like":{"count":2,"sum_scores":5,"first_reaction_at":"2065-01-24T05:20:00Z","last_reaction_at":"2065-01-24T05:20:00Z"}`)
	var order []string
	f.view(func(r store.Reader) error {
		return r.Reactions("a", func(row *store.ReactionRow) error {
			b, err := render.New(r).Reaction(nil, row)
			if !strings.Contains(got, string(b)) {
				t.Errorf("%s is not among the message's reactions", b)
			}
			id, _, uerr := r.UserByKey(row.User)
			order = append(order, id+" "+row.Type)
			return errors.Join(err, uerr)
		})
	})
	f.equal(order, []string{"bob like", "carol like", "bob love"})
	f.update(func(tx store.Tx) error {
		if err := tx.DeleteReaction("a", "bob", "like"); err != nil {
			return err
		}
		if err := tx.DeleteReaction("a", "bob", "wow"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleting an unknown reaction: %v", err)
		}
		return nil
	})
	f.contains(f.message("a"), `"reaction_counts":{"like":1,"love":1}`)
	f.view(func(r store.Reader) error {
		bob, err := r.UserKey("bob")
		if err != nil {
			return err
		}
		n := 0
		err = r.UserReactions(bob, func(row *store.ReactionRow) error {
			n++
			f.equal(row.Type, "love")
			return nil
		})
		f.equal(n, 1)
		return err
	})
	err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
		r := react("bob", "like", 1, 1e15)
		r.MessageID = "none"
		return tx.PutReaction(&r)
	})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a reaction to an unknown message: %v", err)
	}
}
