//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// maildir is where a server puts the letters of a user.
type maildir struct {
	dir    string
	server interface{ logTail() string }
}

// letter is one letter as it arrived at a user.
type letter struct {
	path   string
	raw    []byte
	header mail.Header
	parts  []part
	text   string // the first plain text
}

// letters returns what has arrived from the domain, oldest first.
func (m maildir) letters(t testing.TB, fromDomain string) (found []letter) {
	t.Helper()
	entries, err := os.ReadDir(m.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return arrival(t, a).Compare(arrival(t, b)) })
	for _, e := range entries {
		if l := readLetter(t, filepath.Join(m.dir, e.Name())); strings.HasSuffix(l.address(t, "From").Address, "@"+fromDomain) {
			found = append(found, l)
		}
	}
	return found
}

func arrival(t testing.TB, e fs.DirEntry) time.Time {
	t.Helper()
	info, err := e.Info()
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// await waits for the nth letter from the domain, counted from 1.
func (m maildir) await(t testing.TB, fromDomain string, n int) letter {
	t.Helper()
	var found []letter
	if !within(t.Context(), patience, func() bool { found = m.letters(t, fromDomain); return len(found) >= n }) {
		t.Fatalf("%s has %d letters from %s, not %d\n%s", m.dir, len(found), fromDomain, n, m.server.logTail())
	}
	return found[n-1]
}

func readLetter(t testing.TB, path string) letter {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	body, err := io.ReadAll(parsed.Body)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	l := letter{path: path, raw: raw, header: parsed.Header, parts: parts(t, textproto.MIMEHeader(parsed.Header), body)}
	for _, p := range l.parts {
		if p.media == "text/plain" && p.filename == "" {
			l.text = string(p.data)
			break
		}
	}
	return l
}

// part is one leaf of a letter's MIME tree, decoded.
type part struct {
	media, filename string
	data            []byte
}

// parts walks through a body.
func parts(t testing.TB, header textproto.MIMEHeader, body []byte) (found []part) {
	t.Helper()
	media, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		media = "text/plain"
	}
	if strings.HasPrefix(media, "multipart/") {
		in := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
		for {
			p, err := in.NextRawPart()
			if errors.Is(err, io.EOF) {
				return found
			}
			if err != nil {
				t.Fatalf("a part of a letter: %v", err)
			}
			inner, err := io.ReadAll(p)
			if err != nil {
				t.Fatalf("a part of a letter: %v", err)
			}
			found = append(found, parts(t, p.Header, inner)...)
		}
	}
	var decoded io.Reader = bytes.NewReader(body)
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		decoded = quotedprintable.NewReader(decoded)
	case "base64":
		decoded = base64.NewDecoder(base64.StdEncoding, decoded)
	}
	data, err := io.ReadAll(decoded)
	if err != nil {
		t.Fatalf("%s: %v", media, err)
	}
	_, disposition, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil {
		disposition = nil
	}
	return []part{{media, disposition["filename"], data}}
}

// file is the content of the attachment of that name, nil when there is none.
func (l letter) file(name string) []byte {
	for _, p := range l.parts {
		if p.filename == name {
			return p.data
		}
	}
	return nil
}

// get is a header field, decoded.
func (l letter) get(name string) string {
	text, err := new(mime.WordDecoder).DecodeHeader(l.header.Get(name))
	if err != nil {
		return l.header.Get(name)
	}
	return text
}

func (l letter) address(t testing.TB, name string) *mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(l.header.Get(name))
	if err != nil {
		t.Fatalf("%s: %s: %q: %v", l.path, name, l.header.Get(name), err)
	}
	return a
}

// signature is what a verifier made of one DKIM signature.
type signature struct {
	Algorithm, Domain, Result string
}

// verify runs a verifier on letters: a script that gets the DNS server and files, and prints one JSON list of signatures a file.
func verify(t testing.TB, w *world, interpreter peer, script string, files []string) map[string][]signature {
	t.Helper()
	args := append([]string{filepath.Join("testdata", script), w.address(1), "53"}, files...)
	out := mustOutput(t, "", interpreter.path, args...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(files) {
		t.Fatalf("%s printed %d lines for %d letters:\n%s", script, len(lines), len(files), out)
	}
	found := map[string][]signature{}
	for i, line := range lines {
		var list []signature
		if err := json.Unmarshal([]byte(line), &list); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		found[files[i]] = list
	}
	return found
}

// checkSignatures holds all letters that mxdesk sent against two verifiers of others.
func checkSignatures(t *testing.T, w *world, domain string) (checked int) {
	t.Helper()
	var files []string
	for _, server := range []*postfixServer{w.customers, w.staff} {
		for _, name := range mailboxes {
			for _, l := range server.mailbox(name).letters(t, domain) {
				files = append(files, l.path)
			}
		}
	}
	checkSignaturesOf(t, w, domain, files)
	return len(files)
}

// checkSignaturesOf is checkSignatures for the letters in the files.
func checkSignaturesOf(t *testing.T, w *world, domain string, files []string) {
	t.Helper()
	need(t, python, dkimpy, dnspython, nacl, perl, mailDKIM)
	if len(files) == 0 {
		t.Fatal("there are no letters to check")
	}
	both := verify(t, w, python, "verify.py", files)
	rsa := verify(t, w, perl, "verify.pl", files)
	for _, f := range files {
		if want := []signature{{"ed25519-sha256", domain, "pass"}, {"rsa-sha256", domain, "pass"}}; !sameSignatures(both[f], want) {
			t.Errorf("dkimpy on %s: %v, want %v", f, both[f], want)
		}
		// Debian's Mail::DKIM does not know Ed25519.
		if want := []signature{{"rsa-sha256", domain, "pass"}}; !sameSignatures(rsa[f], want) {
			t.Errorf("Mail::DKIM on %s: %v, want %v", f, rsa[f], want)
		}
	}
	checkVerifiersRefuse(t, w, files[0])
}

// checkVerifiersRefuse changes one word of a letter: a verifier that still passes it proves nothing.
func checkVerifiersRefuse(t *testing.T, w *world, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	forged := filepath.Join(t.TempDir(), "forged")
	changed := bytes.Replace(raw, []byte("\nSubject: "), []byte("\nSubject: forged "), 1)
	if bytes.Equal(raw, changed) {
		t.Fatalf("%s has no subject", file)
	}
	if err := os.WriteFile(forged, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	for script, interpreter := range map[string]peer{"verify.py": python, "verify.pl": perl} {
		for _, s := range verify(t, w, interpreter, script, []string{forged})[forged] {
			if s.Result == "pass" {
				t.Errorf("%s passes a forged letter: %v", script, s)
			}
		}
	}
}

func sameSignatures(got, want []signature) bool {
	slices.SortFunc(got, func(a, b signature) int { return strings.Compare(a.Algorithm, b.Algorithm) })
	return slices.Equal(got, want)
}
