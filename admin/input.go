package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Scope says which organisation a request is about; a token that belongs to one needs it not. It is read before anything
// else, by scopeOf; here it is documented and checked. The library sees embedded types only if they are exported.
type Scope struct {
	InHeader organisationID `header:"Organisation" doc:"With operator rights: the organisation it is about"`
	InQuery  organisationID `query:"organisation" doc:"The same, where a header cannot be sent"`
}

// Paging asks for a page of a list.
type Paging struct {
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"Items on the page"`
}

// One is about one ticket.
type One struct {
	Scope
	Ticket ticketID `path:"ticket"`
}

// body is an answer without header fields of its own.
type body[T any] struct{ Body T }

// tagged is an answer that can be changed under its entity tag.
type tagged[T any] struct {
	ETag string `header:"ETag" doc:"Send it back as If-Match when you change this"`
	Body T
}

// created is the answer to what made something.
type created[T any] struct {
	Location string `header:"Location"`
	Body     T
}

// file is a download.
type file struct {
	Type        string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// paged cuts rows, of which one more was read than asked for, to a page; its last row's id is the cursor.
func paged[D, W any](ctx context.Context, rows []D, limit int, wire func(D) W, cursor func(D) string) *body[page[W]] {
	out := page[W]{Items: make([]W, 0, min(len(rows), limit))}
	if len(rows) > limit {
		rows = rows[:limit]
		u := requestOf(ctx).url
		q := u.Query()
		q.Set("cursor", cursor(rows[limit-1]))
		next := u.Path + "?" + q.Encode()
		out.Next = &next
	}
	for _, row := range rows {
		out.Items = append(out.Items, wire(row))
	}
	return &body[page[W]]{out}
}

// The options of routes.

func creates(o *huma.Operation) {
	o.DefaultStatus = http.StatusCreated
	o.Errors = append(o.Errors, bodyErrors...)
}

// changes operations replace something.
func changes(o *huma.Operation) { o.Errors = append(o.Errors, bodyErrors...) }

func conditional(o *huma.Operation) {
	o.Errors = append(append(o.Errors, bodyErrors...), http.StatusPreconditionFailed)
}

// bodyErrors is what can be wrong with a body besides its fields.
var bodyErrors = []int{http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}

func conflicts(o *huma.Operation) { o.Errors = append(o.Errors, http.StatusConflict) }

const wholeServer = "server" // in the operation's metadata

// serverWide operations need no organisation when the token has operator rights.
func serverWide(o *huma.Operation) { o.Metadata = map[string]any{wholeServer: true} }

func isServerWide(o *huma.Operation) bool { return o.Metadata[wholeServer] == true }

// downloadOf makes the answer octets of the given type.
func (a *API) downloadOf(contentType string) func(*huma.Operation) {
	return func(o *huma.Operation) {
		o.Middlewares = append(o.Middlewares, a.download)
		o.Responses = map[string]*huma.Response{"200": {
			Description: "The octets", Content: map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
		}}
	}
}

func hasPathParameter(path string) bool { return strings.Contains(path, "{") }

// tagOf groups operations by the resource they begin with.
func tagOf(path string) string {
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		return name
	}
	return "health"
}
