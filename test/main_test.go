package test_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"hansard/internal/s3test"
	"hansard/test/harness"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	flag.Parse()
	remove, err := harness.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := s3test.Main(m)
	remove()
	os.Exit(code)
}
