package s3_test

import (
	"os"
	"testing"

	"hansard/internal/blob"
	"hansard/internal/blob/blobtest"
	"hansard/internal/blob/s3"
	"hansard/internal/s3test"
)

func TestMain(m *testing.M) { os.Exit(s3test.Main(m)) }

func options(b *s3test.Bucket) s3.Options {
	return s3.Options{
		Bucket: b.Name, Endpoint: b.Endpoint, Region: b.Region, Style: s3.PathStyle,
		AccessKey: b.AccessKey, SecretKey: b.SecretKey,
	}
}

func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "some/where"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			t.Parallel()
			blobtest.Run(t, func(t *testing.T) blob.Store {
				t.Helper()
				b := s3test.New(t)
				o := options(b)
				o.Prefix = prefix
				s := open(t, o)
				t.Cleanup(func() {
					// Every test ends its writers, so no uploads may be left.
					if left := b.Uploads(t); len(left) > 0 {
						t.Errorf("uploads are left: %v", left)
					}
				})
				return s
			})
		})
	}
}
