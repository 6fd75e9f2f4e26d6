package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What one hostile letter may cost: CPU time, and memory in times of its size. To these comes what any letter lets the heap
// grow before the garbage collector runs, which is measured with ordinary letters. Below 2 MB there is a floor: a letter of a few
// KB cannot be read into 8 times its size, because its reader has tables and buffers of its own, and the heap may hold as much
// garbage as it holds else.
const (
	bombCPU         = 2.0 // seconds
	bombMemoryTimes = 8
	bombMemoryFloor = 16 << 20
)

// scale is mxdesk on the scales: its memory at rest, and what ordinary letters add to that.
type scale struct {
	pid        int
	profiles   string // URL that makes it collect garbage
	rest, room int64
}

// bomb sends letters that cost a naive reader far more than their size, one at a time.
func (a *attack) bomb(ctx context.Context, f *findings) {
	s, err := a.balance(ctx, f)
	if !f.check("the scales", err) {
		return
	}
	f.note("at rest mxdesk has %d MB; ordinary letters add up to %d MB before garbage is collected", s.rest>>20, s.room>>20)
	var worst []weight
	all := append(bombs(), reportBombs()...)
	slices.SortFunc(all, func(a, b bombLetter) int { return len(a.body) - len(b.body) }) // small ones are not weighed with what large ones left
	for _, b := range all {
		w, err := a.explode(ctx, f, s, b)
		if !f.check(b.name, err) {
			continue
		}
		worst = append(worst, w)
	}
	f.note("%d bombs; the most expensive:", len(all))
	slices.SortFunc(worst, func(a, b weight) int { return int(b.grown - a.grown) })
	for _, w := range worst[:min(3, len(worst))] {
		f.note("%s", w)
	}
	slices.SortFunc(worst, func(a, b weight) int { return int(1000 * (b.cpu - a.cpu)) })
	for _, w := range worst[:min(2, len(worst))] {
		f.note("%s", w)
	}
	a.good(ctx, f, "bombs have gone off")
}

// weight is what one letter cost.
type weight struct {
	name        string
	size, grown int64
	cpu         float64
}

// String is one line of the report.
func (w weight) String() string {
	return fmt.Sprintf("%s, %d KB: %.2f s CPU, %.1f MB (%.1f times its size)", w.name, w.size>>10, w.cpu, float64(w.grown)/(1<<20), float64(w.grown)/float64(w.size))
}

// explode sends one bomb and holds what it cost against the limits.
func (a *attack) explode(ctx context.Context, f *findings, s *scale, b bombLetter) (weight, error) {
	to := b.to
	if to == "" {
		to = support
	}
	letter := a.letter("bomber@client.test", b.name, b.body, b.fields...)
	if err := s.settle(ctx); err != nil {
		return weight{}, err
	}
	resetPeak(s.pid)
	used := processCPU(s.pid)
	got := a.submit(ctx, envelope{ip: strangerIP, from: "bomber@client.test", to: to, letter: letter})
	f.want(b.name, got, "250|55")
	if b.to != "" { // it is read after it was taken
		a.awaitReports(ctx, f)
	}
	w := weight{b.name, int64(len(letter)), max(0, peak(s.pid)-s.rest-s.room), processCPU(s.pid) - used}
	limit := max(bombMemoryFloor, bombMemoryTimes*w.size)
	if w.cpu > bombCPU || w.grown > limit {
		f.add("too expensive: %s", w)
	}
	return w, nil
}

// awaitReports waits until all reports of others are read.
func (a *attack) awaitReports(ctx context.Context, f *findings) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if a.number(ctx, f, `SELECT count(*) FROM reports_waiting`) == 0 {
			return
		}
	}
	f.add("reports of others are not read")
}

// balance finds out what mxdesk weighs at rest, and with ordinary letters.
func (a *attack) balance(ctx context.Context, f *findings) (*scale, error) {
	s := &scale{pid: a.in.cmd.Process.Pid, profiles: "http://" + a.metrics + "/debug/pprof/heap?gc=1"}
	ordinary := func() {
		for range 100 {
			f.want("an ordinary letter", a.submit(ctx, envelope{ip: "127.0.0.9", from: "plain@client.test", to: support}), "250")
		}
	}
	ordinary() // what is made once is made now
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	s.rest = resident(s.pid, "VmRSS:")
	resetPeak(s.pid)
	ordinary()
	s.room = max(0, peak(s.pid)-s.rest)
	return s, nil
}

// settle has garbage collected, and waits until no more memory goes back to the system: what the last letter left behind
// must not hide what the next one takes. What does not go back counts for the next one.
func (s *scale) settle(ctx context.Context) error {
	last, still := int64(1<<62), 0
	for range 30 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.profiles, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close() //nolint:errcheck // it is read
		if err != nil {
			return err
		}
		now := resident(s.pid, "VmRSS:")
		if still++; now < last-256<<10 {
			still = 0
		}
		if last = now; still == 2 || now <= s.rest {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// resetPeak makes the kernel forget the highest memory that a process has had.
func resetPeak(pid int) {
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) //nolint:errcheck // then the figure is too high, which is told
}

// peak is the highest resident memory of a process in bytes, since resetPeak.
func peak(pid int) int64 { return resident(pid, "VmHWM:") }

// resident is one of the figures of a process that the kernel gives in KB, in bytes.
func resident(pid int, figure string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == figure {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}
