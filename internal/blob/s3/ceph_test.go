package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"hansard/internal/blob"
	"hansard/internal/blob/s3"
)

// A Ceph Object Gateway is not asked to complete what it would complete wrongly.
func TestCephPartsAlike(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		id    string
		parts []blob.Part
		asked bool
	}{
		"one size, gaps":            {"2~abc", []blob.Part{{Number: 1, Size: 7}, {Number: 3, Size: 7}}, false},
		"one size, gaps later":      {"2~abc", []blob.Part{{Number: 1, Size: 7}, {Number: 2, Size: 8}, {Number: 6, Size: 8}, {Number: 7, Size: 1}}, false},
		"one size, no gaps":         {"2~abc", []blob.Part{{Number: 4, Size: 7}, {Number: 5, Size: 7}, {Number: 6, Size: 7}}, true},
		"several sizes, gaps":       {"2~abc", []blob.Part{{Number: 1, Size: 7}, {Number: 5, Size: 8}, {Number: 9, Size: 7}}, true},
		"one size, gaps, elsewhere": {"abc", []blob.Part{{Number: 1, Size: 7}, {Number: 3, Size: 7}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				switch {
				case isBegin(r):
					_, _ = fmt.Fprintf(w, `<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>`, test.id)
				case isComplete(r):
					asked.Store(true)
					w.WriteHeader(http.StatusBadRequest)
					_, _ = fmt.Fprint(w, `<Error><Code>InvalidPart</Code></Error>`)
				default:
					_, _ = fmt.Fprint(w, `<ListBucketResult></ListBucketResult>`)
				}
			}))
			t.Cleanup(server.Close)
			s := open(t, s3.Options{Bucket: "files", Endpoint: server.URL, Style: s3.PathStyle, AccessKey: "key", SecretKey: "secret"})
			upload, err := s.Begin(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Complete(t.Context(), key, upload, test.parts)
			if err == nil || asked.Load() != test.asked {
				t.Errorf("it was asked: %v; %v", asked.Load(), err)
			}
			if !errors.Is(err, blob.ErrParts) || strings.Contains(err.Error(), "Ceph") == test.asked {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
