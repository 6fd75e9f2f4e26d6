package smtpd

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"mxdesk/internal/message"
)

// store holds the bytes of one letter while it arrives: in memory while it is small, then in a file
// without a name, which the kernel removes whatever happens to us.
type store struct {
	dir   string
	above int   // octets from which on the file is used
	limit int64 // octets above which the letter is too big, and no longer kept

	pooled *[]byte
	buf    []byte // all of the letter, or what is not yet in file
	file   *os.File
	mapped []byte
	size   int64
	err    error
}

const (
	firstBuffer = 32 << 10  // enough for most letters
	keptBuffer  = 256 << 10 // larger ones are not kept for the next letter
	fileBuffer  = 128 << 10
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, firstBuffer); return &b }}

func newStore(cfg *Config) *store {
	b := buffers.Get().(*[]byte)
	return &store{dir: cfg.SpoolDir, above: cfg.SpoolAbove, limit: cfg.MaxSize, pooled: b, buf: (*b)[:0]}
}

// append adds a part of the letter. Errors are kept for fault: the rest of the body has to be read anyway.
func (s *store) append(part []byte) {
	if s == nil || len(part) == 0 {
		return
	}
	s.size += int64(len(part))
	if s.err != nil || s.size > s.limit {
		return
	}
	if s.file == nil && len(s.buf)+len(part) > s.above {
		if s.file, s.err = unnamedFile(s.dir); s.err != nil {
			return
		}
		s.write()
		s.buf = make([]byte, 0, fileBuffer)
	}
	if s.file != nil && len(s.buf)+len(part) > fileBuffer {
		s.write()
	}
	s.buf = append(s.buf, part...)
}

func (s *store) write() {
	if s.err == nil {
		if _, err := s.file.Write(s.buf); err != nil {
			s.err = spoolError("writing", err)
		}
	}
	s.buf = s.buf[:0]
}

// fault is the reply to a letter that could not be kept.
func (s *store) fault() reply {
	switch {
	case s == nil:
		return replyNoTransaction
	case s.size > s.limit:
		return replyTooBig
	case s.err != nil:
		return replyTo(s.err)
	}
	return reply{}
}

// bytes is the letter, once it is complete; it is valid until release.
func (s *store) bytes() ([]byte, error) {
	if s.file == nil {
		return s.buf, s.err
	}
	if s.write(); s.err != nil {
		return nil, s.err
	}
	raw, err := syscall.Mmap(int(s.file.Fd()), 0, int(s.size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping a letter: %w", err)
	}
	s.mapped = raw
	return raw, nil
}

// release gives memory and disk back. Nobody may look at the letter after it.
func (s *store) release() {
	if s.mapped != nil {
		_ = syscall.Munmap(s.mapped)
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	if cap(s.buf) <= keptBuffer && s.pooled != nil {
		*s.pooled = s.buf
		buffers.Put(s.pooled)
	}
	s.pooled, s.buf, s.mapped, s.file = nil, nil, nil, nil
}

// unnamedFile opens a file in dir that has no name any more.
func unnamedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "letter-*")
	if err != nil {
		return nil, spoolError("creating", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, spoolError("unlinking", err)
	}
	return f, nil
}

func spoolError(act string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = errors.Join(message.ErrStorageFull, err)
	}
	return fmt.Errorf("%s a spool file: %w", act, err)
}

// space watches the room in the spool folder.
type space struct {
	dir   string
	floor int64

	mu   sync.Mutex
	at   time.Time // when free was measured
	free int64
}

// enough tells whether a letter of size octets fits above the floor; it asks the system once a
// second. A folder that does not answer has no room.
func (s *space) enough(now time.Time, size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.at); age >= time.Second || age < 0 {
		var st syscall.Statfs_t
		s.at, s.free = now, 0
		if syscall.Statfs(s.dir, &st) == nil {
			s.free = int64(min(st.Bavail, 1<<40)) * int64(st.Bsize)
		}
	}
	return s.free-size >= s.floor
}
