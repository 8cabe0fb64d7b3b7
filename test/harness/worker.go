package harness

import "testing"

// StartWorker starts `hansard worker` on the data folder. args are further
// flags; logs are terse unless they say otherwise.
func StartWorker(t testing.TB, data string, args ...string) *Process {
	t.Helper()
	return Exec(t, append([]string{"worker", "--data", data, "--log-level", "info"}, args...)...)
}
