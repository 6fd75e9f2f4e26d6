package ticketing

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/octets"
	reports "mxdesk/internal/report"
)

// isReportAddress tells whether a takes the reports of other mail hosts about its domain: the addresses to publish in
// _dmarc and _smtp._tls. Every domain has them.
func isReportAddress(a address.Address) bool {
	return strings.EqualFold(a.Local, "dmarc-reports") || strings.EqualFold(a.Local, "tls-reports")
}

// onlyReports tells whether the letter went to report addresses alone.
func (p *parcel) onlyReports() bool {
	return p.reportsOn != "" && len(p.targets) == 0 && len(p.signed) == 0 && p.returned.IsZero() && p.confirm.IsZero()
}

// passReport puts the letter before those who read reports. That happens after it was taken: what is in it refuses nobody.
func (d *decider) passReport() {
	if d.reportsOn != "" {
		d.note("report: about %s, read later", d.reportsOn)
		d.daily = append(d.daily, waitingReport{d.org.ID, d.letter.ID, d.reportsOn})
	}
}

// The states of a received report.
const (
	ReportCounted   = "counted"
	ReportMalformed = "malformed" // it cannot be read
	ReportForeign   = "foreign"   // it is about somebody else's domain
)

// Bounds on what one report makes us keep.
const (
	maxReportLines  = 200
	maxReportFiles  = 10       // looked at in a letter
	maxReportLetter = 12 << 20 // octets
)

// Report is a report that another mail host sent about one of our domains. Nobody proves what it says: it is good for
// statistics alone.
type Report struct {
	ID         id.ID
	Letter     id.ID
	ReceivedAt time.Time
	Kind       string // tls or dmarc; "" when not even that is known
	Domain     string // ours
	Submitter  string // domain of the From field
	Authentic  bool   // DMARC vouches for Submitter
	Reporter   string // as the report says
	ExternalID string
	BeginsAt   *time.Time
	EndsAt     *time.Time
	Passed     int64 // sessions or letters
	Failed     int64
	State      string
	Problem    string
}

// ReportLine is one result in a report.
type ReportLine struct {
	Result      string // pass, fail or a result type of RFC 8460
	Disposition string // of DMARC
	Peer        string // the source of the letters, or our host; "" for lines that were added up
	Detail      string
	Quantity    int64
}

const linePass, lineFail = "pass", "fail"

// errForeign: a report about a domain that is not the organisation's.
var errForeign = errors.New("it is about none of our domains")

// readReport makes a report of a letter, with its lines; known facts of the letter stand in r already. What is wrong with it
// becomes its state.
func readReport(r Report, domains []string, raw []byte) (Report, []ReportLine) {
	lines, err := func() ([]ReportLine, error) {
		if len(raw) > maxReportLetter {
			return nil, fmt.Errorf("%w: a letter of more than %d octets", reports.ErrMalformed, maxReportLetter)
		}
		c := message.Read(raw, message.Envelope{})
		failed := fmt.Errorf("%w: no report in the letter", reports.ErrMalformed)
		for _, a := range c.Attachments[:min(len(c.Attachments), maxReportFiles)] {
			text, err := reports.Unpack(a.Data)
			switch {
			case err != nil:
				failed = err
			case text.IsTLS():
				return r.takeTLS(domains, text)
			case text.IsDMARC() && !strings.HasSuffix(a.ContentType, "html"):
				return r.takeDMARC(domains, text)
			}
		}
		return nil, failed
	}()
	switch {
	case err == nil:
		r.State = ReportCounted
	case errors.Is(err, errForeign):
		r.State, r.Problem = ReportForeign, err.Error()
	default:
		r.State, r.Problem = ReportMalformed, octets.Clip(message.CleanLine(err.Error()), maxSubject)
	}
	return r, lines
}

func (r *Report) takeTLS(domains []string, text *reports.Text) ([]ReportLine, error) {
	r.Kind = "tls"
	t, err := reports.ParseTLS(text)
	if err != nil {
		return nil, err
	}
	r.Reporter, r.ExternalID, r.BeginsAt, r.EndsAt = t.Organization, t.ID, &t.Begin, &t.End
	about := r.Domain
	if !slices.ContainsFunc(t.Policies, func(p reports.TLSPolicy) bool { return p.Domain == about }) {
		i := slices.IndexFunc(t.Policies, func(p reports.TLSPolicy) bool { return slices.Contains(domains, p.Domain) })
		if i < 0 {
			return nil, errForeign
		}
		about = t.Policies[i].Domain
	}
	r.Domain = about
	var lines reportLines
	for _, p := range t.Policies {
		if p.Domain != about {
			continue
		}
		rest := p.Failed
		for _, f := range p.Failures {
			lines.add(ReportLine{Result: f.Result, Peer: f.ReceivingMX, Detail: cmp.Or(f.Reason, p.Type), Quantity: f.Sessions})
			rest -= f.Sessions
		}
		lines.add(ReportLine{Result: linePass, Detail: p.Type, Quantity: p.Passed})
		lines.add(ReportLine{Result: reports.OtherResult, Detail: p.Type, Quantity: max(rest, 0)})
	}
	r.Passed, r.Failed = lines.passed, lines.failed
	return lines.all(), nil
}

func (r *Report) takeDMARC(domains []string, text *reports.Text) ([]ReportLine, error) {
	r.Kind = "dmarc"
	var lines reportLines
	d, err := reports.ParseDMARC(text, func(rec *reports.DMARCRecord) {
		result := lineFail
		if rec.Passed() {
			result = linePass
		}
		lines.add(ReportLine{Result: result, Disposition: rec.Disposition, Peer: rec.SourceIP, Detail: rec.HeaderFrom, Quantity: rec.Count})
	})
	if err != nil {
		return nil, err
	}
	r.Reporter, r.ExternalID, r.BeginsAt, r.EndsAt = d.Organization, d.ID, &d.Begin, &d.End
	if !related(d.Policy.Domain, r.Domain) { // of a domain above ours, too: its policy may be the one that counts
		i := slices.IndexFunc(domains, func(ours string) bool { return related(d.Policy.Domain, ours) })
		if i < 0 {
			return nil, errForeign
		}
		r.Domain = domains[i]
	}
	r.Passed, r.Failed = lines.passed, lines.failed
	return lines.all(), nil
}

// related tells whether one domain is the other, or above or below it. Nothing is related to a top-level domain.
func related(a, b string) bool {
	return a == b || strings.Contains(b, ".") && strings.HasSuffix(a, "."+b) || strings.Contains(a, ".") && strings.HasSuffix(b, "."+a)
}

// reportLines gathers the lines of a report. Those beyond the bound are added to lines without peer: first come, first kept.
type reportLines struct {
	kept           []ReportLine
	sums           map[ReportLine]int64
	passed, failed int64
}

func (s *reportLines) add(l ReportLine) {
	if l.Quantity == 0 {
		return
	}
	if l.Result == linePass {
		s.passed += l.Quantity
	} else {
		s.failed += l.Quantity
	}
	if len(s.kept) < maxReportLines {
		s.kept = append(s.kept, l)
		return
	}
	if s.sums == nil {
		s.sums = map[ReportLine]int64{}
	}
	s.sums[ReportLine{Result: l.Result, Disposition: l.Disposition}] += l.Quantity
}

// all are the lines, and the sums behind them.
func (s *reportLines) all() []ReportLine {
	lines := s.kept
	for l, sum := range s.sums {
		l.Quantity = sum
		lines = append(lines, l)
	}
	return lines
}

// key tells the report from all others: who reports what under which id. One that is not counted is its letter's.
func (r *Report) key() hash16 {
	words := []string{"letter", r.Letter.String()}
	if r.State == ReportCounted {
		words = []string{r.Kind, r.Domain, strings.ToLower(r.Reporter), r.ExternalID, r.Submitter}
	}
	sum := sha256.Sum256([]byte(strings.Join(words, "\n")))
	return hash16(sum[:16])
}
