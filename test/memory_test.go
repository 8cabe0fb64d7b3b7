//go:build slow && linux

package test_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"hansard/test/harness"
)

// TestMemory: what an export needs does not grow with what it exports.
func TestMemory(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector needs memory of its own")
	}
	const mib = 1 << 10 // in KiB
	peaks := map[int]int{}
	for _, messages := range []int{20_000, 200_000} {
		chat := harness.Chat{Users: 200, Channels: 4, Messages: messages, Text: 500}
		s := store(t, madeUp(t, chat), "--workers", "2")
		idle := peak(t, s.PID())
		withUsers := everything("v2", chat.CIDs()...)
		withUsers["export_users"] = true
		zip := everything("v1", chat.CIDs()...)
		zip["compression"] = "zstd"
		table := everything("v2", chat.CIDs()...)
		table["format"] = "csv"
		var ids []string
		for _, r := range []harness.Request{everything("v2", chat.CIDs()[0]), withUsers, zip, table} {
			ids = append(ids, s.ExportChannels(r))
		}
		ids = append(ids, s.ExportUsers("user-1", "user-2"))
		for _, id := range ids {
			s.Completed(id)
		}
		peaks[messages] = peak(t, s.PID())
		t.Logf("%d messages: %d MiB at rest, %d MiB at most", messages, idle/mib, peaks[messages]/mib)
		if peaks[messages] > 128*mib {
			t.Errorf("%d messages took %d MiB", messages, peaks[messages]/mib)
		}
		s.Stop()
	}
	if few, many := peaks[20_000], peaks[200_000]; many > few+few/4+16*mib {
		t.Errorf("ten times the messages took %d MiB instead of %d", many/mib, few/mib)
	}
}

// peak is the most memory that a process has had, in KiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}
