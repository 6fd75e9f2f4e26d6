package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"syscall"
	"time"

	"mxdesk/internal/message"
)

// What reading one letter may cost. Guessing a charset takes 1.7 MB whatever the size of the text.
const (
	maxCPU     = 2 * time.Second
	maxTimes   = 8
	baseMemory = 4 << 20
	maxLetter  = 256 << 10 // larger letters of the corpus are read, but not mutated
)

const mutateUsage = `usage: corpus mutate [FLAGS]
Reads the letters of the corpus and mutations of them: none may panic, take more than 2 s of CPU or 8 times its size of
memory, or come out as text that is no UTF-8 or holds NUL. A mutation depends on the seed and its number alone.
`

// mutateOptions are the flags of mutate.
type mutateOptions struct {
	dir     string
	count   int
	seed    uint64
	at      int
	workers int
	worker  int
	keep    string
}

func parseMutate(args []string) (o mutateOptions, err error) {
	f := flag.NewFlagSet("mutate", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), mutateUsage)
		f.PrintDefaults()
	}
	f.StringVar(&o.dir, "dir", "../shared/corpus", "folder of the corpus")
	f.IntVar(&o.count, "n", 1_000_000, "how many mutations")
	f.Uint64Var(&o.seed, "seed", 1, "another seed makes other mutations")
	f.IntVar(&o.at, "at", -1, "read the mutation with this number alone")
	f.IntVar(&o.workers, "workers", runtime.NumCPU(), "processes at once")
	f.IntVar(&o.worker, "worker", -1, "the part of one process; set by the program itself")
	f.StringVar(&o.keep, "keep", "", "folder into which failing letters are written")
	err = f.Parse(args)
	if err == nil && (f.NArg() > 0 || o.workers < 1 || o.count < 0) {
		err = errors.New("what is asked makes no sense; -h lists the flags")
	}
	return o, err
}

// mutate is the command. Each part is read by a process of its own, because memory is counted by process.
func mutate(args []string) error {
	o, err := parseMutate(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case o.worker >= 0 || o.at >= 0:
		return o.work()
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	start := time.Now()
	failed := make([]error, o.workers)
	var wg sync.WaitGroup
	for i := range o.workers {
		wg.Go(func() {
			part := []string{"-worker", fmt.Sprint(i), "-workers", fmt.Sprint(o.workers)}
			cmd := exec.Command(self, slices.Concat([]string{"mutate"}, args, part)...)
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
			failed[i] = cmd.Run()
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	fmt.Printf("%d mutations of seed %d: none failed (%v)\n", o.count, o.seed, time.Since(start).Round(time.Second))
	return nil
}

// work reads the worker's part of the letters.
func (o mutateOptions) work() error {
	letters, err := corpusLetters(o.dir)
	if err != nil {
		return err
	}
	debug.SetGCPercent(400)
	m := newMutator(letters)
	failed := 0
	try := func(name string, raw []byte) error {
		why := check(raw)
		if why == "" {
			return nil
		}
		failed++
		fmt.Printf("%s (%d octets): %s\n", name, len(raw), why)
		if o.keep == "" {
			return nil
		}
		return os.WriteFile(filepath.Join(o.keep, name+".eml"), raw, 0o600)
	}
	if o.at >= 0 {
		return errors.Join(try(fmt.Sprintf("mutation-%d-%d", o.seed, o.at), m.letter(o.seed, o.at)), failures(failed))
	}
	for i := o.worker; i < len(letters); i += o.workers {
		if err := try("letter-"+letters[i].name, letters[i].raw); err != nil {
			return err
		}
	}
	for i := o.worker; i < o.count; i += o.workers {
		if err := try(fmt.Sprintf("mutation-%d-%d", o.seed, i), m.letter(o.seed, i)); err != nil {
			return err
		}
	}
	return failures(failed)
}

func failures(n int) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d letters failed", n)
}

type corpusLetter struct {
	name string
	raw  []byte
}

// corpusLetters reads all letters below dir, in the order of their names.
func corpusLetters(dir string) (all []corpusLetter, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".eml" {
			return err
		}
		raw, err := os.ReadFile(path)
		all = append(all, corpusLetter{e.Name(), raw})
		return err
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("no letters below %s", dir)
	}
	return all, err
}

// check reads a letter and tells what is wrong with how that went; "" when nothing is.
func check(raw []byte) string {
	before, start := allocated(), time.Now()
	c := message.Read(raw, message.Envelope{})
	took, used := time.Since(start), allocated()-before
	if why := defect(c); why != "" {
		return why
	}
	// What was allocated in all bounds what was in use at once, and time on the wall bounds that of the CPU. Only letters
	// beyond are measured as they should be.
	limit := uint64(maxTimes*len(raw) + baseMemory)
	if used > limit {
		if peak := peakMemory(raw); peak > limit {
			return fmt.Sprintf("%d octets of memory at once, %d allowed", peak, limit)
		}
	}
	if took > maxCPU {
		if cpu := cpuTime(raw); cpu > maxCPU {
			return fmt.Sprintf("%v of CPU", cpu)
		}
	}
	return ""
}

// allocated is what the process has ever allocated, in octets.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// liveMemory returns a function that tells what the collector left on the heap when it was last there, in octets.
// It allocates nothing, so that watching does not change what is watched.
func liveMemory() func() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	return func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
}

// peakMemory is how much more memory was in use at once while the letter was read than before, in octets: what is on
// the heap when the collector, made eager, has just been there.
func peakMemory(raw []byte) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	live := liveMemory()
	base, peak := live(), uint64(0)
	done := make(chan *message.Content)
	go func() { done <- message.Read(raw, message.Envelope{}) }()
	for {
		select {
		case c := <-done:
			runtime.GC()
			peak = max(peak, live())
			runtime.KeepAlive(c)
			return peak - min(base, peak)
		default:
			peak = max(peak, live())
			runtime.Gosched()
		}
	}
}

// cpuTime is how long the process computes to read the letter.
func cpuTime(raw []byte) time.Duration {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			panic(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	message.Read(raw, message.Envelope{})
	return used() - before
}
