package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"hansard/internal/store/sqlite/lite"
)

// scrubber sees to it that nothing of what was deleted for good stays in the
// file.
//
// SQLite writes over a row when it is deleted (secure_delete). But when a page
// has become full and its rows are spread over its neighbours, copies of those
// that moved stay in the free space of the page: nobody knows of them when the
// row is deleted one day. So after a hard delete the free space of all pages is
// written over, beside the writer and in small steps. That reads the database,
// but hardly writes to it.
//
// The file itself says that this is due, until it is done: its user_version is
// not 0 then. Every hard delete gives it another value.
type scrubber struct {
	store *Store
	due   atomic.Bool   // as far as this process knows
	wake  chan struct{} // tells run
	quit  context.CancelFunc
	done  chan struct{}
}

const (
	scrubLook  = 256             // pages that are read in one go
	scrubStep  = 32              // pages that one transaction writes
	scrubPause = time.Second     // between two passes, at least
	scrubShare = 10              // a pass takes one part of so many of the time, at most
	scrubLast  = 2 * time.Second // for what is still due when the store is closed
	// maxScrub bounds the pages of a database that is scrubbed, half a terabyte
	// of them: from there on a page of a tree cannot be told from others by how
	// it begins.
	maxScrub = 1 << 25
)

// startScrubber starts the scrubbing. What an earlier process was not done with
// is done now.
func (s *Store) startScrubber(ctx context.Context) {
	ctx, quit := context.WithCancel(context.WithoutCancel(ctx))
	s.scrubber = &scrubber{store: s, wake: make(chan struct{}, 1), quit: quit, done: make(chan struct{})}
	s.scrubber.wake <- struct{}{}
	go s.scrubber.run(ctx)
}

// stop ends the scrubbing. If it is not done with what this process has
// deleted, it gets a last moment; for the rest, the file says that it is due.
func (b *scrubber) stop() {
	b.quit()
	<-b.done
}

// erased notes, as a part of the transaction that runs on c, that something was
// deleted for good.
func erased(c *lite.Conn) error {
	return c.Script(fmt.Sprintf(`PRAGMA user_version = %d`, rand.Int32N(1<<31-2)+1))
}

// begin starts a pass soon.
func (b *scrubber) begin() {
	b.due.Store(true)
	select {
	case b.wake <- struct{}{}:
	default: // it is to start already
	}
}

func (b *scrubber) run(ctx context.Context) {
	defer close(b.done)
	for {
		select {
		case <-ctx.Done():
			if b.due.Load() {
				last, end := context.WithTimeout(context.WithoutCancel(ctx), scrubLast)
				b.pass(last)
				end()
			}
			return
		case <-b.wake:
		}
		began := time.Now()
		b.pass(ctx)
		timer := time.NewTimer(max(scrubPause, (scrubShare-1)*time.Since(began)))
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pass goes over all pages, if that is due.
func (b *scrubber) pass(ctx context.Context) {
	due := b.due.Swap(false)
	err := b.tryPass(ctx)
	if err != nil && due {
		b.due.Store(true)
	}
	if err != nil && ctx.Err() == nil {
		b.store.opts.Logger.Warn("write over what was deleted", "error", err)
	}
}

func (b *scrubber) tryPass(ctx context.Context) error {
	version := int64(0)
	err := b.store.read(ctx, func(c *lite.Conn) (err error) {
		version, err = userVersion(c)
		return err
	})
	if err != nil || version == 0 {
		return err
	}
	if err := b.scrub(ctx); err != nil {
		return err
	}
	err = b.store.write(ctx, func(c *lite.Conn) error {
		if now, err := userVersion(c); err != nil || now != version {
			return err // something was deleted meanwhile
		}
		return c.Script(`PRAGMA user_version = 0`)
	})
	if err == nil {
		b.store.log.empty()
	}
	return err
}

func userVersion(c *lite.Conn) (version int64, err error) {
	err = c.Query(`PRAGMA user_version`, nil, func(s *lite.Stmt) error {
		version = s.Int(0)
		return nil
	})
	return version, err
}

func (b *scrubber) scrub(ctx context.Context) error {
	// The first page holds the schema, and nothing else.
	for page := int64(2); page != 0; {
		var stained []int64
		err := b.store.read(ctx, func(c *lite.Conn) (err error) {
			stained, page, err = look(c, page)
			return err
		})
		if err == nil && len(stained) > 0 {
			err = b.store.write(ctx, func(c *lite.Conn) error { return clean(c, stained) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// look finds pages with something in their free space, and says where to go on;
// 0 = there are no more.
func look(c *lite.Conn, page int64) (stained []int64, next int64, err error) {
	pages := int64(0)
	err = c.Query(`PRAGMA page_count`, nil, func(s *lite.Stmt) error {
		pages = s.Int(0)
		return nil
	})
	if err != nil || pages >= maxScrub {
		return nil, 0, err
	}
	for end := page + scrubLook; page < end && len(stained) < scrubStep; page++ {
		if page > pages {
			return stained, 0, nil
		}
		err := c.Query(`SELECT data FROM sqlite_dbpage WHERE pgno = $1`, []any{page}, func(s *lite.Stmt) error {
			if isStained(freeSpace(s.Bytes(0))) {
				stained = append(stained, page)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return stained, page, nil
}

// clean writes over the free space of pages.
func clean(c *lite.Conn, pages []int64) error {
	for _, page := range pages {
		var data []byte
		err := c.Query(`SELECT data FROM sqlite_dbpage WHERE pgno = $1`, []any{page}, func(s *lite.Stmt) error {
			data = s.Copy(0)
			return nil
		})
		if err != nil {
			return err
		}
		// It may be another page by now.
		free := freeSpace(data)
		if !isStained(free) {
			continue
		}
		clear(free)
		if err := c.Exec(`UPDATE sqlite_dbpage SET data = $2 WHERE pgno = $1`, page, data); err != nil {
			return err
		}
	}
	return nil
}

var zeros [1 << 16]byte

func isStained(free []byte) bool { return !bytes.Equal(free, zeros[:len(free)]) }

// freeSpace is what lies between the pointers to the rows of a page of a tree
// and the rows; nil for any other page. Other gaps SQLite has written over.
func freeSpace(page []byte) []byte {
	if len(page) < 512 { // the smallest there is
		return nil
	}
	// Other pages begin with the number of a page, of which the first byte is
	// 0 or 1, or are empty.
	var header int
	switch page[0] {
	case 2, 5: // inner pages
		header = 12
	case 10, 13: // leaves
		header = 8
	default:
		return nil
	}
	from := header + 2*int(binary.BigEndian.Uint16(page[3:]))
	to := int(binary.BigEndian.Uint16(page[5:]))
	if to == 0 {
		to = 1 << 16
	}
	if from > to || to > len(page) {
		return nil
	}
	return page[from:to]
}
