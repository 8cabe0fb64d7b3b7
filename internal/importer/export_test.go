package importer

import "time"

// Paces are how many records the batches of a load have one after the other, if
// writing one of so many takes as long as cost says. Each is filled while the one
// before it is written.
func Paces(batches int, cost func(size int64) time.Duration) (sizes []int64) {
	p := newPace(0)
	next := p.records.Load()
	for range batches {
		size := next
		next = p.records.Load()
		p.took(size, size, cost(size))
		sizes = append(sizes, size)
	}
	return sizes
}
