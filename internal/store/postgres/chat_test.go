package postgres_test

import (
	"testing"

	"hansard/internal/store/postgres"
	"hansard/internal/store/storetest"
)

func TestChat(t *testing.T) {
	t.Parallel()
	storetest.RunChat(t, func(t *testing.T) storetest.Opened {
		return storetest.Opened{Store: openStore(t, databases.Database(t), postgres.Options{})}
	})
}

// On a database that is spread over several machines a snapshot has one
// connection.
func TestChatOneConn(t *testing.T) {
	t.Parallel()
	storetest.RunChat(t, func(t *testing.T) storetest.Opened {
		return storetest.Opened{Store: openStore(t, databases.Database(t), postgres.Options{OneConn: true})}
	})
}
