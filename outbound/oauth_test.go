package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"mxdesk/internal/bounce"
	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
)

// tokenServer gives token-1, token-2, …, each time with the next refresh token: old ones are refused.
type tokenServer struct {
	*httptest.Server
	answer func(rw http.ResponseWriter, r *http.Request) bool // nil: as it should
	mu     sync.Mutex
	asked  int
	good   string
}

func newTokenServer(t *testing.T) *tokenServer {
	s := &tokenServer{good: "refresh-0"}
	s.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		if s.answer != nil && s.answer(rw, r) {
			return
		}
		if r.Method != http.MethodPost || r.FormValue("grant_type") != "refresh_token" || r.FormValue("client_id") != "desk" || r.FormValue("client_secret") != "s3cret&" || r.FormValue("refresh_token") != s.good {
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(rw, `{"error":"invalid_grant","error_description":"Token \u001b[2Jhas been\r\nexpired or revoked."}`)
			return
		}
		s.good = fmt.Sprintf("refresh-%d", s.asked)
		fmt.Fprintf(rw, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600,"refresh_token":"%s"}`, s.asked, s.good)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tokenServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *tokenServer) relay(port uint16) Relay {
	return Relay{
		Kind: RelaySmarthost, Host: "relay.test", Port: port, Auth: RelayXOAUTH2, Username: "desk",
		Grant: Grant{TokenURL: s.URL + "/token", ClientID: "desk", ClientSecret: "s3cret&", RefreshToken: "refresh-0"},
	}
}

// TestRelayWithGrant: access tokens are got, kept, replaced when the smart host refuses one, and their successors stored; what the
// token server refuses waits, with its words.
func TestRelayWithGrant(t *testing.T) {
	x := newWorld(t)
	cert, roots := smtptest.Certificate(t, "relay.test")
	var refuse atomic.Int32
	peer := smtptest.New(t, smtptest.Config{TLS: cert, Extensions: []string{"AUTH XOAUTH2"}, Script: func(c smtptest.Command) smtptest.Action {
		if c.Verb == "AUTH" && refuse.Add(-1) >= 0 {
			return smtptest.Action{Reply: "535 5.7.8 no"}
		}
		return smtptest.Action{}
	}})
	tokens := newTokenServer(t)
	router := &route.Router{Resolver: dns.Fake{"relay.test": {A: []string{"127.0.0.1"}}}, AllowPrivate: true}
	ways := &Relays{Queue: x.q, SMTP: secureTo(t, roots), Via: router.Via, Default: always(nobody), Client: tokens.Client(), Log: quiet()}
	t.Cleanup(ways.Close)
	ways.SMTP.Close() // every letter makes a connection of its own
	if err := x.q.SetRelay(x.ctx, testOrg, tokens.relay(peer.Addr().Port())); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		refuse int32
		asked  int // until now
		token  string
	}{
		{"the first", 0, 1, "token-1"},
		{"kept", 0, 1, "token-1"},
		{"refused once", 1, 2, "token-2"},
		{"kept again", 0, 2, "token-2"},
	} {
		refuse.Store(c.refuse)
		d := x.send("a@x.test")[0]
		x.round(x.worker(ways))
		letters := peer.Letters()
		if got := x.state(d); got != "delivered" || len(x.attempts(d)) != 1 || tokens.count() != c.asked {
			t.Fatalf("%s: %s, attempts %v, the token server was asked %d times", c.name, got, x.attempts(d), tokens.count())
		}
		if said := fmt.Sprint(letters[len(letters)-1].Auth); !strings.Contains(said, "user=desk\x01auth=Bearer "+c.token+"\x01") {
			t.Errorf("%s: %q", c.name, said)
		}
	}
	if r, err := x.q.Relay(x.ctx, testOrg); err != nil || r.Grant.RefreshToken != "refresh-2" || r.Secret != "" {
		t.Errorf("stored %+v, %v", r, err)
	}
	refuse.Store(2)
	d := x.send("b@x.test")[0]
	x.round(x.worker(ways))
	if got := x.state(d); !strings.HasPrefix(got, "deferred") || tokens.count() != 3 {
		t.Errorf("refused twice: %s, asked %d times", got, tokens.count())
	}

	revoked := tokens.relay(peer.Addr().Port())
	revoked.Username = "other"
	if err := x.q.SetRelay(x.ctx, testOrg, revoked); err != nil {
		t.Fatal(err)
	}
	x.exec(`UPDATE deliveries SET next_at = now()`)
	x.exec(`UPDATE lanes SET next_at = now()`)
	x.round(x.worker(ways))
	_, list, err := x.q.Delivery(x.ctx, testOrg, d)
	if err != nil || len(list) != 2 || list[1].Result != ResultDeferred || list[1].Reason != bounce.Policy || list[1].Reply != "no access token for the smart host: the token server refuses: invalid_grant: Token [2Jhas been expired or revoked." {
		t.Errorf("the token server refuses: %+v, %v", list, err)
	}
}

// TestTokensOfManyConnections: one question for all who want a token, and another only shortly before its end.
func TestTokensOfManyConnections(t *testing.T) {
	x := newWorld(t)
	s := newTokenServer(t)
	r := s.relay(587)
	if err := x.q.SetRelay(x.ctx, testOrg, r); err != nil {
		t.Fatal(err)
	}
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	k := newTokens(x.q, s.Client(), quiet(), func() time.Time { return time.Unix(0, now.Load()) })
	t.Cleanup(k.close)
	get := func(refused Secret) Secret {
		token, _, err := k.get(x.ctx, testOrg, r, refused)
		if err != nil {
			t.Error(err)
		}
		return token
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := get(""); got != "token-1" {
				t.Errorf("got %q", string(got))
			}
		})
	}
	wg.Wait()
	for range 20 { // all heard that it is refused
		wg.Go(func() {
			if got := get("token-1"); got != "token-2" {
				t.Errorf("got %q", string(got))
			}
		})
	}
	wg.Wait()
	for _, c := range []struct {
		later time.Duration
		want  Secret
	}{{3539 * time.Second, "token-2"}, {2 * time.Second, "token-3"}} {
		now.Add(int64(c.later))
		if got := get(""); got != c.want {
			t.Errorf("%s later: %q", c.later, string(got))
		}
	}
	if n := s.count(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

// TestTokensOfTwoNodes: a node uses the refresh token that another one got.
func TestTokensOfTwoNodes(t *testing.T) {
	x := newWorld(t)
	s := newTokenServer(t)
	r := s.relay(587)
	if err := x.q.SetRelay(x.ctx, testOrg, r); err != nil {
		t.Fatal(err)
	}
	var last [2]Secret
	nodes := []*tokens{newTokens(x.q, s.Client(), quiet(), time.Now), newTokens(NewQueue(x.pool, QueueConfig{}), s.Client(), quiet(), time.Now)}
	for i := range 4 {
		token, _, err := nodes[i%2].get(x.ctx, testOrg, r, last[i%2])
		if err != nil || string(token) != fmt.Sprintf("token-%d", i+1) {
			t.Errorf("%q, %v", string(token), err)
		}
		last[i%2] = token
	}
	// A node that asks while another has just got a new refresh token is refused, and asks once more with that.
	s.answer = func(rw http.ResponseWriter, q *http.Request) bool {
		s.answer, s.good = nil, "refresh-by-another"
		after := r
		after.Grant.RefreshToken = "refresh-by-another"
		stored, err := x.q.Relay(x.ctx, testOrg)
		if err == nil {
			err = x.q.replaceSecret(x.ctx, testOrg, stored, after)
		}
		if err != nil {
			t.Error(err)
		}
		return false
	}
	if token, _, err := nodes[1].get(x.ctx, testOrg, r, last[1]); err != nil || token != "token-6" {
		t.Errorf("in a race: %q, %v", string(token), err)
	}
	for _, n := range nodes {
		n.close()
		if _, _, err := n.get(x.ctx, testOrg, r, "token-6"); err == nil && n == nodes[1] {
			t.Error("a token after the end")
		}
	}
}

// TestTokensUnsaved: a refresh token that could not be stored is used all the same.
func TestTokensUnsaved(t *testing.T) {
	x := newWorld(t)
	s := newTokenServer(t)
	r := s.relay(587)
	if err := x.q.SetRelay(x.ctx, testOrg, r); err != nil {
		t.Fatal(err)
	}
	x.exec(`ALTER TABLE relays ADD CONSTRAINT frozen CHECK (secret NOT LIKE '%refresh-1%')`)
	k := newTokens(x.q, s.Client(), quiet(), time.Now)
	t.Cleanup(k.close)
	for i, refused := range []Secret{"", "token-1"} {
		if token, _, err := k.get(x.ctx, testOrg, r, refused); err != nil || string(token) != fmt.Sprintf("token-%d", i+1) {
			t.Errorf("%q, %v", string(token), err)
		}
	}
	if stored, err := x.q.Relay(x.ctx, testOrg); err != nil || stored.Grant.RefreshToken != "refresh-2" {
		t.Errorf("stored %q, %v", string(stored.Grant.RefreshToken), err)
	}
}

// TestTokenServerIsSilent: whoever waits for a token may give up; the end of the server ends the question.
func TestTokenServerIsSilent(t *testing.T) {
	x := newWorld(t)
	s := newTokenServer(t)
	s.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the client is not seen
		<-r.Context().Done()
		return true
	}
	if err := x.q.SetRelay(x.ctx, testOrg, s.relay(587)); err != nil {
		t.Fatal(err)
	}
	k := newTokens(x.q, s.Client(), quiet(), time.Now)
	ctx, cancel := context.WithCancel(x.ctx)
	cancel()
	if _, _, err := k.get(ctx, testOrg, s.relay(587), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	k.close()
}

// TestReadIssued: what token servers answer.
func TestReadIssued(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		token  Secret
		life   time.Duration
		err    string // words of it
	}{
		{200, `{"access_token":"a","token_type":"Bearer","expires_in":3599}`, "a", 3599 * time.Second, ""},
		{200, `{"access_token":"a","token_type":"bearer","expires_in":"120"}`, "a", 2 * time.Minute, ""},
		{200, `{"access_token":"a"}`, "a", tokenLife, ""},
		{200, `{"access_token":"a","expires_in":-5}`, "a", 0, ""},
		{200, `{"access_token":"a","expires_in":1e99}`, "a", tokenLife, ""},
		{200, `{"access_token":"a","expires_in":9223372036854775807}`, "a", maxTokenLife, ""},
		{200, `{"access_token":"a","token_type":"mac"}`, "", 0, "of a type"},
		{200, `{"access_token":"a\u0001b"}`, "", 0, "no usable token"},
		{200, `{}`, "", 0, "no usable token"},
		{200, `<html>`, "", 0, "RFC 6749"},
		{500, `{"error":"server_error"}`, "", 0, "status 500"},
		{302, ``, "", 0, "status 302"},
		{400, `{"error":"invalid_grant"}`, "", 0, "the token server refuses: invalid_grant"},
		{401, `{"error":"invalid_client","error_description":"` + strings.Repeat("é", 5000) + `"}`, "", 0, "invalid_client: éé"},
	} {
		got, err := readIssued(c.status, []byte(c.body))
		if got.token != c.token || got.life != c.life || (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || len(err.Error()) > 500) {
			t.Errorf("%d %.60s: %q, %v, %v", c.status, c.body, string(got.token), got.life, err)
		}
		if errors.Is(err, errTokenRefused) != (c.status == 400 || c.status == 401) {
			t.Errorf("%d %.60s: refused: %v", c.status, c.body, err)
		}
	}
}

func FuzzReadIssued(f *testing.F) {
	f.Add(200, []byte(`{"access_token":"a","token_type":"Bearer","expires_in":3599,"refresh_token":"r"}`))
	f.Add(400, []byte(`{"error":"invalid_grant","error_description":"\u001b[2J\u202e"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got, err := readIssued(status, body)
		if err == nil && (got.token == "" || got.life < 0 || got.life > maxTokenLife || !plainCredential(string(got.token+got.refresh))) {
			t.Fatalf("%q: %q, %q, %v", body, string(got.token), string(got.refresh), got.life)
		}
		if err != nil && (len(err.Error()) > 2*maxRefusal || strings.ContainsFunc(err.Error(), func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) })) {
			t.Fatalf("%q: %q", body, err)
		}
	})
}

// TestGrants: which grants are taken, and that they are stored and hidden.
func TestGrants(t *testing.T) {
	good := Relay{
		Kind: RelaySmarthost, Host: "relay.test", Port: 587, Auth: RelayXOAUTH2, Username: "desk",
		Grant: Grant{TokenURL: "https://id.test/token?tenant=1", ClientID: "desk", ClientSecret: "hunter2!", RefreshToken: "hunter3!"},
	}
	for name, change := range map[string]func(*Relay){
		"all right":                    func(*Relay) {},
		"public client":                func(r *Relay) { r.Grant.ClientSecret = "" },
		"plain HTTP to loopback":       func(r *Relay) { r.Grant.TokenURL = "http://127.0.0.1:1/" },
		"!plain HTTP":                  func(r *Relay) { r.Grant.TokenURL = "http://id.test/token" },
		"!plain HTTP, loopback's name": func(r *Relay) { r.Grant.TokenURL = "http://localhost/token" },
		"!another scheme":              func(r *Relay) { r.Grant.TokenURL = "file:///etc/passwd" },
		"!no host":                     func(r *Relay) { r.Grant.TokenURL = "https:///token" },
		"!with a password":             func(r *Relay) { r.Grant.TokenURL = "https://u:p@id.test/token" },
		"!with a fragment":             func(r *Relay) { r.Grant.TokenURL = "https://id.test/token#x" },
		"!too long":                    func(r *Relay) { r.Grant.TokenURL += strings.Repeat("x", maxTokenURL) },
		"!no client":                   func(r *Relay) { r.Grant.ClientID = "" },
		"!no refresh token":            func(r *Relay) { r.Grant.RefreshToken = "" },
		"!no URL":                      func(r *Relay) { r.Grant.TokenURL = "" },
		"!control character":           func(r *Relay) { r.Grant.RefreshToken += "\x01" },
		"!access token too":            func(r *Relay) { r.Secret = "x" },
		"!password":                    func(r *Relay) { r.Auth = RelayPassword },
		"!no user":                     func(r *Relay) { r.Username = "" },
		"!no smart host":               func(r *Relay) { r.Kind, r.Host, r.Port = RelayDiscard, "", 0 },
		"!a token that looks stored":   func(r *Relay) { r.Grant, r.Secret = Grant{}, `{"a":"b"}` },
	} {
		r := good
		change(&r)
		err := r.check()
		if errors.Is(err, ErrRelay) != strings.HasPrefix(name, "!") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		text, err := r.stored()
		back := r
		back.Secret, back.Grant = Secret(text), Grant{}
		if back.unpack(); err != nil || back != r {
			t.Errorf("%s: stored %s, read back %+v, %v", name, text, back, err)
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v", good, good, good); strings.Contains(shown, "hunter") {
		t.Errorf("shown: %s", shown)
	}
}
