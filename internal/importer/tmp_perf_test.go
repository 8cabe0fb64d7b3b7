package importer

import (
	"context"
	"os"
	"runtime/pprof"
	"testing"
	"time"

	"hansard/internal/chat"
	"hansard/internal/importer/scan"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
)

func TestPerf(t *testing.T) {
	st, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	app := store.App{Key: "a", Secret: "x", Name: "n"}
	if err := st.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	now := chat.TimeOf(time.Now())
	f, _ := os.Open("/work/shared/data/ubuntu-irc.import.jsonl.gz")
	prof, _ := os.Create("/tmp/imp.prof")
	pprof.StartCPUProfile(prof)
	t0 := time.Now()
	s := scan.New(f, 0)
	p, ps, err := check(t.Context(), s, now, t.TempDir(), 0, func(fn func(store.Reader) error) error { return st.View(t.Context(), app.ID, fn) }, func(int64) {})
	t.Log(p, len(ps.list), err, time.Since(t0))
	pprof.StopCPUProfile()
	f.Seek(0, 0)
	t1 := time.Now()
	w := &writer{}
	s = scan.New(f, 0)
	prof2, _ := os.Create("/tmp/load.prof")
	pprof.StartCPUProfile(prof2)
	err = load(t.Context(), s, now, loading{form: p.Form}, func(ctx context.Context, b *batch) error {
		return st.Update(ctx, app.ID, func(tx store.Tx) error { return w.write(tx, b) })
	})
	pprof.StopCPUProfile()
	t.Log(err, time.Since(t1))
}
