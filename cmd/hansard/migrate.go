package main

import (
	"fmt"

	"hansard/internal/store/postgres"
	"hansard/internal/store/sqlite"

	"github.com/spf13/cobra"
)

func (m *Main) migrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Apply database migrations; serve does so itself unless --no-migrate",
		Args:  noArgs,
	}
	loader := bindSettings(c, "data", "database")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := loader.Load()
		if err != nil {
			return err
		}
		if s.Database != "" {
			version, err := postgres.Migrate(cmd.Context(), s.Database)
			if err != nil {
				return fmt.Errorf("opening the database: %w", err)
			}
			return m.printf("the database is at schema version %d\n", version)
		}
		version, err := sqlite.Migrate(cmd.Context(), s.Data)
		if err != nil {
			return err
		}
		return m.printf("%s is at schema version %d\n", s.Data, version)
	}
	return c
}
