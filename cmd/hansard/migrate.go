package main

import (
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
		version, err := sqlite.Migrate(cmd.Context(), s.Data)
		if err != nil {
			return err
		}
		return m.printf("%s is at schema version %d\n", s.Data, version)
	}
	return c
}
