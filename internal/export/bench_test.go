package export

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// BenchmarkTail hashes what an export makes and writes it to nowhere: the digest
// alone, and with the goroutine that buffers are handed to.
func BenchmarkTail(b *testing.B) {
	piece := benchLines(bufferSize)
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(int64(len(piece)))
		b.ReportAllocs()
		h := sha256.New()
		for b.Loop() {
			h.Write(piece)
		}
	})
	b.Run("swap", func(b *testing.B) {
		b.SetBytes(int64(len(piece)))
		b.ReportAllocs()
		t := newTail(io.Discard)
		buf := <-t.free
		for b.Loop() {
			var err error
			if buf, err = t.swap(append(buf[:0], piece...)); err != nil {
				b.Fatal(err)
			}
		}
		t.free <- buf
		if _, _, err := t.finish(); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkCompress compresses a file's worth of lines of messages on as many
// cores as there are: -cpu 1 is what one core does.
func BenchmarkCompress(b *testing.B) {
	const times = 8
	lines := benchLines(8 * packSize)
	for _, compression := range []string{Gzip, Zstd} {
		b.Run(compression, func(b *testing.B) {
			b.SetBytes(int64(times * len(lines)))
			b.ReportAllocs()
			var packed counter
			for b.Loop() {
				packed = 0
				c, err := newCompressor(&packed, compression)
				if err != nil {
					b.Fatal(err)
				}
				for range times {
					if _, err := c.Write(lines); err != nil {
						b.Fatal(err)
					}
				}
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(times*len(lines))/float64(packed), "ratio")
		})
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// benchLines is about that many bytes of lines as a v2 export has them: of about
// a kilobyte, with much that is the same in each.
func benchLines(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the a of to and in that was he it with as his on be at by had not are but from or have an they which one you were her all")
	var b []byte
	for i := 0; len(b) < size; i++ {
		user := random.IntN(4000)
		b = fmt.Appendf(b, `{"type":"message","data":{"channel_cid":"messaging:one","channel_type":"messaging","channel_id":"one","user_id":"user-%d",`+
			`"message_id":"%016x-%016x","text":"`, user, random.Uint64(), random.Uint64())
		for range 5 + random.IntN(40) {
			b = append(append(b, words[random.IntN(len(words))]...), ' ')
		}
		b = fmt.Appendf(b, `","html":"","type":"regular","user":{"id":"user-%d","role":"user","created_at":"2021-02-17T08:17:49.745857Z",`+
			`"updated_at":"2021-02-17T08:17:49.745857Z","banned":false,"online":false,"name":"User %d","image":"https://images.example.com/%d.jpg"},`+
			`"attachments":[],"latest_reactions":[],"own_reactions":[],"reaction_counts":{},"reaction_scores":{},"reaction_groups":null,`+
			`"reply_count":0,"deleted_reply_count":0,"cid":"messaging:one","created_at":"2024-05-%02dT10:%02d:%02d.%06dZ","shadowed":false,`+
			`"mentioned_users":[],"silent":false,"pinned":false,"pinned_at":null,"pinned_by":null,"pin_expires":null}}`+"\n",
			user, user, user, 1+i/50000%28, i/60%60, i%60, random.IntN(1e6))
	}
	return b[:size]
}
