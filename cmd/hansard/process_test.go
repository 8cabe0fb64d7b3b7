package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The program as people run it: started, ready, asked to end, gone.
func TestProcess(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err != nil || !regexp.MustCompile(`^listening on http://127\.0\.0\.1:\d+\n$`).MatchString(line) {
		t.Errorf("said %q, %v", line, err)
	}
	asked := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := out.ReadString(0)
	if err := cmd.Wait(); err != nil || rest != "" || time.Since(asked) > 10*time.Second {
		t.Errorf("after SIGTERM: %v, said %q, took %s", err, rest, time.Since(asked))
	}
}

// Every line of the README's tour works when pasted.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tour, _ := strings.Cut(string(readme), "## A tour")
	var script strings.Builder
	script.WriteString("set -em\n")
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(tour, -1) {
		script.WriteString(block[1])
	}
	// Somebody else may use the port, and the program is built already.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	text := strings.NewReplacer(
		"go build ./cmd/hansard\n", "",
		"127.0.0.1:3030", addr,
		"hansard serve", "hansard serve --listen "+addr,
		"internal/sample/chat.jsonl", "chat.jsonl",
	).Replace(script.String())

	dir := t.TempDir()
	if err := os.Symlink(path, filepath.Join(dir, "hansard")); err != nil {
		t.Fatal(err)
	}
	chat, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "chat.jsonl"), chat, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", text+"\nwait\n")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HANSARD_SERVER=http://"+addr)
	cmd.WaitDelay = 5 * time.Second
	got, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	for _, want := range []string{`"text":"Tea at four?"`, `"type":"reaction"`, "tea.jsonl", "309 messages", "chats.jsonl"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the tour never shows %s:\n%s", want, got)
		}
	}
}
