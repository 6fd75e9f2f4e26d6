package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usage is what a tree of processes has used.
type usage struct {
	cpu float64 // seconds, user and system, also of children that have ended
	pss int64   // bytes, of those that run
}

// clockTicks is sysconf(_SC_CLK_TCK), which is 100 on every Linux.
const clockTicks = 100

// treeUsage adds up the processes for which in tells true, and all below them.
func treeUsage(roots ...int) usage {
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
	var u usage
	var walk func(pid int)
	walk = func(pid int) {
		f := fields[pid]
		if len(f) > 14 {
			for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
				ticks, _ := strconv.ParseFloat(f[i], 64)
				u.cpu += ticks / clockTicks
			}
		}
		u.pss += pss(pid)
		for _, c := range children[pid] {
			walk(c)
		}
	}
	for _, r := range roots {
		walk(r)
	}
	return u
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
