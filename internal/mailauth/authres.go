package mailauth

import (
	"strings"

	"mxdesk/internal/mailauth/dkim"
	"mxdesk/internal/message"
)

// AuthenticationResults is the verdict as a header field (RFC 8601), folded, with its CRLF. Every value comes
// from outside and is made harmless: no controls, no 8-bit, bounded, quoted where needed.
func AuthenticationResults(authservID string, v message.Verdict) string {
	var b strings.Builder
	b.WriteString("Authentication-Results: ")
	b.WriteString(value(authservID))
	entries := 0
	entry := func(method string, result message.Result, parts ...string) {
		if result == "" {
			return
		}
		entries++
		b.WriteString(";\r\n\t")
		b.WriteString(method)
		b.WriteByte('=')
		b.WriteString(string(result))
		for _, p := range parts {
			if p != "" {
				b.WriteString("\r\n\t ")
				b.WriteString(p)
			}
		}
	}
	identity := "smtp.mailfrom"
	if v.SPF.Identity == "helo" {
		identity = "smtp.helo"
	}
	entry("spf", v.SPF.Result, property(identity, v.SPF.Domain))
	for _, d := range v.DKIM {
		entry("dkim", d.Result, property("reason", d.Reason), property("header.d", d.Domain), property("header.s", d.Selector),
			property("header.a", d.Algorithm), property("header.i", d.Identity))
	}
	if len(v.DKIM) == 0 && v.DMARC.Result != "" {
		entry("dkim", message.None)
	}
	policy := ""
	if v.DMARC.Record != "" {
		policy = property("policy.dmarc", v.DMARC.Policy)
	}
	entry("dmarc", v.DMARC.Result, property("header.from", v.DMARC.Domain), policy)
	entry("arc", v.ARC.Result, property("reason", v.ARC.Reason))
	if entries == 0 {
		b.WriteString("; none")
	}
	b.WriteString("\r\n")
	return b.String()
}

// property writes name=value, or nothing without a value.
func property(name, v string) string {
	if v == "" {
		return ""
	}
	return name + "=" + value(v)
}

// maxValue keeps every line of the field within RFC 5322 section 2.1.1.
const maxValue = 256

// value makes a text a value of RFC 8601 section 2.2: a token, an address, or else a quoted string.
func value(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), maxValue)])
	if s != "" && strings.IndexFunc(s, isSpecial) < 0 {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// isSpecial tells what cannot stand outside of quotes (the tspecials of RFC 2045 but '@', which pvalue allows).
func isSpecial(r rune) bool { return strings.ContainsRune(" ()<>,;:\\\"/[]?=", r) }

// Range is a part of a letter's bytes.
type Range struct{ Start, End int }

// maxID bounds how far into a field its authserv-id is looked for.
const maxID = 4096

// Forged returns where in a letter the Authentication-Results fields stand that claim to be ours (RFC 8601
// section 5): they are left out when the letter is exported below our own. So are those whose authserv-id cannot be
// read, because others may read them as ours. The letter itself never changes.
func Forged(raw []byte, authservID string) []Range {
	var out []Range
	dkim.Each(raw, "Authentication-Results", func(f dkim.Field) {
		id, ok := authserv(string(f.Value[:min(len(f.Value), maxID)]))
		if !ok || strings.EqualFold(strings.TrimSuffix(id, "."), strings.TrimSuffix(authservID, ".")) {
			out = append(out, Range{f.Start, f.End})
		}
	})
	return out
}

// authserv reads the authserv-id at the beginning of a field: a token or a quoted string, perhaps between comments.
func authserv(v string) (id string, ok bool) {
	v, ok = skipCFWS(v)
	if !ok || v == "" {
		return "", false
	}
	if v[0] == '"' {
		var b strings.Builder
		for i := 1; i < len(v); i++ {
			switch v[i] {
			case '"':
				return b.String(), b.Len() > 0
			case '\\':
				if i++; i == len(v) {
					return "", false
				}
			}
			b.WriteByte(v[i])
		}
		return "", false
	}
	end := strings.IndexAny(v, " \t\r\n;(")
	if end < 0 {
		end = len(v)
	}
	return v[:end], end > 0
}

// skipCFWS skips white space and comments.
func skipCFWS(s string) (string, bool) {
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if !strings.HasPrefix(s, "(") {
			return s, true
		}
		n, closed := message.Comment(s)
		if !closed {
			return "", false
		}
		s = s[n:]
	}
}
