package importer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hansard/internal/importer"
	"hansard/internal/store"
	"hansard/internal/task"
)

const reactedMessages = 420

// reactedFile is a chat in two channels with replies, and reactions behind all
// messages, in the order of those or in another one.
func reactedFile(order string) string {
	var b strings.Builder
	for i := range 9 {
		fmt.Fprintf(&b, `{"type":"user","data":{"id":"u%d","created_at":"2020-01-01T00:00:00Z"}}`+"\n", i)
	}
	for i := range 2 {
		fmt.Fprintf(&b, `{"type":"channel","data":{"type":"team","id":"c%d","created_by":"u0","created_at":"2020-01-01T00:00:00Z"}}`+"\n", i)
	}
	var reactions []string
	for i := range reactedMessages {
		// Parents may come behind their replies, and both with others in between.
		parent := ""
		switch i % 20 {
		case 1, 3, 5, 17:
			parent = fmt.Sprintf(`,"parent_id":"m%d"`, i/20*20+11)
		case 2, 18:
			parent = fmt.Sprintf(`,"parent_id":"m%d"`, max(i/20*20-200, 0)+16)
		}
		fmt.Fprintf(&b, `{"type":"message","data":{"id":"m%d","cid":"team:c%d","user":"u%d","text":"number %d"%s,"created_at":"2024-01-01T00:%02d:%02dZ"}}`+"\n",
			i, i%2, i*5%9, i, parent, i/60%60, i%60)
		for k := range i % 4 {
			bring := fmt.Sprintf(`"user_id":"u%d"`, (i+2*k)%9)
			if order == "with users" && i == reactedMessages/2 {
				bring = fmt.Sprintf(`"user":{"id":"u%d","name":"Ann","created_at":"2020-01-01T00:00:00Z"}`, (i+2*k)%9)
			}
			reactions = append(reactions, fmt.Sprintf(`{"type":"reaction","data":{"message_id":"m%d",%s,"type":"%s","created_at":"2024-01-01T01:00:0%dZ"}}`+"\n",
				i, bring, []string{"like", "wow"}[(i+k)%2], i%3))
		}
	}
	switch order {
	case "shuffled":
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(reactions), func(i, j int) { reactions[i], reactions[j] = reactions[j], reactions[i] })
	case "nearly":
		for i := range len(reactions) - 20 {
			j := i + i*7%20
			reactions[i], reactions[j] = reactions[j], reactions[i]
		}
	case "stray":
		reactions[300], reactions[3] = reactions[3], reactions[300]
	case "none":
		reactions = nil
	}
	b.WriteString(strings.Join(reactions, ""))
	fmt.Fprintf(&b, `{"type":"call","data":{"type":"default","id":"last","created_by":"u1","created_at":"2024-01-02T00:00:00Z"}}`+"\n")
	return b.String()
}

// What a file gives does not depend on which of its records come together.
func TestReactionsBeforeTheirTurn(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"as the messages", "nearly", "shuffled", "stray", "with users", "none"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			file := reactedFile(order)
			want := newPlace(t)
			want.BatchRecords = 97
			counts := want.mustImport(t, gzipped(t, file), importer.FileOptions{}).Counts // each in its turn
			text := want.read(t).text()
			for _, records := range []int{40, 333, 0} {
				p := newPlace(t)
				p.BatchRecords = records
				report := p.mustImport(t, file, importer.FileOptions{})
				if report.Counts != counts {
					t.Errorf("in batches of %d: counts %+v, want %+v", records, report.Counts, counts)
				}
				if diff := cmp.Diff(text, p.read(t).text()); diff != "" {
					t.Fatalf("in batches of %d: -want +got:\n%s", records, diff)
				}
				if records != 333 {
					continue
				}
				// Once more, over what is there.
				for _, mode := range []string{importer.Upsert, importer.Insert} {
					p.mustImport(t, file, importer.FileOptions{Mode: mode})
					if diff := cmp.Diff(text, p.read(t).text()); diff != "" {
						t.Fatalf("in batches of %d, again with %s: -want +got:\n%s", records, mode, diff)
					}
				}
			}
		})
	}
}

// Whenever a reader looks, all messages that are there have all their reactions,
// and an import that fails in between goes on as if it had not.
func TestReactionsComeWithTheirMessages(t *testing.T) {
	t.Parallel()
	file := reactedFile("as the messages")
	whole := newPlace(t)
	counts := whole.mustImport(t, file, importer.FileOptions{}).Counts
	text := whole.read(t).text()
	for updates := range int64(6) {
		t.Run(fmt.Sprint("after ", updates), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.BatchRecords = 200
			sound := p.Store
			fault := &faulty{Store: &complete{Store: sound, t: t}}
			p.Store = fault
			fault.left.Store(updates)
			id := p.create(t, file, "", false)
			r := p.runner()
			r.Store, r.Attempts = sound, 2
			r.Handlers[task.Import] = func(ctx context.Context, a *task.Attempt) ([]byte, error) {
				out, err := p.Run(ctx, a)
				if err != nil && !errors.Is(err, errFault) {
					t.Errorf("the attempt ended with %v", err)
				}
				fault.left.Store(1 << 40)
				return out, err
			}
			got, err := r.RunOne(t.Context(), p.app.ID, id)
			if err != nil || got.Status != store.Completed {
				t.Fatalf("%s, %v", summary(got), err)
			}
			if !strings.Contains(string(got.Result), fmt.Sprintf(`"messages":%d,"reactions":%d,"calls":1`, counts.Messages, counts.Reactions)) {
				t.Errorf("the result is %s", got.Result)
			}
			p.Store = sound
			if diff := cmp.Diff(text, p.read(t).text()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			assertTidy(t, p)
		})
	}
}

// complete is a store that looks after each write whether the messages that are
// there have all their reactions.
type complete struct {
	store.Store
	t *testing.T
}

func (c *complete) Update(ctx context.Context, app int64, fn func(store.Tx) error) error {
	if err := c.Store.Update(ctx, app, fn); err != nil {
		return err
	}
	return c.View(ctx, app, func(r store.Reader) error {
		return r.Channels("", func(ch *store.ChannelRow) error {
			return r.Messages(store.MessageRange{Channel: ch.Key}, func(m *store.MessageRow) error {
				var number, reactions int
				if _, err := fmt.Sscanf(string(m.ID), "m%d", &number); err != nil {
					return err
				}
				err := r.Reactions(string(m.ID), func(*store.ReactionRow) error {
					reactions++
					return nil
				})
				if reactions != number%4 || (len(m.Reactions) > 0) != (reactions > 0) {
					c.t.Errorf("message %s is there with %d reactions, and shows %d bytes of them", m.ID, reactions, len(m.Reactions))
				}
				return err
			})
		})
	})
}
