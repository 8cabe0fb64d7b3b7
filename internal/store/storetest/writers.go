package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// atOnce runs fn with 0 to n - 1, all at the same time.
func (f *fixture) atOnce(n int, fn func(i int) error) {
	f.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := fn(i); err != nil {
				f.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// send puts a message after all others of a channel, and after what anybody has
// read there: that may be one that is gone.
func send(tx store.Tx, cid, id, user, parent string) error {
	row, err := tx.Channel(cid)
	if err != nil {
		return err
	}
	last := max(row.Channel.LastMessageAt, 1e15)
	err = tx.Reads(row.Key, func(r *store.ReadRow) error {
		last = max(last, r.LastRead)
		return nil
	})
	if err != nil {
		return err
	}
	m := newMessage(id, user, last+1)
	if m.CID = cid; parent != "" {
		m.ParentID, m.Type = parent, chat.Reply
	}
	return tx.PutMessage(&m)
}

// testManyWriters lets many write to two channels at once: messages, replies,
// reactions to one message, members, read states. Whatever order they come in,
// what is derived must fit.
func testManyWriters(t *testing.T, f *fixture) {
	const writers, rounds = 8, 25
	cids := []string{"messaging:general", "messaging:other"}
	users := []string{"alice", "bob", "carol"}
	roots := map[string]string{}
	f.update(func(tx store.Tx) error {
		if _, err := tx.PutChannel(newChannel("other")); err != nil {
			return err
		}
		for _, cid := range cids {
			roots[cid] = "root-of-" + cid[10:]
			row, err := tx.Channel(cid)
			if err != nil {
				return err
			}
			for _, user := range users {
				if err := tx.PutRead(row.Key, &chat.Read{UserID: user, LastRead: 1e15}); err != nil {
					return err
				}
			}
			if err := send(tx, cid, roots[cid], "alice", ""); err != nil {
				return err
			}
		}
		return nil
	})
	f.atOnce(writers, func(w int) error {
		random := rand.New(rand.NewPCG(uint64(w), 1)) //nolint:gosec // repeatable
		for round := range rounds {
			cid, user := cids[random.IntN(2)], users[random.IntN(3)]
			id, op := fmt.Sprintf("m%d-%d", w, round), random.IntN(10)
			earlier := fmt.Sprintf("m%d-%d", random.IntN(writers), random.IntN(rounds))
			err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error { return writeSomething(tx, op, cid, roots[cid], id, earlier, user) })
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("operation %d: %w", op, err)
			}
		}
		return nil
	})
	for _, cid := range cids {
		f.checkDerived(t, cid)
		before := f.unreadIn(cid)
		f.update(func(tx store.Tx) error {
			row, err := tx.Channel(cid)
			if err != nil {
				return err
			}
			return tx.RecountUnread(row.Key)
		})
		f.equal(before, f.unreadIn(cid))
	}
}

func writeSomething(tx store.Tx, op int, cid, root, id, earlier, user string) error {
	switch op {
	case 0, 1, 2:
		return send(tx, cid, id, user, "")
	case 3:
		return send(tx, cid, id, user, root)
	case 4:
		return tx.PutReaction(&chat.Reaction{MessageID: root, UserID: user, Type: "like", CreatedAt: 1e15, UpdatedAt: 1e15})
	case 5:
		return tx.DeleteReaction(root, user, "like")
	case 6:
		return tx.DeleteMessage(earlier)
	case 7:
		return toggleMember(tx, cid, user)
	case 8:
		row, err := tx.Channel(cid)
		if err != nil {
			return err
		}
		return tx.PutRead(row.Key, &chat.Read{UserID: user, LastRead: row.Channel.LastMessageAt})
	default:
		row, err := tx.Message(earlier)
		if err != nil {
			return err
		}
		channel, err := tx.Channel(cid)
		if err != nil || channel.Key != row.Channel {
			return err
		}
		m := newMessage(earlier, user, row.CreatedAt)
		m.CID, m.DeletedAt = cid, 9e15
		return tx.PutMessage(&m)
	}
}

func toggleMember(tx store.Tx, cid, user string) error {
	row, err := tx.Channel(cid)
	if err != nil {
		return err
	}
	err = tx.PutMember(row.Key, &chat.Member{UserID: user, CreatedAt: 1e15, UpdatedAt: 1e15})
	if err != nil || row.MemberCount < 2 {
		return err
	}
	err = tx.DeleteMember(row.Key, user)
	if err != nil {
		return err
	}
	// With the member went the read state.
	return tx.PutRead(row.Key, &chat.Read{UserID: user, LastRead: row.Channel.LastMessageAt})
}

func (f *fixture) unreadIn(cid string) map[string]int {
	f.Helper()
	all := map[string]int{}
	f.view(func(r store.Reader) error {
		row, err := r.Channel(cid)
		if err != nil {
			return err
		}
		return r.Reads(row.Key, func(row *store.ReadRow) error {
			all[row.UserID] = row.Unread
			return nil
		})
	})
	return all
}

// counter is a custom field that counts.
func counter(c chat.Custom) (chat.Custom, error) {
	n := 0
	if len(c) == 1 {
		var err error
		if n, err = strconv.Atoi(string(c[0].Value)); err != nil {
			return nil, err
		}
	}
	return chat.Custom{{Name: "n", Value: chat.Raw(strconv.Itoa(n + 1))}}, nil
}

// testNoLostUpdates lets many read something, change it and write it back.
func testNoLostUpdates(t *testing.T, f *fixture) {
	const writers, rounds = 6, 5
	f.update(func(tx store.Tx) error {
		m := newMessage("m", "alice", 1e15)
		m.Text = "0"
		return errors.Join(
			tx.PutMessage(&m), tx.PutCall(&chat.Call{Type: "default", ID: "c", CreatedBy: "alice", CreatedAt: 1e15, UpdatedAt: 1e15}),
		)
	})
	steps := map[string]func(store.Tx) (int, error){
		"user":    countInUser,
		"setting": countInSetting,
		"call":    countInCall,
		"channel": countInChannel,
		"message": countInMessage,
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			f := &fixture{T: t, store: f.store, app: f.app}
			var highest atomic.Int64
			f.atOnce(writers, func(int) error {
				for range rounds {
					n := 0
					err := f.store.Update(f.Context(), f.app, func(tx store.Tx) (err error) {
						n, err = step(tx)
						return err
					})
					if err != nil {
						return err
					}
					if v := int64(n); v > highest.Load() {
						highest.Store(v)
					}
				}
				return nil
			})
			last := 0
			f.update(func(tx store.Tx) (err error) {
				last, err = step(tx)
				return err
			})
			f.equal(last, writers*rounds+1)
		})
	}
}

func countOf(c chat.Custom) (int, error) { return strconv.Atoi(string(c[0].Value)) }

func countInUser(tx store.Tx) (int, error) {
	key, err := tx.UserKey("bob")
	if err != nil {
		return 0, err
	}
	_, object, err := tx.UserByKey(key)
	if err != nil {
		return 0, err
	}
	u, err := wire.DecodeUser(object)
	if err == nil {
		u.Custom, err = counter(u.Custom)
	}
	if err == nil {
		_, err = tx.PutUser(&u)
	}
	if err != nil {
		return 0, err
	}
	return countOf(u.Custom)
}

func countInSetting(tx store.Tx) (int, error) {
	value, err := tx.Setting("count")
	if errors.Is(err, store.ErrNotFound) {
		value, err = []byte("0"), nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return 0, err
	}
	return n + 1, tx.PutSetting("count", []byte(strconv.Itoa(n+1)))
}

func countInCall(tx store.Tx) (int, error) {
	row, err := tx.Call("default:c")
	if err != nil {
		return 0, err
	}
	// The number stands in its time.
	c := chat.Call{Type: "default", ID: "c", CreatedBy: "alice", CreatedAt: row.CreatedAt + 1, UpdatedAt: row.CreatedAt + 1}
	return int(c.CreatedAt - 1e15), tx.PutCall(&c)
}

func countInChannel(tx store.Tx) (int, error) {
	row, err := tx.Channel("messaging:general")
	if err != nil {
		return 0, err
	}
	if row.Channel.Custom, err = counter(row.Channel.Custom); err == nil {
		_, err = tx.PutChannel(&row.Channel)
	}
	if err != nil {
		return 0, err
	}
	return countOf(row.Channel.Custom)
}

func countInMessage(tx store.Tx) (int, error) {
	row, err := tx.Message("m")
	if err != nil {
		return 0, err
	}
	m := newMessage("m", "alice", row.CreatedAt+1)
	return int(m.CreatedAt - 1e15), tx.PutMessage(&m)
}

// testOneCreator lets many make the same things, unless somebody else has: one
// of them does.
func testOneCreator(_ *testing.T, f *fixture) {
	const writers = 8
	f.update(func(tx store.Tx) error {
		for i := range writers {
			if _, err := tx.PutUser(&chat.User{ID: "u" + strconv.Itoa(i), Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15}); err != nil {
				return err
			}
		}
		return nil
	})
	for round := range 4 {
		id := "new" + strconv.Itoa(round)
		made := map[string]func(tx store.Tx, by int) (bool, error){
			"channel": func(tx store.Tx, by int) (bool, error) {
				if _, err := tx.Channel("messaging:" + id); !errors.Is(err, store.ErrNotFound) {
					return false, err
				}
				c := newChannel(id)
				c.CreatedBy = "u" + strconv.Itoa(by)
				key, err := tx.PutChannel(c)
				if err != nil {
					return false, err
				}
				return true, tx.PutMember(key, &chat.Member{UserID: c.CreatedBy, CreatedAt: 1e15, UpdatedAt: 1e15})
			},
			"user": func(tx store.Tx, _ int) (bool, error) {
				if _, err := tx.UserKey(id); !errors.Is(err, store.ErrNotFound) {
					return false, err
				}
				_, err := tx.PutUser(&chat.User{ID: id, Role: "user", CreatedAt: 1e15, UpdatedAt: 1e15})
				return true, err
			},
			"call": func(tx store.Tx, by int) (bool, error) {
				if _, err := tx.Call("default:" + id); !errors.Is(err, store.ErrNotFound) {
					return false, err
				}
				return true, tx.PutCall(&chat.Call{Type: "default", ID: id, CreatedBy: "u" + strconv.Itoa(by), CreatedAt: 1e15, UpdatedAt: 1e15})
			},
			"message": func(tx store.Tx, by int) (bool, error) {
				if _, err := tx.Channel("messaging:general"); err != nil {
					return false, err
				}
				if _, err := tx.Message(id); !errors.Is(err, store.ErrNotFound) {
					return false, err
				}
				m := newMessage(id, "u"+strconv.Itoa(by), 1e15)
				return true, tx.PutMessage(&m)
			},
		}
		for what, create := range made {
			var creators atomic.Int64
			f.atOnce(writers, func(i int) error {
				is := false
				err := f.store.Update(f.Context(), f.app, func(tx store.Tx) (err error) {
					is, err = create(tx, i)
					return err
				})
				if is && err == nil {
					creators.Add(1)
				}
				return err
			})
			if n := creators.Load(); n != 1 {
				f.Errorf("%d writers have made the %s %s", n, what, id)
			}
		}
		f.equal(f.channel("messaging:"+id).MemberCount, 1)
	}
	f.checkDerived(f, "messaging:general")
}

// testCrossingWriters lets transactions take channels and users in opposite
// orders. None of them may hang or fail.
func testCrossingWriters(_ *testing.T, f *fixture) {
	const writers, rounds = 4, 2
	f.update(func(tx store.Tx) error {
		_, err := tx.PutChannel(newChannel("other"))
		return err
	})
	f.atOnce(writers, func(w int) error {
		cids := []string{"messaging:general", "messaging:other"}
		if w%2 == 1 {
			cids[0], cids[1] = cids[1], cids[0]
		}
		for round := range rounds {
			err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
				for i, cid := range cids {
					if err := send(tx, cid, fmt.Sprintf("m%d-%d-%d", w, round, i), "bob", ""); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, cid := range []string{"messaging:general", "messaging:other"} {
		f.equal(f.channel(cid).MessageCount, writers*rounds)
		f.checkDerived(f, cid)
	}
}

// testConcurrentErasure deletes the messages of a user in all channels, while
// others change them and send more, and a channel is removed.
func testConcurrentErasure(_ *testing.T, f *fixture) {
	var doomed int64
	f.update(func(tx store.Tx) (err error) {
		if doomed, err = tx.PutChannel(newChannel("doomed")); err != nil {
			return err
		}
		for i := range 40 {
			cid := []string{"messaging:general", "messaging:doomed"}[i%2]
			if err := send(tx, cid, "b"+strconv.Itoa(i), "bob", ""); err != nil {
				return err
			}
		}
		return nil
	})
	f.atOnce(4, func(w int) error {
		switch w {
		case 0:
			return f.eraseMessages("bob")
		case 1:
			return f.store.Update(f.Context(), f.app, func(tx store.Tx) error { return tx.DeleteChannel(doomed) })
		}
		for i := range 40 {
			err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
				row, err := tx.Message("b" + strconv.Itoa(i))
				if errors.Is(err, store.ErrNotFound) {
					return nil
				}
				if err != nil {
					return err
				}
				m := newMessage(string(row.ID), "bob", row.CreatedAt)
				m.DeletedAt = row.DeletedAt
				if row.DeletedAt == 0 {
					m.Text = "changed"
				}
				if _, err := tx.Channel("messaging:general"); err != nil {
					return err
				}
				return tx.PutMessage(&m)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := f.eraseMessages("bob"); err != nil {
		f.Fatal(err)
	}
	f.checkDerived(f, "messaging:general")
	f.equal(f.channel("messaging:general").MessageCount, 0)
}

// eraseMessages marks the messages of a user as deleted, some in each
// transaction.
func (f *fixture) eraseMessages(user string) error {
	for more := true; more; {
		n := 0
		err := f.store.Update(f.Context(), f.app, func(tx store.Tx) error {
			key, err := tx.UserKey(user)
			if err != nil {
				return err
			}
			var list []chat.Message
			enough := errors.New("enough")
			err = tx.UserMessagesIn(key, store.MessageRange{}, func(row *store.MessageRow) error {
				if row.DeletedAt == 0 {
					list = append(list, newMessage(string(row.ID), user, row.CreatedAt))
				}
				if len(list) == 10 {
					return enough
				}
				return nil
			})
			if err != nil && !errors.Is(err, enough) {
				return err
			}
			for i := range list {
				list[i].DeletedAt = 9e15
				if err := tx.PutMessage(&list[i]); err != nil {
					return err
				}
			}
			n = len(list)
			return nil
		})
		if err != nil {
			return err
		}
		more = n > 0
	}
	return nil
}
