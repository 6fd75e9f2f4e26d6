package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// What only this package says no to.
var (
	errNoToken          = errors.New("send a token: Authorization: Bearer mxd_…")
	errBadToken         = errors.New("the token is unknown or has expired, or its owner is no active staff member")
	errNoOrganisation   = errors.New("name an organisation that exists, in the header Organisation or the parameter organisation")
	errTwoOrganisations = errors.New("the header and the parameter name different organisations")
	errIfMatch          = errors.New("If-Match holds one entity tag as given in ETag, or *")
	errFinished         = errors.New("the delivery is not in a state in which this can be done")
	errNotReady         = errors.New("the database does not answer")
)

// forbidden is a request beyond the rights of its token.
type forbidden struct{ needs ticketing.Rights }

func (f forbidden) Error() string { return "this needs a token with " + string(f.needs) + " rights" }

// invalid is a field whose value is well formed and yet makes no sense.
type invalid struct{ location, message string }

func (v invalid) Error() string { return v.location + ": " + v.message }

// table says what becomes of an error. The first line that fits counts. A line with text hides the error's own words.
var table = []struct {
	is     error
	status int
	text   string
}{
	{errNoToken, http.StatusUnauthorized, ""},
	{errBadToken, http.StatusUnauthorized, ""},
	{errNoOrganisation, http.StatusBadRequest, ""},
	{errTwoOrganisations, http.StatusBadRequest, ""},
	{errIfMatch, http.StatusBadRequest, ""},
	{errFinished, http.StatusConflict, ""},
	{outbound.ErrLeased, http.StatusConflict, "the delivery is being sent at this moment"},
	{outbound.ErrPaused, http.StatusConflict, "the lane is paused: resume it first, or wait until an operator does"},
	{outbound.ErrNoLane, http.StatusNotFound, "there is no such lane: GET /v1/lanes lists those with waiting deliveries"},
	{outbound.ErrRelay, http.StatusUnprocessableEntity, ""},
	{outbound.ErrNoDomain, http.StatusNotFound, "there is no such domain in this organisation"},
	{outbound.ErrNoKey, http.StatusNotFound, "the domain has no such DKIM key"},
	{outbound.ErrKeyExists, http.StatusConflict, "keys were made a moment ago: wait a minute"},
	{outbound.ErrKeyState, http.StatusConflict, "the DKIM key is not in a state in which this can be done"},
	{outbound.ErrNotPublished, http.StatusConflict, "the DNS does not show the DKIM key"},
	{outbound.ErrNoDelivery, http.StatusNotFound, "there is no such delivery"},
	{ticketing.ErrNotFound, http.StatusNotFound, "there is no such thing in this organisation"},
	{ticketing.ErrChanged, http.StatusPreconditionFailed, "somebody changed it meanwhile: read it again, then decide again"},
	{ticketing.ErrInvalid, http.StatusUnprocessableEntity, ""},
	{ticketing.ErrDenied, http.StatusForbidden, ""},
	{errNotReady, http.StatusServiceUnavailable, ""},
}

const (
	failedText = "The request failed here, not at you. The log of the server tells why, under the request's id."
	awayText   = "The database does not answer now. Nothing was changed that you were not told of; try again."

	retryAfter = "5" // seconds
	maxDetails = 20  // errors that one problem document lists
)

// problem is a problem document (RFC 9457) of the type about:blank: the status says what kind of problem it is.
type problem struct {
	Title     string         `json:"title" doc:"The kind of problem, in the words of HTTP"`
	Status    int            `json:"status" doc:"The HTTP status"`
	Detail    string         `json:"detail" doc:"What is wrong this time"`
	RequestID string         `json:"request_id" doc:"What the log of the server calls this request"`
	Errors    []problemField `json:"errors,omitempty" doc:"Which fields are wrong"`

	headers http.Header
}

// problemField is one thing that is wrong in a request.
type problemField struct {
	Location string `json:"location" doc:"Where: body.text, query.limit, path.ticket, …"`
	Message  string `json:"message" doc:"What is wrong there"`
}

// Error, GetStatus, GetHeaders and ContentType are what the library asks of an error.
func (p *problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders are the header fields that belong to the problem.
func (p *problem) GetHeaders() http.Header { return p.headers }

// ContentType is that of RFC 9457.
func (p *problem) ContentType(string) string { return "application/problem+json" }

func newProblem(r *request, status int, detail string) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Detail: detail, RequestID: r.id, headers: http.Header{}}
}

// problem turns an error into its document, and logs what is nobody's fault but ours.
func (a *API) problem(ctx context.Context, err error) *problem {
	r := requestOf(ctx)
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if v, ok := errors.AsType[invalid](err); ok {
		p := newProblem(r, http.StatusUnprocessableEntity, v.Error())
		p.Errors = []problemField{{v.location, v.message}}
		return p
	}
	if f, ok := errors.AsType[forbidden](err); ok {
		p := newProblem(r, http.StatusForbidden, f.Error())
		p.headers.Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="mxdesk", error="insufficient_scope", scope=%q`, string(f.needs)))
		return p
	}
	for _, line := range table {
		if !errors.Is(err, line.is) {
			continue
		}
		p := newProblem(r, line.status, line.text)
		if line.text == "" {
			p.Detail = err.Error()
		}
		switch line.is {
		case errNoToken: // no error attribute: RFC 6750 section 3.1
			p.headers.Set("WWW-Authenticate", `Bearer realm="mxdesk"`)
		case errBadToken:
			p.headers.Set("WWW-Authenticate", `Bearer realm="mxdesk", error="invalid_token"`)
		case outbound.ErrLeased, errNotReady:
			p.headers.Set("Retry-After", retryAfter)
		}
		return p
	}
	if sqlState(err) == "22021" { // it came out of a query; bodies are UTF-8 by then
		return newProblem(r, http.StatusUnprocessableEntity, "a parameter holds what is no text in UTF-8")
	}
	if away(err) {
		a.log.Warn("request not carried out", "request", r.id, "path", r.pattern, "error", err)
		p := newProblem(r, http.StatusServiceUnavailable, awayText)
		p.headers.Set("Retry-After", retryAfter)
		return p
	}
	a.log.Error("request failed", "request", r.id, "path", r.pattern, "error", err)
	return newProblem(r, http.StatusInternalServerError, failedText)
}

// tokenError tells an unknown token from a failure to look it up.
func tokenError(err error) error {
	if errors.Is(err, ticketing.ErrDenied) {
		return errBadToken
	}
	return err
}

// away tells whether err says that the database cannot be reached, or has no time for us, rather than that we are wrong.
func away(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if e, ok := errors.AsType[interface {
		error
		SafeToRetry() bool
	}](err); ok && e.SafeToRetry() {
		return true
	}
	// Connection exception, insufficient resources, operator intervention, read-only after a switch, lost races.
	state := sqlState(err)
	return slices.ContainsFunc([]string{"08", "53", "57", "25006", "40001", "40P01", "55P03"},
		func(class string) bool { return strings.HasPrefix(state, class) })
}

// sqlState is the code with which PostgreSQL refused a statement, "" for every other error.
func sqlState(err error) string {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState()
	}
	return ""
}

// refuse answers before a handler was reached.
func (a *API) refuse(ctx huma.Context, err error) {
	_, w := humamux.Unwrap(ctx)
	writeProblem(w, a.problem(ctx.Context(), err))
}

func writeProblem(w http.ResponseWriter, p *problem) {
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) //nolint:errcheck // the client may have gone
}

// newLibraryProblem and newRequestProblem give the library's own errors our form. It would send wrong values back; we do
// not: they may be long, or secret.
func newLibraryProblem(status int, detail string, errs ...error) huma.StatusError {
	p := newProblem(&request{}, status, detail)
	for _, err := range errs {
		if err == nil || len(p.Errors) == maxDetails {
			continue
		}
		f := problemField{Message: err.Error()}
		if d, ok := err.(huma.ErrorDetailer); ok {
			f.Location, f.Message = d.ErrorDetail().Location, d.ErrorDetail().Message
		}
		p.Errors = append(p.Errors, f)
	}
	return p
}

func newRequestProblem(ctx huma.Context, status int, detail string, errs ...error) huma.StatusError {
	p := newLibraryProblem(status, detail, errs...).(*problem)
	p.RequestID = requestOf(ctx.Context()).id
	return p
}
