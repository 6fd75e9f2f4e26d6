package guard

import (
	"encoding/binary"
	"time"
)

// What is stored begins with its version, and its size follows from that. What cannot be read counts as nothing: the
// counters begin anew. Moments are seconds since 1970.
const (
	lineSize   = 1 + buckets*4 + 1 + sentLetters*12 + 4 + 4
	memorySize = 1 + (heardLetters+saidLetters)*12 + 1 + 4
	totalSize  = 1 + buckets*4 + 4
	version    = 1
)

// Stored is the line as it is kept.
func (l *Line) Stored() []byte {
	b := append(make([]byte, 0, lineSize), version)
	b = l.volume.stored(b)
	b = append(b, byte(l.chain))
	for _, s := range l.sent {
		b = s.stored(b)
	}
	return appendTime(appendTime(b, l.quiet), l.told)
}

// ReadLine reads what Stored wrote.
func ReadLine(data []byte) (l Line) {
	r, ok := newReader(data, lineSize)
	if !ok {
		return l
	}
	l.volume = r.volume()
	l.chain = int(r.octet())
	for i := range l.sent {
		l.sent[i] = r.saying()
	}
	l.quiet, l.told = r.time(), r.time()
	return l
}

// Stored is the memory as it is kept.
func (m *Memory) Stored() []byte {
	b := append(make([]byte, 0, memorySize), version)
	for _, s := range m.heard {
		b = s.stored(b)
	}
	for _, s := range m.said {
		b = s.stored(b)
	}
	return appendTime(append(b, byte(min(m.reflexes, maxReflexes))), m.told)
}

// ReadMemory reads what Stored wrote.
func ReadMemory(data []byte) (m Memory) {
	r, ok := newReader(data, memorySize)
	if !ok {
		return m
	}
	for i := range m.heard {
		m.heard[i] = r.saying()
	}
	for i := range m.said {
		m.said[i] = r.saying()
	}
	m.reflexes, m.told = int(r.octet()), r.time()
	return m
}

// Stored is the total as it is kept.
func (t *Total) Stored() []byte {
	return appendTime(t.volume.stored(append(make([]byte, 0, totalSize), version)), t.quiet)
}

// ReadTotal reads what Stored wrote.
func ReadTotal(data []byte) (t Total) {
	r, ok := newReader(data, totalSize)
	if !ok {
		return t
	}
	t.volume, t.quiet = r.volume(), r.time()
	return t
}

func (v *volume) stored(b []byte) []byte {
	for _, full := range v {
		b = appendTime(b, full)
	}
	return b
}

func (s saying) stored(b []byte) []byte {
	return appendTime(binary.BigEndian.AppendUint64(b, uint64(s.words)), s.at)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.BigEndian.AppendUint32(b, 0)
	}
	return binary.BigEndian.AppendUint32(b, uint32(t.Unix()))
}

// reader takes apart what has the right size.
type reader []byte

func newReader(data []byte, size int) (*reader, bool) {
	if len(data) != size || data[0] != version {
		return nil, false
	}
	r := reader(data[1:])
	return &r, true
}

func (r *reader) octet() byte {
	b := (*r)[0]
	*r = (*r)[1:]
	return b
}

func (r *reader) time() time.Time {
	seconds := binary.BigEndian.Uint32(*r)
	*r = (*r)[4:]
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

func (r *reader) print() Print {
	p := Print(binary.BigEndian.Uint64(*r))
	*r = (*r)[8:]
	return p
}

func (r *reader) saying() saying { return saying{words: r.print(), at: r.time()} }

func (r *reader) volume() (v volume) {
	for i := range v {
		v[i] = r.time()
	}
	return v
}
