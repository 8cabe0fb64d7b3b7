package s3_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hansard/internal/blob/s3"
	"hansard/internal/s3test"
)

// Credentials are found where AWS's own tools find them, and what is missing is
// said.
func TestCredentials(t *testing.T) {
	b := s3test.New(t)
	o := options(b)
	o.AccessKey, o.SecretKey, o.Patience = "", "", time.Second
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[default]\naws_access_key_id = unknown\naws_secret_access_key = unknown\n" +
		"[chat]\naws_access_key_id = " + b.AccessKey + "\naws_secret_access_key = " + b.SecretKey + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"AccessKeyId":"` + b.AccessKey + `","SecretAccessKey":"` + b.SecretKey + `","Token":"","Expiration":"2099-01-01T00:00:00Z"}`))
	}))
	t.Cleanup(role.Close)

	for name, test := range map[string]struct {
		env  []string
		want string // of the error
	}{
		"the environment":      {env: b.Env()},
		"a file":               {env: []string{"AWS_SHARED_CREDENTIALS_FILE=" + file, "AWS_PROFILE=chat"}},
		"the container's role": {env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + role.URL}},
		"none":                 {want: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		"half of them":         {env: []string{"AWS_ACCESS_KEY_ID=correct-horse"}, want: "one is missing"},
		"unknown ones":         {env: []string{"AWS_SHARED_CREDENTIALS_FILE=" + file}, want: "does not let us in"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, unset := range []string{
				"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
				"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_REGION", "AWS_DEFAULT_REGION",
			} {
				t.Setenv(unset, "")
			}
			nowhere := filepath.Join(t.TempDir(), "none")
			t.Setenv("AWS_CONFIG_FILE", nowhere)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
			// Nobody is asked who is not on this machine.
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1")
			for _, kv := range test.env {
				name, value, _ := strings.Cut(kv, "=")
				t.Setenv(name, value)
			}
			s, err := s3.Open(t.Context(), o)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := write(t.Context(), s, "a", nil); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "correct-horse") {
				t.Errorf("%v does not say %q", err, test.want)
			}
		})
	}
}

// A file can be large although parts are small and their number is limited.
func TestPartSizes(t *testing.T) {
	t.Parallel()
	s := open(t, options(s3test.New(t)))
	total := int64(0)
	for number := 1; number <= 10_000; number++ {
		size := s3.SizeOf(s, number)
		if size < s3.DefaultPartSize || size > 4*s3.DefaultPartSize {
			t.Fatalf("part %d has %d bytes", number, size)
		}
		total += size
	}
	if total < 156<<30 {
		t.Errorf("a file can have %d bytes", total)
	}
}
