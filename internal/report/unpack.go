package report

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
)

// Unpack gives the text of a report that came as it is, by gzip or as the one file of a zip archive; which of them, its first
// octets tell: names and media types are often wrong. The error wraps ErrMalformed.
func Unpack(data []byte) ([]byte, error) {
	if len(data) > maxPacked {
		return nil, fmt.Errorf("%w: more than %d octets", ErrMalformed, maxPacked)
	}
	switch {
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%w: gzip: %w", ErrMalformed, err)
		}
		return readBounded(r, len(data))
	case bytes.HasPrefix(data, []byte("PK")):
		return unzip(data)
	}
	return data, nil
}

func unzip(data []byte) ([]byte, error) {
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
	defer r.Close()
	return readBounded(r, len(data))
}

// readBounded unpacks at most what packed octets may honestly hold.
func readBounded(r io.Reader, packed int) ([]byte, error) {
	limit := min(maxUnpacked, max(freeRatio, packed*maxRatio))
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case len(data) > limit:
		return nil, fmt.Errorf("%w: it unpacks to more than %d octets", ErrMalformed, limit)
	case err != nil:
		return nil, fmt.Errorf("%w: unpack: %w", ErrMalformed, err)
	}
	return data, nil
}

// IsTLS and IsDMARC tell what the text of a report looks like.
func IsTLS(text []byte) bool { return firstOctet(text) == '{' }

// IsDMARC tells whether the text may be XML.
func IsDMARC(text []byte) bool { return firstOctet(text) == '<' }

func firstOctet(text []byte) byte {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(text) == 0 {
		return 0
	}
	return text[0]
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
