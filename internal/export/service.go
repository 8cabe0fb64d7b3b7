package export

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hansard/internal/blob"
	"hansard/internal/chat"
	"hansard/internal/export/format"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Service takes requests for exports and carries them out.
type Service struct {
	Store   store.Store
	Blob    blob.Store
	Scratch string // folder for what is spooled; a folder for each task
	Limits  Limits
	Version string // of this program, for manifests
	Logger  *slog.Logger
	// CheckpointEvery is how much work a crash may cost an export of several
	// channels, roughly; 0 means 2 s. Making sections durable is not free.
	CheckpointEvery time.Duration
	// SpoolAbove is from how many messages on an export of several channels
	// is spooled, channel by channel, instead of written straight through
	// from one snapshot of all; 0 means eight million.
	SpoolAbove int64
	// ReaderMessages is how many messages a users export has for each of those
	// who read at once; 0 means 25,000.
	ReaderMessages int64
	// Writers says for how long, in all, the store has written for others in
	// this process, and how many bytes of log have piled up meanwhile. Exports
	// step aside when others write much of the time, unless the log gets long.
	// nil means that they never do.
	Writers func() (wrote time.Duration, log int64)

	// NoSpans keeps large exports from being divided among workers, for object
	// stores that take only parts of one size.
	NoSpans bool
	// SpanMessages is how many messages a span has; 0 means 10,240, and more of
	// exports that would have too many spans.
	SpanMessages int
	// SpanLease is for how long a worker that is not heard of keeps a span; 0
	// means 15 s.
	SpanLease time.Duration
	// Owner names this process in the leases of spans; "" is a random name.
	Owner string
	// SpanDone, if set, is called after each span that this process has done;
	// takenOver says that somebody else was lost over it.
	SpanDone func(takenOver bool)

	pacer  pacer
	chunks chunks
	leads  sync.Map // *kept by store.SpansOf, of the exports that are led here
}

// keyLife is how long an Idempotency-Key is remembered (contract section 3).
const keyLife = 24 * time.Hour

// RequestChannels checks the body of POST /export_channels and enqueues the
// task. Errors that are the client's are *wire.Error; nothing is enqueued then.
func (s *Service) RequestChannels(ctx context.Context, app store.App, body []byte, idempotencyKey string) (taskID string, err error) {
	r, err := DecodeChannels(body, s.Limits)
	if err != nil {
		return "", err
	}
	if err := s.checkChannels(ctx, app, r); err != nil {
		return "", err
	}
	return s.enqueue(ctx, app, task.ExportChannels, r, idempotencyKey)
}

// checkChannels looks that every channel is there, and with tables that every
// column is.
func (s *Service) checkChannels(ctx context.Context, app store.App, r *ChannelsRequest) error {
	return s.Store.View(ctx, app.ID, func(v store.Reader) error {
		missing := map[string]string{}
		var rows []store.ChannelRow
		for _, spec := range r.Channels {
			row, err := v.Channel(spec.CID)
			switch {
			case errors.Is(err, store.ErrNotFound):
				missing[spec.CID] = "does not exist"
			case err != nil:
				return err
			case row.Channel.DeletedAt != 0 && !r.IncludeSoftDeleted:
				missing[spec.CID] = "is deleted; set include_soft_deleted_channels to export it"
			default:
				rows = append(rows, row)
			}
		}
		if len(missing) > 0 {
			return notFound("channels", missing)
		}
		if len(r.IncludeFields) == 0 || r.Filter != nil {
			return nil // a filter's channels are not known yet
		}
		unknown, err := format.Unknown(v, rows, r.IncludeFields)
		if err != nil {
			return err
		}
		if len(unknown) > 0 {
			return wire.BadField("include_fields", "names columns that no message has: %s", strings.Join(unknown, ", "))
		}
		return nil
	})
}

func notFound(what string, missing map[string]string) error {
	ids := make([]string, 0, len(missing))
	for id := range missing {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return &wire.Error{
		Code: wire.CodeNotFound, Fields: missing,
		Message: "these " + what + " do not exist: " + strings.Join(ids, ", "),
	}
}

// RequestUsers is RequestChannels for POST /export/users.
func (s *Service) RequestUsers(ctx context.Context, app store.App, body []byte, idempotencyKey string) (taskID string, err error) {
	r, err := DecodeUsers(body, s.Limits)
	if err != nil {
		return "", err
	}
	err = s.Store.View(ctx, app.ID, func(v store.Reader) error {
		missing := map[string]string{}
		for _, id := range r.UserIDs {
			if _, err := v.UserKey(id); errors.Is(err, store.ErrNotFound) {
				missing[id] = "does not exist"
			} else if err != nil {
				return err
			}
		}
		if len(missing) > 0 {
			return notFound("users", missing)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return s.enqueue(ctx, app, task.ExportUsers, r, idempotencyKey)
}

func (s *Service) enqueue(ctx context.Context, app store.App, kind string, request any, key string) (string, error) {
	body, err := encode(request)
	if err != nil {
		return "", err
	}
	t := &store.Task{ID: uuid.NewString(), App: app.ID, Kind: kind, Request: body}
	var idem *store.Idempotency
	if key != "" {
		sum := sha256.Sum256(append([]byte(kind+"\n"), body...))
		idem = &store.Idempotency{Key: key, Hash: sum[:], Life: keyLife}
	}
	t, err = s.Store.Enqueue(ctx, t, idem)
	if errors.Is(err, store.ErrKeyReused) {
		return "", wire.Errorf(wire.CodeBadInput, "the Idempotency-Key was used with another request within the last 24 hours")
	}
	if err != nil {
		return "", err
	}
	return t.ID, nil
}

// UserExport is the synchronous export of one user (contract section 3): a
// JSON object with user, messages and reactions, in the classic dialect.
func (s *Service) UserExport(ctx context.Context, app store.App, userID string) ([]byte, error) {
	var out []byte
	err := s.Store.View(ctx, app.ID, func(v store.Reader) error {
		key, err := v.UserKey(userID)
		if errors.Is(err, store.ErrNotFound) {
			return notFound("users", map[string]string{userID: "does not exist"})
		}
		if err != nil {
			return err
		}
		if n, err := v.CountUserMessages(key); err != nil {
			return err
		} else if s.Limits.UserMessages > 0 && n > s.Limits.UserMessages {
			return wire.Errorf(wire.CodeBadInput, "%s", tooMany(userID, n, s.Limits.UserMessages))
		}
		r := render.New(v)
		if out, err = r.User(append(out, `{"user":`...), key); err != nil {
			return err
		}
		var line []byte
		out = append(out, `,"messages":[`...)
		first := true
		add := func(line []byte) (err error) {
			if !first {
				out = append(out, ',')
			}
			first = false
			out, err = appendWithoutUser(out, line)
			return err
		}
		err = v.UserMessages(key, func(row *store.MessageRow) (err error) {
			if line, err = r.Message(line[:0], row); err != nil {
				return err
			}
			return add(line)
		})
		if err != nil {
			return err
		}
		out = append(out, `],"reactions":[`...)
		first = true
		err = v.UserReactions(key, func(row *store.ReactionRow) (err error) {
			if line, err = r.Reaction(line[:0], row); err != nil {
				return err
			}
			return add(line)
		})
		out = append(out, `]}`...)
		return err
	})
	return out, err
}

// appendWithoutUser appends an object with null for its user.
func appendWithoutUser(dst, object []byte) ([]byte, error) {
	err := wire.Object(object, func(name string, v jsontext.Value, at int64) error {
		if name == "user" {
			dst = append(dst, object[:at]...)
			dst = append(dst, "null"...)
			dst = append(dst, object[int(at)+len(v):]...)
		}
		return nil
	})
	return dst, err
}

func tooMany(user string, n, limit int) string {
	return fmt.Sprintf("the user %s has %d messages, more than the limit of %d; nothing was exported: raise --max-user-messages, or export the channels instead",
		user, n, limit)
}

// Result is what a finished task keeps, as JSON.
type Result struct {
	Path         string        `json:"path"`
	Size         int64         `json:"size"`
	SHA256       string        `json:"sha256"`
	Counts       format.Counts `json:"counts"`
	ManifestPath string        `json:"manifest_path"`
}

// Keys of the files of a task: every attempt after the first has its own, so
// that one which lost its lease can never replace its successor's file.
func fileKey(kind string, app store.App, t *store.Task, ext string) string {
	name := t.ID
	if t.Epoch > 1 {
		name = fmt.Sprintf("%s.%d", t.ID, t.Epoch)
	}
	return "exports/" + kind + "/" + app.Key + "/" + name + "." + ext
}

func (s *Service) scratch(taskID string) string { return filepath.Join(s.Scratch, taskID) }

// app finds the tenant of a task.
func (s *Service) app(ctx context.Context, id int64) (store.App, error) {
	apps, err := s.Store.Apps(ctx)
	if err != nil {
		return store.App{}, err
	}
	for _, a := range apps {
		if a.ID == id {
			return a, nil
		}
	}
	return store.App{}, task.Failf("NotFound", "The app of this task was removed.")
}

// since is from when messages of a channel are exported.
func since(spec ChannelSpec, c *chat.Channel, truncated bool) chat.Time {
	if truncated {
		return spec.Since
	}
	return max(spec.Since, c.TruncatedAt)
}
