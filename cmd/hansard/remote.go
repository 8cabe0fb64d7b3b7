package main

import (
	"os"
	"time"

	"hansard/client"

	"github.com/spf13/cobra"
)

// remote are the flags of commands that talk to a running server. The
// environment stands in for flags that are not given.
type remote struct {
	server, key, secret string
}

func (r *remote) bind(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&r.server, "server", "", "URL of the server [HANSARD_SERVER] (default http://127.0.0.1:3030)")
	f.StringVar(&r.key, "api-key", "", "API key of the app [HANSARD_API_KEY]")
	f.StringVar(&r.secret, "api-secret", "", "its secret [HANSARD_API_SECRET]; the environment is the better place for it")
}

// flags are those that another command needs to find the same server, with a
// space before each. The secret is not for repeating.
func (r *remote) flags() string {
	s := ""
	if r.server != "" {
		s += " --server " + r.server
	}
	if r.key != "" {
		s += " --api-key " + r.key
	}
	return s
}

func (r *remote) client() (*client.Client, error) {
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	o := client.Options{
		Server:    first(r.server, os.Getenv("HANSARD_SERVER"), "http://127.0.0.1:3030"),
		APIKey:    first(r.key, os.Getenv("HANSARD_API_KEY")),
		APISecret: first(r.secret, os.Getenv("HANSARD_API_SECRET")),
		// Somebody waits: what takes longer is better told than waited for.
		RetryWait: 2 * time.Second,
	}
	if o.APIKey == "" || o.APISecret == "" {
		return nil, usageError("say which app: --api-key and --api-secret, or HANSARD_API_KEY and HANSARD_API_SECRET")
	}
	c, err := client.New(o)
	if err != nil {
		return nil, usageError("%v", err)
	}
	return c, nil
}
