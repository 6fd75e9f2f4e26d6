package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/id"
	"mxdesk/internal/serving"
	"mxdesk/ticketing"
)

// request is what is known of one request besides its own fields: for the log, and for links.
type request struct {
	id           string
	url          *url.URL
	pattern      string // of the path; "" when no route fits
	organisation int32
}

type (
	requestKey struct{}
	callerKey  struct{}
)

func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{url: &url.URL{}}
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := a.clock()
	about := &request{id: id.New().String(), url: r.URL}
	out := &serving.Answer{ResponseWriter: w}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), requestKey{}, about), handlerTime)
	defer cancel()
	method := r.Method
	r = r.WithContext(ctx)
	if method == http.MethodHead { // as GET; net/http keeps the body back
		r.Method = http.MethodGet
	}
	h := out.Header()
	h.Set("Request-Id", about.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	defer func() {
		if p := recover(); p != nil {
			a.panicked(out, about, p)
		}
		a.done(about, method, out.Status, a.clock().Sub(start))
	}()
	a.router.ServeHTTP(out, r)
}

func (a *API) panicked(w *serving.Answer, r *request, p any) {
	a.log.Error("request panicked", "request", r.id, "path", r.pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if w.Status != 0 {
		panic(http.ErrAbortHandler) // half an answer is sent: let the client see that it is cut off
	}
	writeProblem(w, newProblem(r, http.StatusInternalServerError, failedText))
}

func (a *API) done(r *request, method string, status int, took time.Duration) {
	route, kind := r.pattern, method
	if route == "" {
		route, kind = "none", "any" // what clients make up must not make metrics
	}
	a.metrics.requests.WithLabelValues(route, kind, strconv.Itoa(status)).Inc()
	a.metrics.seconds.WithLabelValues(route, kind).Observe(took.Seconds())
	a.log.Info("request", "request", r.id, "organisation", r.organisation, "method", method, "path", route,
		"status", status, "ms", took.Milliseconds())
}

// noteRoute remembers which route was taken, and decodes what its path names: the router takes the path as it was sent, so that a
// slash within an address, written %2F, does not part it.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		vars := mux.Vars(r)
		for name, value := range vars {
			if decoded, err := url.PathUnescape(value); err == nil {
				vars[name] = decoded
			}
		}
		if pattern, err := mux.CurrentRoute(r).GetPathTemplate(); err == nil {
			requestOf(r.Context()).pattern = pattern
		}
		next.ServeHTTP(w, r)
	})
}

func (a *API) notFound(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, newProblem(requestOf(r.Context()), http.StatusNotFound, "There is nothing at this path; /docs lists what there is."))
}

func (a *API) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		try := r.Clone(r.Context())
		if try.Method = method; method == "HEAD" {
			try.Method = "GET"
		}
		var m mux.RouteMatch
		if a.router.Match(try, &m) && m.MatchErr == nil {
			allowed = append(allowed, method)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, newProblem(requestOf(r.Context()), http.StatusMethodNotAllowed, "This path does not know this method."))
}

// caller is who asks, and for which organisation.
type caller struct {
	ticketing.Principal
	org *ticketing.Organisation // nil: the whole server
}

// by is the caller as the service knows him.
func (c caller) by() ticketing.Actor {
	return ticketing.Actor{Organisation: c.org.ID, Person: c.Person, Name: c.Name}
}

func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

func orgOf(ctx context.Context) *ticketing.Organisation { return callerOf(ctx).org }

var rank = map[ticketing.Rights]int{
	ticketing.ReadRights: 1, ticketing.AgentRights: 2, ticketing.AdminRights: 3, ticketing.OperatorRights: 4,
}

// authenticate lets those through who have the rights, and tells the handlers who it is.
func (a *API) authenticate(rights ticketing.Rights, serverWide bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, err := a.callerOf(ctx)
		switch {
		case err == nil && rank[c.Rights] < rank[rights]:
			err = forbidden{needs: rights}
		case err == nil && c.org == nil && !(serverWide && c.Rights == ticketing.OperatorRights):
			err = errNoOrganisation
		}
		if err != nil {
			a.refuse(ctx, err)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, c))
	}
}

func (a *API) callerOf(ctx huma.Context) (caller, error) {
	scheme, token, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return caller{}, errNoToken
	}
	who, err := a.service.Authenticate(ctx.Context(), strings.TrimSpace(token))
	if err != nil {
		return caller{}, tokenError(err)
	}
	c := caller{Principal: who}
	organisation, err := scopeOf(ctx, who)
	if err != nil || organisation == 0 {
		return c, err
	}
	requestOf(ctx.Context()).organisation = organisation
	if c.org = a.directory.Organisation(organisation); c.org == nil {
		return c, errNoOrganisation
	}
	if !who.Person.IsZero() {
		if m := c.org.Staff[who.Person]; m == nil || m.State == "inactive" {
			return c, errBadToken // its owner has left
		}
	}
	return c, nil
}

// scopeOf is the organisation that a request is about, 0 when it names none and the token is for the whole server.
func scopeOf(ctx huma.Context, who ticketing.Principal) (int32, error) {
	header, query := organisationID(ctx.Header("Organisation")), organisationID(ctx.Query("organisation"))
	named := header
	if named == "" {
		named = query
	}
	switch {
	case named == "":
		return who.Organisation, nil
	case query != "" && query != named:
		return 0, errTwoOrganisations
	case who.Organisation == 0 || who.Organisation == named.number():
		if named.number() == 0 {
			return 0, errNoOrganisation
		}
		return named.number(), nil
	}
	return 0, forbidden{needs: ticketing.OperatorRights}
}

// download lets few requests at a time hold a letter or a file in memory.
func (a *API) download(ctx huma.Context, next func(huma.Context)) {
	select {
	case a.downloads <- struct{}{}:
		defer func() { <-a.downloads }()
		next(ctx)
	case <-ctx.Context().Done():
		a.refuse(ctx, ctx.Context().Err())
	}
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "mxdesk", Subsystem: "api", Name: "requests_total", Help: "Requests to the API.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "mxdesk", Subsystem: "api", Name: "request_seconds", Help: "Seconds from the head of a request to the end of its answer.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60},
		}, []string{"route", "method"}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.seconds)
	}
	return m
}
