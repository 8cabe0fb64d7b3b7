package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"hansard/client"

	"github.com/spf13/cobra"
)

// A local export that is interrupted is canceled: no server must go on with it
// later.
func TestInterruptedLocalExport(t *testing.T) {
	t.Parallel()
	data, dir := stored(t), t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var errOut bytes.Buffer
	m := &Main{Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &errOut}
	e := &exportFlags{output: dir + "/file"}
	e.local.bind(&cobra.Command{Use: "export"})
	e.local.on = true
	e.local.loader.Environ = func() []string { return []string{"HANSARD_DATA=" + data} }
	var id string
	err := m.export(ctx, e, "channels", func(ctx context.Context, c *client.Client) (_ string, err error) {
		id, err = c.ExportChannels(ctx, client.ChannelsRequest{Channels: []client.ChannelWindow{{CID: "messaging:general"}}})
		interrupt()
		return id, err
	})
	if !interrupted(ctx, err) {
		t.Errorf("it ended with %v", err)
	}
	if said := errOut.String(); said != "the export was canceled\n" {
		t.Errorf("said %q", said)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	_, at := serving(t, data)
	var task client.Task
	key := appKey(t, data)
	r := run(t, "", "task", "get", id, "--json", "--server", at[1], "--api-key", key.APIKey, "--api-secret", key.APISecret)
	if err := json.Unmarshal([]byte(r.out), &task); err != nil || task.Status != client.Failed || task.Error == nil || task.Error.Type != "Canceled" {
		t.Errorf("the task is %+v, %v, %s", task, err, r.errOut)
	}
}

// appKey is the app dev of a store, with a new secret.
func appKey(t *testing.T, data string) (app appJSON) {
	t.Helper()
	if err := json.Unmarshal([]byte(ok(t, "app", "rotate-secret", "dev", "--data", data, "--json")), &app); err != nil {
		t.Fatal(err)
	}
	return app
}

// A server goes on with an export that nobody waits for any more.
func TestInterruptedRemoteExport(t *testing.T) {
	t.Parallel()
	const id = "5c6dbb0c-8d9c-4a3a-bb0c-0f5d4c6a1f7e"
	looked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = fmt.Fprintf(w, `{"task_id":%q}`, id)
			return
		}
		_, _ = fmt.Fprintf(w, `{"task_id":%q,"status":"running","progress":{"done":1,"total":2}}`, id)
		looked <- struct{}{}
	}))
	defer server.Close()
	dir := t.TempDir()
	b := start(t, "export", "users", "ada", "--server", server.URL, "--api-key", "k", "--api-secret", "s3cret", "-o", dir+"/file")
	<-looked
	<-looked // the answer to the first was seen
	if code := b.end(); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	want := "the export goes on on the server; wait for it with: hansard task wait --server " + server.URL + " --api-key k " + id + "\nhansard: interrupted\n"
	if b.log() != want {
		t.Errorf("said %q, want %q", b.log(), want)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// What a request runs into is told with what helps.
func TestErrorsThatHelp(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	b := start(t, "serve", "--listen", "127.0.0.1:0", "--data", data, "--api-key", "shop", "--api-secret", "s3cret-s3cret",
		"--rate-limit", "2/h", "--max-users", "1", "--max-channels", "1")
	url := strings.TrimPrefix(b.until("listening on ")[0], "listening on ")
	at := []string{"-o", "-", "--server", url, "--api-key", "shop", "--api-secret", "s3cret-s3cret"}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"export", "users", "a", "b"}, "the limit is the server's --max-users"},
		{[]string{"export", "channels", "m:a", "m:b"}, "the limit is the server's --max-channels"},
		{[]string{"export", "users", "a"}, "a"},
		{[]string{"export", "users", "a"}, "; try again in "},
	} {
		r := run(t, "", slices.Concat(tt.args, at)...)
		if r.code != exitFailed || !strings.Contains(r.errOut, tt.want) || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("%q: exit %d, %q", tt.args, r.code, r.errOut)
		}
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() { // hangs up on everybody
		for {
			c, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_ = c.Close()
			}
		}
	}()
	r := run(t, "", "task", "ls", "--server", "http://"+ln.Addr().String(), "--api-key", "k", "--api-secret", "s")
	if r.code != exitFailed || !strings.Contains(r.errOut, "is hansard serve running there?") {
		t.Errorf("exit %d, %q", r.code, r.errOut)
	}
}
