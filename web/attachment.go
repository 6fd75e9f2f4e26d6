package web

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"mxdesk/internal/network"
)

// Bounds of downloads. A piece of a file must be taken within pieceTime.
const (
	downloadTime       = 20 * time.Minute
	pieceTime          = 30 * time.Second
	maxDownloads       = 32 // at one time
	maxDownloadsFrom   = 4  // of these, by one client network
	downloadsPerMinute = 60 // by one client network
	maxCounted         = 100_000
)

// file sends an attachment to whoever has the link. A browser may only store it: what a stranger sent must not be shown as
// if it were ours.
func (s *Site) file(w http.ResponseWriter, r *http.Request) {
	from := s.clientOf(r)
	if !s.rate.allow(from, s.cfg.Clock()) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "Too many downloads. Please try again in a minute.", http.StatusTooManyRequests)
		return
	}
	f, err := s.cfg.Service.LinkedFile(r.Context(), r.PathValue("token"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !s.downloads.enter(from) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many downloads at this moment. Please try again later.", http.StatusServiceUnavailable)
		return
	}
	defer s.downloads.leave(from)
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", disposition(f.Name))
	h.Set("Content-Length", strconv.Itoa(f.Size))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), downloadTime) // longer than pages have
	defer cancel()
	if err := s.cfg.Service.CopyFile(ctx, &slow{w, http.NewResponseController(w)}, f); err != nil {
		s.cfg.Log.Info("download cut off", "route", routeOf(r), "error", err)
		panic(http.ErrAbortHandler) // the client must not take it for the whole
	}
}

// slow gives each write its own deadline: a file takes longer than a page.
type slow struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (s *slow) Write(p []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(pieceTime)); err != nil {
		return 0, fmt.Errorf("set a deadline: %w", err)
	}
	return s.ResponseWriter.Write(p)
}

// disposition is a Content-Disposition field (RFC 6266): the name in ASCII for old browsers, and as it is.
func disposition(name string) string {
	var plain, exact strings.Builder
	for _, r := range name {
		switch {
		case r < ' ' || r == 0x7f || r == utf8.RuneError:
			continue
		case r >= utf8.RuneSelf || strings.ContainsRune(`"\/%;`, r):
			plain.WriteByte('_')
		default:
			plain.WriteRune(r)
		}
		for _, c := range []byte(string(r)) {
			if isAttributeChar(c) {
				exact.WriteByte(c)
			} else {
				fmt.Fprintf(&exact, "%%%02X", c)
			}
		}
	}
	return `attachment; filename="` + plain.String() + `"; filename*=UTF-8''` + exact.String()
}

// isAttributeChar is attr-char of RFC 8187 section 3.2.1.
func isAttributeChar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}

// rate counts what networks ask for within a minute.
type rate struct {
	limit  int
	exempt []netip.Prefix

	mu     sync.Mutex
	minute int64
	seen   map[netip.Prefix]int
}

// allow counts a request. When too many networks ask to be counted the others are let through: the bound on downloads at one
// time holds for them too.
func (r *rate) allow(client netip.Addr, now time.Time) bool {
	if spared(client, r.exempt) {
		return true
	}
	n := network.Of(client)
	r.mu.Lock()
	defer r.mu.Unlock()
	if minute := now.Unix() / 60; r.seen == nil || minute != r.minute {
		r.minute, r.seen = minute, map[netip.Prefix]int{}
	}
	if len(r.seen) >= maxCounted && r.seen[n] == 0 {
		return true
	}
	r.seen[n]++
	return r.seen[n] <= r.limit
}
