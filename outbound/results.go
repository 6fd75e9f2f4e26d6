package outbound

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	reports "mxdesk/internal/report"
	"mxdesk/outbound/route"
)

// maxResults bounds what is counted between two flushes; what goes beyond is not reported.
const maxResults = 10_000

// Results counts what was seen of other domains, by day, for the reports to them. Counting costs no question to the
// database: Reporter writes the sums every few seconds, and those of the last seconds are lost when the program is killed. It is safe for concurrent use.
type Results struct {
	// Clock is set before the first use; nil: time.Now.
	Clock func() time.Time

	mu    sync.Mutex
	tls   map[resultKey]*tlsResult
	dmarc map[resultKey]*dmarcResult
	lost  int
}

type resultKey struct {
	day    time.Time
	domain string
	hash   [16]byte
}

type tlsResult struct {
	route.Session
	sessions int64
}

type dmarcResult struct {
	fact    []byte
	letters int64
}

// DMARCFact is what DMARC said of a letter, as it is reported.
type DMARCFact struct {
	Policy reports.DMARCPolicy
	Record reports.DMARCRecord // of one letter; its count is not looked at
}

// AddTLS counts one session.
func (r *Results) AddTLS(s route.Session) {
	s.Reason = clean(s.Reason)
	text, err := json.Marshal(s)
	if err != nil {
		return // strings alone always marshal
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.key(s.Domain, text)
	if r.tls == nil {
		r.tls = map[resultKey]*tlsResult{}
	}
	if t := r.tls[k]; t != nil {
		t.sessions++
	} else if len(r.tls) < maxResults {
		r.tls[k] = &tlsResult{Session: s, sessions: 1}
	} else {
		r.lost++
	}
}

// AddDMARC counts one letter.
func (r *Results) AddDMARC(f DMARCFact) {
	f.Record.Count = 0
	text, err := json.Marshal(f)
	if err != nil || bytes.Contains(text, []byte(`\u0000`)) { // jsonb holds no NUL, and no other fact would be written beside it
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.key(f.Policy.Domain, text)
	if r.dmarc == nil {
		r.dmarc = map[resultKey]*dmarcResult{}
	}
	if d := r.dmarc[k]; d != nil {
		d.letters++
	} else if len(r.dmarc) < maxResults {
		r.dmarc[k] = &dmarcResult{fact: text, letters: 1}
	} else {
		r.lost++
	}
}

// key is where a fact is counted today; r.mu is held.
func (r *Results) key(domain string, text []byte) resultKey {
	now := time.Now
	if r.Clock != nil {
		now = r.Clock
	}
	sum := sha256.Sum256(text)
	return resultKey{day: utcDay(now()), domain: strings.ToLower(domain), hash: [16]byte(sum[:16])}
}

func utcDay(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// flush writes what was counted. What cannot be written is counted on.
func (r *Results) flush(ctx context.Context, db *pgxpool.Pool) (lost int, err error) {
	r.mu.Lock()
	tls, dmarc, lost := r.tls, r.dmarc, r.lost
	r.tls, r.dmarc, r.lost = nil, nil, 0
	r.mu.Unlock()
	if len(tls)+len(dmarc) == 0 {
		return lost, nil
	}
	if err := addResults(ctx, db, tls, dmarc); err != nil {
		r.takeBack(tls, dmarc)
		return lost, err
	}
	return lost, nil
}

func (r *Results) takeBack(tls map[resultKey]*tlsResult, dmarc map[resultKey]*dmarcResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, t := range r.tls {
		if old := tls[k]; old != nil {
			old.sessions += t.sessions
		} else if len(tls) < maxResults {
			tls[k] = t
		} else {
			r.lost++
		}
	}
	for k, d := range r.dmarc {
		if old := dmarc[k]; old != nil {
			old.letters += d.letters
		} else if len(dmarc) < maxResults {
			dmarc[k] = d
		} else {
			r.lost++
		}
	}
	r.tls, r.dmarc = tls, dmarc
}
