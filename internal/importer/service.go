package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"hansard/internal/blob"
	"hansard/internal/importer/scan"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"
)

// The modes of an import.
const (
	Upsert = "upsert" // records replace what is there
	Insert = "insert" // what is there is left alone
)

// uploadTTL is how long an upload URL is valid.
const uploadTTL = 6 * time.Hour

// Service makes imports and runs them. The fields must not change once it is
// used; those that may be zero say so.
type Service struct {
	Store store.Store
	Blob  blob.Store

	// Scratch is a folder for the check of big files; each import has a
	// folder of its own in it, named after its task, and removes it. Empty is
	// the system's folder for temporary files.
	Scratch string
	// MaxEntity is how many bytes a line or an entity may have; 0 is
	// scan.DefaultLimit.
	MaxEntity int
	// SortMemory is how many bytes the check of ids may use before it goes to
	// disk; 0 is refs.DefaultMemory.
	SortMemory int
	// BatchRecords is how many records one transaction writes at most; 0 is
	// 6000.
	BatchRecords int
	// Enqueued, if set, is called after an import was enqueued, so that a
	// runner in this process need not wait for its next look at the queue.
	Enqueued func()
	Logger   *slog.Logger // slog.Default() if nil
}

func (s *Service) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

func (s *Service) limit() int { return cmp.Or(max(s.MaxEntity, 0), scan.DefaultLimit) }

// request is store.Task.Request of an import.
type request struct {
	Path        string `json:"path"`
	Mode        string `json:"mode"`
	MergeCustom bool   `json:"merge_custom"`
	Size        int64  `json:"size"`
	// Given says that the file was given to ImportFile, and not uploaded.
	Given bool `json:"given,omitempty"`
}

// CreateURL returns a URL to which a file can be put once, and the path by
// which Create knows it. The name may not lead out of its folder; characters
// that stored files do not have become "_". Errors are a *wire.Error.
func (s *Service) CreateURL(ctx context.Context, app store.App, filename string) (uploadURL, path string, err error) {
	name, err := cleanName(filename)
	if err != nil {
		return "", "", err
	}
	path = uploadKey(app, name)
	uploadURL, err = s.Blob.SignPut(ctx, path, uploadTTL)
	if err != nil {
		return "", "", fmt.Errorf("sign an upload: %w", err)
	}
	return uploadURL, path, nil
}

func uploadKey(app store.App, name string) string {
	return "imports/" + app.Key + "/" + uuid.NewString() + "/" + name
}

const maxName = 200

// cleanName makes a file's name fit for storage.
func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", wire.BadField("filename", "is required")
	case len(name) > maxName:
		return "", wire.BadField("filename", "must have at most %d bytes", maxName)
	case strings.ContainsAny(name, "/\\\x00"):
		return "", wire.BadField("filename", "must be a name without a path")
	case name[0] == '.':
		return "", wire.BadField("filename", "must not begin with a dot")
	}
	clean := []byte(name)
	for i, c := range clean {
		if !blob.ValidKey("x" + string(c)) {
			clean[i] = '_'
		}
	}
	return string(clean), nil
}

// Create enqueues the import of a file that was uploaded, and returns the id
// of its task. An empty mode is Upsert. Errors that are the client's are a
// *wire.Error; a path of another app is as unknown as one that never was.
func (s *Service) Create(ctx context.Context, app store.App, path, mode string, mergeCustom bool) (taskID string, err error) {
	mode = cmp.Or(mode, Upsert)
	switch {
	case mode != Upsert && mode != Insert:
		return "", wire.BadField("mode", "must be upsert or insert")
	case mergeCustom && mode == Insert:
		return "", wire.BadField("merge_custom", "needs mode upsert")
	case path == "":
		return "", wire.BadField("path", "is required: it is part of the answer to import_urls")
	case !blob.ValidKey(path) || strings.Count(path, "/") != 3 || !strings.HasPrefix(path, "imports/"):
		return "", wire.BadField("path", "is not a path that import_urls gave out")
	}
	unknown := wire.Errorf(wire.CodeNotFound, "nothing was uploaded to this path, or it has been imported already")
	if !strings.HasPrefix(path, "imports/"+app.Key+"/") {
		return "", unknown
	}
	info, err := s.Blob.Stat(ctx, path)
	if errors.Is(err, blob.ErrNotFound) {
		return "", unknown
	}
	if err != nil {
		return "", fmt.Errorf("look for the uploaded file: %w", err)
	}
	return s.enqueue(ctx, app, request{Path: path, Mode: mode, MergeCustom: mergeCustom, Size: info.Size})
}

func (s *Service) enqueue(ctx context.Context, app store.App, req request) (string, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return "", err
	}
	t, err := s.Store.Enqueue(ctx, &store.Task{ID: uuid.NewString(), App: app.ID, Kind: task.Import, Request: body}, nil)
	if err != nil {
		return "", fmt.Errorf("enqueue the import: %w", err)
	}
	if s.Enqueued != nil {
		s.Enqueued()
	}
	return t.ID, nil
}
