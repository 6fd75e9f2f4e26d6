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
	admission  *prometheus.CounterVec // by decision and reason
	reportMetrics
}

func newIntakeMetrics(r prometheus.Registerer, loops prometheus.Collector) *intakeMetrics {
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
	m.admission = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mxdesk_admission_total", Help: "Letters that were refused or held, or taken for a reason, by decision and reason.",
	}, []string{"decision", "reason"})
	for _, a := range admissionReasons {
		m.admission.WithLabelValues(a.decision, a.reason)
	}
	r.MustRegister(m.admission, m.letters, m.duplicates, m.unread, m.replays, m.batch, m.commit, m.mails, loops)
	return m
}

// count records a committed letter.
func (m *intakeMetrics) count(p *parcel) {
	switch {
	case p.refused != nil:
		if reason := refused(p.refused).reason; reason != "" {
			m.admission.WithLabelValues("refused", reason).Inc()
		}
	case !p.known.IsZero():
		m.duplicates.Inc()
	default:
		if reason := p.summary.reason; reason != "" && p.heldFor != "" {
			m.admission.WithLabelValues("held", reason).Inc()
		} else if reason != "" {
			m.admission.WithLabelValues("taken", reason).Inc()
		}
		if p.summary.believed != "" {
			m.admission.WithLabelValues("believed", p.summary.believed).Inc()
		}
		m.letters.WithLabelValues(string(p.content.Kind), string(p.summary.outcome)).Inc()
		m.mails.Add(float64(p.summary.mails))
	}
}
