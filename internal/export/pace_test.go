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
		{0, 4, 0},
		{0.5, 1, longest * work / 2},
		{1, 1, longest * work},
		{1, 2, 2 * longest * work},
		{1, 100, maxRest},
	} {
		if got := rest(work, tt.load, tt.exports); got != tt.want {
			t.Errorf("load %v, %d exports: rest %v, want %v", tt.load, tt.exports, got, tt.want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	const tenth = 100 * time.Millisecond
	var p pacer
	end := p.begin()
	now, total := time.Unix(1000, 0), time.Hour
	for i, step := range []struct {
		passed, wrote time.Duration
		log           int64
		want          float64
	}{
		{0, 0, 0, 0},           // the first look
		{tenth, tenth, 0, 0.5}, // writing all the time: half of what is new, half of what was
		{time.Millisecond, time.Millisecond, 0, 0.5}, // too soon to look again
		{tenth, tenth, longLog, 0.75},
		{tenth, tenth, fullLog, 0.375}, // no room left for the log
		{tenth, tenth / 20, 0, 0.1875},
		{time.Minute, time.Minute, 0, 0.09375}, // nobody has looked for long
	} {
		now, total = now.Add(step.passed), total+step.wrote
		got, exports := p.look(func() (time.Duration, int64) { return total, step.log }, now)
		if got < step.want-0.001 || got > step.want+0.001 || exports != 1 {
			t.Errorf("look %d: load %v of %d exports, want %v of 1", i, got, exports, step.want)
		}
	}
	end()
	if _, exports := p.look(func() (time.Duration, int64) { return total, 0 }, now); exports != 0 {
		t.Errorf("%d exports are left", exports)
	}
}
