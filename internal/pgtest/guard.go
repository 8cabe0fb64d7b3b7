package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// script is what the guard, a shell, runs: it is the server's parent. Its
// commands are "start PORT", and signals for the server to end by; it answers
// each with a line. When its input ends, which is when the tests have, it takes
// away the server and its folder.
const script = `
dir=$1
shift
pid=
while read -r command port; do
	if [ "$command" = start ]; then
		"$@" -p "$port" </dev/null >>"$dir/log" 2>&1 &
		pid=$!
	else
		kill -s "$command" "$pid"
		wait "$pid"
		pid=
	fi
	echo done
done
if [ -n "$pid" ]; then
	kill -s QUIT "$pid"
	kill -s CONT "$pid"
	wait "$pid"
fi
cd /
rm -rf "$dir" || { sleep 1; rm -rf "$dir"; }
`

// guard watches over a server and its folder.
type guard struct {
	cmd   *exec.Cmd
	input io.Closer
	tells io.Writer
	reply *bufio.Reader
}

// watch starts a guard over the folder dir, for a server that is run by that
// command.
func watch(ctx context.Context, who *account, dir string, server ...string) (*guard, error) {
	cmd := command(ctx, who, dir, "/bin/sh", append([]string{"-c", script, "guard", dir}, server...)...)
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a shell: %w", err)
	}
	return &guard{cmd: cmd, input: input, tells: input, reply: bufio.NewReader(output)}, nil
}

// command is a command of the server's account. Nothing of the tests' own
// environment is in its way.
func command(ctx context.Context, who *account, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "TZ=UTC"}
	who.run(cmd)
	return cmd
}

// tell gives the guard a command and waits until it is done.
func (g *guard) tell(command string) error {
	_, err := fmt.Fprintln(g.tells, command)
	if err == nil {
		_, err = g.reply.ReadString('\n')
	}
	if err != nil {
		return fmt.Errorf("the shell that watches over PostgreSQL is gone: %w", err)
	}
	return nil
}

// end takes away the server and its folder.
func (g *guard) end() error {
	return errors.Join(g.input.Close(), g.cmd.Wait())
}
