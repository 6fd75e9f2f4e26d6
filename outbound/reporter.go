package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/id"
	"mxdesk/internal/pace"
	reports "mxdesk/internal/report"
)

const (
	flushEvery   = 5 * time.Second
	reportEvery  = time.Minute
	dayEndsLate  = 10 * time.Minute // other nodes write the last counts of a day after its end
	resultAge    = 14 * 24 * time.Hour
	reportTime   = 2 * time.Minute // for one report, with all questions to the DNS
	reportTries  = 9               // in some 18 hours
	maxReported  = 2000            // results in one report
	lastFlush    = 10 * time.Second
	postedAnswer = 4 << 10
)

// ReporterConfig is what a Reporter needs.
type ReporterConfig struct {
	Results *Results
	TLS     bool // send TLS reports
	DMARC   bool // send DMARC reports

	// For sending alone.
	Organization string
	From         address.Address // at a domain of ours; also the contact
	Resolver     dns.Resolver
	Client       *http.Client // must refuse addresses that strangers may not lead us to
	Log          *slog.Logger
	Clock        func() time.Time // nil: time.Now
}

// Reporter writes what Results counts, and sends the reports of yesterday to the domains that ask for them. A row of
// reports_owed is a report that is due; what if we die:
//
//	counts not yet written              those of the last seconds are lost
//	after the claim, before the queue   the next attempt, half an hour later
//	mail queued                         in one transaction with the row: once to each destination
//	posted, not recorded                it is posted again under the same id, by which the receiver knows it
type Reporter struct {
	q   *Queue
	cfg ReporterConfig

	flushEvery, reportEvery time.Duration
}

// NewReporter returns a reporter that sends through q.
func NewReporter(q *Queue, cfg ReporterConfig) *Reporter {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Reporter{q: q, cfg: cfg, flushEvery: flushEvery, reportEvery: reportEvery}
}

// Run counts and sends until ctx ends; then it writes what is left. Sending may take hours when domains answer slowly, and does
// not keep counts in memory for so long.
func (r *Reporter) Run(ctx context.Context) error {
	var sending sync.WaitGroup
	sending.Go(func() {
		for range pace.Later(ctx, r.reportEvery) {
			if err := r.work(ctx); err != nil && ctx.Err() == nil {
				r.cfg.Log.Warn("reports to other domains", "error", err)
			}
		}
	})
	for range pace.Later(ctx, r.flushEvery) {
		r.flush(ctx)
	}
	sending.Wait()
	r.flush(context.WithoutCancel(ctx))
	return nil
}

func (r *Reporter) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastFlush)
	defer cancel()
	lost, err := r.cfg.Results.flush(ctx, r.q.pool)
	if err != nil {
		r.cfg.Log.Warn("results for reports wait", "error", err)
	}
	if lost > 0 {
		r.cfg.Log.Warn("too many different results: some will not be reported", "results", lost)
	}
}

// work makes the rows of what is due, one node for all, and sends what is.
func (r *Reporter) work(ctx context.Context) error {
	now := r.cfg.Clock()
	err := underLock(ctx, r.q.pool, "list reports that are due", lockReports, func(tx pgx.Tx) (bool, error) {
		return false, keepOwed(ctx, tx, now, r.cfg.TLS, r.cfg.DMARC)
	})
	if err != nil {
		return err
	}
	err = underLock(ctx, r.q.pool, "forget old results", lockReports, func(tx pgx.Tx) (bool, error) { return forgetResults(ctx, tx, now) })
	if err != nil {
		return err
	}
	var kinds []string
	if r.cfg.TLS {
		kinds = append(kinds, "tls")
	}
	if r.cfg.DMARC {
		kinds = append(kinds, "dmarc")
	}
	for len(kinds) > 0 && ctx.Err() == nil {
		o, err := claimOwed(ctx, r.q.pool, now, kinds)
		if err != nil || o == nil {
			return err
		}
		if err := r.one(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// one sends one report, as far as it goes now, and records that. Its errors are the database's.
func (r *Reporter) one(ctx context.Context, o *owed) error {
	bounded, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	err := r.deliver(bounded, o)
	state, detail := "sent", ""
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errOvertaken):
		return nil
	case errors.Is(err, errUnwanted):
		state = "unwanted"
	case err != nil && o.attempts < reportTries:
		state, detail = "pending", clean(err.Error())
	case err != nil:
		state, detail = "failed", clean(err.Error())
	}
	r.cfg.Log.Info("report to another domain", "kind", o.kind, "day", o.day.Format(time.DateOnly), "domain", o.domain, "attempt", o.attempts, "state", state, "problem", detail)
	if o.destinations == nil && state == "pending" {
		return nil // the DNS is asked again; the claim has set the next time
	}
	return updateOwed(ctx, r.q.pool, o, state, detail)
}

// errUnwanted: the domain asks for no report, or there is nothing to tell.
var errUnwanted = errors.New("no report is wanted")

func (r *Reporter) deliver(ctx context.Context, o *owed) error {
	if !o.planned {
		list, err := r.destinations(ctx, o)
		if err != nil {
			return err
		}
		o.destinations = list
	}
	switch {
	case len(o.destinations) > 0:
	case o.planned: // we died when nothing more was to be done
		return nil
	default:
		return errUnwanted
	}
	p, err := r.make(ctx, o)
	if err != nil {
		return err
	}
	if err := r.mail(ctx, o, p); err != nil {
		return err
	}
	return r.post(ctx, o, p)
}

// mail queues the report for all destinations that take mail, together with what is then left to do.
func (r *Reporter) mail(ctx context.Context, o *owed, p *parcel) error {
	rest := *o
	rest.destinations = []reports.Destination{}
	var to []address.Address
	for _, d := range o.destinations {
		switch {
		case d.URL != "":
			rest.destinations = append(rest.destinations, d)
		case d.Max == 0 || int64(len(p.data)) <= d.Max:
			to = append(to, d.Mail)
		}
	}
	if len(to) == 0 {
		*o = rest
		return nil
	}
	err := pgx.BeginFunc(ctx, r.q.pool, func(tx pgx.Tx) error {
		organisation, err := organisationOfDomain(ctx, tx, r.cfg.From.Domain)
		if err != nil {
			return err
		}
		for _, a := range to {
			m := Message{
				Organisation: organisation, ID: id.New(), Template: "report/" + o.kind, FromName: r.cfg.Organization, From: r.cfg.From,
				AutoSubmitted: "auto-generated", Subject: p.subject, Deliveries: []Delivery{{ID: id.New(), Recipient: a}},
			}
			if err := r.q.EnqueuePrepared(ctx, tx, m, p.body(m.ID), o.kind == "tls"); err != nil {
				return err
			}
		}
		return updateOwed(ctx, tx, &rest, "pending", "")
	})
	if err != nil {
		return fmt.Errorf("queue report: %w", err)
	}
	*o = rest
	r.q.Hint()
	return nil
}
