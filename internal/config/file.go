package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds the size in bytes of a file with settings.
const maxFile = 1 << 20

// fileValue is a value and where it stands, such as "hansard.yaml:3".
type fileValue struct{ text, where string }

// file reads the file with settings: that of --config or HANSARD_CONFIG, which
// must be there, or the default one, which need not.
func (l *Loader) file(env map[string]string) (map[string]fileValue, error) {
	name, named := l.File, false
	if f := l.flags[configFlag]; f.Changed {
		name, named = f.Value.String(), true
	} else if v, ok := env[envName(configFlag)]; ok {
		name, named = v, true
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes, that is no file with settings", name, maxFile)
	}
	return parseFile(name, raw)
}

// parseFile works on the nodes of the YAML, not on values, for their lines.
func parseFile(name string, raw []byte) (map[string]fileValue, error) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil // empty, or comments only
	}
	if err != nil {
		return nil, notYAML(name, err)
	}
	if err := dec.Decode(new(yaml.Node)); err == nil {
		return nil, fmt.Errorf("%s holds several documents and must be one", name)
	} else if !errors.Is(err, io.EOF) {
		return nil, notYAML(name, err)
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: must be lines of the form key: value", name, top.Line)
	}
	values := map[string]fileValue{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		where := fmt.Sprintf("%s:%d", name, key.Line)
		// url_ttl is how most YAML files would write it.
		setting := strings.ReplaceAll(key.Value, "_", "-")
		first, twice := values[setting]
		switch {
		case !isSetting(setting):
			return nil, fmt.Errorf("%s: %s is not a setting%s", where, quoted(key.Value), suggest(key.Value, settingNames()))
		case twice:
			return nil, fmt.Errorf("%s: %s stands there twice, first at %s", where, setting, first.where)
		case value.Kind != yaml.ScalarNode:
			return nil, fmt.Errorf("%s: %s must be a single value", where, setting)
		case value.Tag == "!!null":
			continue // a key left empty is not set
		}
		values[setting] = fileValue{value.Value, where}
	}
	return values, nil
}

// notYAML leaves out what the library says after the line number: it quotes
// the file, and a secret may stand there.
func notYAML(name string, err error) error {
	var line int
	if _, serr := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); serr == nil {
		return fmt.Errorf("%s:%d: is not YAML", name, line)
	}
	return fmt.Errorf("%s is not YAML", name)
}

func isSetting(name string) bool {
	for _, s := range settings {
		if s.name == name {
			return true
		}
	}
	return false
}

func settingNames() []string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	return names
}

// suggest names the one of known that was probably meant: it differs only in
// case, dashes and underscores, or by a letter or two.
func suggest(name string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(plain(name), plain(k), least); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

func plain(name string) string {
	return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(name))
}

// distance is how many letters must be added, dropped or changed to come from
// a to b, or most if that is not less.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return min(row[len(b)], most)
}

// quoted makes a key that may be anything fit for a message of one line.
func quoted(key string) string {
	const longest = 60
	if len(key) > longest {
		key = key[:longest] + "…"
	}
	return strconv.Quote(key)
}
