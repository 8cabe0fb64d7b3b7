// Package deploy_test keeps what is in this folder from growing old: settings
// that were renamed, commands that are gone, images that are not pinned.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"hansard/internal/config"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// binary is the program; TestMain removes it.
var (
	binaryDir string
	binary    = sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "hansard-deploy-")
		if err != nil {
			return "", err
		}
		binaryDir = dir
		name := filepath.Join(dir, "hansard")
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		// As the image's is.
		text, err := os.ReadFile(filepath.FromSlash("docker/Dockerfile"))
		if err != nil {
			return "", err
		}
		flags := regexp.MustCompile(`-ldflags="([^"]+)"`).FindSubmatch(text)
		if flags == nil {
			return "", errors.New("the Dockerfile has no -ldflags")
		}
		ld := strings.NewReplacer("$VERSION", "1.2.3", "$REVISION", "0123abc").Replace(string(flags[1]))
		if out, err := exec.Command("go", "build", "-ldflags", ld, "-o", name, "hansard/cmd/hansard").CombinedOutput(); err != nil {
			return "", errors.New(string(out))
		}
		return name, nil
	})
)

func TestMain(m *testing.M) {
	code := m.Run()
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir)
	}
	os.Exit(code)
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}

// files are all files of this folder but for Go's.
func files(t *testing.T) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".go" {
			list = append(list, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil || len(list) < 15 {
		t.Fatalf("%d files, %v", len(list), err)
	}
	return list
}

// documents parses a file of YAML.
func documents(t *testing.T, path string) []map[string]any {
	t.Helper()
	var list []map[string]any
	for dec := yaml.NewDecoder(strings.NewReader(read(t, path))); ; {
		var doc map[string]any
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		list = append(list, doc)
	}
}

// at follows keys into nested maps and lists of one; nil is what is not there.
func at(v any, path ...string) any {
	for _, key := range path {
		if list, ok := v.([]any); ok && len(list) == 1 {
			v = list[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		s, _ := e.(string)
		out = append(out, s)
	}
	return out
}

// accepted checks that the program knows a command with its flags, and that it
// takes the values and variables.
func accepted(t *testing.T, where string, args, env []string) {
	t.Helper()
	if len(args) == 0 {
		t.Errorf("%s: no command", where)
		return
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append(slices.Clone(args), "--help")...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("hansard "+args[0])) {
		t.Errorf("%s: hansard %s: %v\n%s", where, strings.Join(args, " "), err, out)
	}
	if args[0] == "health" {
		return // has no settings
	}
	set := pflag.NewFlagSet(where, pflag.ContinueOnError)
	loader := config.Bind(set)
	loader.File = filepath.Join(t.TempDir(), "none")
	loader.Environ = func() []string { return env }
	if err := set.Parse(args[1:]); err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if _, err := loader.Load(); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

// Variables that compose.yaml itself reads, and the program never sees.
var ofCompose = []string{"HANSARD_IMAGE", "HANSARD_PUBLISH"}

func TestVariablesAreSettings(t *testing.T) {
	t.Parallel()
	set := pflag.NewFlagSet("all", pflag.ContinueOnError)
	config.Bind(set)
	known := slices.Clone(ofCompose)
	set.VisitAll(func(f *pflag.Flag) {
		known = append(known, "HANSARD_"+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")))
	})
	name := regexp.MustCompile(`HANSARD_[A-Z0-9]+(_[A-Z0-9]+)*`)
	found := 0
	for _, path := range files(t) {
		for _, v := range name.FindAllString(read(t, path), -1) {
			if found++; !slices.Contains(known, v) {
				t.Errorf("%s: %s is not a setting", path, v)
			}
		}
	}
	if found < 20 {
		t.Errorf("found only %d variables", found)
	}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	for _, path := range files(t) {
		if strings.Contains(path, ".yaml") && len(documents(t, path)) == 0 {
			t.Errorf("%s is empty", path)
		}
	}
}

// expand puts values for variables into a text of compose.yaml; those without a
// default, which have to be there, become "given".
func expand(t *testing.T, text string, required map[string]bool) string {
	t.Helper()
	variable := regexp.MustCompile(`\$\{([A-Z0-9_]+)(:[-?])([^}]*)\}`)
	out := variable.ReplaceAllStringFunc(text, func(m string) string {
		parts := variable.FindStringSubmatch(m)
		if parts[2] == ":?" {
			required[parts[1]] = true
			return "given"
		}
		return parts[3]
	})
	if strings.Contains(out, "$") {
		t.Errorf("%q has a variable that is neither required nor has a default", text)
	}
	return out
}

// pinned is an image with its version and its digest.
var pinned = regexp.MustCompile(`^[a-z0-9./_-]+:[A-Za-z0-9._-]*[0-9][A-Za-z0-9._-]*@sha256:[0-9a-f]{64}$`)

func TestCompose(t *testing.T) {
	t.Parallel()
	doc := documents(t, "compose/compose.yaml")[0]
	required := map[string]bool{}
	services, _ := doc["services"].(map[string]any)
	for name, s := range services {
		image, _ := at(s, "image").(string)
		ours := strings.HasPrefix(image, "${HANSARD_IMAGE")
		if !ours && !pinned.MatchString(image) {
			t.Errorf("%s: the image %s is not pinned", name, image)
		}
		if at(s, "read_only") != true {
			t.Errorf("%s: read_only is missing", name)
		}
		if at(s, "restart") == nil || !slices.Contains(texts(at(s, "security_opt")), "no-new-privileges:true") {
			t.Errorf("%s: restart or no-new-privileges is missing", name)
		}
		var env []string
		vars, _ := at(s, "environment").(map[string]any)
		for key, v := range vars {
			text, isText := v.(string)
			if !isText {
				t.Errorf("%s: %s must be quoted", name, key)
			}
			env = append(env, key+"="+expand(t, text, required))
		}
		for _, p := range texts(at(s, "ports")) {
			if p = expand(t, p, required); !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: %s is open to others by default", name, p)
			}
		}
		if !ours {
			continue
		}
		if !slices.Equal(texts(at(s, "cap_drop")), []string{"ALL"}) {
			t.Errorf("%s: cap_drop is missing", name)
		}
		accepted(t, name, texts(at(s, "command")), env)
		check := texts(at(s, "healthcheck", "test"))
		if name != "migrate" && (len(check) < 4 || check[0] != "CMD" || check[1] != "/usr/bin/hansard") {
			t.Errorf("%s: healthcheck is %q", name, check)
		} else if name != "migrate" {
			accepted(t, name+" healthcheck", check[2:], nil)
		}
	}
	if len(services) < 6 {
		t.Errorf("%d services", len(services))
	}

	// What must be given is in the example, empty; what is optional is a comment.
	example := read(t, "compose/env.example")
	for name := range required {
		if !strings.Contains("\n"+example, "\n"+name+"=\n") {
			t.Errorf("env.example has no empty %s", name)
		}
	}
	for line := range strings.Lines(example) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") && (value != "" || !required[name]) {
			t.Errorf("env.example: %s", line)
		}
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(read(t, "docker/Dockerfile"), "\\\n", " ")
	last := map[string]string{}
	stages := 0
	env := []string{}
	for line := range strings.Lines(text) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch instruction {
		case "FROM":
			stages++
			last = map[string]string{}
			image := strings.Fields(strings.TrimPrefix(rest, "--platform=$BUILDPLATFORM "))[0]
			if image != "scratch" && !pinned.MatchString(image) {
				t.Errorf("the image %s is not pinned", image)
			}
		case "ADD", "MAINTAINER", "ONBUILD", "SHELL":
			t.Errorf("%s is not for here", instruction)
		case "ENTRYPOINT", "CMD":
			var list []string
			if json.Unmarshal([]byte(rest), &list) != nil {
				t.Errorf("%s must be a list: nothing here has a shell", instruction)
			}
		case "WORKDIR":
			if !strings.HasPrefix(rest, "/") {
				t.Errorf("WORKDIR %s", rest)
			}
		case "RUN":
			if strings.Contains(rest, "sudo") || strings.Contains(rest, "curl") || strings.Contains(rest, "apt") {
				t.Errorf("RUN %s", rest)
			}
		case "ENV":
			env = strings.Fields(rest)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			var list []string
			if err := json.Unmarshal([]byte(command), &list); err != nil || len(list) < 2 {
				t.Errorf("HEALTHCHECK %s", rest)
				break
			}
			accepted(t, "HEALTHCHECK", list[1:], nil)
		}
		last[instruction] = rest
	}
	if stages != 2 || last["FROM"] != "scratch" {
		t.Errorf("%d stages, the last from %s", stages, last["FROM"])
	}
	if !regexp.MustCompile(`^[1-9]\d{3,}:[1-9]\d{3,}$`).MatchString(last["USER"]) {
		t.Errorf("USER %s is not a number other than root's", last["USER"])
	}
	var entry, cmd []string
	if err := errors.Join(json.Unmarshal([]byte(last["ENTRYPOINT"]), &entry), json.Unmarshal([]byte(last["CMD"]), &cmd)); err != nil || len(entry) != 1 {
		t.Errorf("ENTRYPOINT %s, CMD %s", last["ENTRYPOINT"], last["CMD"])
	}
	accepted(t, "Dockerfile", cmd, env)

	// What is built says what it was built from.
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "version").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("1.2.3")) || !bytes.Contains(out, []byte("0123abc")) {
		t.Errorf("hansard version: %v\n%s", err, out)
	}

	// The toolchain of the image must do for go.mod.
	version := regexp.MustCompile(`golang:(\d+\.\d+)\.`).FindStringSubmatch(text)
	if len(version) != 2 || !strings.Contains(read(t, "../go.mod"), "\ngo "+version[1]+".") {
		t.Errorf("the image has Go %v, go.mod asks for another", version)
	}
}

// All that the program is made of gets into the build, and little else.
func TestDockerignore(t *testing.T) {
	t.Parallel()
	var allowed []string
	for line := range strings.Lines(read(t, "../.dockerignore")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			allowed = append(allowed, name)
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Error(err)
			}
		}
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "hansard/cmd/hansard").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		if folder := strings.Split(pkg, "/")[1]; !slices.Contains(allowed, folder) {
			t.Errorf("%s is left out", pkg)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s is left out", name)
		}
	}
}
