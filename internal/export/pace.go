package export

import (
	"context"
	"sync"
	"time"
)

// pacer makes exports step aside while others write to the store. An export
// left alone takes all the cores that it gets; a message that is being sent
// must not wait for one. The busier the writers, the longer an export rests
// after each bit of work, and all exports of a process together take no more
// than one would.
type pacer struct {
	mu      sync.Mutex
	exports int           // that run now
	at      time.Time     // when busy was looked at
	busy    time.Duration // what it was then
	load    float64       // share of the time in which the store wrote, lately
}

const (
	idleLoad  = 0.05 // up to this share nobody needs to step aside
	busyLoad  = 0.5  // from this share on the rests are the longest
	longest   = 11   // a rest, at most, in units of the work before it
	maxRest   = 50 * time.Millisecond
	lookAfter = 25 * time.Millisecond // between two looks at the load
)

// begin counts an export in, until end is called.
func (p *pacer) begin() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exports++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.exports--
	}
}

// look finds out how busy the writers are. busy says for how long they have
// written since the store was opened.
func (p *pacer) look(busy func() time.Duration, now time.Time) (load float64, exports int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if passed := now.Sub(p.at); passed >= lookAfter {
		total := busy()
		if passed < time.Second { // otherwise nobody has looked for long
			p.load = (p.load + float64(total-p.busy)/float64(passed)) / 2
		} else {
			p.load = 0
		}
		p.at, p.busy = now, total
	}
	return p.load, p.exports
}

// rest is how long an export has to rest after some work.
func rest(worked time.Duration, load float64, exports int) time.Duration {
	if load <= idleLoad {
		return 0
	}
	share := min((load-idleLoad)/(busyLoad-idleLoad), 1)
	return min(time.Duration(share*longest*float64(max(exports, 1))*float64(worked)), maxRest)
}

// pace gives what an export calls after each bit of work.
func (s *Service) pace() func(context.Context) error {
	if s.Busy == nil {
		return func(context.Context) error { return nil }
	}
	since := time.Now()
	return func(ctx context.Context) error {
		now := time.Now()
		load, exports := s.pacer.look(s.Busy, now)
		if d := rest(now.Sub(since), load, exports); d > 0 {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-t.C:
			}
		}
		since = time.Now()
		return nil
	}
}
