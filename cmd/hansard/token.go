package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"hansard/client"
	"hansard/internal/store"

	"github.com/spf13/cobra"
)

func (m *Main) tokenCommand() *cobra.Command {
	var server bool
	var user, key, secret string
	var ttl time.Duration
	c := &cobra.Command{
		Use:   "token {--user ID | --server}",
		Short: "Print a token, signed with an app's secret",
		Long: `Print a token, signed with an app's secret. The secret comes from --api-secret,
HANSARD_API_SECRET, or out of the store in --data, by --api-key.`,
		Args: noArgs,
	}
	f := c.Flags()
	f.StringVar(&user, "user", "", "a token of the user with this id")
	f.BoolVar(&server, "server", false, "a server token, which every endpoint here needs")
	f.StringVar(&secret, "api-secret", "", "the app's secret [HANSARD_API_SECRET]")
	f.StringVar(&key, "api-key", "", "the app's key, to look up its secret in --data [HANSARD_API_KEY]")
	f.DurationVar(&ttl, "ttl", 0, "how long the token is good, such as 1h; 0 is for ever")
	data := bindSettings(c, "data", "database")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case server == (user != ""):
			return usageError("say whose token: --user ID or --server")
		case ttl < 0:
			return usageError("--ttl must not be negative")
		}
		if secret == "" && !cmd.Flags().Changed("data") {
			secret = os.Getenv("HANSARD_API_SECRET")
		}
		if secret == "" {
			if key == "" {
				key = os.Getenv("HANSARD_API_KEY")
			}
			err := m.withStore(cmd.Context(), data, refuse, func(s store.Store) error {
				app, err := chooseApp(cmd.Context(), s, key)
				secret = app.Secret
				return err
			})
			if errors.Is(err, errNoStore) {
				return fmt.Errorf("%w; give --api-secret, or the server's --data", err)
			}
			if err != nil {
				return err
			}
		}
		var token string
		var err error
		if server {
			token, err = client.ServerToken(secret, ttl)
		} else {
			token, err = client.UserToken(secret, user, ttl)
		}
		if err != nil {
			return err
		}
		return m.printf("%s\n", token)
	}
	return c
}
