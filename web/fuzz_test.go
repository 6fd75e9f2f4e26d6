package web

import (
	"bufio"
	"crypto/tls"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mxdesk/internal/address"
	"mxdesk/internal/certificate"
	"mxdesk/internal/message"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// FuzzRequest sends any request that the HTTP server would let through to every page there is, by way of the name that it asks
// for: over TLS, and in the clear where all is sent on.
func FuzzRequest(f *testing.F) {
	pool, directory := published(f)
	log := slog.New(slog.DiscardHandler)
	service, err := ticketing.NewService(pool, directory, outbound.NewQueue(pool, outbound.QueueConfig{}), nil)
	if err != nil {
		f.Fatal(err)
	}
	challenges, err := certificate.New(certificate.Config{
		Pool: pool, Names: func() []string { return PolicyHosts(directory, []string{"mx.enforced.test"}) }, Log: log,
	})
	if err != nil {
		f.Fatal(err)
	}
	site := New(Config{
		Directory: directory, MX: []string{"mx.enforced.test"}, URL: "https://help.test", Redirect: true, Challenges: challenges, Service: service, Log: log,
	})
	org := directory.ByDomain("enforced.test")
	signer := org.Signer
	for _, path := range []string{
		"/u/" + signer.LeaveToken(org.ID, address.TicketRef{Ticket: 1, Participant: 1}), "/a/" + signer.FileToken(org.ID, address.FileRef{Ticket: 1, Expires: time.Unix(1<<33, 0)}),
		"/.well-known/mta-sts.txt", "/.well-known/acme-challenge/abc", "/robots.txt?a=b", "//evil.test/%2e%2e/", "/u/1.2.3.4", "/a/../u/1..x",
	} {
		f.Add("GET " + path + " HTTP/1.1\r\nHost: mta-sts.enforced.test:443\r\n\r\n")
		f.Add("HEAD " + path + " HTTP/1.0\r\nHost: help.test\r\n\r\n")
	}
	f.Add("POST http://evil.test/u/1.2.3.x HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\n\r\na=b")
	f.Fuzz(func(t *testing.T, text string) {
		for _, secure := range []bool{true, false} {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
			if err != nil {
				return
			}
			r.RemoteAddr = "@" // a Unix socket: no limit by network
			if secure {
				r.TLS = &tls.ConnectionState{}
			}
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			checkAnswer(t, text, w)
		}
	})
}

// checkAnswer: no page fails, and none sends anybody elsewhere or writes what the client said into the header.
func checkAnswer(t *testing.T, request string, w *httptest.ResponseRecorder) {
	if w.Code == http.StatusInternalServerError || w.Code == http.StatusServiceUnavailable {
		t.Fatalf("%q: %d %s", request, w.Code, w.Body)
	}
	to := w.Header().Get("Location")
	own := strings.HasPrefix(to, "https://help.test/") || strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.HasPrefix(to, `/\`)
	if to != "" && !own {
		t.Fatalf("%q leads to %q", request, to)
	}
	for name, values := range w.Header() {
		if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
			t.Fatalf("%q: %s is %q", request, name, values)
		}
	}
}

// FuzzDisposition: a browser reads the name of the file that was sent.
func FuzzDisposition(f *testing.F) {
	for _, name := range []string{"a.txt", "ä\"b\\c;d%41.pdf", "x\r\nSet-Cookie: a=b", "\xff\u202e", "=?utf-8?q?x?=", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		field := disposition(name)
		if strings.ContainsFunc(field, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q: %q", name, field)
		}
		kind, parameters, err := mime.ParseMediaType(field)
		if err != nil || kind != "attachment" || !utf8.ValidString(parameters["filename"]) {
			t.Fatalf("%q: %q is %q, %q, %v", name, field, kind, parameters, err)
		}
		if clean := message.SafeFilename(name); clean == name && parameters["filename"] != name {
			t.Fatalf("%q is read as %q", name, parameters["filename"])
		}
	})
}
