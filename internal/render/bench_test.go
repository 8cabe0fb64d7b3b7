package render_test

import (
	"bytes"
	"testing"

	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/store/storetest"
	"hansard/internal/store/storetest/engine"
)

// remembered is a Reader that has messages in memory, so that only rendering
// counts.
type remembered struct {
	store.Reader
	byID map[string]*store.MessageRow
}

func (r *remembered) MessageInto(row *store.MessageRow, buf, id []byte) ([]byte, bool, error) {
	found, ok := r.byID[string(id)]
	if ok {
		*row = *found
	}
	return buf, ok, nil
}

// BenchmarkMessage renders rows that are in memory already: those that quote no
// other message, those that do, and all. Authors are those of one channel, in
// the renderer's own cache.
func BenchmarkMessage(b *testing.B) {
	const n = 2000 // few enough for the processor's cache
	s := engine.Open(b, nil)
	snap, channel := storetest.LivelySnapshot(b, s, storetest.Lively(b, s, n))
	r := &remembered{snap, map[string]*store.MessageRow{}}
	var all, plain, quoting []*store.MessageRow
	err := snap.Messages(store.MessageRange{Channel: channel.Key}, func(row *store.MessageRow) error {
		kept := *row
		for _, p := range []*[]byte{&kept.ID, &kept.QuotedID, &kept.Body, &kept.Reactions, &kept.Thread, &kept.Pin} {
			*p = bytes.Clone(*p)
		}
		r.byID[string(kept.ID)] = &kept
		all = append(all, &kept)
		if len(kept.QuotedID) > 0 {
			quoting = append(quoting, &kept)
		} else {
			plain = append(plain, &kept)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, set := range []struct {
		name string
		rows []*store.MessageRow
	}{{"all", all}, {"plain", plain}, {"quoting", quoting}} {
		b.Run(set.name, func(b *testing.B) {
			renderer := render.NewBulk(r)
			dst := make([]byte, 0, 64<<10)
			b.ReportAllocs()
			bytes, i := 0, 0
			for b.Loop() {
				dst, err = renderer.Message(dst[:0], set.rows[i%len(set.rows)])
				if err != nil {
					b.Fatal(err)
				}
				bytes += len(dst)
				i++
			}
			b.SetBytes(int64(bytes / i))
		})
	}
}
