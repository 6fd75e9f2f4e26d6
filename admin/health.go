package admin

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mxdesk/ticketing"
)

// readyTime is how long the database may take to answer before the node is not ready.
const readyTime = 2 * time.Second

func (a *API) getHealth(ctx context.Context, _ *Scope) (*body[health], error) {
	if err := ready(ctx, a.service); err != nil {
		return nil, err
	}
	out := health{Status: "ok", Time: a.clock().UTC()}
	if callerOf(ctx).Rights == ticketing.OperatorRights {
		depth, err := a.queue.Depth(ctx)
		if err != nil {
			return nil, err
		}
		out.Queue = wireDepth(depth)
	}
	return &body[health]{out}, nil
}

func (a *API) healthz(context.Context, *struct{}) (*body[health], error) {
	return &body[health]{health{Status: "ok", Time: a.clock().UTC()}}, nil
}

func (a *API) readyz(ctx context.Context, in *struct{}) (*body[health], error) {
	if err := ready(ctx, a.service); err != nil {
		return nil, err
	}
	return a.healthz(ctx, in)
}

func ready(ctx context.Context, service *ticketing.Service) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := service.Ready(ctx); err != nil {
		return errNotReady
	}
	return nil
}

// Metrics is what those see who watch the server, without sign-in and so on an address of its own: /metrics, /healthz and
// /readyz, and profiles under /debug/pprof/ if profiles is set.
func Metrics(from prometheus.Gatherer, service *ticketing.Service, profiles bool) http.Handler {
	r := mux.NewRouter()
	say := func(w http.ResponseWriter, status int, word string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		w.Write([]byte(word + "\n")) //nolint:errcheck // the client may have gone
	}
	r.Path("/metrics").Methods("GET").Handler(promhttp.HandlerFor(from, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: handlerTime}))
	r.Path("/healthz").Methods("GET", "HEAD").HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	r.Path("/readyz").Methods("GET", "HEAD").HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := ready(req.Context(), service); err != nil {
			w.Header().Set("Retry-After", retryAfter)
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	})
	if profiles {
		r.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		r.HandleFunc("/debug/pprof/profile", pprof.Profile)
		r.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		r.HandleFunc("/debug/pprof/trace", pprof.Trace)
		r.PathPrefix("/debug/pprof/").HandlerFunc(pprof.Index)
	}
	return r
}
