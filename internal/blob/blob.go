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

// ErrExists is returned, wrapped, by Commit of a writer that CreateNew made if
// there is a file under the key already.
var ErrExists = errors.New("blob: there is a file already")

// ErrUnavailable is returned, wrapped, where the store cannot be reached or
// refuses to serve us; trying again has not helped.
var ErrUnavailable = errors.New("blob: the store is not available")

// ErrParts is returned, wrapped, by Complete where the store does not make a file
// of parts like these: of their sizes, or with numbers that are left out.
var ErrParts = errors.New("blob: the store does not make a file of these parts")

// ErrBadKey is returned, wrapped, for a key that ValidKey refuses.
var ErrBadKey = errors.New("blob: bad key")

// Info describes a stored file.
type Info struct {
	Key     string
	Size    int64 // bytes
	ModTime time.Time
	// Version tells apart files that were stored under the key one after the
	// other. It is empty where the store does not let that happen unnoticed,
	// and it may be where files are listed.
	Version string
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

// Reader reads a stored file, as it was when it was opened: of one that was
// replaced or deleted meanwhile the rest may be an error, but never that of
// another file.
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
	// SignPut returns a URL to which the file can be put within ttl; only once
	// where the store can hold it to that.
	SignPut(ctx context.Context, key string, ttl time.Duration) (string, error)
	// Sweep removes what writers that died left behind before olderThan ago.
	Sweep(ctx context.Context, olderThan time.Duration) error
}

// NewCreator is a Store that can keep a writer from replacing a file.
type NewCreator interface {
	// CreateNew is Create whose Commit fails with ErrExists if there is a file
	// under key.
	CreateNew(ctx context.Context, key string) (Writer, error)
}

// CreateNew starts writing a file that must not replace another. A store that
// cannot promise that writes it as any other.
func CreateNew(ctx context.Context, s Store, key string) (Writer, error) {
	if n, ok := s.(NewCreator); ok {
		return n.CreateNew(ctx, key)
	}
	return s.Create(ctx, key)
}

// Part is one part of a file that is written in parts.
type Part struct {
	Number int    // from 1
	ETag   string // the store's name for what was put
	Size   int64  // bytes
}

// Limits of a file that is written in parts.
const (
	MinPart  = 5 << 20 // bytes; the last part may have fewer
	MaxPart  = 5 << 30 // bytes
	MaxParts = 10_000  // and the highest number
)

// Multipart is a Store of whose files several processes can write parts, in any
// order. The file appears when it is completed, whole or not at all.
type Multipart interface {
	// Begin starts a file; upload names it to the other methods, in whichever
	// process.
	Begin(ctx context.Context, key string) (upload string, err error)
	// PutPart puts the part of that number, size bytes from the start of body.
	// Putting a number again replaces its part. Some stores take only parts of
	// one size, but for the last.
	PutPart(ctx context.Context, key, upload string, number int, body io.ReadSeeker, size int64) (Part, error)
	// Complete makes a file of the parts, which must be in the order of their
	// numbers; numbers may be left out. Completing again is no error.
	Complete(ctx context.Context, key, upload string, parts []Part) error
	// AbortUpload removes the parts; that there are none any more is no error.
	AbortUpload(ctx context.Context, key, upload string) error
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
