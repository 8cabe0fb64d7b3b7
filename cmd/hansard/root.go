package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// Main is the program.
type Main struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	begun bool // the command line was understood
}

// NewMain returns the program on the process's own streams.
func NewMain() *Main {
	return &Main{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// errUsage marks errors of the command line that are found after parsing.
var errUsage = errors.New("")

func usageError(format string, args ...any) error {
	return fmt.Errorf("%s%w", fmt.Sprintf(format, args...), errUsage)
}

// Run runs one command and returns the exit code. When ctx ends, or with the
// first SIGINT or SIGTERM, the command is asked to end; a second signal ends
// the process at once.
func (m *Main) Run(ctx context.Context, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Giving the signals back makes the second one deadly.
	defer context.AfterFunc(ctx, stop)()

	root := m.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case !m.begun || errors.Is(err, errUsage):
		_, _ = fmt.Fprintf(m.Stderr, "hansard: %s\nRun \"%s --help\" for how it is used.\n", oneLine(err), found(root, args))
		return exitUsage
	case interrupted(ctx, err):
		_, _ = fmt.Fprintln(m.Stderr, "hansard: interrupted")
		return exitInterrupted
	default:
		_, _ = fmt.Fprintln(m.Stderr, "hansard: "+oneLine(err))
		return exitFailed
	}
}

// interrupted reports whether err is only that the command was asked to end.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
}

// found is the command that args lead to, as one would type it.
func found(root *cobra.Command, args []string) string {
	if cmd, _, err := root.Find(args); err == nil {
		return cmd.CommandPath()
	}
	return root.CommandPath()
}

// oneLine keeps an error to the one line that scripts and people expect.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func (m *Main) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "hansard",
		Short:         "Store chat data and export it with the HTTP API that Stream Chat documents",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			m.begun = true
		},
	}
	root.SetIn(m.Stdin)
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	b := buildInfo()
	root.Version = b.Version // gives it --version
	root.SetVersionTemplate(b.String())
	root.CompletionOptions.HiddenDefaultCmd = true
	importing := m.importCommand()
	importing.Args = someArgs("FILE")
	root.AddCommand(
		m.demoCommand(),
		m.serveCommand(),
		m.workerCommand(),
		importing,
		m.exportCommand(),
		m.taskCommand(),
		m.appCommand(),
		m.tokenCommand(),
		m.verifyCommand(),
		m.migrateCommand(),
		m.healthCommand(),
		m.versionCommand(),
	)
	return root
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		// An unknown subcommand is named as one.
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError("%s needs a subcommand", use)
		},
	}
	c.AddCommand(commands...)
	return c
}

// printf writes to standard output.
func (m *Main) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(m.Stdout, format, args...)
	return err
}

// notef tells a person something that is not the command's output.
func (m *Main) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(m.Stderr, format, args...)
}

// isTerminal reports whether w shows to a person.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
