package blob

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"
)

// ErrNotFound is returned, wrapped, for a key under which nothing is stored.
var ErrNotFound = errors.New("blob: not found")

// ErrBadKey is returned, wrapped, for a key that ValidKey refuses.
var ErrBadKey = errors.New("blob: bad key")

// Info describes a stored file.
type Info struct {
	Key     string
	Size    int64 // bytes
	ModTime time.Time
}

// Writer writes one file. Exactly one of Commit and Abort ends it; Abort after
// Commit does nothing, so it may be deferred.
type Writer interface {
	io.Writer
	// Commit makes the file durable and visible, replacing any other under
	// its key.
	Commit() error
	// Abort leaves nothing behind.
	Abort() error
}

// Reader reads a stored file.
type Reader interface {
	io.Reader
	io.Seeker
	io.ReaderAt
	io.Closer
}

// Store keeps files. All methods may be called from several goroutines.
type Store interface {
	// Create starts writing the file under key.
	Create(ctx context.Context, key string) (Writer, error)
	// Open opens a file, or ErrNotFound.
	Open(ctx context.Context, key string) (Reader, Info, error)
	// Stat describes a file, or ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
	// Delete removes a file; one that is not there is no error.
	Delete(ctx context.Context, key string) error
	// List calls fn with every file whose key begins with prefix, by key.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// SignGet returns a URL under which the file can be fetched for ttl
	// without further authentication.
	SignGet(ctx context.Context, key string, ttl time.Duration) (string, error)
	// SignPut returns a URL to which the file can be put once within ttl.
	SignPut(ctx context.Context, key string, ttl time.Duration) (string, error)
	// Sweep removes what writers that died left behind before olderThan ago.
	Sweep(ctx context.Context, olderThan time.Duration) error
}

// ValidKey reports whether key is one or more names joined by "/", each of
// 1 to 255 of the characters A-Z a-z 0-9 . _ - @ and none beginning with a
// dot, 1024 bytes at most in all.
func ValidKey(key string) bool {
	if len(key) > 1024 {
		return false
	}
	for name := range strings.SplitSeq(key, "/") {
		if name == "" || len(name) > 255 || name[0] == '.' {
			return false
		}
		for _, c := range []byte(name) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			case c == '.', c == '_', c == '-', c == '@':
			default:
				return false
			}
		}
	}
	return true
}

// ContentType is the media type that a file is served as, by the ending of its
// key (contract section 10); compressed and encrypted files are plain bytes.
func ContentType(key string) string {
	switch {
	case strings.HasSuffix(key, ".json"):
		return "application/json"
	case strings.HasSuffix(key, ".jsonl"):
		return "application/x-ndjson"
	case strings.HasSuffix(key, ".csv"):
		return "text/csv"
	case strings.HasSuffix(key, ".parquet"):
		return "application/vnd.apache.parquet"
	case strings.HasSuffix(key, ".gz"):
		return "application/gzip"
	case strings.HasSuffix(key, ".zst"):
		return "application/zstd"
	default:
		return "application/octet-stream"
	}
}
