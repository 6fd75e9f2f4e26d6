package outbound

import "github.com/prometheus/client_golang/prometheus"

// metrics of one worker.
type metrics struct {
	attempts   *prometheus.CounterVec
	delivered  *prometheus.CounterVec
	downgrades prometheus.Counter
	claim      prometheus.Histogram
	group      prometheus.Histogram
	deliveries *prometheus.GaugeVec
	oldest     prometheus.Gauge
	lanes      *prometheus.GaugeVec
}

// newMetrics registers the metrics; a nil registerer keeps them to ourselves.
func newMetrics(r prometheus.Registerer) *metrics {
	const space, stage = "mxdesk", "outbound"
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: space, Subsystem: stage, Name: "attempts_total",
			Help: "Attempts to deliver, by result.",
		}, []string{"result"}),
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: space, Subsystem: stage, Name: "delivered_total",
			Help: "Letters that a host took, by how they got there: plaintext, encrypted (any certificate), verified.",
		}, []string{"tls"}),
		downgrades: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: space, Subsystem: stage, Name: "tls_lost_total",
			Help: "How often a lane took letters in plaintext that had taken them over TLS before.",
		}),
		claim: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: space, Subsystem: stage, Name: "claim_seconds",
			Help: "Time to claim deliveries.", Buckets: prometheus.ExponentialBuckets(0.0005, 1.25, 30),
		}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: space, Subsystem: stage, Name: "record_reports",
			Help: "Reports recorded in one transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}),
		deliveries: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: space, Subsystem: stage, Name: "deliveries",
			Help: "Deliveries in the queue, by state.",
		}, []string{"state"}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: space, Subsystem: stage, Name: "oldest_seconds",
			Help: "Age of the oldest delivery that waits to be sent.",
		}),
		lanes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: space, Subsystem: stage, Name: "lanes",
			Help: "Lanes, by state: busy, backed_off, paused.",
		}, []string{"state"}),
	}
	for _, level := range []string{levelPlaintext, levelEncrypted, levelVerified} {
		m.delivered.WithLabelValues(level)
	}
	if r != nil {
		r.MustRegister(m.attempts, m.delivered, m.downgrades, m.claim, m.group, m.deliveries, m.oldest, m.lanes)
	}
	return m
}

// show sets the gauges.
func (m *metrics) show(d Depth) {
	for state, n := range d.States {
		m.deliveries.WithLabelValues(state).Set(float64(n))
	}
	m.oldest.Set(d.Oldest.Seconds())
	m.lanes.WithLabelValues("busy").Set(float64(d.BusyLanes))
	m.lanes.WithLabelValues("backed_off").Set(float64(d.BackedOffLanes))
	m.lanes.WithLabelValues("paused").Set(float64(d.PausedLanes))
}
