package config

import (
	"fmt"
	"runtime"
	"strconv"
)

// setting is one row of the table of settings.
type setting struct {
	name  string
	kind  string // as the help shows it
	value string // the default
	shown string // the default as the help shows it, where that differs
	usage string
	// secret says that the value may hold a secret and must not be repeated in
	// an error.
	secret bool
	// parse checks a value and puts it into s. Its error completes the
	// sentence that begins with the name of the setting.
	parse func(s *Settings, value string) error
}

// settings are in the order in which they are explained and checked.
var settings = []setting{
	{
		name: "listen", kind: "host:port", value: "127.0.0.1:3030",
		usage: "address of the API; port 0 is any free one",
		parse: func(s *Settings, v string) error { return address(&s.Listen, v) },
	},
	{
		name: "public-url", kind: "url", shown: "derived from listen",
		usage: "base of generated download and upload URLs",
		parse: func(s *Settings, v string) error { return baseURL(&s.PublicURL, v) },
	},
	{
		name: "metrics-listen", kind: "host:port", shown: "with the API",
		usage: "address of /metrics, which is then not beside the API, and of /healthz and /readyz",
		parse: func(s *Settings, v string) error { return optionalAddress(&s.MetricsListen, v) },
	},
	{
		name: "data", kind: "folder", value: "./hansard-data",
		usage: "folder of the embedded store, of local files and of scratch",
		parse: func(s *Settings, v string) error { return nonEmpty(&s.Data, v) },
	},
	{
		name: "database", kind: "url", shown: "SQLite in --data", secret: true,
		usage: "PostgreSQL, 14 or later: postgres://user@host:5432/name; the password is better in PGPASSWORD or a passfile",
		parse: func(s *Settings, v string) error { return database(&s.Database, v) },
	},
	{
		name: "storage", kind: "url", shown: "the folder files in --data", secret: true,
		usage: "where files are kept: file:///path, or s3://BUCKET/PREFIX?endpoint=…&region=…&path_style=true with credentials from the usual AWS variables",
		parse: func(s *Settings, v string) error { return storage(&s.Storage, v) },
	},
	{
		name: "api-key", kind: "key",
		usage: "make this app at start if it is missing; without any app, serve makes one called dev",
		parse: func(s *Settings, v string) error { return apiKey(&s.APIKey, v) },
	},
	{
		name: "api-secret", kind: "secret", secret: true,
		usage: "its secret; the environment is the better place for it",
		parse: func(s *Settings, v string) error { return apiSecret(&s.APISecret, v) },
	},
	{
		name: "workers", kind: "number", value: strconv.Itoa(runtime.GOMAXPROCS(0)), shown: "number of CPUs",
		usage: "exports running at once in this process; 0 leaves them to other processes",
		parse: func(s *Settings, v string) error { return count(&s.Workers, v, 1024) },
	},
	{
		name: "url-ttl", kind: "duration", value: "24h",
		usage: "life of a download URL",
		parse: func(s *Settings, v string) error { return duration(&s.URLTTL, v) },
	},
	{
		name: "retention", kind: "duration", value: "1440h",
		usage: "life of an export file and its task",
		parse: func(s *Settings, v string) error { return duration(&s.Retention, v) },
	},
	{
		name: "max-channels", kind: "number", value: "25",
		usage: "channels in one export request; 0 = no limit",
		parse: func(s *Settings, v string) error { return count(&s.MaxChannels, v, maxCount) },
	},
	{
		name: "max-users", kind: "number", value: "25",
		usage: "users in one users export; 0 = no limit",
		parse: func(s *Settings, v string) error { return count(&s.MaxUsers, v, maxCount) },
	},
	{
		name: "max-user-messages", kind: "number", value: "10000",
		usage: "messages of one user in a users export; 0 = no limit",
		parse: func(s *Settings, v string) error { return count(&s.MaxUserMessages, v, maxCount) },
	},
	{
		name: "rate-limit", kind: "number/s|m|h", value: "60/m",
		usage: "requests per app and export endpoint; 0 = off",
		parse: func(s *Settings, v string) error { return rate(&s.RateLimit, v) },
	},
	{
		name: "no-migrate", kind: kindBool, value: "false",
		usage: "do not bring the database up to date at start",
		parse: func(s *Settings, v string) error { return boolean(&s.NoMigrate, v) },
	},
	{
		name: "log-level", kind: "level", value: "info",
		usage: "least level that is logged: debug, info, warn, error",
		parse: func(s *Settings, v string) error { return level(&s.LogLevel, v) },
	},
	{
		name: "log-format", kind: "format", value: LogAuto,
		usage: "auto (text on a terminal, JSON otherwise), text, json",
		parse: func(s *Settings, v string) error { return oneOf(&s.LogFormat, v, LogAuto, LogText, LogJSON) },
	},
}

const (
	// kindBool is the kind of a flag that needs no value; pflag knows it by
	// that name.
	kindBool = "bool"
	maxCount = 1_000_000_000
)

// bad puts together what is wrong with a value from somewhere.
func (s *setting) bad(where, value string, err error) error {
	if s.secret {
		return fmt.Errorf("%s %w", where, err)
	}
	return fmt.Errorf("%s %w, not %q", where, err, value)
}
