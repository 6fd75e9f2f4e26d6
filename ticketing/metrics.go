package ticketing

import (
	"github.com/prometheus/client_golang/prometheus"
)

// intakeMetrics is what the intake counts.
type intakeMetrics struct {
	letters    *prometheus.CounterVec // by kind and outcome
	duplicates prometheus.Counter
	unread     prometheus.Counter
	replays    prometheus.Counter
	batch      prometheus.Histogram // letters in a transaction
	commit     prometheus.Histogram // seconds from begin to commit
	mails      prometheus.Counter
	reportMetrics
}

func newIntakeMetrics(r prometheus.Registerer) *intakeMetrics {
	m := &intakeMetrics{
		reportMetrics: newReportMetrics(r),
		letters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mxdesk_letters_total", Help: "Letters committed, by kind and by what became of them.",
		}, []string{"kind", "outcome"}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mxdesk_letters_duplicate_total", Help: "Letters that were acknowledged but not stored: the same had come before.",
		}),
		unread: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mxdesk_letters_unread_total", Help: "Letters on which the program failed; they are stored with a plain ticket.",
		}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mxdesk_intake_replays_total", Help: "Batches that failed and were done again letter by letter.",
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mxdesk_intake_batch_letters", Help: "Letters committed in one transaction.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64},
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mxdesk_intake_commit_seconds", Help: "From the start of a transaction to its commit.",
			Buckets: []float64{.001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 4},
		}),
		mails: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mxdesk_notifications_total", Help: "Notifications put into the queue.",
		}),
	}
	r.MustRegister(m.letters, m.duplicates, m.unread, m.replays, m.batch, m.commit, m.mails)
	return m
}

// count records a committed letter.
func (m *intakeMetrics) count(p *parcel) {
	switch {
	case p.refused != nil:
	case !p.known.IsZero():
		m.duplicates.Inc()
	default:
		m.letters.WithLabelValues(string(p.content.Kind), string(p.summary.outcome)).Inc()
		m.mails.Add(float64(p.summary.mails))
	}
}
