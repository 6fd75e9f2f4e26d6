package web

import (
	"errors"
	"html/template"
	"net/http"

	"mxdesk/ticketing"
)

// leavePage asks, or tells that it is done. It needs neither script nor style.
var leavePage = template.Must(template.New("leave").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>Unsubscribe</title></head>
<body>
<h1>Ticket {{.Ticket}} of {{.Organisation}}</h1>
{{if .Done}}<p>You get no more mail about this ticket. To take part again, reply to one of its mails.</p>
{{else}}<form method="post"><p>Do you want no more mail about this ticket?</p><p><button type="submit">Unsubscribe</button></p></form>
{{end}}</body>
</html>
`))

type leaveView struct {
	ticketing.Leaving
	Done bool
}

// leave shows what the link does and a button that does it: programs that look at links in letters must not unsubscribe anybody.
func (s *Site) leave(w http.ResponseWriter, r *http.Request) {
	l, err := s.cfg.Service.Leaving(r.PathValue("token"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.page(w, leavePage, leaveView{Leaving: l})
}

// leaveNow unsubscribes at once, whoever posts: the button, or the mail program of the reader (RFC 8058 section 3.2), which
// has no cookies and follows no redirection.
func (s *Site) leaveNow(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	l, err := s.cfg.Service.Leaving(token)
	if err == nil {
		err = s.cfg.Service.Leave(r.Context(), token)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.page(w, leavePage, leaveView{Leaving: l, Done: true})
}

// page answers with a page of ours.
func (s *Site) page(w http.ResponseWriter, page *template.Template, view any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, view); err != nil {
		s.cfg.Log.Debug("page not sent", "error", err) // the client may have gone
	}
}

// fail answers a request that cannot be carried out. A wrong token looks like a page that never was.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ticketing.ErrNotFound):
		http.NotFound(w, r)
	case errors.Is(err, ticketing.ErrExpired):
		http.Error(w, "This link is too old. Please reply to the mail that has it.", http.StatusGone)
	default:
		s.cfg.Log.Error("page failed", "route", routeOf(r), "error", err)
		w.Header().Set("Retry-After", "60")
		http.Error(w, "This did not work. Please try again later.", http.StatusServiceUnavailable)
	}
}
