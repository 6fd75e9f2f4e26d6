package outbound

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mxdesk/internal/bounce"
	"mxdesk/internal/octets"
	"mxdesk/outbound/route"
)

// Grant is how new access tokens for XOAUTH2 are got: with a refresh token (RFC 6749 section 6). The client secret is empty
// for a client that has none.
type Grant struct {
	TokenURL     string
	ClientID     string
	ClientSecret Secret
	RefreshToken Secret
}

const (
	maxTokenURL    = 2048
	maxTokenAnswer = 64 << 10
	tokenTime      = 20 * time.Second // for one question
	tokenSpare     = time.Minute      // a token is used no longer than this before its end
	tokenLife      = 5 * time.Minute  // of a token whose end is not told
	maxTokenLife   = 24 * time.Hour
	maxRefusal     = 300 // octets of the token server's words
)

// check tells whether the grant can be used; the error wraps ErrRelay.
func (g Grant) check() error {
	u, err := url.Parse(g.TokenURL)
	switch {
	case err != nil || len(g.TokenURL) > maxTokenURL || u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%w: the token URL is none", ErrRelay)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return fmt.Errorf("%w: the token URL begins with https://", ErrRelay)
	case g.ClientID == "" || g.RefreshToken == "":
		return fmt.Errorf("%w: token URL, client id and refresh token go together", ErrRelay)
	case !plainCredential(g.ClientID) || !plainCredential(string(g.ClientSecret)) || !plainCredential(string(g.RefreshToken)):
		return fmt.Errorf("%w: client id, client secret or refresh token is too long or holds a control character", ErrRelay)
	}
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// storedGrant is a grant as it is stored in place of an access token. No access token begins with a brace (RFC 6750 section 2.1).
type storedGrant struct {
	TokenURL     string `json:"token_url"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret,omitempty"`
	RefreshToken string `json:"refresh_token"`
}

// stored is what is stored as the relay's secret.
func (r Relay) stored() (string, error) {
	if r.Grant == (Grant{}) {
		return string(r.Secret), nil
	}
	g := r.Grant
	b, err := json.Marshal(storedGrant{g.TokenURL, g.ClientID, string(g.ClientSecret), string(g.RefreshToken)})
	return string(b), err
}

// unpack takes the grant out of a relay as it was stored.
func (r *Relay) unpack() {
	if r.Auth != RelayXOAUTH2 || !strings.HasPrefix(string(r.Secret), "{") {
		return
	}
	var g storedGrant
	if json.Unmarshal([]byte(r.Secret), &g) == nil { // else the smart host refuses it
		r.Secret, r.Grant = "", Grant{g.TokenURL, g.ClientID, Secret(g.ClientSecret), Secret(g.RefreshToken)}
	}
}

// errTokenRefused is wrapped by the error for a refusal by the token server, in its words.
var errTokenRefused = errors.New("the token server refuses")

// tokenFailed is why there is no access token, as a failure of the way to the smart host: another try may succeed, be it after
// an admin signed in anew.
func tokenFailed(err error) error {
	reason, status := bounce.Network, "4.4.0"
	if errors.Is(err, errTokenRefused) {
		reason, status = bounce.Policy, "4.7.0"
	}
	return &route.Error{Reason: reason, Status: status, Text: "no access token for the smart host", Err: err}
}

// issued is what a token server gave.
type issued struct {
	token   Secret
	refresh Secret // "": the old one stays
	life    time.Duration
}

// ask gets an access token. No error holds a secret.
func (g Grant) ask(ctx context.Context, client *http.Client) (issued, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTime)
	defer cancel()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {string(g.RefreshToken)}, "client_id": {g.ClientID}}
	if g.ClientSecret != "" {
		form.Set("client_secret", string(g.ClientSecret))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return issued{}, errors.New("the token URL is none")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "mxdesk")
	resp, err := client.Do(req)
	if err != nil {
		var outer *url.Error // it tells the URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return issued{}, fmt.Errorf("ask the token server: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer+1))
	switch {
	case err != nil:
		return issued{}, fmt.Errorf("read the answer of the token server: %w", err)
	case len(body) > maxTokenAnswer:
		return issued{}, fmt.Errorf("the answer of the token server is longer than %d octets", maxTokenAnswer)
	}
	return readIssued(resp.StatusCode, body)
}

// readIssued reads the answer of a token server (RFC 6749 sections 5.1 and 5.2).
func readIssued(status int, body []byte) (issued, error) {
	var answer struct {
		AccessToken  string          `json:"access_token"`
		TokenType    string          `json:"token_type"`
		ExpiresIn    json.RawMessage `json:"expires_in"` // a number, but some write it as a text
		RefreshToken string          `json:"refresh_token"`
		Error        string          `json:"error"`
		Description  string          `json:"error_description"`
	}
	err := json.Unmarshal(body, &answer)
	switch {
	case answer.Error != "" && status >= 400 && status < 500:
		words := clean(strings.TrimSuffix(answer.Error+": "+answer.Description, ": "))
		return issued{}, fmt.Errorf("%w: %s", errTokenRefused, octets.Clip(words, maxRefusal))
	case status != http.StatusOK:
		return issued{}, fmt.Errorf("the token server answers with status %d", status)
	case err != nil:
		return issued{}, errors.New("the answer of the token server is not what RFC 6749 asks for")
	case answer.AccessToken == "" || !plainCredential(answer.AccessToken) || !plainCredential(answer.RefreshToken):
		return issued{}, errors.New("the answer of the token server holds no usable token")
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		return issued{}, errors.New("the token server gives tokens of a type that XOAUTH2 does not know")
	}
	return issued{Secret(answer.AccessToken), Secret(answer.RefreshToken), lifeOf(string(answer.ExpiresIn))}, nil
}

// lifeOf reads how long a token holds.
func lifeOf(text string) time.Duration {
	seconds, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
	if err != nil {
		return tokenLife
	}
	return time.Duration(min(max(seconds, 0), int64(maxTokenLife/time.Second))) * time.Second
}

// key differs for grants whose access tokens differ; a refresh token may be replaced by its successor.
func (g Grant) key() Grant {
	g.RefreshToken = ""
	return g
}
