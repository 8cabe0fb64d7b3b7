package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

const (
	envPrefix = "HANSARD_"
	// testPrefix begins variables that tests talk to each other with.
	testPrefix  = "HANSARD_TEST_"
	configFlag  = "config"
	defaultFile = "hansard.yaml"
)

// Loader puts the settings together. Make one with [Bind]; its fields may be
// changed until Load.
type Loader struct {
	// Environ is the environment, as os.Environ gives it; that by default.
	Environ func() []string
	// File is the file that is read if it is there and no other is named;
	// ./hansard.yaml by default.
	File string
	// LoneApp allows an API key without its secret and the reverse: for
	// commands that look an app up and make none.
	LoneApp bool
	// AlsoEnv are variables beginning with HANSARD_ that are no settings; by
	// default HANSARD_SERVER, the server that client commands talk to.
	AlsoEnv []string

	flags map[string]*pflag.Flag
}

// Bind adds a flag for every setting, and --config, to fs. The flags may be
// moved to other flag sets, all or some; a setting without a flag there can
// still come from the environment and from the file.
func Bind(fs *pflag.FlagSet) *Loader {
	l := &Loader{
		Environ: os.Environ,
		File:    defaultFile,
		AlsoEnv: []string{envPrefix + "SERVER"},
		flags:   map[string]*pflag.Flag{},
	}
	add := func(name, kind, value, shown, usage string) {
		f := fs.VarPF(&flagValue{kind: kind, text: value}, name, "", usage)
		if shown != "" {
			f.DefValue = shown
		}
		if kind == kindBool {
			f.NoOptDefVal = "true"
		}
		l.flags[name] = f
	}
	for _, s := range settings {
		add(s.name, s.kind, s.value, s.shown, s.usage+" ["+envName(s.name)+"]")
	}
	add(configFlag, "file", "", "./"+defaultFile+" if it is there", "file with settings ["+envName(configFlag)+"]")
	return l
}

// flagValue keeps a flag's text: values from everywhere are parsed in one
// place, so that the same mistake gives the same message.
type flagValue struct{ kind, text string }

func (v *flagValue) String() string        { return v.text }
func (v *flagValue) Set(text string) error { v.text = text; return nil }
func (v *flagValue) Type() string          { return v.kind }

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Load reads all sources, once the flags are parsed. Its error is one line
// that names the setting and where the bad value stands.
func (l *Loader) Load() (Settings, error) {
	env, err := l.environment()
	if err != nil {
		return Settings{}, err
	}
	file, err := l.file(env)
	if err != nil {
		return Settings{}, err
	}
	var s Settings
	for i := range settings {
		row := &settings[i]
		// The default goes through parse as well; nothing else sets fields.
		value, where := row.value, "--"+row.name
		switch v, inEnv := env[envName(row.name)]; {
		case l.flags[row.name].Changed:
			value = l.flags[row.name].Value.String()
		case inEnv:
			value, where = v, envName(row.name)
		default:
			if v, ok := file[row.name]; ok {
				value, where = v.text, v.where+": "+row.name
			}
		}
		if err := row.parse(&s, value); err != nil {
			return Settings{}, row.bad(where, value, err)
		}
	}
	if !l.LoneApp && (s.APIKey == "") != (s.APISecret == "") {
		if s.APIKey == "" {
			return Settings{}, errors.New("api-secret needs api-key beside it (--api-key or HANSARD_API_KEY)")
		}
		return Settings{}, errors.New("api-key needs api-secret beside it (HANSARD_API_SECRET or --api-secret)")
	}
	if _, ok := s.S3(); ok && s.URLTTL > maxS3URLTTL {
		return Settings{}, errors.New("url-ttl must be at most 7d with files in an object store (storage), whose URLs cannot live longer")
	}
	return s, nil
}

// environment is our part of the environment. Variables that are set to
// nothing count as not set: compose files and shells have no better way.
func (l *Loader) environment() (map[string]string, error) {
	ours := map[string]string{}
	for _, kv := range l.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if value != "" && strings.HasPrefix(name, envPrefix) && !strings.HasPrefix(name, testPrefix) {
			ours[name] = value
		}
	}
	known := slices.Clone(l.AlsoEnv)
	for name := range l.flags {
		known = append(known, envName(name))
	}
	slices.Sort(known)
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%s is not a setting%s", name, suggest(name, known))
		}
	}
	return ours, nil
}
