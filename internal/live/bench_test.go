package live_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"hansard/internal/live"
	"hansard/internal/store"
	"hansard/internal/store/storetest/engine"
)

// BenchmarkSendMessage sends messages from 16 clients at once; each is durable
// when its answer is there.
func BenchmarkSendMessage(b *testing.B) {
	s := engine.Open(b, nil)
	app := store.App{Name: "bench", Key: "bench", Secret: "secret"}
	if err := s.CreateApp(b.Context(), &app); err != nil {
		b.Fatal(err)
	}
	l := &live.Service{Store: s}
	if _, err := l.UpsertUsers(b.Context(), app.ID, []byte(`{"users":{"ann":{"id":"ann","name":"Ann"},"bob":{"id":"bob"}}}`)); err != nil {
		b.Fatal(err)
	}
	for i := range 10 {
		_, err := l.GetOrCreateChannel(b.Context(), app.ID, "messaging", fmt.Sprint(i), nil,
			[]byte(`{"data":{"created_by_id":"ann","members":["ann","bob"]}}`))
		if err != nil {
			b.Fatal(err)
		}
	}
	var n atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			body := fmt.Appendf(nil, `{"message":{"id":"message-%d","text":"Hello Bob, this is message %d of many.","user_id":"ann"}}`, i, i)
			if _, err := l.SendMessage(b.Context(), app.ID, "messaging", fmt.Sprint(i%10), nil, body); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
