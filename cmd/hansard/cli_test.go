package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hansard/internal/auth"
	"hansard/internal/store"
	"hansard/internal/store/sqlite"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown command":      {[]string{"bogus"}, exitUsage, `unknown command "bogus"`},
		"unknown flag":         {[]string{"serve", "--bogus"}, exitUsage, "--bogus"},
		"missing argument":     {[]string{"task", "get"}, exitUsage, "say which ID"},
		"no file to verify":    {[]string{"verify"}, exitUsage, "say which FILE"},
		"no file to import":    {[]string{"import"}, exitUsage, "say which FILE"},
		"no users":             {[]string{"export", "users"}, exitUsage, "say which ID"},
		"too many arguments":   {[]string{"app", "rm", "a", "b"}, exitUsage, "takes one KEY, not 2"},
		"argument to nothing":  {[]string{"version", "x"}, exitUsage, `hansard version takes no argument such as "x"`},
		"limit of none":        {[]string{"task", "ls", "--limit", "0"}, exitUsage, "--limit must be 1 to 100"},
		"limit of too many":    {[]string{"task", "ls", "--limit", "101"}, exitUsage, "--limit must be 1 to 100"},
		"negative offset":      {[]string{"task", "ls", "--offset", "-1"}, exitUsage, "--offset"},
		"worker without any":   {[]string{"worker", "--workers", "0"}, exitFailed, "workers must not be 0"},
		"one file for two":     {[]string{"export", "users", "a", "-o", "-", "--manifest", "-", "--api-key", "k", "--api-secret", "s"}, exitUsage, "must not be the same"},
		"group without one":    {[]string{"task"}, exitUsage, "subcommand"},
		"no app":               {[]string{"task", "ls"}, exitUsage, "--api-key"},
		"no channels":          {[]string{"export", "channels", "--api-key", "k", "--api-secret", "s"}, exitUsage, "which channels"},
		"channels and filter":  {[]string{"export", "channels", "messaging:a", "--filter", "{}"}, exitUsage, "not both"},
		"bad filter":           {[]string{"export", "channels", "--filter", "{"}, exitUsage, "JSON"},
		"bad time":             {[]string{"export", "channels", "messaging:a", "--since", "yesterday"}, exitUsage, "--since"},
		"data without local":   {[]string{"export", "users", "a", "--data", "x"}, exitUsage, "--local"},
		"token of nobody":      {[]string{"token"}, exitUsage, "--user ID or --server"},
		"token of both":        {[]string{"token", "--server", "--user", "a"}, exitUsage, "--user ID or --server"},
		"bad mode":             {[]string{"import", "x", "--mode", "replace"}, exitUsage, "upsert or insert"},
		"bad setting":          {[]string{"serve", "--url-ttl", "soon"}, exitFailed, "url-ttl"},
		"bad server":           {[]string{"task", "ls", "--server", "nowhere", "--api-key", "k", "--api-secret", "s"}, exitUsage, "URL"},
		"nobody listens":       {[]string{"task", "ls", "--server", "http://127.0.0.1:1", "--api-key", "k", "--api-secret", "s"}, exitFailed, "127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; is hansard serve running there? say where with --server URL"},
		"verify: no such file": {[]string{"verify", "/does/not/exist"}, exitFailed, "/does/not/exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, "", tt.args...)
			first, rest, _ := strings.Cut(strings.TrimSuffix(r.errOut, "\n"), "\n")
			if r.code != tt.code || !strings.HasPrefix(first, "hansard: ") || !strings.Contains(first, tt.want) {
				t.Errorf("exit %d, said %q; want exit %d and %q", r.code, r.errOut, tt.code, tt.want)
			}
			if r.code == exitFailed && rest != "" || r.out != "" {
				t.Errorf("more than the one line: %q, output %q", r.errOut, r.out)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var b build
	if err := json.Unmarshal([]byte(ok(t, "version", "--json")), &b); err != nil || b.Version == "" || b.Go == "" || b.Commit == "" {
		t.Errorf("%+v, %v", b, err)
	}
	out := ok(t, "version")
	if !strings.HasPrefix(out, "hansard "+b.Version+"\n") {
		t.Errorf("%q", out)
	}
	if flag := ok(t, "--version"); flag != out {
		t.Errorf("--version says %q, version %q", flag, out)
	}
}

func TestApps(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var made appJSON
	if err := json.Unmarshal([]byte(ok(t, "app", "create", "--name", "The Shop", "--data", data, "--json")), &made); err != nil {
		t.Fatal(err)
	}
	if made.Name != "The Shop" || !validKey.MatchString(made.APIKey) || len(made.APISecret) < 32 || made.CreatedAt == 0 {
		t.Errorf("made %+v", made)
	}
	if r := run(t, "", "app", "create", "--api-key", made.APIKey, "--data", data); r.code != exitFailed || !strings.Contains(r.errOut, "already") {
		t.Errorf("the same key again: exit %d, %q", r.code, r.errOut)
	}
	list := ok(t, "app", "ls", "--data", data)
	if !strings.Contains(list, made.APIKey) || strings.Contains(list, made.APISecret) {
		t.Errorf("list: %q", list)
	}
	var rotated appJSON
	if err := json.Unmarshal([]byte(ok(t, "app", "rotate-secret", made.APIKey, "--data", data, "--json")), &rotated); err != nil || rotated.APISecret == made.APISecret {
		t.Errorf("rotated %+v, %v", rotated, err)
	}
	if r := run(t, "", "app", "rm", made.APIKey, "--data", data); r.code != exitFailed || !strings.Contains(r.errOut, "--yes") {
		t.Errorf("removed without being asked: exit %d, %q", r.code, r.errOut)
	}
	ok(t, "app", "rm", made.APIKey, "--yes", "--data", data)
	if list := ok(t, "app", "ls", "--data", data, "--json"); strings.TrimSpace(list) != "[]" {
		t.Errorf("left: %q", list)
	}
}

// When a command that changed an app has ended, running servers know.
func TestAppsChangeBesideAServer(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, flags := serving(t, data)
	with := func(secret string) result {
		return run(t, "", append([]string{"task", "ls"}, append(flags[:4:4], "--api-secret", secret)...)...)
	}
	old := flags[5]
	if r := with(old); r.code != exitOK {
		t.Fatal(r.errOut)
	}
	var app appJSON
	if err := json.Unmarshal([]byte(ok(t, "app", "rotate-secret", "shop", "--data", data, "--json")), &app); err != nil {
		t.Fatal(err)
	}
	if r := with(old); r.code != exitFailed || !strings.Contains(r.errOut, "signature") {
		t.Errorf("with the old secret: exit %d, %q", r.code, r.errOut)
	}
	if r := with(app.APISecret); r.code != exitOK {
		t.Errorf("with the new secret: exit %d, %q", r.code, r.errOut)
	}
	ok(t, "app", "rm", "shop", "--yes", "--data", data)
	if r := with(app.APISecret); r.code != exitFailed || !strings.Contains(r.errOut, "not known") {
		t.Errorf("removed: exit %d, %q", r.code, r.errOut)
	}
}

// interruptedStore is told to stop when it has changed an app.
type interruptedStore struct {
	store.Store
	stop func()
}

func (s *interruptedStore) SetAppSecret(ctx context.Context, key, secret string) error {
	defer s.stop()
	return s.Store.SetAppSecret(ctx, key, secret)
}

func TestRemovingAnAppCutShort(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	app := store.App{Name: "Shop", Key: "shop", Secret: auth.NewSecret()}
	if err := s.CreateApp(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if err := removeApp(ctx, &interruptedStore{s, stop}, app); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := s.AppByKey(t.Context(), "shop"); err != nil || left != app {
		t.Errorf("of %v is left %v, %v", app, left, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Who goes on writing while an app is removed leaves nothing behind.
func TestRemovedAppKeepsNothing(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	b, flags := serving(t, data)
	token := strings.TrimSpace(ok(t, "token", "--server", "--api-secret", flags[5]))
	started, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			body := fmt.Sprintf(`{"users":{"left-%d":{"id":"left-%d"}}}`, i, i)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, flags[1]+"/users?api_key=shop", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", token)
			answer, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusCreated {
				return
			}
			if i == 0 {
				close(started)
			}
		}
	}()
	<-started
	ok(t, "app", "rm", "shop", "--yes", "--data", data)
	<-ended
	b.end()
	files, err := filepath.Glob(filepath.Join(data, "hansard.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("left-")) {
			t.Errorf("users of the app are left in %s", filepath.Base(name))
		}
	}
}

func TestCommandsThatOnlyLookMakeNoStore(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "mistyped")
	r := run(t, "", "app", "ls", "--data", data)
	if r.code != exitFailed || !strings.Contains(r.errOut, "mistyped") {
		t.Errorf("exit %d, %q", r.code, r.errOut)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
}

// No store is made where files cannot be kept.
func TestBadStorageLeavesNothing(t *testing.T) {
	t.Parallel()
	file := write(t, "file", "no folder")
	for _, bad := range []string{file, filepath.Join(file, "files")} {
		data := filepath.Join(t.TempDir(), "data")
		r := run(t, "", "serve", "--listen", "127.0.0.1:0", "--data", data, "--storage", "file://"+filepath.ToSlash(bad))
		if r.code != exitFailed || !strings.Contains(r.errOut, "opening the files in "+bad) || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("exit %d, %q", r.code, r.errOut)
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			t.Errorf("a data folder was made: %v", err)
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	ok(t, "app", "create", "--api-key", "shop", "--api-secret", "s3cret-s3cret", "--data", data)
	claims := func(args ...string) auth.Claims {
		t.Helper()
		token := strings.TrimSpace(ok(t, append([]string{"token"}, args...)...))
		c, err := auth.Verify(token, time.Now(), "s3cret-s3cret")
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return c
	}
	if c := claims("--server", "--api-secret", "s3cret-s3cret"); !c.Server {
		t.Errorf("%+v", c)
	}
	if c := claims("--user", "ada", "--data", data, "--ttl", "1h"); c.UserID != "ada" {
		t.Errorf("%+v", c)
	}
	if c := claims("--user", "ada", "--data", data, "--api-key", "shop"); c.UserID != "ada" {
		t.Errorf("%+v", c)
	}
	if r := run(t, "", "token", "--server", "--data", data, "--api-key", "other"); r.code != exitFailed {
		t.Errorf("an unknown app: exit %d, %q", r.code, r.out)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	chat, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, string(chat), "import", "-", "--data", data, "--json")
	var done importedJSON
	if err := json.Unmarshal([]byte(r.out), &done); r.code != exitOK || err != nil || done.Counts.Messages != 309 || done.Counts.Calls != 2 {
		t.Fatalf("exit %d, %q, %q", r.code, r.out, r.errOut)
	}
	if !strings.Contains(r.errOut, "made the app dev") {
		t.Errorf("the first import makes an app: %q", r.errOut)
	}
	if out := ok(t, "import", sampleFile, "--data", data, "--mode", "insert"); !strings.Contains(out, "chat.jsonl") {
		t.Errorf("%q", out)
	}
}

func TestImportOfABadFile(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	const bad = `{"type":"user","data":{"id":"ada"}}
{"type":"channel","data":{"id":"tea","type":"messaging","created_by":"nobody"}}
{"type":"message","data":{"id":"m 1","channel_type":"messaging","channel_id":"tea","user":"ada","text":"very private"}}
`
	r := run(t, bad, "import", "-", "--data", data)
	if r.code != exitFailed || !strings.Contains(r.errOut, "line 2") || !strings.Contains(r.errOut, "line 3") || strings.Contains(r.errOut, "very private") {
		t.Errorf("exit %d\n%s", r.code, r.errOut)
	}
	r = run(t, bad, "import", "-", "--data", data, "--json")
	var report struct {
		Errors []struct{ Line int } `json:"errors"`
	}
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != exitFailed || len(report.Errors) < 2 {
		t.Errorf("exit %d, %v: %s", r.code, err, r.out)
	}
	if r := run(t, "", "export", "users", "ada", "--local", "--data", data, "-o", "-"); r.code != exitFailed || !strings.Contains(r.errOut, "ada") {
		t.Errorf("something of the bad file is there: exit %d, %q", r.code, r.errOut)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if out := ok(t, "migrate", "--data", data); !strings.Contains(out, "schema version") {
		t.Errorf("%q", out)
	}
	ok(t, "serve", "--help")
}
