package clock

import "time"

// Clock tells the time and waits for it. All methods may be called from
// several goroutines.
type Clock interface {
	// Now is the present instant.
	Now() time.Time
	// After returns a channel that receives the time once d has passed; at
	// once if d is not positive.
	After(d time.Duration) <-chan time.Time
}

// System is the clock of the machine.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time                         { return time.Now() }
func (system) After(d time.Duration) <-chan time.Time { return time.After(d) }
