package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/id"
	"mxdesk/internal/serving"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// Config is what the pages need.
type Config struct {
	Directory  *ticketing.Directory // the domains of ours
	URL        string               // where browsers find this server, without a slash at its end; "": pages are not linked
	MX         []string             // the hosts that an MTA-STS policy of ours names
	Challenges http.Handler         // answers HTTP-01; nil: there is no ACME
	Redirect   bool                 // send plain requests to URL: this server has TLS itself
	Service    *ticketing.Service   // what links in letters do; nil: there are no such links
	Exempt     []netip.Prefix       // client networks whose downloads are not limited
	Proxies    []netip.Prefix       // networks of proxies in front, whose X-Forwarded-For is believed
	Log        *slog.Logger         // nil: slog.Default()
	Registerer prometheus.Registerer
	Clock      func() time.Time // nil: time.Now
}

// Site answers requests; it is an http.Handler.
type Site struct {
	cfg      Config
	mux      *http.ServeMux
	requests *prometheus.CounterVec

	downloads *limits // at one time
	rate      rate    // of downloads
}

const (
	maxBody     = 64 << 10         // octets of a request body
	handlerTime = 30 * time.Second // for one request to be carried out
	policyHost  = "mta-sts."       // what the name of a policy host begins with (RFC 8461 section 3.3)
	challenges  = "/.well-known/acme-challenge/"
)

// New makes the site. It panics when Registerer knows its metrics already: there is one site in a program.
func New(cfg Config) *Site {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	s := &Site{cfg: cfg, mux: http.NewServeMux(), requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "mxdesk", Subsystem: "web", Name: "requests_total", Help: "Requests to the public pages.",
	}, []string{"route", "status"})}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(s.requests)
	}
	s.downloads = newLimits(ServerConfig{MaxConnections: maxDownloads, MaxPerNetwork: maxDownloadsFrom, Exempt: cfg.Exempt})
	s.rate = rate{limit: downloadsPerMinute, exempt: cfg.Exempt}
	s.routes()
	return s
}

// routes is every route there is.
func (s *Site) routes() {
	s.mux.HandleFunc("GET /.well-known/mta-sts.txt", s.policy)
	if s.cfg.Challenges != nil {
		s.mux.Handle("GET "+challenges+"{token}", s.cfg.Challenges)
	}
	s.mux.HandleFunc("GET /robots.txt", robots)
	if s.cfg.Service != nil {
		s.mux.HandleFunc("GET "+outbound.LeavePath+"{token}", s.leave)
		s.mux.HandleFunc("POST "+outbound.LeavePath+"{token}", s.leaveNow)
		s.mux.HandleFunc("GET "+outbound.FilePath+"{token}", s.file)
	}
}

// robots keeps search engines away from links that were meant for one reader.
func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, "User-agent: *\nDisallow: /\n") //nolint:errcheck // the client may have gone
}

// ServeHTTP answers one request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.cfg.Clock()
	about := id.New().String()
	out := &serving.Answer{ResponseWriter: w}
	ctx, cancel := context.WithTimeout(r.Context(), handlerTime)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(out, r.Body, maxBody)
	harden(out.Header(), r.TLS != nil)
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // panics are compared
			s.cfg.Log.Error("page panicked", "request", about, "route", routeOf(r), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if out.Status == 0 {
				http.Error(out, "This did not work. Please try again later.", http.StatusInternalServerError)
				p = nil
			}
		}
		status := max(out.Status, http.StatusOK)
		s.requests.WithLabelValues(routeOf(r), strconv.Itoa(status)).Inc()
		s.cfg.Log.Info("page", "request", about, "route", routeOf(r), "status", status, "ms", s.cfg.Clock().Sub(start).Milliseconds())
		if p != nil {
			panic(http.ErrAbortHandler) // half an answer is sent: let the client see that it is cut off
		}
	}()
	s.serve(out, r)
}

// serve sends a request to its page, when it may have one.
func (s *Site) serve(w http.ResponseWriter, r *http.Request) {
	onPolicyHost := strings.HasPrefix(hostOf(r), policyHost)
	challenge := strings.HasPrefix(r.URL.Path, challenges)
	switch {
	case path.Clean(r.URL.Path) != r.URL.Path: // the mux would send a client on, and write the path into its answer
		http.NotFound(w, r)
	case onPolicyHost && !challenge && r.URL.Path != "/.well-known/mta-sts.txt":
		http.NotFound(w, r)
	case s.cfg.Redirect && r.TLS == nil && !challenge && !onPolicyHost:
		s.redirect(w, r)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// redirect sends a browser to the same page over TLS. What a form holds went over the wire in the clear already, and is
// not taken: who sent it shall notice.
func (s *Site) redirect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "This page is at https alone.", http.StatusForbidden)
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/") {
		http.NotFound(w, r) // joined to our name it would make another one
		return
	}
	there := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", s.cfg.URL+there.RequestURI())
	w.WriteHeader(http.StatusPermanentRedirect)
}

// harden sets what holds for every answer; a page may loosen it.
func harden(h http.Header, overTLS bool) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	if overTLS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// routeOf is the route that a request took, for log and metrics.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "none" // what clients make up must not make metrics
	}
	return r.Pattern
}

// hostOf is the name that the client asked for, in lower case, without port and trailing dot.
func hostOf(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
