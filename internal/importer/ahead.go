package importer

import (
	"context"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"hansard/internal/chat"
	"hansard/internal/importer/scan"
)

const (
	// blockRecords and blockBytes are how many records, and bytes of them, are
	// handed from one goroutine to another at a time.
	blockRecords = 128
	blockBytes   = 128 << 10
	// maxDecoders bounds the goroutines that decode: one scans the file and one
	// notes what is in it for all of them.
	maxDecoders = 4
)

// ahead decodes the records of a file on all cores and gives them back in their
// order, as parser.next does. It is for files of which each line can be decoded
// without those before it.
type ahead struct {
	stop  context.CancelFunc
	group *errgroup.Group
	order chan *block // as they are in the file
	work  chan *block
	free  chan *block
	most  int // blocks there may be
	made  int
	now   chat.Time

	block *block // whose records are handed out
	given int    // of it
}

// block is a run of records.
type block struct {
	text  []byte // what their Raw is part of
	slots []slot
	used  int
	done  chan struct{} // gets one when all have been decoded
}

type slot struct {
	rec scan.Record
	p   parser
	out *record
	err error
}

// decodeAhead begins to read s, which is not to be used by anybody else before
// close has returned.
func decodeAhead(ctx context.Context, s *scan.Scanner, now chat.Time) *ahead {
	decoders := min(runtime.GOMAXPROCS(0), maxDecoders)
	a := &ahead{most: decoders + 2, now: now}
	a.order, a.work, a.free = make(chan *block, a.most), make(chan *block, a.most), make(chan *block, a.most)
	ctx, a.stop = context.WithCancel(ctx)
	a.group, ctx = errgroup.WithContext(ctx)
	a.group.Go(func() error { return a.scan(ctx, s) })
	for range decoders {
		a.group.Go(func() error {
			for b := range a.work {
				b.decode()
				b.done <- struct{}{}
			}
			return nil
		})
	}
	return a
}

// close ends what runs ahead.
func (a *ahead) close() {
	a.stop()
	_ = a.group.Wait() // next has told what there was to tell
}

// next is like parser.next.
func (a *ahead) next() (*record, error) {
	for a.block == nil || a.given == a.block.used {
		if a.block != nil {
			a.free <- a.block // there is room for all
			a.block = nil
		}
		b, ok := <-a.order
		if !ok {
			if err := a.group.Wait(); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		<-b.done
		a.block, a.given = b, 0
	}
	s := &a.block.slots[a.given]
	a.given++
	return s.out, s.err
}

// scan fills blocks to the end of the file.
func (a *ahead) scan(ctx context.Context, s *scan.Scanner) error {
	defer close(a.order)
	defer close(a.work)
	rec, err := s.Next()
	for {
		b, failed := a.empty(ctx)
		if failed != nil {
			return failed
		}
		if err == nil && len(rec.Raw) > blockBytes {
			// Big ones come one by one, or they would be in memory by the dozen.
			if err := a.settle(ctx); err != nil {
				return err
			}
			b.text = make([]byte, 0, len(rec.Raw))
		}
		for b.used < blockRecords && (err != nil || len(b.text)+len(rec.Raw) <= cap(b.text)) {
			if b.add(rec, err) {
				a.order <- b
				a.work <- b
				return nil
			}
			rec, err = s.Next()
		}
		a.order <- b // there is room for all
		a.work <- b
	}
}

// empty returns a block to fill.
func (a *ahead) empty(ctx context.Context) (*block, error) {
	if len(a.free) == 0 && a.made < a.most {
		a.made++
		b := &block{slots: make([]slot, blockRecords), done: make(chan struct{}, 1)}
		for i := range b.slots {
			b.slots[i].p = parser{now: a.now, embeddedReactions: func() bool { return false }}
		}
		return b.reset(), nil
	}
	select {
	case b := <-a.free:
		return b.reset(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// settle waits until all blocks but the one that is being filled are free.
func (a *ahead) settle(ctx context.Context) error {
	var others []*block
	for len(others) < a.made-1 {
		select {
		case b := <-a.free:
			others = append(others, b)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, b := range others {
		a.free <- b.reset()
	}
	return nil
}

func (b *block) reset() *block {
	if cap(b.text) != blockBytes {
		b.text = make([]byte, 0, blockBytes)
	}
	b.text, b.used = b.text[:0], 0
	return b
}

// add adds what the scanner has returned, and reports whether that was the end.
func (b *block) add(rec *scan.Record, err error) (end bool) {
	s := &b.slots[b.used]
	b.used++
	s.out, s.err = nil, nil
	if err != nil {
		s.err = unusable(err)
		_, bad := s.err.(*badRecord) //nolint:errorlint // it is returned as it is
		return !bad
	}
	from := len(b.text)
	b.text = append(b.text, rec.Raw...)
	s.rec = *rec
	s.rec.Raw = b.text[from:len(b.text):len(b.text)]
	return false
}

// decode decodes the records.
func (b *block) decode() {
	for i := range b.slots[:b.used] {
		if s := &b.slots[i]; s.err == nil {
			s.out, s.err = s.p.record(&s.rec)
		}
	}
}
