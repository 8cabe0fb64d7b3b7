package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"hansard/internal/auth"
	"hansard/internal/blob"
	"hansard/internal/chat"
	"hansard/internal/clock"
	"hansard/internal/config"
	"hansard/internal/server"
	"hansard/internal/store"

	"github.com/spf13/cobra"
)

// appJSON is how an app is printed. The secret is shown when it is made, and
// never again.
type appJSON struct {
	APIKey    string    `json:"api_key"`
	APISecret string    `json:"api_secret,omitempty"`
	Name      string    `json:"name"`
	CreatedAt chat.Time `json:"created_at"`
}

func (m *Main) appCommand() *cobra.Command {
	var asJSON bool
	c := group("app", "Make, list and remove apps, the tenants of a store",
		m.appCreateCommand(&asJSON), m.appListCommand(&asJSON), m.appRotateCommand(&asJSON), m.appRemoveCommand())
	c.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

var validKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (m *Main) appCreateCommand(asJSON *bool) *cobra.Command {
	var a store.App
	c := &cobra.Command{Use: "create", Short: "Make an app; its secret is printed this once", Args: noArgs}
	f := c.Flags()
	f.StringVar(&a.Name, "name", "", "what people call it (default its key)")
	f.StringVar(&a.Key, "api-key", "", "its key: up to 64 letters, digits, _ and - (default a random one)")
	f.StringVar(&a.Secret, "api-secret", "", "its secret (default a random one)")
	data := bindSettings(c, "data", "database")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.Key == "" {
			a.Key = auth.NewKey()
		}
		if !validKey.MatchString(a.Key) {
			return usageError("--api-key must be 1 to 64 letters, digits, _ and -")
		}
		if a.Secret == "" {
			a.Secret = auth.NewSecret()
		}
		if a.Name == "" {
			a.Name = a.Key
		}
		err := m.withStore(cmd.Context(), data, makeStore, func(s store.Store) error {
			return createApp(cmd.Context(), s, &a)
		})
		if err != nil {
			return err
		}
		return m.printApp(*asJSON, a)
	}
	return c
}

func createApp(ctx context.Context, s store.Store, a *store.App) error {
	err := s.CreateApp(ctx, a)
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("there is an app with the API key %s already", a.Key)
	}
	return err
}

// printApp shows an app with its secret.
func (m *Main) printApp(asJSON bool, a store.App) error {
	if asJSON {
		return m.printJSON(appJSON{APIKey: a.Key, APISecret: a.Secret, Name: a.Name, CreatedAt: a.CreatedAt})
	}
	return m.printf("name        %s\nAPI key     %s\nAPI secret  %s\n", a.Name, a.Key, a.Secret)
}

func (m *Main) appListCommand(asJSON *bool) *cobra.Command {
	c := &cobra.Command{Use: "ls", Short: "List apps, without their secrets", Args: noArgs}
	data := bindSettings(c, "data", "database")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var apps []store.App
		err := m.withStore(cmd.Context(), data, refuse, func(s store.Store) (err error) {
			apps, err = s.Apps(cmd.Context())
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			list := make([]appJSON, 0, len(apps))
			for _, a := range apps {
				list = append(list, appJSON{APIKey: a.Key, Name: a.Name, CreatedAt: a.CreatedAt})
			}
			return m.printJSON(list)
		}
		w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "API KEY\tNAME\tCREATED")
		for _, a := range apps {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", a.Key, a.Name, a.CreatedAt.Std().Local().Format(time.DateTime))
		}
		return w.Flush()
	}
	return c
}

func (m *Main) appRotateCommand(asJSON *bool) *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate-secret KEY",
		Short: "Give an app a new secret; tokens signed with the old one are refused from then on",
		Args:  oneArg("KEY"),
	}
	data := bindSettings(c, "data", "database")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		var app store.App
		err := m.withStore(ctx, data, refuse, func(s store.Store) (err error) {
			if app, err = findApp(ctx, s, args[0]); err != nil {
				return err
			}
			app.Secret = auth.NewSecret()
			return s.SetAppSecret(ctx, app.Key, app.Secret)
		})
		if err != nil {
			return err
		}
		waitForServers(ctx)
		return m.printApp(*asJSON, app)
	}
	return c
}

// waitForServers returns when no running server takes an app any more for what
// it was before it was changed, so that the change holds from then on.
func waitForServers(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-clock.System.After(server.AppCacheLife):
	}
}

func (m *Main) appRemoveCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "rm KEY",
		Short: "Remove an app with all its data, tasks and files",
		Args:  oneArg("KEY"),
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	data := bindSettings(c, "data", "database", "storage")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, key := cmd.Context(), args[0]
		return m.withBackend(ctx, data, refuse, func(b *backend) error {
			app, err := findApp(ctx, b.store, key)
			if err != nil {
				return err
			}
			if !yes && !m.confirm("Remove the app "+app.Key+" ("+app.Name+") and everything in it?") {
				return errors.New("nothing was removed: say --yes, or answer yes")
			}
			if err := removeApp(ctx, b.store, app); err != nil {
				return err
			}
			return removeFiles(ctx, b.blob, app.Key)
		})
	}
	return c
}

// removeApp removes an app with all its data. One that is still there when it
// fails has the secret that it had.
func removeApp(ctx context.Context, s store.Store, app store.App) error {
	// No server may write for the app any more when its data goes.
	locked := app
	locked.Secret = auth.NewSecret()
	err := s.SetAppSecret(ctx, app.Key, locked.Secret)
	if err == nil {
		waitForServers(ctx)
		err = s.DeleteApp(ctx, app.Key)
	}
	if err == nil {
		return nil
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), restorePatience)
	defer done()
	now, found := s.AppByKey(ctx, app.Key)
	switch {
	case errors.Is(found, store.ErrNotFound): // the purge takes what is left of it
		return err
	case found == nil && now == locked:
		found = s.SetAppSecret(ctx, app.Key, app.Secret)
	}
	if found != nil {
		return errors.Join(err, fmt.Errorf("the app is not removed, but its secret may no longer work: try again, or hansard app rotate-secret %s: %w", app.Key, found))
	}
	return err
}

// restorePatience is how long removeApp tries to leave an app as it was.
const restorePatience = 5 * time.Second

// removeFiles deletes the exports and uploads of an app that is gone.
func removeFiles(ctx context.Context, files blob.Store, key string) error {
	for _, prefix := range []string{"exports/channels/", "exports/users/", "imports/"} {
		err := files.List(ctx, prefix+key+"/", func(f blob.Info) error {
			return files.Delete(ctx, f.Key)
		})
		if err != nil {
			return fmt.Errorf("removing the files of the app: %w", err)
		}
	}
	return nil
}

// confirm asks a person on a terminal; anybody else says no.
func (m *Main) confirm(question string) bool {
	if !isTerminal(m.Stderr) {
		return false
	}
	m.notef("%s [yes/no] ", question)
	answer, err := bufio.NewReader(m.Stdin).ReadString('\n')
	return err == nil && strings.EqualFold(strings.TrimSpace(answer), "yes")
}

func findApp(ctx context.Context, s store.Store, key string) (store.App, error) {
	app, err := s.AppByKey(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return store.App{}, fmt.Errorf("there is no app with the API key %s", key)
	}
	return app, err
}

// chooseApp is the app with that key, or without a key the only one there is.
func chooseApp(ctx context.Context, s store.Store, key string) (store.App, error) {
	if key != "" {
		return findApp(ctx, s, key)
	}
	apps, err := s.Apps(ctx)
	switch {
	case err != nil:
		return store.App{}, err
	case len(apps) == 0:
		return store.App{}, errors.New("the store has no app yet: make one with hansard app create")
	case len(apps) > 1:
		return store.App{}, usageError("the store has %d apps: say which with --api-key", len(apps))
	}
	return apps[0], nil
}

// ensureApp makes the app of the settings if it is missing, and an app called
// dev if there is none at all. It returns the app if it was made.
func ensureApp(ctx context.Context, s store.Store, set config.Settings) (*store.App, error) {
	app := store.App{Key: set.APIKey, Name: set.APIKey, Secret: set.APISecret}
	if app.Key == "" {
		apps, err := s.Apps(ctx)
		if err != nil || len(apps) > 0 {
			return nil, err
		}
		app = store.App{Key: "dev", Name: "dev", Secret: auth.NewSecret()}
	}
	err := s.CreateApp(ctx, &app)
	if !errors.Is(err, store.ErrExists) {
		return &app, err
	}
	there, err := s.AppByKey(ctx, app.Key)
	if err == nil && set.APISecret != "" && there.Secret != set.APISecret {
		return nil, fmt.Errorf("the app %s is there with another secret than --api-secret: leave out both, or use hansard app rotate-secret", app.Key)
	}
	return nil, err
}

// noteApp shows the secret of an app that was made without being asked for:
// nobody knows it yet.
func (m *Main) noteApp(made *store.App, set config.Settings) {
	if made != nil && made.Key != set.APIKey {
		m.notef("made the app %s\n  API key     %s\n  API secret  %s\n", made.Name, made.Key, made.Secret)
	}
}
