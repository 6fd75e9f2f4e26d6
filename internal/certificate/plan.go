package certificate

import (
	"slices"
	"time"
)

// The challenges that can be answered (RFC 8555 section 8.3, RFC 8737).
const (
	HTTP01    = "http-01"     // on port 80
	TLSALPN01 = "tls-alpn-01" // on port 443
)

const (
	orderTime    = 5 * time.Minute  // for one attempt; less than the shortest back-off, which is how long a claim lasts
	maxTries     = 3                // within one attempt, while the authority judged nothing
	tryWait      = time.Second      // from the beginning of one to that of the next
	firstBackoff = 10 * time.Minute // authorities allow about five failures an hour
	lastBackoff  = 6 * time.Hour
	longestWait  = 24 * time.Hour // that an authority can ask of us
	switchWait   = time.Hour      // between attempts at different authorities: nodes may differ in their configuration
)

// state is what the database knows of a name.
type state struct {
	Name      string
	Attempt   int64
	Failures  int
	Due       bool   // the time of the next attempt has come
	Rested    bool   // the last attempt began longer than switchWait ago
	Directory string // of the last attempt
	Issued    int64
}

// isDue tells whether a name is to be certified now, by the authority at directory.
func (s state) isDue(directory string) bool {
	switched := s.Directory != "" && s.Directory != directory
	return s.Due || switched && s.Rested
}

// backoff is the wait after an attempt began, when failures came before it.
func backoff(failures int) time.Duration {
	wait := firstBackoff
	for range failures {
		if wait *= 2; wait >= lastBackoff {
			return lastBackoff
		}
	}
	return wait
}

// wait is the back-off of a failed attempt, or what the authority asks for when that is longer.
func wait(failures int, asked time.Duration) time.Duration {
	return max(backoff(failures), min(asked, longestWait))
}

// renewAt is when a certificate is renewed: with a third of its life left, whether that is months or hours.
func renewAt(notBefore, notAfter time.Time) time.Time {
	return notAfter.Add(-notAfter.Sub(notBefore) / 3)
}

// choose picks a challenge among those offered: of the kinds that can be answered the next one with each failure.
// It returns the place among the offered ones, -1 when none can be answered.
func choose(offered, kinds []string, failures int) int {
	for i := range kinds {
		if place := slices.Index(offered, kinds[(failures+i)%len(kinds)]); place >= 0 {
			return place
		}
	}
	return -1
}
