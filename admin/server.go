package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// Config is what an API needs.
type Config struct {
	Service    *ticketing.Service
	Directory  *ticketing.Directory
	Queue      *outbound.Queue
	Intake     *ticketing.Intake // releases held letters
	DomainDNS  DomainDNS
	Log        *slog.Logger          // nil: slog.Default()
	Registerer prometheus.Registerer // nil: metrics are counted but not published
	Clock      func() time.Time      // nil: time.Now
}

// API answers requests; it is an http.Handler.
type API struct {
	service   *ticketing.Service
	directory *ticketing.Directory
	queue     *outbound.Queue
	intake    *ticketing.Intake
	domainDNS DomainDNS
	log       *slog.Logger
	clock     func() time.Time
	metrics   *metrics
	downloads chan struct{} // places for those that hold a whole letter or file in memory

	router *mux.Router
	huma   huma.API
}

const (
	maxBody      = 1536 << 10       // octets of a request body: 1 MiB of text, and its JSON
	maxDownloads = 8                // letters and files that are in memory at one time
	handlerTime  = 30 * time.Second // for one request to be carried out
)

// The library keeps these for the whole program; nobody else uses it.
func init() {
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
	huma.NewError = newLibraryProblem
	huma.NewErrorWithContext = newRequestProblem
}

// New makes the API. It panics when Registerer knows its metrics already: there is one API in a program.
func New(cfg Config) *API {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	a := &API{
		service: cfg.Service, directory: cfg.Directory, queue: cfg.Queue, intake: cfg.Intake, domainDNS: cfg.DomainDNS, log: cfg.Log, clock: cfg.Clock,
		metrics: newMetrics(cfg.Registerer), downloads: make(chan struct{}, maxDownloads),
		router: mux.NewRouter().SkipClean(true).UseEncodedPath(),
	}
	a.huma = humamux.New(a.router, humaConfig())
	a.router.Use(noteRoute)
	a.router.NotFoundHandler = http.HandlerFunc(a.notFound)
	a.router.MethodNotAllowedHandler = http.HandlerFunc(a.methodNotAllowed)
	a.routes()
	a.domainRoutes()
	a.publish()
	return a
}

func humaConfig() huma.Config {
	c := huma.DefaultConfig("mxdesk", "1")
	c.Info.Description = "Tickets, letters and deliveries of a mail-first help desk."
	c.DocsPath, c.OpenAPIPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A token made by `mxdesk admin token`: mxd_ and 26 characters."},
	}
	c.Tags = []*huma.Tag{
		{Name: "tickets"}, {Name: "letters"}, {Name: "deliveries"}, {Name: "lanes"}, {Name: "reports"}, {Name: "suppressions"}, {Name: "relay"}, {Name: "staff"}, {Name: "domains"}, {Name: "categories"}, {Name: "settings"}, {Name: "health"},
	}
	return c
}

// routes is every route there is.
func (a *API) routes() {
	const read, agent, admin, operator = ticketing.ReadRights, ticketing.AgentRights, ticketing.AdminRights, ticketing.OperatorRights

	route(a, op{"list-tickets", "GET", "/v1/tickets", read, "List tickets, newest first"}, a.listTickets)
	route(a, op{"get-ticket", "GET", "/v1/tickets/{ticket}", read, "Show a ticket and who takes part"}, a.getTicket)
	route(a, op{"change-ticket", "PATCH", "/v1/tickets/{ticket}", agent, "Change a ticket by JSON merge patch"}, a.changeTicket, conditional)
	route(a, op{"list-entries", "GET", "/v1/tickets/{ticket}/entries", read, "List what was said and what happened, oldest first"}, a.listEntries)
	route(a, op{"reply", "POST", "/v1/tickets/{ticket}/replies", agent, "Answer: the customer is told"}, a.reply, creates)
	route(a, op{"add-note", "POST", "/v1/tickets/{ticket}/notes", agent, "Add a note that only staff see"}, a.note, creates)
	route(a, op{"mark-seen", "POST", "/v1/tickets/{ticket}/seen", agent, "Tell that you have seen what there is: mails that wait for that are not sent"}, a.markSeen)
	route(a, op{"list-attachments", "GET", "/v1/tickets/{ticket}/attachments", read, "List the files of a ticket"}, a.listAttachments)
	route(a, op{"get-attachment", "GET", "/v1/tickets/{ticket}/entries/{entry}/attachments/{position}", read, "Download a file"}, a.getAttachment, a.downloadOf("*/*"))

	route(a, op{"list-letters", "GET", "/v1/letters", read, "List received letters, newest first"}, a.listLetters)
	route(a, op{"get-letter", "GET", "/v1/letters/{letter}", read, "Show a letter, its verdict and every decision on it"}, a.getLetter)
	route(a, op{"get-raw-letter", "GET", "/v1/letters/{letter}/raw", read, "Download a letter as it came"}, a.getRawLetter, a.downloadOf(rawType))
	route(a, op{"release-letter", "POST", "/v1/letters/{letter}/release", admin, "Take up a held letter as if it came now"}, a.letterAct(a.intake.Release))
	route(a, op{"reject-letter", "POST", "/v1/letters/{letter}/reject", admin, "End a held letter; its sender hears nothing"}, a.letterAct(a.service.Reject))

	route(a, op{"list-deliveries", "GET", "/v1/deliveries", read, "List deliveries, newest first"}, a.listDeliveries)
	route(a, op{"get-delivery", "GET", "/v1/deliveries/{delivery}", read, "Show a delivery and its attempts"}, a.getDelivery)
	route(a, op{"retry-delivery", "POST", "/v1/deliveries/{delivery}/retry", admin, "Try a delivery now"}, a.deliveryAct(a.queue.Retry), conflicts)
	route(a, op{"hold-delivery", "POST", "/v1/deliveries/{delivery}/hold", admin, "Keep a delivery back until it is released"}, a.deliveryAct(a.queue.Hold), conflicts)
	route(a, op{"release-delivery", "POST", "/v1/deliveries/{delivery}/release", admin, "Let a held delivery go"}, a.deliveryAct(a.queue.Release), conflicts)
	route(a, op{"cancel-delivery", "POST", "/v1/deliveries/{delivery}/cancel", admin, "End a delivery without sending it"}, a.deliveryAct(a.queue.Cancel), conflicts)
	route(a, op{"list-lanes", "GET", "/v1/lanes", read, "List the destinations with waiting deliveries; with operator rights and no organisation, of all"}, a.listLanes, serverWide)

	route(a, op{"pause-lane", "POST", "/v1/lanes/{lane}/pause", operator, "Stop a lane, for all organisations"}, a.laneAct(a.pauseLane), serverWide)
	route(a, op{"resume-lane", "POST", "/v1/lanes/{lane}/resume", operator, "Let a paused lane go on"}, a.laneAct(a.resumeLane), serverWide)
	route(a, op{"retry-lane", "POST", "/v1/lanes/{lane}/retry", operator, "Try a lane now, and all that waits in it for its next attempt"}, a.laneAct(a.queue.RetryLane), serverWide, conflicts)
	route(a, op{"list-suppressions", "GET", "/v1/suppressions", read, "List addresses that are not written to, in the order of the alphabet"}, a.listSuppressions)
	route(a, op{"lift-suppression", "DELETE", "/v1/suppressions/{address}", admin, "Write to an address again"}, a.liftSuppression)
	route(a, op{"get-relay", "GET", "/v1/relay", admin, "Show how the organisation's mail leaves"}, a.getRelay)
	route(a, op{"put-relay", "PUT", "/v1/relay", admin, "Decide how the organisation's mail leaves; what waits goes that way too"}, a.putRelay, changes)

	route(a, op{"list-reports", "GET", "/v1/reports", read, "List the reports of other mail hosts about your domains, newest first"}, a.listReports)
	route(a, op{"list-report-days", "GET", "/v1/reports/days", read, "Sum the reports up by day, newest first"}, a.listReportDays)
	route(a, op{"get-report", "GET", "/v1/reports/{report}", read, "Show a report and its lines"}, a.getReport)

	route(a, op{"list-staff", "GET", "/v1/staff", read, "List staff"}, a.listStaff)
	route(a, op{"list-categories", "GET", "/v1/categories", read, "List categories"}, a.listCategories)
	route(a, op{"get-category-settings", "GET", "/v1/categories/{category}/settings", read, "Show what a category decides about its letters"}, a.getCategorySettings)
	route(a, op{"change-category-settings", "PATCH", "/v1/categories/{category}/settings", admin, "Change them by JSON merge patch"}, a.changeCategorySettings, conditional)
	route(a, op{"get-settings", "GET", "/v1/settings", read, "Show what the organisation decides about the letters it takes"}, a.getSettings)
	route(a, op{"change-settings", "PATCH", "/v1/settings", admin, "Change them by JSON merge patch"}, a.changeSettings, conditional)

	route(a, op{"get-health", "GET", "/v1/health", read, "Tell how the server is; with operator rights, the queue too"}, a.getHealth, serverWide)
	route(a, op{"healthz", "GET", "/healthz", "", "Tell that the program answers"}, a.healthz)
	route(a, op{"readyz", "GET", "/readyz", "", "Tell whether the database answers"}, a.readyz)
}

// op is one operation.
type op struct {
	id, method, path string
	rights           ticketing.Rights // "": for everybody
	summary          string
}

// route registers an operation: it documents it, puts the check of the caller before it, and turns its errors into problem
// documents.
func route[I, O any](a *API, o op, handle func(context.Context, *I) (*O, error), more ...func(*huma.Operation)) {
	h := &huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Tags: []string{tagOf(o.path)},
		MaxBodyBytes: maxBody + 1, BodyReadTimeout: readTimeout, // the library counts the limit itself as too much
		Errors: []int{http.StatusServiceUnavailable},
	}
	for _, f := range more {
		f(h)
	}
	if o.rights != "" {
		h.Description = "Needs " + string(o.rights) + " rights."
		h.Security = []map[string][]string{{"token": {}}}
		h.Errors = append(h.Errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity)
		h.Middlewares = append(huma.Middlewares{a.authenticate(o.rights, isServerWide(h))}, h.Middlewares...)
	}
	if hasPathParameter(o.path) {
		h.Errors = append(h.Errors, http.StatusNotFound)
	}
	huma.Register(a.huma, *h, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
}

// publish serves what documents the API. It is made once, when all routes are known.
func (a *API) publish() {
	document, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		panic("admin: the OpenAPI document cannot be written: " + err.Error())
	}
	serve := func(path, contentType, policy string, content []byte) {
		a.router.Path(path).Methods("GET").HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			if policy != "" {
				w.Header().Set("Content-Security-Policy", policy)
			}
			w.Write(content) //nolint:errcheck // the client may have gone
		})
	}
	serve("/v1/openapi.json", "application/vnd.oai.openapi+json;version=3.1", "", document)
	serve("/docs", "text/html; charset=utf-8", docsPolicy, docsPage(a.huma.OpenAPI()))
	serve("/docs/style.css", "text/css; charset=utf-8", "", docsStyle)
}
