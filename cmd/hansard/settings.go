package main

import (
	"log/slog"
	"slices"

	"hansard/internal/config"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// bindSettings gives a command flags for settings: those that are named, and
// with them --config; all of them if none is named. The others can still come
// from the environment and from hansard.yaml.
func bindSettings(c *cobra.Command, names ...string) *config.Loader {
	all := pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
	loader := config.Bind(all)
	loader.LoneApp = len(names) > 0 // whoever makes apps binds everything
	all.VisitAll(func(f *pflag.Flag) {
		if len(names) == 0 || f.Name == "config" || slices.Contains(names, f.Name) {
			c.Flags().AddFlag(f)
		}
	})
	return loader
}

// logger writes to standard error: text on a terminal, JSON otherwise, unless
// the settings say differently.
func (m *Main) logger(s config.Settings) *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == config.LogText || (s.LogFormat != config.LogJSON && isTerminal(m.Stderr)) {
		return slog.New(slog.NewTextHandler(m.Stderr, opts))
	}
	return slog.New(slog.NewJSONHandler(m.Stderr, opts))
}
