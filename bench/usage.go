package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// usage is what a process has used since its start.
type usage struct {
	cpu  time.Duration
	peak int64 // bytes of memory it held at most; 0 if the system does not say
}

// ticks is the unit of processor time in /proc, the same on every Linux that
// Go runs on.
const ticks = time.Second / 100

// usageOf asks Linux about a running process. Elsewhere, and once the process
// is gone, it reports false.
func usageOf(pid int) (usage, bool) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return usage{}, false
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return usage{}, false
	}
	// The name of the program, in brackets, may contain spaces.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return usage{}, false
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	if err1 != nil || err2 != nil {
		return usage{}, false
	}
	u := usage{cpu: time.Duration(user+system) * ticks}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kib, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB"))), 10, 64)
			if err != nil {
				return usage{}, false
			}
			u.peak = kib << 10
		}
	}
	return u, u.peak > 0 // a process that has ended but was not waited for has no memory
}
