package task_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"hansard/internal/store"
	"hansard/internal/store/sqlite"
	"hansard/internal/task"

	"github.com/google/uuid"
)

// childDir makes this test binary, run again, a worker on that data folder
// that never gets done.
const childDir = "HANSARD_TEST_TASK_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

func child(dir string) {
	s, err := sqlite.Open(context.Background(), dir, sqlite.Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	instances, err := task.JoinInstances(filepath.Join(dir, "instances"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	r := &task.Runner{Store: s, Instances: instances, Handlers: map[string]task.Handler{
		kind: func(ctx context.Context, a *task.Attempt) ([]byte, error) {
			a.Checkpoint([]byte(`"half"`))
			if err := a.Flush(ctx); err != nil {
				return nil, err
			}
			fmt.Println("began")
			<-ctx.Done()
			return nil, ctx.Err()
		},
	}}
	r.Run(context.Background())
}

func TestTakeoverFromAKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	b := &bundle{store: s}
	a := store.App{Key: "app", Secret: "secret"}
	if err := s.CreateApp(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	b.app = a.ID
	b.enqueue(t, "t")

	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), childDir+"="+dir)
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = victim.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "began\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	instances := join(t, dir)
	owner := b.get(t, "t").Owner
	if dead, err := instances.Dead(owner); err != nil || dead {
		t.Fatalf("the child lives, but Dead says %v, %v", dead, err)
	}

	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	killed := time.Now()
	r := b.runner(func(_ context.Context, a *task.Attempt) ([]byte, error) { return a.Task.Checkpoint, nil })
	r.Instances = instances
	start(t, r)
	got := b.awaitStatus(t, "t", store.Completed)
	if took := time.Since(killed); took > 10*time.Second {
		t.Errorf("the takeover took %v: it waited for the lease", took)
	}
	if got.Epoch != 2 || string(got.Result) != `"half"` {
		t.Errorf("%+v", got)
	}
	awaitGone(t, filepath.Join(dir, "instances", owner+".lock"))
}

func join(t *testing.T, dir string) *task.Instances {
	t.Helper()
	i, err := task.JoinInstances(filepath.Join(dir, "instances"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Leave(); err != nil {
			t.Error(err)
		}
	})
	return i
}

func awaitGone(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stays", path)
		}
		<-time.After(time.Millisecond)
	}
}

func TestInstances(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := join(t, dir), join(t, dir)
	if a.Owner() == b.Owner() {
		t.Fatal("two instances share a name")
	}
	dead := func(owner string) bool {
		t.Helper()
		is, err := a.Dead(owner)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if dead(b.Owner()) || dead(a.Owner()) {
		t.Error("the living are taken for dead")
	}
	// Nothing is known of these: they may live on another machine.
	if dead(uuid.NewString()) || dead("") || dead("../../etc/passwd") {
		t.Error("strangers are taken for dead")
	}
	// A file whose lock nobody holds is what a killed process leaves.
	left := uuid.NewString()
	path := filepath.Join(dir, "instances", left+".lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // asking changes nothing
		if !dead(left) {
			t.Error("the dead are taken for living")
		}
	}
	if err := a.Forget(left); err != nil {
		t.Fatal(err)
	}
	if err := a.Forget(b.Owner()); err != nil {
		t.Fatal(err)
	}
	if dead(b.Owner()) {
		t.Error("b is dead after Forget")
	}
	entries, err := os.ReadDir(filepath.Join(dir, "instances"))
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files, %v; want one for each of the living", len(entries), err)
	}
}
