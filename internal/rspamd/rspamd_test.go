package rspamd

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testLetter() *message.Letter {
	return &message.Letter{
		ID:       id.New(),
		Session:  message.Session{Client: netip.MustParseAddr("192.0.2.1"), Helo: "client.example.org", PTR: "mail.example.org", Protocol: "ESMTP"},
		MailFrom: address.Address{Local: "a", Domain: "example.org"},
		Recipients: []address.Address{
			{Local: "help", Domain: "example.test"}, {Local: "sales", Domain: "example.test"},
		},
		Raw: []byte("From: a@example.org\r\n\r\nbuy\r\n"),
	}
}

// serve is a filter that gives one answer, and a client of it.
func serve(t *testing.T, timeout time.Duration, answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c, err := New(server.URL, "secret", timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCheck(t *testing.T) {
	l := testLetter()
	var asked http.Header
	var body []byte
	var line string
	c := serve(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		asked, line = r.Header, r.Method+" "+r.URL.Path
		body, _ = io.ReadAll(r.Body)
		io.WriteString(w, `{"is_skipped":false,"score":7.25,"required_score":15,"action":"add header",
			"symbols":{"LIGHT":{"name":"LIGHT","score":0.5},"HEAVY":{"score":5},"GOOD":{"score":-1},"B_\u0007AD\n":{"score":0.5}}}`)
	})
	got, err := c.Check(context.Background(), l)
	if err != nil {
		t.Fatal(err)
	}
	want := message.Spam{Score: 7.25, Action: "add header", Symbols: []string{"HEAVY", "B_AD", "LIGHT", "GOOD"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if line != "POST /checkv2" || string(body) != string(l.Raw) {
		t.Errorf("%s, %q", line, body)
	}
	for name, want := range map[string]string{
		"Ip": "192.0.2.1", "Helo": "client.example.org", "Hostname": "mail.example.org", "From": "a@example.org",
		"Rcpt": "help@example.test sales@example.test", "Queue-Id": l.ID.String(), "Password": "secret",
	} {
		if got := strings.Join(asked.Values(name), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	l.Session.Protocol = "LMTP"
	if _, err := c.Check(context.Background(), l); err != nil || asked.Get("IP") != "" || asked.Get("Helo") != "" {
		t.Errorf("by LMTP: %v, %v", err, asked)
	}
}

// Whatever a filter says that is no score is an error, and costs us little.
func TestNoAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			io.WriteString(w, `{"error":"broken"}`)
		},
		"refused":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403); io.WriteString(w, `{"score":1}`) },
		"no score": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"is_skipped":true}`) },
		"no JSON":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `<html>`) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		},
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"score":1,"x":"`+strings.Repeat("x", maxReply)+`"}`)
		},
		"hangs up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"not a num": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"score":"NaN"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := serve(t, time.Minute, answer).Check(context.Background(), testLetter()); err == nil {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	c := serve(t, 20*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // so that the end of the connection is noticed
		<-r.Context().Done()
	})
	if _, err := c.Check(context.Background(), testLetter()); err == nil {
		t.Error("no error")
	}
}

func TestNew(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:11333", "ftp://127.0.0.1", "http://", "http://%zz"} {
		if _, err := New(base, "", time.Second); err == nil {
			t.Errorf("%q was taken", base)
		}
	}
}

// TestRealRspamd asks a real one, which MXDESK_TEST_RSPAMD names by its URL.
func TestRealRspamd(t *testing.T) {
	base := os.Getenv("MXDESK_TEST_RSPAMD")
	if base == "" {
		t.Skip("MXDESK_TEST_RSPAMD names no rspamd")
	}
	c, err := New(base, "", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	good := testLetter()
	found, err := c.Check(t.Context(), good)
	if err != nil || found.Action == "" {
		t.Errorf("%+v, %v", found, err)
	}
	good.MailFrom = address.Address{}
	good.Session = message.Session{Protocol: "LMTP"}
	if found, err = c.Check(t.Context(), good); err != nil || found.Action == "" {
		t.Errorf("by LMTP, from nobody: %+v, %v", found, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`{"score":7.25,"required_score":15,"action":"add header","symbols":{"A":{"score":5},"B\u0000\n":{"score":5},"C":{}}}`,
		`{"score":null}`, `{"error":"x"}`, `{"score":1e308,"symbols":null}`, `{"score":"7"}`, "[]", "",
	} {
		f.Add(200, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		s, err := read(status, body)
		if err != nil {
			if s.Symbols != nil || s.Action != "" {
				t.Fatalf("%v, but %+v", err, s)
			}
			return
		}
		if _, err := json.Marshal(s); err != nil || status != http.StatusOK || len(s.Symbols) > maxSymbols {
			t.Fatalf("%+v, %v", s, err)
		}
		for _, word := range append(s.Symbols, s.Action) {
			if len(word) > maxSymbol || strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%q", word)
			}
		}
	})
}
