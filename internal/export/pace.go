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
//
// While an export runs the store's log cannot be cut short. The longer the log
// has become, the shorter the rests: it must not fill the disk.
type pacer struct {
	mu      sync.Mutex
	exports int           // that run now
	at      time.Time     // when the writers were looked at
	wrote   time.Duration // what they had written by then
	load    float64       // how much is to be made way for, lately: 0 to 1
}

const (
	idleLoad  = 0.05        // share of the time in which others write, up to which nobody steps aside
	busyLoad  = 0.5         // from this share on the rests are the longest
	longest   = 9           // a rest, at most, in units of the work before it
	longLog   = 512e6       // bytes of log from which on rests become shorter
	fullLog   = 4 * longLog // there are none any more
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

// look finds out how much is to be made way for. writers says for how long they
// have written since the store was opened, and how long the log is, in bytes.
func (p *pacer) look(writers func() (time.Duration, int64), now time.Time) (load float64, exports int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if passed := now.Sub(p.at); passed >= lookAfter {
		wrote, log := writers()
		share := 0.0
		if passed < time.Second { // otherwise nobody has looked for long
			share = (float64(wrote-p.wrote)/float64(passed) - idleLoad) / (busyLoad - idleLoad)
		}
		room := (fullLog - float64(log)) / (fullLog - longLog)
		p.load = (p.load + clamp(share)*clamp(room)) / 2
		p.at, p.wrote = now, wrote
	}
	return p.load, p.exports
}

func clamp(x float64) float64 { return max(0, min(x, 1)) }

// rest is how long an export has to rest after some work.
func rest(worked time.Duration, load float64, exports int) time.Duration {
	return min(time.Duration(load*longest*float64(max(exports, 1))*float64(worked)), maxRest)
}

// pace gives what an export calls after each bit of work.
func (s *Service) pace() func(context.Context) error {
	if s.Writers == nil {
		return func(context.Context) error { return nil }
	}
	since := time.Now()
	return func(ctx context.Context) error {
		now := time.Now()
		load, exports := s.pacer.look(s.Writers, now)
		if d := rest(now.Sub(since), load, exports); d > 100*time.Microsecond {
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
