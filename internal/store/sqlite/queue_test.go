package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hansard/internal/store"
	"hansard/internal/store/sqlite"
	"hansard/internal/store/sqlite/lite"
)

// Two stores on one folder are what two processes are: they share nothing but
// the database.
func TestQueueOfTwoProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stores [2]*sqlite.Store
	for i := range stores {
		s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		stores[i] = s
	}
	a := store.App{Key: "app", Secret: "secret"}
	if err := stores[0].CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	const tasks = 60
	for i := range tasks {
		if _, err := stores[i%2].Enqueue(t.Context(), &store.Task{ID: fmt.Sprint(i), App: a.ID, Kind: "k"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	claims := map[string]int{}
	var workers sync.WaitGroup
	for w := range 4 {
		s := stores[w%2]
		workers.Go(func() {
			for {
				got, err := s.Claim(t.Context(), fmt.Sprint("w", w), time.Minute, "")
				if err != nil {
					t.Error(err)
				}
				if got == nil {
					return
				}
				mu.Lock()
				claims[got.ID]++
				mu.Unlock()
				if err := s.Finish(t.Context(), got.ID, got.Epoch, store.Outcome{Status: store.Completed}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	for i := range tasks {
		if n := claims[fmt.Sprint(i)]; n != 1 {
			t.Errorf("task %d was claimed %d times", i, n)
		}
	}
}

// What is left of an app whose removal was cut short goes with the next purge.
func TestDeleteAppCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := store.App{Key: "app", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Enqueue(t.Context(), &store.Task{ID: "t", App: a.ID, Kind: "k"}, nil); err != nil {
		t.Fatal(err)
	}
	// The first step of DeleteApp, and nothing after it.
	execute(t, dir, `UPDATE apps SET key = NULL`)
	if got, err := s.Claim(t.Context(), "w", time.Minute, ""); err != nil || got != nil {
		t.Errorf("claimed %+v of an app that is gone, %v", got, err)
	}
	if err := s.DeleteTasks(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if left, err := s.ListTasks(t.Context(), store.TaskQuery{}); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if apps, err := s.Apps(t.Context()); err != nil || len(apps) != 0 {
		t.Errorf("apps: %v, %v", apps, err)
	}
}

// execute changes the database behind the store's back.
func execute(t *testing.T, dir, sql string) {
	t.Helper()
	c, err := lite.Open(filepath.Join(dir, sqlite.FileName), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Script(sql), c.Close()); err != nil {
		t.Fatal(err)
	}
}
