package outbound

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// counts are the counters of a registry by name and label.
func counts(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue()
		}
	}
	return all
}

// TestPlaintextAfterTLS: when TLS fails that worked before, the attempt and the lane say why, one warning is logged however
// many letters follow, and all are counted.
func TestPlaintextAfterTLS(t *testing.T) {
	cert, roots := smtptest.Certificate(t, "mx.test")
	var broken atomic.Bool
	peer := smtptest.New(t, smtptest.Config{TLS: cert, Script: func(c smtptest.Command) smtptest.Action {
		if c.Verb == "STARTTLS" && broken.Load() {
			return smtptest.Action{Reply: "454 4.7.0 \x1b[31mnot " + strings.Repeat("now", 200)}
		}
		return smtptest.Action{}
	}})
	x := newWorld(t)
	var logged bytes.Buffer
	metrics := prometheus.NewRegistry()
	w := NewWorker(x.q, WorkerConfig{Log: slog.New(slog.NewTextHandler(&logged, nil)), Metrics: metrics})
	send := func() (used, policy, lane string) {
		t.Helper()
		s := smtpTo(t, peer.Addr()) // a new connection
		s.BaseTLS = &tls.Config{RootCAs: roots}
		w.cfg.Transport = s
		one := x.send("a@x.test")[0]
		x.round(w)
		_, list, err := x.q.Delivery(x.ctx, testOrg, one)
		if err != nil || len(list) != 1 || list[0].Result != ResultDelivered {
			t.Fatalf("attempts %+v, %v", list, err)
		}
		if err := x.pool.QueryRow(x.ctx, `SELECT tls_seen FROM lanes WHERE lane = 'x.test'`).Scan(&lane); err != nil {
			t.Fatal(err)
		}
		return list[0].TLS, list[0].TLSPolicy, lane
	}
	const why = "plaintext after: starttls: TLS failed: refused (the server said 454 4.7.0 "
	before, policy, lane := send()
	if before == "" || policy != "opportunistic" || lane != before+" opportunistic" {
		t.Errorf("over TLS: %q, %q, the lane remembers %q", before, policy, lane)
	}
	broken.Store(true)
	for range 2 {
		used, policy, lane := send()
		if used != "" || !strings.HasPrefix(policy, why) || len(policy) > 250 || strings.Contains(policy, "\x1b") || lane != policy {
			t.Errorf("in plaintext: %q, %q, the lane remembers %q", used, policy, lane)
		}
	}
	text := logged.String()
	if n := strings.Count(text, "letters leave in plaintext"); n != 1 || !strings.Contains(text, "lane=x.test before=\""+before+" opportunistic\" now=\"plaintext after: ") {
		t.Errorf("%d warnings in\n%s", n, text)
	}
	if n := strings.Count(text, "tls_policy=\""+why); n != 2 {
		t.Errorf("%d attempts with their reason in\n%s", n, text)
	}
	got := counts(t, metrics)
	for name, want := range map[string]float64{"tls_lost_total": 1, "delivered_total plaintext": 2, "delivered_total encrypted": 1, "delivered_total verified": 0} {
		if n, there := got["mxdesk_outbound_"+name]; !there || n != want {
			t.Errorf("%s: %v, want %v", name, n, want)
		}
	}
}

// TestTLSKeptInMind: what says nothing of a site's TLS changes nothing of what its lane remembers, and TLS that comes back is
// no matter for a warning.
func TestTLSKeptInMind(t *testing.T) {
	over := func(tls, policy string) Attempt {
		a := taken
		a.IP, a.TLS, a.TLSPolicy = "127.0.0.1", tls, policy
		return a
	}
	unreached := siteDown
	unreached.IP, unreached.TLSPolicy = "127.0.0.1", "opportunistic"
	for _, c := range []struct {
		name        string
		attempt     Attempt
		level, memo string
		lost        bool // after TLS
	}{
		{"DANE", over("TLS1.3 X", route.PolicyDANE), levelVerified, "TLS1.3 X dane", false},
		{"MTA-STS", over("TLS1.3 X", route.PolicyMTASTS), levelVerified, "TLS1.3 X mta-sts", false},
		{"required", over("TLS1.2 X", route.PolicyRequired), levelVerified, "TLS1.2 X required", false},
		{"a smart host with any certificate", over("TLS1.2 X", smtpclient.TLSRequired.String()), levelEncrypted, "TLS1.2 X encrypted", false},
		{"smart host", over("TLS1.2 X", "verified"), levelVerified, "TLS1.2 X verified", false},
		{"testing", over("TLS1.3 X", route.PolicyTesting), levelEncrypted, "TLS1.3 X mta-sts-testing", false},
		{"any certificate", over("TLS1.3 X", "opportunistic"), levelEncrypted, "TLS1.3 X opportunistic", false},
		{"not offered", over("", "opportunistic"), levelPlaintext, "plaintext", true},
		{"failed", over("", "plaintext after: x"), levelPlaintext, "plaintext after: x", true},
		{"no network", taken, "", "", false},
		{"not reached", unreached, "", "", false},
	} {
		level, memo := tlsLevel(c.attempt), tlsMemo(c.attempt)
		lost := downgrade{Before: "TLS1.3 X opportunistic", Now: memo}.happened()
		if level != c.level || memo != c.memo || lost != c.lost {
			t.Errorf("%s: level %q, memo %q, lost %v", c.name, level, memo, lost)
		}
		for _, before := range []string{"", "plaintext", "plaintext after: x"} {
			if (downgrade{Before: before, Now: memo}).happened() {
				t.Errorf("%s after %q is called a loss", c.name, before)
			}
		}
	}
}
