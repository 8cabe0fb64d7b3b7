package main

import (
	"bytes"
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
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var expected []byte
			if manifest != "" {
				var err error
				if expected, err = readFile(manifest, maxManifest); err != nil {
					return fmt.Errorf("reading the manifest: %w", err)
				}
			}
			r := m.Stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				r = f
			}
			report, err := export.Verify(r, expected)
			if err != nil {
				return fmt.Errorf("verifying %s: %w", args[0], err)
			}
			return m.printReport(args[0], report, asJSON)
		},
	}
	c.Flags().StringVar(&manifest, "manifest", "", "the file's manifest, to compare with")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// readFile reads a file of at most limit bytes.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(f, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s is larger than %d MiB", name, limit>>20)
	}
	return b.Bytes(), err
}

func (m *Main) printReport(string, *export.Report, bool) error { return nil }
