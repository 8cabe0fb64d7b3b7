package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// quota is a control group that bounds the processor time of a process, as if
// it ran on a slower machine of its own.
type quota struct{ dir string }

// quotaPeriod is short, so that a process is slow evenly.
const quotaPeriod = 20_000 // µs

// newQuota makes a group with that share of one core. It takes the rights of
// root.
func newQuota(share float64) (*quota, error) {
	limit := strconv.Itoa(int(quotaPeriod * share))
	for _, v := range []struct{ root, file, value string }{
		{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", limit},
		{"/sys/fs/cgroup", "cpu.max", limit + " " + strconv.Itoa(quotaPeriod)},
	} {
		if _, err := os.Stat(filepath.Join(v.root, "cgroup.procs")); err != nil {
			continue
		}
		dir, err := os.MkdirTemp(v.root, "hansard-bench-")
		if err != nil {
			return nil, err
		}
		q := &quota{dir}
		if v.file == "cpu.cfs_quota_us" {
			if err := q.write("cpu.cfs_period_us", strconv.Itoa(quotaPeriod)); err != nil {
				return nil, errors.Join(err, q.remove())
			}
		}
		if err := q.write(v.file, v.value); err != nil {
			return nil, errors.Join(err, q.remove())
		}
		return q, nil
	}
	return nil, errors.New("there are no control groups here")
}

func (q *quota) write(file, value string) error {
	return os.WriteFile(filepath.Join(q.dir, file), []byte(value), 0o644)
}

// take puts a process into the group.
func (q *quota) take(pid int) error { return q.write("cgroup.procs", strconv.Itoa(pid)) }

// remove removes the group, once it is empty.
func (q *quota) remove() error { return os.Remove(q.dir) }
