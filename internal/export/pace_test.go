package export

import (
	"testing"
	"time"
)

func TestRest(t *testing.T) {
	t.Parallel()
	const work = time.Millisecond
	for _, tt := range []struct {
		load    float64
		exports int
		want    time.Duration
	}{
		{0, 1, 0},
		{idleLoad, 4, 0},
		{(idleLoad + busyLoad) / 2, 1, 5500 * time.Microsecond},
		{busyLoad, 1, 11 * work},
		{1, 1, 11 * work},
		{1, 2, 22 * work},
		{1, 100, maxRest},
	} {
		if got := rest(work, tt.load, tt.exports); (got - tt.want).Abs() > time.Microsecond {
			t.Errorf("load %v, %d exports: rest %v, want %v", tt.load, tt.exports, got, tt.want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	var p pacer
	end := p.begin()
	now, busy := time.Unix(1000, 0), time.Hour
	look := func(passed, wrote time.Duration) float64 {
		now, busy = now.Add(passed), busy+wrote
		load, exports := p.look(func() time.Duration { return busy }, now)
		if exports != 1 {
			t.Errorf("%d exports", exports)
		}
		return load
	}
	for i, step := range []struct {
		passed, wrote time.Duration
		want          float64
	}{
		{0, 0, 0}, // the first look
		{100 * time.Millisecond, 80 * time.Millisecond, 0.4},
		{time.Millisecond, time.Millisecond, 0.4}, // too soon to look again
		{99 * time.Millisecond, 79 * time.Millisecond, 0.6},
		{100 * time.Millisecond, 0, 0.3},
		{time.Minute, time.Minute, 0}, // long ago
	} {
		if got := look(step.passed, step.wrote); got < step.want-0.001 || got > step.want+0.001 {
			t.Errorf("look %d: load %v, want %v", i, got, step.want)
		}
	}
	end()
	if _, exports := p.look(func() time.Duration { return busy }, now); exports != 0 {
		t.Errorf("%d exports are left", exports)
	}
}
