package export_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"hansard/internal/blob/disk"
	"hansard/internal/export"
	"hansard/internal/store"
	"hansard/internal/store/storetest"
	"hansard/internal/store/storetest/engine"
	"hansard/internal/task"
)

// BenchmarkExport makes whole exports of one channel: read, rendered, hashed,
// written to a file and synced, with the manifest.
func BenchmarkExport(b *testing.B) {
	const n = 50_000
	dir, s := b.TempDir(), engine.Open(b, nil)
	files, err := disk.Open(filepath.Join(dir, "files"), disk.Options{})
	if err != nil {
		b.Fatal(err)
	}
	app := store.App{ID: storetest.Lively(b, s, n)}
	service := &export.Service{
		Store: s, Blob: files, Scratch: filepath.Join(dir, "scratch"), Version: "test", Logger: slog.New(slog.DiscardHandler),
		Limits: export.Limits{Channels: 1},
	}
	for _, kind := range []struct{ name, options string }{
		{"v2", `,"version":"v2"`}, {"v1", ``}, {"zstd", `,"version":"v2","compression":"zstd"`}, {"gzip", `,"version":"v2","compression":"gzip"`},
	} {
		b.Run(kind.name, func(b *testing.B) {
			request := `{"channels":[{"cid":"` + storetest.LivelyChannel + `"}]` + kind.options + `}`
			id, err := service.RequestChannels(b.Context(), app, []byte(request), "")
			if err != nil {
				b.Fatal(err)
			}
			t, err := s.Task(b.Context(), app.ID, id)
			if err != nil {
				b.Fatal(err)
			}
			t.Epoch = 1
			b.ReportAllocs()
			var r export.Result
			runs := 0
			for b.Loop() {
				result, err := service.RunChannels(b.Context(), &task.Attempt{Task: *t})
				if err != nil {
					b.Fatal(err)
				}
				if err := json.Unmarshal(result, &r); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := errors.Join(files.Delete(b.Context(), r.Path), files.Delete(b.Context(), r.ManifestPath)); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				runs++
			}
			b.SetBytes(r.Size)
			b.ReportMetric(float64(runs*n)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
