// Package rspamd asks the spam filter rspamd what it thinks of a letter, over its HTTP protocol (POST /checkv2).
// It decides nothing: what a score leads to is the policy of smtpd.
package rspamd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mxdesk/internal/message"
)

const (
	maxReply   = 1 << 20 // octets of a reply
	maxSymbols = 100     // that are kept
	maxSymbol  = 100     // octets of the name of one
	maxConns   = 32      // to the filter; more letters wait for each other
)

// Client asks one rspamd. It satisfies smtpd.Filter and is safe for concurrent use.
type Client struct {
	check    string
	password string
	timeout  time.Duration
	http     *http.Client
}

// New makes a client of the rspamd at base, the URL of a "normal" worker such as http://127.0.0.1:11333. Password may be empty;
// timeout is for one letter.
func New(base, password string, timeout time.Duration) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("rspamd: %q is no http:// or https:// URL", base)
	}
	return &Client{
		check: u.JoinPath("checkv2").String(), password: password, timeout: timeout,
		http: &http.Client{
			Transport:     &http.Transport{MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close ends the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// answer is what we want to know of a reply.
type answer struct {
	Score    *float64 `json:"score"`
	Required float64  `json:"required_score"`
	Action   string   `json:"action"`
	Error    string   `json:"error"`
	Symbols  map[string]struct {
		Score float64 `json:"score"`
	} `json:"symbols"`
}

// Check asks about a letter. The error says that nobody knows.
func (c *Client) Check(ctx context.Context, l *message.Letter) (message.Spam, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.check, bytes.NewReader(l.Raw))
	if err != nil {
		return message.Spam{}, fmt.Errorf("ask rspamd: %w", err)
	}
	request.Header = c.header(l)
	response, err := c.http.Do(request)
	if err != nil {
		return message.Spam{}, fmt.Errorf("ask rspamd: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return message.Spam{}, fmt.Errorf("read what rspamd says: %w", err)
	}
	return read(response.StatusCode, body)
}

// header is the envelope, as the protocol has it.
func (c *Client) header(l *message.Letter) http.Header {
	h := http.Header{}
	add := func(name, value string) {
		if value != "" {
			h.Add(name, value)
		}
	}
	if strings.Contains(l.Session.Protocol, "LMTP") {
		// The client is a server of ours, of which the filter should think nothing.
	} else if l.Session.Client.IsValid() {
		add("IP", l.Session.Client.WithZone("").String())
		add("Helo", l.Session.Helo)
		add("Hostname", l.Session.PTR)
	}
	add("From", l.MailFrom.String())
	for _, to := range l.Recipients {
		add("Rcpt", to.String())
	}
	add("Queue-Id", l.ID.String())
	add("Password", c.password)
	return h
}

func read(status int, body []byte) (message.Spam, error) {
	var a answer
	if len(body) > maxReply {
		return message.Spam{}, fmt.Errorf("rspamd says more than %d octets", maxReply)
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return message.Spam{}, fmt.Errorf("read what rspamd says (status %d): %w", status, err)
	}
	if status != http.StatusOK || a.Score == nil || a.Error != "" {
		return message.Spam{}, fmt.Errorf("rspamd does not judge: status %d, %.100q", status, a.Error)
	}
	s := message.Spam{Score: *a.Score, Action: clip(a.Action), Symbols: []string{}}
	for name := range a.Symbols {
		s.Symbols = append(s.Symbols, name)
	}
	// Those that weigh most come first; the rest is noise.
	slices.SortFunc(s.Symbols, func(x, y string) int {
		if d := a.Symbols[y].Score - a.Symbols[x].Score; d != 0 {
			return map[bool]int{true: 1, false: -1}[d > 0]
		}
		return strings.Compare(x, y)
	})
	s.Symbols = s.Symbols[:min(len(s.Symbols), maxSymbols)]
	for i, name := range s.Symbols {
		s.Symbols[i] = clip(name)
	}
	return s, nil
}

// clip bounds a word of the filter, and leaves only what may stand in a log.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), maxSymbol)]
}
