// Package config is the one place that knows the settings: their names,
// defaults and limits. Each is a flag, an environment variable and a key of
// hansard.yaml, in that order of precedence (--url-ttl, HANSARD_URL_TTL and
// url-ttl). What is unknown or makes no sense stops the start with one line
// that names it and where it stands; a setting that is silently ignored is the
// worst kind of wrong.
package config
