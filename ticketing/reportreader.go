package ticketing

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/postgres"
)

const (
	reportPoll   = time.Minute // other nodes take reports too, and one may have died
	reportForget = time.Hour
	reportAge    = 400 * 24 * time.Hour // how long reports are kept
)

// readReports reads the reports that wait, one after the other, until ctx ends. The letters were committed, and so was that
// they wait: whatever happens here, no report is lost and none counts twice.
func (in *Intake) readReports(ctx context.Context) {
	tick := time.NewTicker(reportPoll)
	defer tick.Stop()
	var forgotten time.Time
	for {
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = in.readOne(ctx); err != nil && ctx.Err() == nil {
				in.log.Warn("reports are not read", "error", err)
			}
		}
		if now := in.clock(); now.Sub(forgotten) >= reportForget && ctx.Err() == nil {
			forgotten = now
			if err := deleteReports(ctx, in.pool, now.Add(-reportAge)); err != nil && ctx.Err() == nil {
				in.log.Warn("old reports are not forgotten", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-in.newReports:
		case <-tick.C:
		}
	}
}

// readOne reads one report. One that cannot be stored is noted as such, so that it does not hold up the others.
func (in *Intake) readOne(ctx context.Context) (more bool, err error) {
	var r Report
	var lines []ReportLine
	var fresh bool
	spoilt := ""
	for {
		err = pgx.BeginFunc(ctx, in.pool, func(tx pgx.Tx) error {
			w, err := takeWaitingReport(ctx, tx, maxReportLetter)
			if notFound(err) == ErrNotFound {
				more = false
				return nil
			}
			if err != nil {
				return fmt.Errorf("take a report: %w", err)
			}
			more = true
			if r, lines = in.readWaiting(w); spoilt != "" {
				r.State, r.Problem, lines = ReportMalformed, spoilt, nil
			}
			fresh, err = insertReport(ctx, tx, w.organisation, r, lines)
			return err
		})
		if err == nil || spoilt != "" || postgres.Transient(err) || ctx.Err() != nil {
			break
		}
		in.log.Error("a report cannot be stored", "letter", r.Letter.String(), "error", err)
		spoilt = "it cannot be stored"
	}
	if err != nil || !more {
		return false, err
	}
	in.tellReport(r, lines, fresh)
	return true, nil
}

// readWaiting reads the report of one letter. A panic makes it a malformed one.
func (in *Intake) readWaiting(w waitingLetter) (r Report, lines []ReportLine) {
	r = Report{ID: id.New(), Letter: w.letter, ReceivedAt: w.receivedAt, Domain: w.domain}
	if from, err := address.Parse(w.from); err == nil {
		r.Submitter = from.Domain
	}
	var v message.Verdict
	if json.Unmarshal(w.verdict, &v) == nil { // there is none when senders are not authenticated
		r.Authentic = v.DMARC.Result == message.Pass && strings.EqualFold(v.DMARC.Domain, r.Submitter)
	}
	known := r
	defer func() {
		if p := recover(); p != nil {
			in.log.Error("panic while reading a report", "letter", w.letter.String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			r, lines = known, nil
			r.State, r.Problem = ReportMalformed, "the reader failed"
		}
	}()
	raw := w.raw
	var err error
	if w.encoding == "zstd" && raw != nil {
		raw, err = in.unzip(raw)
	}
	switch org := in.directory.Organisation(w.organisation); {
	case org == nil:
		r.State, r.Problem = ReportForeign, "the organisation is gone"
	case err != nil:
		r.State, r.Problem = ReportMalformed, "the stored letter cannot be decompressed"
	case raw == nil:
		r.State, r.Problem = ReportMalformed, "the letter is too large"
	default:
		r, lines = readReport(r, org.Domains, raw)
	}
	return r, lines
}

// tellReport logs and counts a report that is stored.
func (in *Intake) tellReport(r Report, lines []ReportLine, fresh bool) {
	state := r.State
	if !fresh {
		state = "duplicate"
	}
	kind := r.Kind
	if kind == "" {
		kind = "unknown"
	}
	in.metrics.reports.WithLabelValues(kind, state).Inc()
	in.log.Info("report", "letter", r.Letter.String(), "kind", kind, "state", state, "domain", r.Domain, "submitter", r.Submitter,
		"authentic", r.Authentic, "reporter", r.Reporter, "id", r.ExternalID, "passed", r.Passed, "failed", r.Failed, "problem", r.Problem)
	if state != ReportCounted {
		return
	}
	for _, l := range lines {
		if r.Kind == "tls" {
			in.metrics.tlsSessions.WithLabelValues(r.Domain, l.Result).Add(float64(l.Quantity))
		} else {
			in.metrics.dmarcLetters.WithLabelValues(r.Domain, l.Result, l.Disposition).Add(float64(l.Quantity))
		}
	}
}

// reportMetrics are what other hosts say of our domains. Their labels are domains that we serve and words of ours: no
// sender can make new ones.
type reportMetrics struct {
	reports      *prometheus.CounterVec
	tlsSessions  *prometheus.CounterVec
	dmarcLetters *prometheus.CounterVec
}

func newReportMetrics(r prometheus.Registerer) reportMetrics {
	m := reportMetrics{
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mxdesk_reports_total", Help: "Reports received from other mail hosts, by kind and by what became of them.",
		}, []string{"kind", "state"}),
		tlsSessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mxdesk_reported_tls_sessions_total", Help: "Sessions of other hosts with ours, by domain and result, as TLS reports say.",
		}, []string{"domain", "result"}),
		dmarcLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mxdesk_reported_dmarc_letters_total", Help: "Letters that other hosts got from our domains, by DMARC result and disposition, as DMARC reports say.",
		}, []string{"domain", "result", "disposition"}),
	}
	r.MustRegister(m.reports, m.tlsSessions, m.dmarcLetters)
	return m
}
