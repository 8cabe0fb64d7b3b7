package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"hansard/internal/export"

	"github.com/spf13/cobra"
)

// maxManifest bounds the manifest, which is read whole.
const maxManifest = 256 << 20

func (m *Main) verifyCommand() *cobra.Command {
	var manifest string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check an export file: well-formed, counts, checksum; - is standard input",
		Args:  oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var expected []byte
			if manifest != "" {
				var err error
				if expected, err = readFile(manifest, maxManifest); err != nil {
					return fmt.Errorf("reading the manifest: %w", err)
				}
			}
			name, r := args[0], m.Stdin
			if name == "-" {
				name = "standard input"
			} else {
				f, err := os.Open(name)
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				r = f
			}
			report, err := export.Verify(interruptible{cmd.Context(), r}, expected)
			if err != nil {
				return fmt.Errorf("verifying %s: %w", name, err)
			}
			return m.printReport(name, report, asJSON)
		},
	}
	c.Flags().StringVar(&manifest, "manifest", "", "the file's manifest, to compare with")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// interruptible is a reader that fails once its context ends: a large file
// takes a while.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.r.Read(p)
}

// readFile reads a file of at most limit bytes; an empty one is not nil.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b := bytes.NewBuffer([]byte{})
	n, err := io.Copy(b, io.LimitReader(f, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s is larger than %d MiB", name, limit>>20)
	}
	return b.Bytes(), err
}

// verifiedJSON is what --json prints.
type verifiedJSON struct {
	File string `json:"file"`
	OK   bool   `json:"ok"`
	*export.Report
}

// printReport prints what was found. A file with problems is an error, so that
// scripts see it.
func (m *Main) printReport(name string, r *export.Report, asJSON bool) error {
	var err error
	if asJSON {
		err = m.printJSON(verifiedJSON{name, r.OK(), r})
	} else {
		err = m.printf("%s", reportText(name, r))
	}
	if n := int64(len(r.Problems)) + r.More; n == 1 {
		err = errors.Join(err, fmt.Errorf("%s: there is a problem with it", name))
	} else if n > 1 {
		err = errors.Join(err, fmt.Errorf("%s: there are %d problems with it", name, n))
	}
	return err
}

func reportText(name string, r *export.Report) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n  format    %s\n  size      %s\n  sha256    %s\n", name, formatText(r), count(r.Size, "bytes"), r.SHA256)
	n := r.Counts
	switch r.Format {
	case "", export.Parquet, "import": // nothing was counted
	case export.CSV:
		fmt.Fprintf(&b, "  counts    %s\n", count(n.Messages, "messages"))
	default:
		fmt.Fprintf(&b, "  counts    %s, %s, %s, %s, %s, %s\n", count(n.Channels, "channels"), count(n.Members, "members"),
			count(n.Messages, "messages"), count(n.Reactions, "reactions"), count(n.Users, "users"), count(n.Calls, "calls"))
	}
	if r.Compared {
		fmt.Fprintf(&b, "  manifest  compared\n")
	} else {
		fmt.Fprintf(&b, "  manifest  none to compare with\n")
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "  note      %s\n", note)
	}
	switch {
	case r.OK() && r.Compared:
		b.WriteString("OK\n")
		return b.String()
	case r.OK():
		b.WriteString("OK as it stands; counts and checksum were not compared with a manifest (--manifest FILE)\n")
		return b.String()
	}
	b.WriteString("Problems:\n")
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "  - %s\n", p)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "  … and %d more\n", r.More)
	}
	return b.String()
}

func formatText(r *export.Report) string {
	switch {
	case r.Encrypted:
		return "encrypted (age)"
	case r.Format == "":
		return "unknown"
	case r.Compression == export.None:
		return r.Format
	}
	return r.Format + ", " + r.Compression
}
