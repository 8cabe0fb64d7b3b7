package postgres_test

import (
	"testing"

	"hansard/internal/store/postgres"
	"hansard/internal/store/storetest"
)

func BenchmarkMessages(b *testing.B) {
	storetest.BenchmarkMessages(b, openStore(b, databases.Database(b), postgres.Options{}))
}
