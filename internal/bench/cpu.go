package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTicks is USER_HZ, which Linux fixes at 100 for every architecture that
// Go runs on.
const clockTicks = 100

// cpuOf is the CPU time of a process and all its descendants, those that have
// ended included. Zero for pid 0.
func cpuOf(pid int) time.Duration {
	if pid == 0 {
		return 0
	}
	children := map[int][]int{}
	used := map[int]time.Duration{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		id, parent, cpu, err := readStat(path)
		if err != nil {
			continue // it ended meanwhile
		}
		children[parent] = append(children[parent], id)
		used[id] = cpu
	}
	var sum time.Duration
	for queue := []int{pid}; len(queue) > 0; {
		id := queue[0]
		queue = append(queue[1:], children[id]...)
		sum += used[id]
	}
	return sum
}

// readStat reads pid, parent and utime+stime+cutime+cstime (proc(5)).
func readStat(path string) (pid, parent int, cpu time.Duration, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, 0, err
	}
	head, rest, ok := strings.Cut(string(raw), " (")
	end := strings.LastIndexByte(rest, ')')
	if !ok || end < 0 {
		return 0, 0, 0, fmt.Errorf("reading %s: unknown format", path)
	}
	fields := strings.Fields(rest[end+1:])
	if len(fields) < 15 {
		return 0, 0, 0, fmt.Errorf("reading %s: too short", path)
	}
	var ticks int64
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0, 0, err
		}
		ticks += n
	}
	if pid, err = strconv.Atoi(head); err != nil {
		return 0, 0, 0, err
	}
	parent, err = strconv.Atoi(fields[1])
	return pid, parent, time.Duration(ticks) * time.Second / clockTicks, err
}
