package wire_test

import (
	"strings"
	"testing"

	"hansard/internal/wire"
)

func BenchmarkAppendString(b *testing.B) {
	for name, s := range map[string]string{
		"clean":   strings.Repeat("A message of ordinary words, nothing else. ", 5),
		"short":   "hello there",
		"escaped": strings.Repeat("a <b> & \"c\"\n", 18),
		"cjk":     strings.Repeat("日本語のテキスト", 9),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			dst := make([]byte, 0, 4096)
			for b.Loop() {
				dst = wire.AppendString(dst[:0], s)
			}
		})
	}
}

func BenchmarkAppendCompact(b *testing.B) {
	raw := []byte(`{"text":"` + strings.Repeat("A message of ordinary words, nothing else. ", 5) + `","list":[1,2,3,{"a":"b"}]}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	dst := make([]byte, 0, 4096)
	for b.Loop() {
		dst = wire.AppendCompact(dst[:0], raw)
	}
}

const importLine = `{"id":"2011-04-14-1217","channel_type":"livestream","channel_id":"ubuntu-2011","user":"irc-oracle_vm","type":"reply","text":"obengdako: a windows hardrive I had messed up 2 years ago so I'm finally getting around to fixing/recovering the damaged partition.. I want to image it first","created_at":"2011-04-14T23:59:45.858921Z","parent_id":"2011-04-14-1151","show_in_channel":true}`

const exportLine = `{"id":"fa1c2f5e-2d6a-4e51-8a27-0d2f4bca9f0b","text":"hello there, this is a message of some ordinary length, with words","html":"<p>hello there, this is a message of some ordinary length, with words</p>\n","type":"regular","user":{"id":"alice","role":"user","created_at":"2021-02-17T08:17:49.745857Z","updated_at":"2021-02-17T08:17:49.745857Z","banned":false,"online":false,"name":"Alice"},"attachments":[],"latest_reactions":[],"own_reactions":[],"reaction_counts":{},"reaction_scores":{},"reaction_groups":null,"reply_count":0,"deleted_reply_count":0,"cid":"messaging:general","created_at":"2021-02-17T08:17:49.745857Z","updated_at":"2021-02-17T08:17:49.745857Z","shadowed":false,"mentioned_users":[],"silent":false,"pinned":false,"pinned_at":null,"pinned_by":null,"pin_expires":null,"extra":{"a":[1,2,3]}}`

func BenchmarkDecodeMessage(b *testing.B) {
	for name, line := range map[string]string{"import": importLine, "export": exportLine} {
		b.Run(name, func(b *testing.B) {
			raw := []byte(line)
			var emb wire.Embedded
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				emb.Reset()
				if _, err := wire.DecodeMessage(raw, &emb); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkToV2(b *testing.B) {
	raw := []byte(exportLine)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.ToV2(wire.KindMessage, raw); err != nil {
			b.Fatal(err)
		}
	}
}
