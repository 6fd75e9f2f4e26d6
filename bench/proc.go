package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// clockTicks is sysconf(_SC_CLK_TCK), which is 100 on every Linux.
const clockTicks = 100

// treeCPU is what a process and all below it have used, in seconds, user and system, also of children that have ended.
func treeCPU(root int) (seconds float64) {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	fields := map[int][]string{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name, in parentheses, may hold anything.
		_, rest, ok := strings.Cut(string(text), ") ")
		if !ok {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		fields[pid] = strings.Fields(rest)
		parent, _ := strconv.Atoi(fields[pid][1])
		children[parent] = append(children[parent], pid)
	}
	var walk func(pid int)
	walk = func(pid int) {
		f := fields[pid]
		if len(f) > 14 {
			for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
				seconds += ticks(f[i])
			}
		}
		for _, c := range children[pid] {
			walk(c)
		}
	}
	walk(root)
	return seconds
}

// pss is the proportional set size of a process in bytes.
func pss(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// processCPU is what one process has used, in seconds, user and system, without those below it.
func processCPU(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	return ticks(f[11]) + ticks(f[12]) // utime, stime
}

func ticks(field string) float64 {
	n, _ := strconv.ParseFloat(field, 64)
	return n / clockTicks
}

// openFiles raises the number of files this process may have open as far as it goes, and tells it.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<20))
}
