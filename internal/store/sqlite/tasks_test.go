package sqlite_test

import (
	"testing"

	"hansard/internal/store/sqlite"
	"hansard/internal/store/storetest"
)

func openTest(t *testing.T) storetest.Opened {
	t.Helper()
	clock := storetest.NewClock()
	s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return storetest.Opened{Store: s, Advance: clock.Advance}
}

func TestApps(t *testing.T)  { t.Parallel(); storetest.RunApps(t, openTest) }
func TestTasks(t *testing.T) { t.Parallel(); storetest.RunTasks(t, openTest) }

func TestTaskModel(t *testing.T) { storetest.RunTaskModel(t, openTest) }
