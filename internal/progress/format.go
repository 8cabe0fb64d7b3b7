package progress

import (
	"strconv"
	"time"
)

// left is how long the rest takes at that rate a second, as far as anyone can
// say.
func left(rest, rate float64) string {
	const longest = 100 * 24 * time.Hour
	if rate <= 0 || rest/rate > longest.Seconds() {
		return "–"
	}
	return Duration(time.Duration(rest / rate * float64(time.Second)).Round(time.Second))
}

// Duration is a duration as people say it: as exact as is of use.
func Duration(d time.Duration) string {
	switch {
	case d > 0 && d < time.Millisecond:
		return "<1ms"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// group writes 1234567 as 1,234,567.
func group(n int64) string {
	s := strconv.FormatInt(max(n, 0), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
