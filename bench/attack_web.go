package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// browser follows nothing and remembers nothing.
var browser = &http.Client{
	Timeout:       talkPatience,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// visit asks for a page and returns its status and text; 0 when there was none.
func visit(ctx context.Context, method, page string, headers ...string) (int, string) {
	request, err := http.NewRequestWithContext(ctx, method, page, nil)
	if err != nil {
		return 0, err.Error()
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := browser.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// followLinks looks at the link to unsubscribe as scanners of mail do, and guesses others.
func (a *attack) followLinks(ctx context.Context, f *findings) {
	t := a.open(ctx, f, "Links in letters")
	link := a.leaveLink(f, "Links in letters") // of the agent: a requester's letters have none
	token := link[strings.LastIndexByte(link, '/')+1:]
	if token == "" {
		f.add("the letter has no link to unsubscribe")
		return
	}
	stays := func(what string) {
		if n := a.number(ctx, f, `SELECT count(*) FROM participants WHERE ticket_number = $1 AND address = $2 AND subscribed`, t.number, agent); n != 1 {
			f.add("%s unsubscribed the agent", what)
		}
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"} {
		visit(ctx, method, link)
		visit(ctx, method, link+"?List-Unsubscribe=One-Click")
		visit(ctx, method, link, "X-HTTP-Method-Override", "POST", "X-Method-Override", "POST")
		stays(method)
	}
	tried := 0
	for i := range len(token) {
		other := byte('a')
		if token[i] == 'a' {
			other = 'b'
		}
		for _, guessed := range []string{token[:i] + string(other) + token[i+1:], token[:i], token[:i] + token[i+1:]} {
			for _, path := range []string{"/u/", "/a/"} {
				tried++
				if status, _ := visit(ctx, "POST", "http://"+a.web+path+guessed); status < 400 || status >= 500 {
					f.add("a guessed link, %s%s: %d", path, guessed, status)
				}
			}
		}
	}
	if status, _ := visit(ctx, "GET", "http://"+a.web+"/a/"+token); status != http.StatusNotFound {
		f.add("a link to unsubscribe as one to a file: %d", status)
	}
	stays("guessing")
	if status, _ := visit(ctx, "POST", link); status != http.StatusOK {
		f.add("the link itself: %d", status)
	}
	if n := a.number(ctx, f, `SELECT count(*) FROM participants WHERE ticket_number = $1 AND address = $2 AND NOT subscribed`, t.number, agent); n != 1 {
		f.add("the link itself does nothing: nothing was tried")
	}
	f.note("%d guessed links", tried)
}

// leaveLink is the link to unsubscribe in the agent's letter of that subject.
func (a *attack) leaveLink(f *findings, subject string) string {
	for _, l := range a.sink.letters(func(l sunk) bool { return l.to == agent && bytes.Contains(l.raw, []byte(subject)) }) {
		m, err := mail.ReadMessage(bytes.NewReader(l.raw))
		if !f.check("a letter of ours", err) {
			continue
		}
		for way := range strings.SplitSeq(m.Header.Get("List-Unsubscribe"), ",") {
			way = strings.Trim(way, " <>")
			if u, err := url.Parse(way); err == nil && u.Host == webHost {
				return "http://" + a.web + u.Path
			}
		}
	}
	return ""
}

// page sends what is said to be a request, from an address, and returns all of the answer.
func (a *attack) page(ctx context.Context, from, request string) (string, error) {
	t, err := dialFrom(ctx, from, a.web)
	if err != nil {
		return "", err
	}
	defer t.close()
	t.send(request)
	t.conn.SetReadDeadline(time.Now().Add(talkPatience)) //nolint:errcheck // the read tells
	text, err := io.ReadAll(io.LimitReader(t.r, 1<<20))
	if e, timeout := err.(net.Error); timeout && e.Timeout() { //nolint:errorlint // it comes as it is
		return string(text), err
	}
	return string(text), nil
}

// oddRequests asks for what is none of the pages, in ways that confuse servers.
func (a *attack) oddRequests(ctx context.Context, f *findings) {
	const host, end = "Host: " + victims + "\r\n", "Connection: close\r\n\r\n"
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\n" + host + end }
	requests := []string{
		"POST /u/x HTTP/1.1\r\n" + host + "Content-Length: 10000000\r\n" + end + strings.Repeat("w", 1<<20), "POST /u/x HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" + end + "0\r\n\r\nGET /u/x HTTP/1.1\r\n\r\n",
		"POST /u/x HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 50\r\n" + end + "hello", "GET /robots.txt HTTP/1.1\r\n" + host + "Host: other.test\r\n" + end, "GET /robots.txt HTTP/1.1\r\n" + end,
		"GET / HTTP/1.1\r\n" + host + "X-Long: " + strings.Repeat("w", 1<<20) + "\r\n" + end, "GET / HTTP/1.1\r\n" + host + strings.Repeat("X-Many: y\r\n", 100000) + end, "GET /" + strings.Repeat("w", 1<<20) + " HTTP/1.1\r\n" + host + end,
		"GET / HTTP/1.1\r\n" + host + "X-Bad\x00: y\r\n" + end, "GET / HTTP/9.9\r\n" + host + end, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00", "EHLO x\r\n\r\n", strings.Repeat("\r\n", 100000), "GET / HTTP/1.1\r\nHost: a\r\n b\r\n" + end,
	}
	for _, path := range []string{
		"/../../../../etc/passwd", "/u/../../etc/passwd", "/a/%2e%2e/%2e%2e/etc/passwd", "/a/..%2f..%2fetc%2fpasswd", "//" + victims + "/", "/\\" + victims + "/", "http://" + victims + "/", "/%0d%0aLocation:%20http://" + victims + "/",
		"/u/%00", "/a/%ff", "/u/" + strings.Repeat("a", 10000), "/.well-known/mta-sts.txt/", "/.well-known/acme-challenge/../../etc/passwd", "/v1/tickets", "/docs", "/metrics", "/debug/pprof/", "*", "/u/<script>alert(1)</script>",
	} {
		requests = append(requests, get(path))
	}
	for _, request := range requests {
		text, err := a.page(ctx, strangerIP, request)
		if !f.check(fmt.Sprintf("%.60q", request), err) {
			continue
		}
		status, _, _ := strings.Cut(strings.TrimPrefix(text, "HTTP/1.1 "), " ")
		if text != "" && !strings.HasPrefix(status, "4") && status != "505" {
			f.add("%.60q: answered %.60q", request, text)
		}
		for _, word := range []string{victims, "root:", "<script", "goroutine", "pgx"} {
			if strings.Contains(text, word) {
				f.add("%.60q: the answer has %q: %.200q", request, word, text)
			}
		}
		if strings.Count(text, "HTTP/1.1 ") > 1 && !strings.HasPrefix(text, "HTTP/1.1 100") {
			f.add("%.60q: two answers", request)
		}
	}
	f.note("%d odd requests", len(requests))
}

// slowBrowsers send a request one octet at a time, and many of them from one network.
func (a *attack) slowBrowsers(ctx context.Context, f *findings) {
	const many = 200
	var all sync.WaitGroup
	var stayed, cut atomic.Int64
	for i := range many {
		all.Go(func() {
			t, err := dialFrom(ctx, "127.0.0.3", a.web)
			if err != nil {
				return
			}
			defer t.close()
			text := "GET /robots.txt HTTP/1.1\r\nX-Slow: " + strings.Repeat("w", 100)
			if i%2 == 1 {
				t.send("POST /u/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
			}
			begun := time.Now()
			for j := 0; time.Since(begun) < 45*time.Second && ctx.Err() == nil; j = (j + 1) % len(text) {
				if _, err := t.conn.Write([]byte{text[j]}); err != nil {
					cut.Add(1)
					if time.Since(begun) > 2*time.Second {
						stayed.Add(1)
					}
					return
				}
				time.Sleep(500 * time.Millisecond)
			}
		})
	}
	for range 5 {
		begun := time.Now()
		text, err := a.page(ctx, customerIP, "GET /robots.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if f.check("a good browser", err) && (!strings.HasPrefix(text, "HTTP/1.1 200") || time.Since(begun) > goodWithin) {
			f.add("a good browser waited %v for %.40q", time.Since(begun).Round(time.Millisecond), text)
		}
		time.Sleep(200 * time.Millisecond)
	}
	all.Wait()
	f.note("%d of %d slow clients of one network were let in", stayed.Load(), many)
	if stayed.Load() > 30 {
		f.add("%d connections from one network; the limit is 30", stayed.Load())
	}
	if cut.Load() < many {
		f.add("%d slow clients were still there after 45 s", many-cut.Load())
	}
}
