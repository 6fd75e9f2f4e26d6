package report

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Text is the text of a report. It is unpacked while it is read, never kept whole; reading it fails with an error that wraps
// ErrMalformed when it is longer than it may be.
type Text struct {
	bufio.Reader
	first byte
}

// Unpack gives the text of a report that came as it is, by gzip or as the one file of a zip archive; which of them, its first
// octets tell: names and media types are often wrong. The error wraps ErrMalformed.
func Unpack(data []byte) (*Text, error) {
	if len(data) > maxPacked {
		return nil, fmt.Errorf("%w: more than %d octets", ErrMalformed, maxPacked)
	}
	var r io.Reader = bytes.NewReader(data)
	limit := len(data)
	switch {
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		unpacked, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("%w: gzip: %w", ErrMalformed, err)
		}
		r, limit = unpacked, honest(len(data))
	case bytes.HasPrefix(data, []byte("PK")):
		file, err := onlyFile(data)
		if err != nil {
			return nil, err
		}
		r, limit = file, honest(len(data))
	}
	t := &Text{}
	t.Reset(&limited{r: r, left: limit, limit: limit})
	return t, t.begin()
}

// honest is how many octets a packed report may unpack to.
func honest(packed int) int { return min(maxUnpacked, max(freeRatio, packed*maxRatio)) }

// onlyFile opens the one file of a zip archive. There is nothing to close: the archive lies in memory.
func onlyFile(data []byte) (io.Reader, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w: zip: %w", ErrMalformed, err)
	}
	var file *zip.File
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if file != nil {
			return nil, fmt.Errorf("%w: several files in the zip archive", ErrMalformed)
		}
		file = f
	}
	if file == nil {
		return nil, fmt.Errorf("%w: no file in the zip archive", ErrMalformed)
	}
	r, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: zip: %w", ErrMalformed, err)
	}
	return r, nil
}

// limited reads at most left octets, and fails where there are more.
type limited struct {
	r           io.Reader
	left, limit int
	err         error // for ever
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (n int, err error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err = l.r.Read(p[:min(len(p), l.left+1)])
	switch {
	case n > l.left:
		n, l.err = 0, fmt.Errorf("%w: it unpacks to more than %d octets", ErrMalformed, l.limit)
	case err != nil && !errors.Is(err, io.EOF):
		l.err = fmt.Errorf("%w: unpack: %w", ErrMalformed, err)
	default:
		l.err = err
	}
	l.left -= n
	return n, l.err
}

// maxBlank bounds what stands before a report.
const maxBlank = 1000

// begin reads over what stands before the text, and looks at its first octet.
func (t *Text) begin() error {
	if mark, _ := t.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = t.Discard(3) // they are there
	}
	for range maxBlank {
		c, err := t.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case strings.IndexByte(" \t\r\n", c) < 0:
			t.first = c
			return t.UnreadByte()
		}
	}
	return nil
}

// IsTLS and IsDMARC tell what the text of a report looks like.
func (t *Text) IsTLS() bool { return t.first == '{' }

// IsDMARC tells whether the text may be XML.
func (t *Text) IsDMARC() bool { return t.first == '<' }

// paced hands a decoder its octets, and fails when one piece of the text takes more than maxGap of them: so much a decoder gathers
// before it makes a value of it.
type paced struct {
	r     io.ByteReader
	taken int // since the last piece
}

// next begins another piece.
func (p *paced) next() { p.taken = 0 }

// ReadByte implements io.ByteReader.
func (p *paced) ReadByte() (byte, error) {
	if p.taken++; p.taken > maxGap {
		return 0, fmt.Errorf("%w: a piece of it is longer than %d octets", ErrMalformed, maxGap)
	}
	return p.r.ReadByte()
}

// Read implements io.Reader. It reads little ahead: what a decoder has and did not use yet counts for the piece before.
func (p *paced) Read(b []byte) (n int, err error) {
	for b = b[:min(len(b), 512)]; n < len(b); n++ {
		if b[n], err = p.ReadByte(); err != nil {
			break
		}
	}
	if n > 0 {
		return n, nil // the error comes again
	}
	return 0, err
}

// Pack compresses a report by gzip.
func Pack(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(text)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack report: %w", err)
	}
	return b.Bytes(), nil
}
