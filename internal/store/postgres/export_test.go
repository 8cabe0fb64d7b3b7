package postgres

import (
	"context"

	"hansard/internal/store/postgres/thin"
)

// Show is a setting of the connections for requests.
func Show(ctx context.Context, s *Store, setting string) (value string) {
	err := s.write(ctx, func(c *thin.Conn) error {
		return c.Query(`SELECT current_setting($1)`, []any{setting}, func(r *thin.Row) error {
			value = r.Text(0)
			return nil
		})
	})
	if err != nil {
		return err.Error()
	}
	return value
}

// DSN is what a store was opened with.
func DSN(s *Store) string { return s.dsn }
