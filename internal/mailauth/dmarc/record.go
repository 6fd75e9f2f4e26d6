package dmarc

import (
	"net/url"
	"strings"

	"mxdesk/internal/message"
)

// Record is a policy record (RFC 9989 section 4.7). Unknown tags are ignored, and bad values give way to defaults.
type Record struct {
	Text       string // as published
	Policy     string // p=: none, quarantine or reject; "" if absent or bad
	Subdomain  string // sp=
	Missing    string // np=, for subdomains that do not exist
	PSD        string // y, n or u
	Testing    bool   // t=y
	StrictDKIM bool
	StrictSPF  bool
	Reports    string // rua=, as it stands there

	invalid   bool // p=, sp= or np= is not valid
	reporting bool // rua= has a valid URI
}

// maxRecord bounds what is looked at.
const maxRecord = 4096

// Parse reads a TXT record; ok tells whether it is a DMARC record at all: it begins with v=DMARC1.
func Parse(txt string) (r Record, ok bool) {
	if len(txt) > maxRecord {
		return r, false
	}
	first, rest, _ := strings.Cut(txt, ";")
	name, value, _ := strings.Cut(first, "=")
	if !strings.EqualFold(strings.TrimRight(name, " \t"), "v") || strings.Trim(value, " \t") != "DMARC1" {
		return r, false
	}
	r = Record{Text: message.CleanLine(txt), PSD: "u"}
	seen := make(map[string]bool)
	for tag := range strings.SplitSeq(rest, ";") {
		name, value, found := strings.Cut(tag, "=")
		name = strings.ToLower(strings.Trim(name, " \t"))
		if !found || seen[name] {
			continue
		}
		seen[name] = true
		r.set(name, strings.Trim(value, " \t"))
	}
	r.invalid = r.invalid || r.Policy == ""
	return r, true
}

func (r *Record) set(name, value string) {
	word := strings.ToLower(value)
	switch name {
	case "p":
		r.Policy = r.policy(word)
	case "sp":
		r.Subdomain = r.policy(word)
	case "np":
		r.Missing = r.policy(word)
	case "psd":
		if word == "y" || word == "n" {
			r.PSD = word
		}
	case "t":
		r.Testing = word == "y"
	case "adkim":
		r.StrictDKIM = word == "s"
	case "aspf":
		r.StrictSPF = word == "s"
	case "rua":
		r.Reports, r.reporting = value, hasURI(value)
	}
}

func (r *Record) policy(word string) string {
	switch word {
	case "none", "quarantine", "reject":
		return word
	}
	r.invalid = true
	return ""
}

// hasURI tells whether a list holds a syntactically valid reporting URI.
func hasURI(list string) bool {
	for s := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.Trim(s, " \t"))
		if err == nil && u.Scheme != "" && (u.Opaque != "" || u.Host != "") {
			return true
		}
	}
	return false
}

// applies tells whether DMARC applies with this record, which it changes to p=none where section 4.10.1 says so:
// without a valid policy it is a wish for reports at most.
func (r *Record) applies() bool {
	if r.invalid {
		r.Policy, r.Subdomain, r.Missing = "none", "", ""
		return r.reporting
	}
	return true
}
