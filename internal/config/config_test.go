package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hansard/internal/config"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// bind returns a loader that sees nothing of the machine it runs on.
func bind(t *testing.T, env []string, flags ...string) (*config.Loader, *pflag.FlagSet) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	l := config.Bind(fs)
	l.Environ = func() []string { return env }
	l.File = filepath.Join(t.TempDir(), "hansard.yaml")
	if err := fs.Parse(flags); err != nil {
		t.Fatal(err)
	}
	return l, fs
}

// load loads settings from a file's text, an environment and flags.
func load(t *testing.T, yaml string, env []string, flags ...string) (config.Settings, error) {
	t.Helper()
	l, _ := bind(t, env, flags...)
	if err := os.WriteFile(l.File, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return l.Load()
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	l, _ := bind(t, []string{"PATH=/bin", "HANSARD_TEST_POSTGRES=x", "HANSARD_SERVER=http://h", "HANSARD_DATA="})
	got, err := l.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got.Workers < 1 {
		t.Errorf("%d workers", got.Workers)
	}
	got.Workers = 0
	want := config.Settings{
		Listen: "127.0.0.1:3030", Data: "./hansard-data", URLTTL: 24 * time.Hour, Retention: 60 * 24 * time.Hour,
		MaxChannels: 25, MaxUsers: 25, MaxUserMessages: 10000, RateLimit: config.Rate{Count: 60, Window: time.Minute},
		LogLevel: slog.LevelInfo, LogFormat: config.LogAuto,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := filepath.Join("hansard-data", "files"); got.Files() != want {
		t.Errorf("Files() = %s, want %s", got.Files(), want)
	}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	t.Parallel()
	yaml := "# limits\nurl-ttl: 1h\nmax_channels: 1\nworkers: 1\nrate-limit: 0\nretention:\nlisten: ':0'\n"
	env := []string{"HANSARD_MAX_CHANNELS=2", "HANSARD_WORKERS=2", "HANSARD_NO_MIGRATE=1", "HANSARD_LOG_LEVEL=WARN"}
	got, err := load(t, yaml, env, "--workers", "3", "--storage", "file:///srv/files", "--public-url=https://h/chat/")
	if err != nil {
		t.Fatal(err)
	}
	want := config.Settings{
		Listen: ":0", PublicURL: "https://h/chat", Data: "./hansard-data", Storage: "file:///srv/files",
		URLTTL: time.Hour, MaxChannels: 2, Workers: 3, NoMigrate: true, LogLevel: slog.LevelWarn,
		Retention: 60 * 24 * time.Hour, MaxUsers: 25, MaxUserMessages: 10000, LogFormat: config.LogAuto,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := filepath.FromSlash("/srv/files"); got.Files() != want {
		t.Errorf("Files() = %s, want %s", got.Files(), want)
	}
	if got, err := load(t, "no-migrate: true\n", nil, "--no-migrate=false"); err != nil || got.NoMigrate {
		t.Errorf("--no-migrate=false: %v, %v", got.NoMigrate, err)
	}
	if got, err := load(t, "", nil, "--no-migrate"); err != nil || !got.NoMigrate {
		t.Errorf("--no-migrate: %v, %v", got.NoMigrate, err)
	}
}

func TestS3(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for storage, want := range map[string]config.S3{
		"s3://bucket":                  {Bucket: "bucket"},
		"s3://my.bucket-1/":            {Bucket: "my.bucket-1"},
		"s3://bucket/chat/prod/":       {Bucket: "bucket", Prefix: "chat/prod"},
		"s3://bucket?region=eu-west-1": {Bucket: "bucket", Region: "eu-west-1"},
		"s3://bucket/x?endpoint=s3.example.com&path_style=true": {
			Bucket: "bucket", Prefix: "x", Endpoint: "https://s3.example.com", PathStyle: &yes,
		},
		"s3://bucket?endpoint=http%3A%2F%2F127.0.0.1:7070&path_style=false&part_size=16MiB&parallel=8": {
			Bucket: "bucket", Endpoint: "http://127.0.0.1:7070", PathStyle: &no, PartSize: 16 << 20, Parallel: 8,
		},
		"s3://bucket?endpoint=minio:9000&insecure=true": {Bucket: "bucket", Endpoint: "http://minio:9000"},
		"s3://bucket?endpoint=http://minio:9000&public_endpoint=files.example.com": {
			Bucket: "bucket", Endpoint: "http://minio:9000", PublicEndpoint: "https://files.example.com",
		},
		"s3://bucket?spans=false":                                    {Bucket: "bucket", NoSpans: true},
		"s3://bucket?spans=true":                                     {Bucket: "bucket"},
		"s3://bucket?endpoint=x.r2.cloudflarestorage.com":            {Bucket: "bucket", Endpoint: "https://x.r2.cloudflarestorage.com", NoSpans: true},
		"s3://bucket?endpoint=x.r2.cloudflarestorage.com&spans=true": {Bucket: "bucket", Endpoint: "https://x.r2.cloudflarestorage.com"},
		"s3://bucket?endpoint=https://[::1]:9000/":                   {Bucket: "bucket", Endpoint: "https://[::1]:9000"},
	} {
		got, err := load(t, "url-ttl: 7d\n", nil, "--storage", storage)
		if err != nil {
			t.Errorf("%s: %v", storage, err)
			continue
		}
		o, ok := got.S3()
		if diff := cmp.Diff(want, o); !ok || diff != "" {
			t.Errorf("%s: %t (-want +got):\n%s", storage, ok, diff)
		}
	}
	for _, storage := range []string{"", "file:///srv/files"} {
		if o, ok := (config.Settings{Storage: storage}).S3(); ok {
			t.Errorf("%q is the object store %+v", storage, o)
		}
	}
}

func TestFlagsMayBeMoved(t *testing.T) {
	t.Parallel()
	all := pflag.NewFlagSet("all", pflag.ContinueOnError)
	l := config.Bind(all)
	l.Environ = func() []string { return []string{"HANSARD_WORKERS=7"} }
	l.File = filepath.Join(t.TempDir(), "none")
	some := pflag.NewFlagSet("some", pflag.ContinueOnError)
	some.AddFlag(all.Lookup("data"))
	if err := some.Parse([]string{"--data", "elsewhere"}); err != nil {
		t.Fatal(err)
	}
	got, err := l.Load()
	if err != nil || got.Data != "elsewhere" || got.Workers != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTheFileIsNamedByFlagOrVariable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for path, text := range map[string]string{one: "workers: 1\n", two: "workers: 2\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := load(t, "workers: 9\n", []string{"HANSARD_CONFIG=" + one}); err != nil || got.Workers != 1 {
		t.Errorf("by variable: %d, %v", got.Workers, err)
	}
	if got, err := load(t, "workers: 9\n", []string{"HANSARD_CONFIG=" + one}, "--config", two); err != nil || got.Workers != 2 {
		t.Errorf("by flag: %d, %v", got.Workers, err)
	}
	missing := filepath.Join(dir, "missing")
	if _, err := load(t, "", nil, "--config", missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("a file that was asked for and is missing: %v", err)
	}
}

func TestFilesThatSayNothing(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{"", "\n\n", "# only a comment\n", "---\n", "null\n", "{}\n"} {
		if _, err := load(t, yaml, nil); err != nil {
			t.Errorf("%q: %v", yaml, err)
		}
	}
}

func TestTheAppNeedsBothOrIsLone(t *testing.T) {
	t.Parallel()
	got, err := load(t, "", []string{"HANSARD_API_KEY=k-1_X", "HANSARD_API_SECRET=s"})
	if err != nil || got.APIKey != "k-1_X" || got.APISecret != "s" {
		t.Errorf("both: %+v, %v", got, err)
	}
	l, _ := bind(t, []string{"HANSARD_API_KEY=k"})
	l.LoneApp = true
	if got, err := l.Load(); err != nil || got.APIKey != "k" {
		t.Errorf("a key alone where that is allowed: %q, %v", got.APIKey, err)
	}
}

// What is wrong is named in one line, with where it stands.
func TestRefused(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery"
	tests := map[string]struct {
		yaml  string
		env   []string
		flags []string
		want  []string
	}{
		"unknown key":        {yaml: "\nurl-tll: 1h\n", want: []string{"hansard.yaml:2:", `"url-tll"`, "did you mean url-ttl?"}},
		"config in the file": {yaml: "config: x\n", want: []string{`"config" is not a setting`}},
		"key of many lines":  {yaml: "\"a\\nb\": x\n", want: []string{`"a\nb" is not a setting`}},
		"nested":             {yaml: "listen:\n  port: 1\n", want: []string{"hansard.yaml:1: listen must be a single value"}},
		"a list":             {yaml: "data: [a, b]\n", want: []string{"data must be a single value"}},
		"an alias":           {yaml: "data: &a x\nlisten: *a\n", want: []string{"listen must be a single value"}},
		"twice":              {yaml: "data: a\nlisten: :1\ndata: b\n", want: []string{"hansard.yaml:3: data", "twice", "hansard.yaml:1"}},
		"twice, spelt apart": {yaml: "url-ttl: 1h\nurl_ttl: 2h\n", want: []string{"url-ttl", "twice"}},
		"no mapping":         {yaml: "- a\n", want: []string{"hansard.yaml:1:"}},
		"two documents":      {yaml: "data: a\n---\ndata: b\n", want: []string{"hansard.yaml", "documents"}},
		"no YAML":            {yaml: "data: a\napi-secret: \"" + secret + "\n", want: []string{"hansard.yaml", "not YAML"}},
		"bad in file":        {yaml: "workers: many\n", want: []string{"hansard.yaml:1: workers", `"many"`}},
		"secret in file":     {yaml: "api-secret: \" " + secret + "\"\n", want: []string{"api-secret", "white space"}},
		"unknown variable":   {env: []string{"HANSARD_URL_TLL=1h"}, want: []string{"HANSARD_URL_TLL", "did you mean HANSARD_URL_TTL?"}},
		"unlike anything":    {env: []string{"HANSARD_COLOUR=1h"}, want: []string{"HANSARD_COLOUR is not a setting"}},
		"bad in env":         {env: []string{"HANSARD_URL_TTL=-1h"}, want: []string{"HANSARD_URL_TTL", `"-1h"`}},
		"listen":             {flags: []string{"--listen", "3030"}, want: []string{"--listen", "host:port"}},
		"metrics-listen":     {flags: []string{"--metrics-listen", "9090"}, want: []string{"--metrics-listen", "host:port"}},
		"port":               {flags: []string{"--listen", ":99999"}, want: []string{"--listen", "port"}},
		"data":               {flags: []string{"--data", ""}, want: []string{"--data", "empty"}},
		"rate":               {flags: []string{"--rate-limit", "60/fortnight"}, want: []string{"--rate-limit", "60/m"}},
		"rate without unit":  {flags: []string{"--rate-limit", "60"}, want: []string{"--rate-limit"}},
		"public url":         {flags: []string{"--public-url", "example.com"}, want: []string{"--public-url", "https://"}},
		"public url, query":  {flags: []string{"--public-url", "https://h/?a=b"}, want: []string{"--public-url", "query"}},
		"duration":           {flags: []string{"--retention", "60"}, want: []string{"--retention", "60d"}},
		"too short":          {flags: []string{"--retention", "5ms"}, want: []string{"--retention", "at least 1s"}},
		"too many days":      {flags: []string{"--retention", "999999999d"}, want: []string{"--retention"}},
		"number":             {flags: []string{"--max-users", "-1"}, want: []string{"--max-users", "from 0"}},
		"database":           {flags: []string{"--database", "mysql://u:" + secret + "@h/db"}, want: []string{"--database", "postgres://"}},
		"s3, no bucket":      {flags: []string{"--storage", "s3:///x"}, want: []string{"--storage", "bucket"}},
		"s3, bad bucket":     {flags: []string{"--storage", "s3://My_Bucket"}, want: []string{"--storage", "bucket"}},
		"s3, a server":       {flags: []string{"--storage", "s3://localhost:9000/bucket"}, want: []string{"--storage", "endpoint=…"}},
		"s3, bad prefix":     {flags: []string{"--storage", "s3://bucket/a/../b"}, want: []string{"--storage", "prefix"}},
		"s3, credentials":    {flags: []string{"--storage", "s3://key:" + secret + "@bucket"}, want: []string{"--storage", "AWS_SECRET_ACCESS_KEY"}},
		"s3, fragment":       {flags: []string{"--storage", "s3://bucket/a#b"}, want: []string{"--storage", "#"}},
		"s3, unknown":        {env: []string{"HANSARD_STORAGE=s3://bucket?path-style=true"}, want: []string{"HANSARD_STORAGE", `"path-style"`, "did you mean path_style?"}},
		"s3, a secret":       {flags: []string{"--storage", "s3://bucket?secret_key=" + secret}, want: []string{"--storage", `"secret_key"`}},
		"s3, twice":          {flags: []string{"--storage", "s3://bucket?region=a&region=b"}, want: []string{"--storage", "region once"}},
		"s3, no bool":        {flags: []string{"--storage", "s3://bucket?path_style=yes"}, want: []string{"--storage", "path_style=true"}},
		"s3, spans":          {flags: []string{"--storage", "s3://bucket?spans=off"}, want: []string{"--storage", "spans=true"}},
		"s3, endpoint":       {flags: []string{"--storage", "s3://bucket?endpoint=http://h:1/path"}, want: []string{"--storage", "endpoint=…"}},
		"s3, endpoint user":  {flags: []string{"--storage", "s3://bucket?endpoint=http://k:" + secret + "@h:1"}, want: []string{"--storage", "endpoint=…"}},
		"s3, public":         {flags: []string{"--storage", "s3://bucket?public_endpoint=ftp://h"}, want: []string{"--storage", "public_endpoint=…"}},
		"s3, insecure https": {flags: []string{"--storage", "s3://bucket?endpoint=https://h&insecure=true"}, want: []string{"--storage", "insecure=…"}},
		"s3, secure http":    {flags: []string{"--storage", "s3://bucket?endpoint=http://h&insecure=false"}, want: []string{"--storage", "insecure=…"}},
		"s3, insecure AWS":   {flags: []string{"--storage", "s3://bucket?insecure=true"}, want: []string{"--storage", "insecure=…"}},
		"s3, region":         {flags: []string{"--storage", "s3://bucket?region=eu/west"}, want: []string{"--storage", "region=…"}},
		"s3, part size":      {flags: []string{"--storage", "s3://bucket?part_size=1MiB"}, want: []string{"--storage", "part_size=…"}},
		"s3, parallel":       {flags: []string{"--storage", "s3://bucket?parallel=0"}, want: []string{"--storage", "parallel=…"}},
		"s3, escapes":        {flags: []string{"--storage", "s3://bucket?region=%zz"}, want: []string{"--storage"}},
		"s3, long URLs":      {yaml: "storage: s3://bucket\nurl-ttl: 8d\n", want: []string{"url-ttl", "7d"}},
		"storage":            {flags: []string{"--storage", "/srv/files"}, want: []string{"--storage", "file:///path"}},
		"storage, relative":  {flags: []string{"--storage", "file://srv/files"}, want: []string{"--storage", "file:///path"}},
		"key alone":          {flags: []string{"--api-key", "k"}, want: []string{"api-key needs api-secret"}},
		"secret alone":       {env: []string{"HANSARD_API_SECRET=" + secret}, want: []string{"api-secret needs api-key"}},
		"key":                {flags: []string{"--api-key", "../x", "--api-secret", secret}, want: []string{"--api-key"}},
		"bool":               {env: []string{"HANSARD_NO_MIGRATE=maybe"}, want: []string{"HANSARD_NO_MIGRATE", "true or false"}},
		"level":              {flags: []string{"--log-level", "loud"}, want: []string{"--log-level", "debug"}},
		"format":             {flags: []string{"--log-format", "xml"}, want: []string{"--log-format", "json"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, test.yaml, test.env, test.flags...)
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, w := range test.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), secret) {
				t.Errorf("%q is not one line without secrets", err)
			}
		})
	}
}

func TestTheHelpShowsDefaultsAndVariables(t *testing.T) {
	t.Parallel()
	_, fs := bind(t, nil)
	help := fs.FlagUsages()
	for _, want := range []string{"HANSARD_URL_TTL", "(default 24h)", "(default number of CPUs)", "--no-migrate ", "(default 60/m)", "HANSARD_CONFIG"} {
		if !strings.Contains(help, want) {
			t.Errorf("%q is missing in\n%s", want, help)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("url-ttl: 1h\nworkers: 1\n")
	f.Add("? [a]\n: b\n")
	f.Add("a: &x [*x]\n")
	f.Fuzz(func(t *testing.T, yaml string) {
		if _, err := load(t, yaml, nil); err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("more than a line: %q", err)
		}
	})
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"60/m", "0", "", "/", "-1/s", "1e3/h", "0/s", "0/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := config.ParseRate(s); err == nil && (r.Count < 0 || (r.Count > 0) != (r.Window > 0)) {
			t.Errorf("%q became %+v", s, r)
		}
	})
}

func FuzzStorage(f *testing.F) {
	for _, s := range []string{"", "file:///x", "s3://bucket/a/b?region=x&path_style=1", "s3://b:1/?endpoint=http://h", "s3://bucket?endpoint=::&insecure=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := load(t, "", nil, "--storage", s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		if o, ok := got.S3(); ok != strings.HasPrefix(s, "s3://") || ok && o.Bucket == "" {
			t.Errorf("%q became %+v, %t", s, o, ok)
		}
	})
}
