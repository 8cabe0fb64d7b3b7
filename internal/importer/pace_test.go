package importer_test

import (
	"slices"
	"testing"
	"time"

	"hansard/internal/importer"
)

// Batches become small where that makes them quick, and only there.
func TestPace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		fixed, each time.Duration
		least, most int64 // records in a batch, once the pace has been found
	}{
		{"quick", 10 * time.Millisecond, 10 * time.Microsecond, 6000, 6000},
		{"slow records", 0, time.Millisecond, 250, 500},
		{"very slow records", 10 * time.Millisecond, time.Second, 50, 50},
		{"slow whatever the size", 600 * time.Millisecond, 10 * time.Microsecond, 3000, 6000},
		{"slow both ways", 500 * time.Millisecond, 500 * time.Microsecond, 375, 1500},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sizes := importer.Paces(200, func(size int64) time.Duration { return test.fixed + time.Duration(size)*test.each })
			sizes = sizes[20:]
			if least, most := slices.Min(sizes), slices.Max(sizes); least < test.least || most > test.most {
				t.Errorf("batches have %d to %d records, want %d to %d", least, most, test.least, test.most)
			}
		})
	}
}

// What was slow for a while is quick again.
func TestPaceRecovers(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{time.Second, time.Minute} {
		n := 0
		sizes := importer.Paces(60, func(size int64) time.Duration {
			if n++; n <= 20 {
				return slow * time.Duration(size) / 1000
			}
			return time.Millisecond
		})
		if last := sizes[len(sizes)-1]; last != 6000 {
			t.Errorf("after %s for 1000 records batches have %d, want 6000", slow, last)
		}
	}
}
