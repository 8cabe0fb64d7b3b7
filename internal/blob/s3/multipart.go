package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"hansard/internal/blob"
)

// Begin implements blob.Multipart. The name of the upload is the mark of the
// object it will be, and the server's id.
func (s *Store) Begin(ctx context.Context, key string) (name string, err error) {
	object, err := s.start(ctx, key)
	if err != nil {
		return "", err
	}
	h := newHeader(key, false)
	err = s.retry(ctx, s.patience, func(ctx context.Context) error {
		id, err := s.api.begin(ctx, object, h)
		name = h.mark + "." + id
		return err
	})
	if err != nil {
		return "", failed("beginning to upload", key, err)
	}
	return name, nil
}

// upload takes the name of an upload apart.
func (s *Store) upload(ctx context.Context, key, name string) (object, mark, id string, err error) {
	object, err = s.start(ctx, key)
	mark, id, ok := strings.Cut(name, ".")
	if err == nil && (!ok || id == "") {
		err = fmt.Errorf("uploading %s: there is no such upload", key)
	}
	return object, mark, id, err
}

// PutPart implements blob.Multipart.
func (s *Store) PutPart(ctx context.Context, key, name string, number int, body io.ReadSeeker, size int64) (blob.Part, error) {
	object, _, id, err := s.upload(ctx, key, name)
	if err != nil {
		return blob.Part{}, err
	}
	if number < 1 || number > blob.MaxParts || size < 0 || size > blob.MaxPart {
		return blob.Part{}, fmt.Errorf("uploading part %d of %s, %d bytes: numbers go from 1 to %d, sizes to %d",
			number, key, size, blob.MaxParts, int64(blob.MaxPart))
	}
	etag, err := s.putPart(ctx, object, id, number, body, size)
	if err != nil {
		return blob.Part{}, failed(fmt.Sprintf("uploading part %d of", number), key, err)
	}
	return blob.Part{Number: number, ETag: etag, Size: size}, nil
}

func (s *Store) putPart(ctx context.Context, object, id string, number int, body io.ReadSeeker, size int64) (etag string, err error) {
	put := func(p payload, err error) error {
		if err != nil {
			return err
		}
		return s.retry(ctx, s.patience, func(ctx context.Context) error {
			etag, err = s.api.putPart(ctx, object, id, number, p)
			return err
		})
	}
	if s.checks(ctx, object, id, number) {
		if err = put(checked(body, size)); !refusedForGood(err) {
			return etag, err
		}
		if err = put(s.guarded(body, size)); err == nil {
			s.checking.learn(false)
		}
		return etag, err
	}
	err = put(s.guarded(body, size))
	return etag, err
}

// Complete implements blob.Multipart.
func (s *Store) Complete(ctx context.Context, key, name string, parts []blob.Part) error {
	object, mark, id, err := s.upload(ctx, key, name)
	if err != nil {
		return err
	}
	for i, p := range parts {
		if i > 0 && p.Number <= parts[i-1].Number {
			return fmt.Errorf("completing %s: part %d comes after part %d", key, p.Number, parts[i-1].Number)
		}
	}
	if len(parts) == 0 {
		return fmt.Errorf("completing %s: it has no parts", key)
	}
	if strings.HasPrefix(id, cephUpload) && alike(parts) {
		return fmt.Errorf("completing %s: %w: %w", key, blob.ErrParts, errAlike)
	}
	err = s.complete(ctx, object, id, parts, header{mark: mark})
	if refused(err, codeInvalidPart) || refused(err, codeTooSmall) {
		err = fmt.Errorf("%w: %w", blob.ErrParts, err)
	}
	return failed("completing", key, err)
}

// cephUpload is how the ids of uploads begin at a Ceph Object Gateway.
const cephUpload = "2~"

// errAlike is returned for parts that Ceph would make a file of that cannot be
// read, or has other bytes: it does so where parts of one size follow each other
// with a gap between their numbers, if the first part of all was put twice (seen
// with 16.2.15). That may have happened in any process, so it is not tried.
var errAlike = errors.New("parts of one size with a gap between their numbers, which Ceph does not put together")

// alike reports whether two parts of one size follow each other with a gap
// between their numbers.
func alike(parts []blob.Part) bool {
	for i, p := range parts {
		if i > 0 && p.Size == parts[i-1].Size && p.Number > parts[i-1].Number+1 {
			return true
		}
	}
	return false
}

// AbortUpload implements blob.Multipart.
func (s *Store) AbortUpload(ctx context.Context, key, name string) error {
	object, _, id, err := s.upload(ctx, key, name)
	if err != nil {
		return err
	}
	// A part that is on its way may come to lie there after all, and the upload
	// with it: it is aborted until it is gone.
	for pause := 25 * time.Millisecond; ; pause *= 2 {
		gone, err := s.abort(ctx, object, id)
		if err != nil || gone || pause > abortPatience {
			return failed("aborting", key, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return failed("aborting", key, ctx.Err())
		case <-timer.C:
		}
	}
}

// abortPatience bounds the last pause before an upload is aborted once more.
const abortPatience = 400 * time.Millisecond

// abort removes the parts of an upload. gone is true if there was none.
func (s *Store) abort(ctx context.Context, object, id string) (gone bool, err error) {
	err = s.retry(ctx, s.readPatience(), func(ctx context.Context) error { return s.api.abort(ctx, object, id) })
	if r, ok := err.(*refusal); ok && r.status == http.StatusNotFound && r.code != codeNoBucket { //nolint:errorlint // the api gives no others
		return true, nil
	}
	return false, err
}
