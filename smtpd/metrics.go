package smtpd

import (
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/message"
)

// metrics counts what a Server does.
type metrics struct {
	open         prometheus.Gauge
	sessions     prometheus.Counter
	letters      prometheus.Counter
	bytes        prometheus.Counter
	refusals     *prometheus.CounterVec
	filterErrors prometheus.Counter
	replySeconds prometheus.Histogram
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "mxdesk", Subsystem: "smtp", Name: name, Help: help}
	}
	return &metrics{
		open:         prometheus.NewGauge(prometheus.GaugeOpts(counter("sessions_open", "SMTP sessions that are open."))),
		sessions:     prometheus.NewCounter(counter("sessions_total", "SMTP sessions that were begun.")),
		letters:      prometheus.NewCounter(counter("letters_total", "Letters that were accepted.")),
		bytes:        prometheus.NewCounter(counter("letter_bytes_total", "Octets of the letters that were accepted.")),
		refusals:     prometheus.NewCounterVec(counter("refusals_total", "Replies of 4xx and 5xx, and refused connections, by reason."), []string{"reason"}),
		filterErrors: prometheus.NewCounter(counter("filter_errors_total", "Letters that the content filter gave no answer for.")),
		replySeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "mxdesk", Subsystem: "smtp", Name: "reply_seconds",
			Help:    "Seconds from the end of data to the reply.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 540},
		}),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.open, m.sessions, m.letters, m.bytes, m.refusals, m.filterErrors, m.replySeconds} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// refused counts and logs a refusal. Its text is ours; of the client only parsed facts are told.
func (s *Server) refused(w *wire, r reply) {
	s.metrics.refusals.WithLabelValues(r.reason).Inc()
	s.cfg.Log.Info("refused", "session", w.id.String(), "client", w.client.String(),
		"reason", r.reason, "code", r.code, "command", w.cmd.verb, "address", printable(w.cmd.path.String()))
}

// accepted counts and logs a letter.
func (s *Server) accepted(w *wire, l *message.Letter, r message.Taken) {
	s.metrics.letters.Inc()
	s.metrics.bytes.Add(float64(len(l.Raw)))
	s.cfg.Log.Info("letter accepted", "session", w.id.String(), "letter", r.ID.String(), "client", w.client.String(),
		"sender", printable(l.MailFrom.String()), "recipients", len(l.Recipients), "bytes", len(l.Raw), "tls", w.handshake, "held", r.Held)
}
