package sqlite_test

import (
	"testing"

	"hansard/internal/store/storetest"
)

func TestChat(t *testing.T) {
	t.Parallel()
	storetest.RunChat(t, openTest)
}
