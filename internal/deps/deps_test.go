package deps_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the module's folder, from here.
const root = "../.."

// product is what users get; everything it is compiled from counts.
const product = "./cmd/hansard"

// cgoOrNot are packages that use cgo on some platform where it can be had, and
// do without where it is off, as it is in releases.
var cgoOrNot = []string{
	"github.com/prometheus/client_golang/prometheus", // the memory of a process on macOS
}

type allowance struct {
	licence string
	test    bool // may not be compiled into the product
}

// TestAllowed: go.mod requires what allowed.txt lists, no more and no less.
func TestAllowed(t *testing.T) {
	t.Parallel()
	allowed := readAllowed(t)
	var mod struct{ Require []struct{ Path string } }
	if err := json.Unmarshal(goTool(t, nil, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	var required []string
	for _, r := range mod.Require {
		required = append(required, r.Path)
	}
	slices.Sort(required)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(allowed)), required); diff != "" {
		t.Errorf("internal/deps/allowed.txt (-) and go.mod (+) differ; a new module needs a reason and a licence:\n%s", diff)
	}
}

// TestCompiledIn: what ships is under a permissive licence, needs no cgo, and
// has nothing in it that is meant for tests, on every platform.
func TestCompiledIn(t *testing.T) {
	t.Parallel()
	permissive := []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"}
	allowed := readAllowed(t)
	for _, platform := range []string{"linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"} {
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			goos, goarch, _ := strings.Cut(platform, "/")
			// With cgo on, files that want it are listed instead of left out.
			env := []string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=1"}
			seen := map[string]bool{}
			for _, p := range packages(t, env, "-deps", product) {
				if p.Standard || p.Module == nil || p.Module.Main {
					continue
				}
				if len(p.CgoFiles) > 0 && !slices.Contains(cgoOrNot, p.ImportPath) {
					t.Errorf("%s needs cgo", p.ImportPath)
				}
				if seen[p.Module.Path] {
					continue
				}
				seen[p.Module.Path] = true
				a, ok := allowed[p.Module.Path]
				switch {
				case !ok:
					t.Errorf("%s is not in internal/deps/allowed.txt (for %s)", p.Module.Path, p.ImportPath)
				case a.test:
					t.Errorf("%s is for tests, but is compiled into the product (%s)", p.Module.Path, p.ImportPath)
				case !slices.Contains(permissive, a.licence):
					t.Errorf("%s has the licence %s, which the product cannot take in", p.Module.Path, a.licence)
				}
			}
		})
	}
}

// TestExplained: docs/dependencies.md has a line for every module that our
// code imports itself, and for no other.
func TestExplained(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	quoted := regexp.MustCompile("`([a-z0-9.]+\\.[a-z]+/[^`]+)`")
	for line := range strings.Lines(string(doc)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
				explained[m[1]] = true
			}
		}
	}
	imported := map[string]bool{}
	owners := slices.Collect(maps.Keys(readAllowed(t)))
	for _, p := range packages(t, nil, "./...") {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for _, m := range owners {
				if path == m || strings.HasPrefix(path, m+"/") {
					imported[m] = true
				}
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(imported)), slices.Sorted(maps.Keys(explained))); diff != "" {
		t.Errorf("what the code imports (-) and docs/dependencies.md (+) differ:\n%s", diff)
	}
}

// TestFloors: the linter's rules about who may import whom (.golangci.yml)
// name every package.
func TestFloors(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "internal"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "deps" {
			continue
		}
		if !bytes.Contains(rules, []byte(`"**/internal/`+e.Name()+`/`)) {
			t.Errorf("internal/%s stands on no floor: .golangci.yml has no depguard rule for it", e.Name())
		}
	}
}

// TestMatchedVersions: modernc.org/sqlite is generated against one version of
// modernc.org/libc and breaks in odd ways with any other, which go.mod does
// not say.
func TestMatchedVersions(t *testing.T) {
	t.Parallel()
	var sqlite, libc struct{ Path, Version, GoMod string }
	for path, into := range map[string]any{"modernc.org/sqlite": &sqlite, "modernc.org/libc": &libc} {
		if err := json.Unmarshal(goTool(t, nil, "list", "-m", "-json", path), into); err != nil {
			t.Fatal(err)
		}
	}
	mod, err := os.ReadFile(sqlite.GoMod)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)modernc\.org/libc (v\S+)`).FindSubmatch(mod)
	if m == nil {
		t.Fatalf("%s does not name modernc.org/libc", sqlite.GoMod)
	}
	if want := string(m[1]); libc.Version != want {
		t.Errorf("modernc.org/libc is %s; modernc.org/sqlite %s asks for exactly %s", libc.Version, sqlite.Version, want)
	}
}

func readAllowed(t *testing.T) map[string]allowance {
	t.Helper()
	list, err := os.ReadFile("allowed.txt")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]allowance{}
	for line := range strings.Lines(string(list)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if len(fields) < 2 || len(fields) > 3 || len(fields) == 3 && fields[2] != "test" {
			t.Fatalf("allowed.txt: want path, licence and perhaps test: %q", line)
		}
		allowed[fields[0]] = allowance{licence: fields[1], test: len(fields) == 3}
	}
	return allowed
}

type listed struct {
	ImportPath string
	Standard   bool
	Module     *struct {
		Path string
		Main bool
	}
	CgoFiles                           []string
	Imports, TestImports, XTestImports []string
}

func packages(t *testing.T, env []string, args ...string) []listed {
	t.Helper()
	args = append([]string{"list", "-json=ImportPath,Standard,Module,CgoFiles,Imports,TestImports,XTestImports"}, args...)
	dec := json.NewDecoder(bytes.NewReader(goTool(t, env, args...)))
	var ps []listed
	for dec.More() {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	return ps
}

// goTool runs the go command in the module's folder. It may fetch modules that
// only another platform needs.
func goTool(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}
