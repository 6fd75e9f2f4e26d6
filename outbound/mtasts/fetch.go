package mtasts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"
)

// fetchTime bounds one fetch from the connection to the last octet (RFC 8461 section 3.3 suggests a minute; a
// letter waits for it).
const fetchTime = 20 * time.Second

// ErrFetch is wrapped by the error for a policy that could not be fetched.
var ErrFetch = errors.New("MTA-STS policy not fetched")

// NewClient is an HTTP client for policies: no redirects, no proxy, nothing kept. dial connects to a "host:port" and
// decides which addresses may be connected to.
func NewClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{
		Timeout: fetchTime,
		Transport: &http.Transport{
			DialContext: dial, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Fetch gets the policy of a domain, an A-label name. The certificate must be valid for the policy host, redirects are
// not followed and the HTTP cache rules are not for us (RFC 8461 section 3.3). The ID is left empty. The
// error wraps ErrFetch or ErrPolicy.
func Fetch(ctx context.Context, client *http.Client, domain string) (Policy, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	url := "https://mta-sts." + domain + "/.well-known/mta-sts.txt"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Policy{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	req.Header.Set("User-Agent", "mxdesk")
	resp, err := client.Do(req)
	if err != nil {
		return Policy{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Policy{}, fmt.Errorf("%w: status %d", ErrFetch, resp.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
		return Policy{}, fmt.Errorf("%w: it is no text/plain", ErrFetch)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxPolicy+1))
	if err != nil {
		return Policy{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	return ParsePolicy(string(text))
}
