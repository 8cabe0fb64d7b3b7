package config

import (
	"log/slog"
	"time"
)

// Settings are all settings, checked.
type Settings struct {
	Listen    string // host:port of the API; port 0 is any free one
	PublicURL string // base of generated URLs, without a slash at the end; "" = derived from Listen
	// MetricsListen is the host:port of /metrics, /healthz and /readyz; "" = they
	// are at Listen.
	MetricsListen string
	Data          string // folder of the embedded store, of local files and of scratch
	Database      string // "" = the embedded store in Data; else postgres://…
	Storage       string // "" = the folder "files" in Data; else file:///path or s3://…: see Files and S3

	// APIKey and APISecret are those of the app that is made at start if it is
	// missing; both or neither, but for Loader.LoneApp.
	APIKey, APISecret string

	Workers   int           // tasks at once in this process; 0 = none
	URLTTL    time.Duration // life of a download URL
	Retention time.Duration // life of an export file and its task

	MaxChannels     int  // in one export request; 0 = no limit
	MaxUsers        int  // in one users export request; 0 = no limit
	MaxUserMessages int  // of one user in a users export; 0 = no limit
	RateLimit       Rate // per app and export endpoint

	NoMigrate bool       // leave migrations to `hansard migrate`
	LogLevel  slog.Level // the least that is logged
	LogFormat string     // LogAuto, LogText or LogJSON
}

// The formats of logs.
const (
	LogAuto = "auto" // text on a terminal, JSON otherwise
	LogText = "text"
	LogJSON = "json"
)

// Rate is how many requests are allowed in each window of time; a Count of 0
// allows any number.
type Rate struct {
	Count  int
	Window time.Duration
}
