package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"hansard/internal/blob"
	"hansard/internal/store"
)

// The reactions come last in the file. They are put aside while the spans are
// worked on, in files of their own, and follow when all spans are done.

const (
	// tailPart is how large the parts with the reactions are, unless there would
	// be too many. All that are there at once have room in chunks.
	tailPart    = maxChunks * chunkSize / (tailsAtOnce + 1)
	tailParts   = blob.MaxParts - 2 - maxSpans*store.MaxSpanTries
	tailsAtOnce = 3 // are uploaded while the next one is filled
	// openAhead is how many files are opened before they are read: their store may
	// be some way off.
	openAhead = 8
)

// reactions adds the reactions that were put aside.
func (l *lead) reactions(ctx context.Context, key, upload string, held int64) error {
	ctx, cancel := context.WithCancel(ctx)
	t := &reactionParts{
		lead: l, ctx: ctx, key: key, upload: upload,
		number: part(l.cut, 1), size: max(tailPart, held/(tailParts-1)+1), filling: l.newStash(),
	}
	files := l.openReactions(ctx)
	defer func() {
		cancel()
		t.release()
		for f := range files {
			if o := <-f; o.err == nil {
				_ = o.file.Close() // nobody has read from it
			}
		}
	}()
	for f := range files {
		o := <-f
		if o.err != nil {
			return o.err
		}
		if err := l.copyReactions(o, t); err != nil {
			return err
		}
	}
	return t.end()
}

// opened is the file with the reactions of a span.
type opened struct {
	span int
	file io.ReadCloser
	err  error
}

// openReactions opens the reactions of all spans, in order, some ahead.
func (l *lead) openReactions(ctx context.Context) <-chan chan opened {
	files := make(chan chan opened, openAhead)
	go func() {
		defer close(files)
		for i := range l.made {
			if l.made[i].Held == 0 {
				continue
			}
			f := make(chan opened, 1)
			select {
			case files <- f:
			case <-ctx.Done():
				return
			}
			go func() {
				r, err := l.reactionsOf(ctx, i)
				f <- opened{i, r, err}
			}()
		}
	}()
	return files
}

func (l *lead) reactionsOf(ctx context.Context, span int) (io.ReadCloser, error) {
	if key := l.made[span].Reactions; key != "" {
		r, _, err := l.Blob.Open(ctx, key)
		return r, err
	}
	return io.NopCloser(l.kept.of(span)), nil
}

// copyReactions copies those of a span.
func (l *lead) copyReactions(o opened, to io.Writer) error {
	held := l.made[o.span].Held
	n, err := io.Copy(io.MultiWriter(l.sum, to), o.file)
	l.size += n
	if err = errors.Join(err, o.file.Close()); err == nil && n != held {
		err = fmt.Errorf("the reactions of span %d have %d bytes instead of %d", o.span, n, held)
	}
	return err
}

// reactionParts are the end of a file, which is uploaded as it is written.
type reactionParts struct {
	*lead
	ctx         context.Context //nolint:containedctx // io.Writer has no room for it
	key, upload string
	number      int   // of the next part
	size        int64 // of all parts but the last
	filling     *stash
	sending     []*tailing
}

// tailing is a part that is being uploaded.
type tailing struct {
	body *stash
	part blob.Part
	done chan error
}

// Write implements io.Writer.
func (t *reactionParts) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		k, err := t.filling.Write(p[:min(int64(len(p)), t.size-t.filling.size)])
		n += k
		p = p[k:]
		if err == nil && t.filling.size == t.size {
			err = t.send()
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// send uploads what has been collected.
func (t *reactionParts) send() error {
	if len(t.sending) == tailsAtOnce {
		if err := t.settle(); err != nil {
			return err
		}
	}
	s, number := &tailing{body: t.filling, done: make(chan error, 1)}, t.number
	t.filling = t.newStash()
	t.sending = append(t.sending, s)
	t.number++
	go func() {
		var err error
		s.part, err = t.parts.PutPart(t.ctx, t.key, t.upload, number, s.body.reader(), s.body.size)
		s.done <- err
	}()
	return nil
}

// settle waits for the first of the uploads.
func (t *reactionParts) settle() error {
	s := t.sending[0]
	t.sending = t.sending[1:]
	err := <-s.done
	s.body.release()
	t.list = append(t.list, s.part)
	return err
}

// end uploads the rest, and waits for all.
func (t *reactionParts) end() error {
	if t.filling.size > 0 {
		if err := t.send(); err != nil {
			return err
		}
	}
	for len(t.sending) > 0 {
		if err := t.settle(); err != nil {
			return err
		}
	}
	return nil
}

// release gives the memory back, once no upload needs it.
func (t *reactionParts) release() {
	for len(t.sending) > 0 {
		_ = t.settle() // an earlier failure is what counts
	}
	t.filling.release()
}

// kept is the reactions of the spans that were done in the process of the lead,
// in a file without a name.
type kept struct {
	dir string

	mu    sync.Mutex
	file  *os.File
	over  bool
	size  int64
	spans map[int][2]int64 // where they begin, and how many bytes they are
}

// add keeps the reactions of a span. Of one that is done twice they are the same.
func (k *kept) add(span int, reactions *stash) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return store.ErrLeaseLost
	}
	if k.file == nil {
		f, err := unnamed(k.dir)
		if err != nil {
			return err
		}
		k.file, k.spans = f, map[int][2]int64{}
	}
	n, err := reactions.WriteTo(io.NewOffsetWriter(k.file, k.size))
	if err != nil {
		return err
	}
	k.spans[span] = [2]int64{k.size, n}
	k.size += n
	return nil
}

func (k *kept) of(span int) io.Reader {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.spans[span]
	if at[1] == 0 {
		return strings.NewReader("")
	}
	return io.NewSectionReader(k.file, at[0], at[1])
}

func (k *kept) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
	discard(k.file)
}
