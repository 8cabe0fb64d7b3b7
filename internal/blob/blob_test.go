package blob_test

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hansard/internal/blob"
)

func TestValidKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 255)
	for key, want := range map[string]bool{
		"a":                                true,
		"exports/channels/acme/0b1c.jsonl": true,
		"imports/a@b/1-2_3/Chat.V2.json":   true,
		"a..b/c.":                          true,
		long:                               true,
		strings.Repeat(long+"/", 3) + long[1:] + "/": false,
		strings.Repeat(long+"/", 4)[:1023]:           true,
		strings.Repeat("ab/", 342)[:1024]:            true,
		strings.Repeat("ab/", 342)[:1025]:            false,
		long + "x":                                   false,
		"":                                           false,
		"/":                                          false,
		"/a":                                         false,
		"a/":                                         false,
		"a//b":                                       false,
		".":                                          false,
		"..":                                         false,
		"../a":                                       false,
		"a/../b":                                     false,
		"a/.hidden":                                  false,
		`a\b`:                                        false,
		"a b":                                        false,
		"a%2fb":                                      false,
		"a:b":                                        false,
		"a\x00":                                      false,
		"a\n":                                        false,
		"ä":                                          false,
		"C:/x":                                       false,
	} {
		if got := blob.ValidKey(key); got != want {
			t.Errorf("ValidKey(%.40q) of %d bytes = %t, want %t", key, len(key), got, want)
		}
	}
}

// A valid key stays inside the folder it is joined to.
func TestValidKeyStaysInside(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a./\\~:-]{0,12}`)).Draw(t, "key")
		if !blob.ValidKey(key) {
			return
		}
		if got := path.Join("/data", key); got != "/data/"+key {
			t.Fatalf("%q leads to %q", key, got)
		}
	})
}

func TestContentType(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"x.json":                  "application/json",
		"exports/x.manifest.json": "application/json",
		"x.jsonl":                 "application/x-ndjson",
		"x.csv":                   "text/csv",
		"x.parquet":               "application/vnd.apache.parquet",
		"x.jsonl.gz":              "application/gzip",
		"x.json.zst":              "application/zstd",
		"x.jsonl.zst.age":         "application/octet-stream",
		"x":                       "application/octet-stream",
	} {
		if got := blob.ContentType(key); got != want {
			t.Errorf("ContentType(%q) = %q, want %q", key, got, want)
		}
	}
}
