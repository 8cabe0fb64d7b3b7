//go:build unix

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWhereAFileGoes(t *testing.T) {
	t.Parallel()
	data := stored(t)
	want := ok(t, users(data, "-o", "-")...)
	in := func(t *testing.T) (string, func(string) string) {
		dir := t.TempDir()
		return dir, func(name string) string { return filepath.Join(dir, name) }
	}
	t.Run("Links", func(t *testing.T) {
		t.Parallel()
		dir, at := in(t)
		for _, err := range []error{
			os.Mkdir(at("sub"), 0o750), os.WriteFile(at("sub/old"), []byte("old"), 0o600),
			os.Symlink("sub/old", at("link")), os.Symlink(at("link"), at("chain")), os.Symlink("../new", at("sub/dangling")),
			os.Symlink("sub", at("folder")), os.Symlink("loop", at("loop")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for path, target := range map[string]string{"chain": "sub/old", "folder/dangling": "new"} {
			ok(t, users(data, "-o", at(path))...)
			if content(t, at(target)) != want {
				t.Errorf("%s is not what was exported to %s", target, path)
			}
		}
		if got := names(t, dir); !slices.Equal(got, []string{"chain", "folder", "link", "loop", "new", "sub"}) {
			t.Errorf("there are %q", got)
		}
		for _, name := range []string{"chain", "link", "sub/dangling"} {
			if info, err := os.Lstat(at(name)); err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("%s is no link any more: %v", name, err)
			}
		}
		for _, name := range []string{"folder", "loop"} {
			if r := run(t, "", users(data, "-o", at(name))...); r.code != exitFailed || !strings.Contains(r.errOut, at(name)) {
				t.Errorf("%s: exit %d, %q", name, r.code, r.errOut)
			}
		}
	})
	t.Run("Pipes", func(t *testing.T) {
		t.Parallel()
		dir, at := in(t)
		type read struct {
			b   []byte
			err error
		}
		reads := map[string]chan read{}
		for _, name := range []string{"file", "manifest"} {
			if err := syscall.Mkfifo(at(name), 0o600); err != nil {
				t.Fatal(err)
			}
			c := make(chan read, 1)
			reads[name] = c
			go func() {
				b, err := os.ReadFile(at(name))
				c <- read{b, err}
			}()
		}
		ok(t, users(data, "-o", at("file"), "--manifest", at("manifest"))...)
		if r := <-reads["file"]; r.err != nil || string(r.b) != want {
			t.Errorf("through the pipe came %d bytes of %d, %v", len(r.b), len(want), r.err)
		}
		if r := <-reads["manifest"]; r.err != nil || !strings.HasPrefix(string(r.b), `{"task_id"`) {
			t.Errorf("the manifest: %.100s, %v", r.b, r.err)
		}
		for _, name := range names(t, dir) {
			if info, err := os.Lstat(at(name)); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
				t.Errorf("%s is no pipe any more: %v", name, err)
			}
		}
	})
	t.Run("PipeThatNobodyReads", func(t *testing.T) {
		t.Parallel()
		_, at := in(t)
		if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
		b := start(t, users(data, "-o", at("pipe"))...)
		look, deadline := time.NewTicker(time.Millisecond), time.After(30*time.Second)
		defer look.Stop()
		for !strings.Contains(b.log(), "messages  in ") {
			select {
			case <-look.C:
			case <-deadline:
				t.Fatalf("no end of the export: %s", b.log())
			}
		}
		if code := b.end(); code != exitInterrupted {
			t.Errorf("exit %d\n%s", code, b.log())
		}
		// Whoever waits for a reader is let go.
		f, err := os.OpenFile(at("pipe"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	})
}

// A place that cannot be written to is known before the export is asked for,
// and told by the name that was given.
func TestWhereAFileCannotGo(t *testing.T) {
	t.Parallel()
	data, dir := stored(t), t.TempDir()
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	places := map[string]string{
		dir:                                            " is a folder",
		filepath.Join(dir, "new") + "/":                ": that folder does not exist",
		filepath.Join(dir, "none", "x.json"):           ": its folder does not exist",
		filepath.Join(dir, "file", "x.json"):           ": not a directory",
		filepath.Join(dir, strings.Repeat("n", 10000)): ": file name too long",
		filepath.Join(dir, strings.Repeat("n", 256)):   ": file name too long",
	}
	if os.Geteuid() != 0 { // root may write anywhere
		places[filepath.Join(closed, "x.json")] = ": permission denied"
	}
	for place, why := range places {
		for _, flag := range []string{"-o", "--manifest"} {
			args := users(data, "-o", "-")
			if flag == "-o" {
				args = args[:len(args)-2]
			}
			// This user does not exist: asking would tell.
			r := run(t, "", append(slices.Replace(args, 2, 3, "nobody"), flag, place)...)
			if r.code != exitFailed || !strings.Contains(r.errOut, place+why) || strings.Contains(r.errOut, ".hansard-") || strings.Count(r.errOut, "\n") != 1 {
				t.Errorf("%s %.200s: exit %d, %.300q", flag, place, r.code, r.errOut)
			}
		}
	}
	ok(t, users(data, "-o", filepath.Join(dir, strings.Repeat("n", 255)))...)
	if r := run(t, "", "export", "users", "nobody", "--local", "--data", data, "-o", filepath.Join(dir, "left")); r.code != exitFailed {
		t.Errorf("exit %d", r.code)
	}
	if got := names(t, dir); len(got) != 3 {
		t.Errorf("left behind: %.300q", got)
	}
}
