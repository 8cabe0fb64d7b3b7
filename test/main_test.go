package test_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"hansard/internal/s3test"
	"hansard/test/harness"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	flag.Parse()
	if err := overlap(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	remove, err := harness.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := s3test.Main(m)
	remove()
	os.Exit(code)
}

// overlap has more tests run at once than there are cores, unless the command
// line says how many: most of the time they wait for processes to start and end,
// for leases to run out, and for pauses between attempts.
func overlap() error {
	const name = "test.parallel"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return nil
	}
	return flag.Set(name, strconv.Itoa(2*runtime.GOMAXPROCS(0)))
}
