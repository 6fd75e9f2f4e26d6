package report

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"mxdesk/internal/message"
)

// ErrMalformed is wrapped by every error for a report that cannot be used. Its text holds no more of the report than a
// quoted, short piece.
var ErrMalformed = errors.New("malformed report")

// Bounds on a report from outside. Reports that large receivers send about a busy domain stay far below.
const (
	maxPacked   = 4 << 20 // octets as they came
	maxUnpacked = 8 << 20 // and unpacked: maxRecords of the usual length, and a second or two of work
	freeRatio   = 1 << 20 // octets from which on the ratio counts
	maxRatio    = 200     // a thousand records that differ in little come near
	maxDepth    = 12
	maxValues   = 200_000  // elements, members
	maxGap      = 64 << 10 // octets of a tag, of a text, or of one failure in JSON
	maxName     = 64
	maxPolicies = 100
	maxRecords  = 5000
	maxFailures = 1000 // that are told apart; the others are added up
	maxResults  = 20   // of DKIM or SPF in one record
	maxText     = 300
	maxTexts    = 20

	maxCount = 1 << 40 // letters or sessions of one line
	maxSpan  = 8 * 24 * time.Hour
)

// malformed is the error of a decoder, or of what it reads.
func malformed(what string, err error) error {
	if errors.Is(err, ErrMalformed) {
		return err
	}
	return fmt.Errorf("%w: %s: %.200s", ErrMalformed, what, err)
}

// clean makes one short line of printable text.
func clean(s string) string {
	if len(s) > 4*maxText {
		s = s[:4*maxText]
	}
	s = message.CleanLine(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxText {
		cut := maxText
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return s
}

func cleanAll(list []string) []string {
	var out []string
	for _, s := range list[:min(len(list), maxTexts)] {
		out = append(out, clean(s))
	}
	return out
}

func count(n int64) int64 { return min(max(n, 0), maxCount) }

// checkMetadata looks at what every report must have: without it, it cannot be told from another.
func checkMetadata(organization, id string, begin, end time.Time) error {
	switch {
	case organization == "" || id == "":
		return fmt.Errorf("%w: no organisation or no report id", ErrMalformed)
	case begin.Year() < 2010 || begin.Year() > 9000 || end.Before(begin) || end.Sub(begin) > maxSpan:
		return fmt.Errorf("%w: it is about no span of time", ErrMalformed)
	}
	return nil
}
