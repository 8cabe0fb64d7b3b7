package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"
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

// testReactionsBy: reactions are found by their names, those alone, however many
// names there are.
func testReactionsBy(t *testing.T, f *fixture) {
	const types = 150
	var rs []chat.Reaction
	for _, message := range []string{"a", "b"} {
		for _, user := range []string{"alice", "bob"} {
			for i := range types {
				rs = append(rs, chat.Reaction{MessageID: message, UserID: user, Type: fmt.Sprint("t", i), Score: i + 1, CreatedAt: 2e15, UpdatedAt: 2e15})
			}
		}
	}
	f.update(func(tx store.Tx) error {
		_, _, err := tx.InsertBatch([]chat.Message{newMessage("a", "alice", 1e15), newMessage("b", "alice", 1e15)}, rs, false)
		return err
	})
	check := func(r store.Reader) error {
		names := map[int64]string{}
		var users []int64
		for _, id := range []string{"alice", "bob", "carol"} {
			key, err := r.UserKey(id)
			if err != nil {
				return err
			}
			users, names[key] = append(users, key), id
		}
		keys := []store.ReactionKey{
			{MessageID: "a", User: users[2], Type: "t1"},
			{MessageID: "none", User: users[0], Type: "t1"},
			{MessageID: "a", User: users[0], Type: "none"},
			{MessageID: "a", User: 1 << 40, Type: "t1"},
		}
		want := map[int]string{}
		for i := range types {
			for _, key := range []store.ReactionKey{
				{MessageID: "a", User: users[1], Type: fmt.Sprint("t", i)},
				{MessageID: "b", User: users[0], Type: fmt.Sprint("t", i)},
				{MessageID: "b", User: users[0], Type: fmt.Sprint("t", i)}, // twice
			} {
				want[len(keys)] = fmt.Sprintf(`{"message_id":%q,"user_id":%q,"type":%q,"score":%d}`, key.MessageID, names[key.User], key.Type, i+1)
				keys = append(keys, key)
			}
		}
		got := map[int]string{}
		err := r.ReactionsBy(keys, func(i int, row *store.ReactionRow) error {
			f.equal(store.ReactionKey{MessageID: row.MessageID, User: row.User, Type: row.Type}, keys[i])
			object, err := render.New(r).Reaction(nil, row)
			if err != nil {
				return err
			}
			reaction, err := wire.DecodeReaction(object, nil)
			got[i] = fmt.Sprintf(`{"message_id":%q,"user_id":%q,"type":%q,"score":%d}`, reaction.MessageID, reaction.UserID, reaction.Type, reaction.Score)
			return err
		})
		f.equal(got, want)
		if err != nil {
			return err
		}
		over := errors.New("enough")
		if err := r.ReactionsBy(keys, func(int, *store.ReactionRow) error { return over }); !errors.Is(err, over) {
			t.Errorf("a callback's error comes back as %v", err)
		}
		return r.ReactionsBy(nil, func(int, *store.ReactionRow) error { return over })
	}
	f.view(check)
	f.update(func(tx store.Tx) error { return check(tx) })
}
