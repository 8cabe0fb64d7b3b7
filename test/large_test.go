package test_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"hansard/internal/pgtest"
	"hansard/internal/store/storetest/engine"
	"hansard/test/harness"
)

// TestLarge runs the tests of the main job and of the data API once more, on
// PostgreSQL and an object store. All tests run there with
// HANSARD_TEST_ENGINE=postgres, as the gate does.
func TestLarge(t *testing.T) {
	t.Parallel()
	if harness.Large() {
		return // they do so already
	}
	pgtest.Database(t) // skips or fails the test where there is no PostgreSQL
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.timeout=5m", "-test.v",
		"-test.run=^(TestGolden|TestGoldenTables|TestRoundTrip|TestEdges|TestTenancy|TestTerminated|TestCanceled|TestRetention|TestLiveClient|"+
			"TestLiveRules|TestLiveThreads|TestLiveOrder|TestLiveForeign|TestLiveHardDeletedUser|TestLiveDeletionTasks)$")
	cmd.Env = append(os.Environ(), engine.Variable+"=postgres")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("on PostgreSQL: %v\n%s", err, out)
	}
	if n := strings.Count(string(out), "\n--- PASS: "); n < 15 {
		t.Errorf("only %d tests ran:\n%s", n, out)
	}
}
