// Package dnscheck knows what a mail domain has to publish in the DNS, and holds that against what it publishes.
//
// records.go makes the list; compare.go asks the DNS, and judges by meaning where a record can be written in many ways; host.go
// does both for the name of a mail server.
package dnscheck

import (
	"crypto"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mxdesk/internal/dns"
)

// Domain is a mail domain as it is meant to be.
type Domain struct {
	Name    string
	Hosts   []string // its mail exchangers, the first one this machine
	Keys    []Key
	Pages   string       // the host of the public pages; "" if they are at its mail exchangers alone
	MTASTS  string       // the record of its MTA-STS policy; "" if it has none
	Senders []netip.Addr // addresses that its letters leave from; none: unknown
	Relayed bool         // its letters leave from a smart host
}

// Key is a DKIM key.
type Key struct {
	Selector string
	State    string           // created, published, active, retiring or removed
	Record   string           // "" when removed
	Public   crypto.PublicKey // nil when removed
}

// Need says how much depends on a record.
type Need string

// Required records are those without which mail is lost or not believed; Pending ones will be, but nothing is wrong without
// them yet; Wanted ones make mail safer; Obsolete ones may be taken away.
const (
	Required Need = "required"
	Pending  Need = "pending"
	Wanted   Need = "wanted"
	Obsolete Need = "obsolete"
)

// Record is one record to publish, and after Check what is published.
type Record struct {
	Name  string // without trailing dot
	Type  string // MX, TXT, CNAME, A, AAAA or PTR
	Value string // as in a zone file, but a TXT without quotes and cuts; "" of an obsolete record, and where it is not known here
	About string // SPF, DKIM, …
	Need  Need

	Status    Status
	Published []string // what is there now
	Text      string   // what is to be said of it, for people

	key     crypto.PublicKey
	senders []netip.Addr
	domain  string
	host    string
	nodes   []string   // hosts that may stand behind an alias
	ip      netip.Addr // of a PTR
}

// Records lists what the domain has to publish.
func Records(d Domain) []Record {
	host := ""
	if len(d.Hosts) > 0 {
		host = dns.ASCII(d.Hosts[0])
	}
	name := dns.ASCII(d.Name)
	var list []Record
	add := func(r Record) {
		r.domain, r.host, r.Status = name, host, Unchecked
		list = append(list, r)
	}
	for i, h := range d.Hosts {
		need := Required
		if i > 0 {
			need = Wanted
		}
		add(Record{Name: name, Type: "MX", Value: fmt.Sprintf("%d %s.", 10*(i+1), dns.ASCII(h)), About: "MX", Need: need})
	}
	spf := Record{Name: name, Type: "TXT", Value: "v=spf1 mx -all", About: "SPF", Need: Required, senders: d.Senders}
	if d.Relayed {
		spf.Text = "a smart host sends the letters: add what that wants to have there"
	}
	add(spf)
	for _, k := range d.Keys {
		add(Record{
			Name: k.Selector + "._domainkey." + name, Type: "TXT", Value: k.Record, About: "DKIM", Need: needOf(k.State), key: k.Public,
			Text: keyText[k.State],
		})
	}
	add(Record{Name: "_dmarc." + name, Type: "TXT", Value: "v=DMARC1; p=reject; adkim=s; aspf=s", About: "DMARC", Need: Required})
	if d.MTASTS != "" {
		add(Record{Name: "_mta-sts." + name, Type: "TXT", Value: d.MTASTS, About: "MTA-STS", Need: Wanted})
		add(Record{Name: "mta-sts." + name, Type: "CNAME", Value: host + ".", About: "MTA-STS", Need: Wanted, nodes: append(slices.Clone(d.Hosts), d.Pages)})
	}
	add(Record{Name: "_smtp._tls." + name, Type: "TXT", Value: "v=TLSRPTv1; rua=mailto:tls-reports@" + name, About: "TLS-RPT", Need: Wanted})
	return list
}

// keyText tells what a key's state asks of whoever looks after the DNS.
var keyText = map[string]string{
	"created":   "new: it signs when the DNS shows it",
	"published": "new: it signs soon",
	"retiring":  "its successor signs: leave its record until letters under way have arrived",
	"removed":   "its record may be removed",
}

func needOf(state string) Need {
	switch state {
	case "active":
		return Required
	case "removed":
		return Obsolete
	case "retiring":
		return Wanted
	}
	return Pending
}

// Line is the record as a line of a zone file (RFC 1035 section 5.1), "" of one without a value.
func (r Record) Line() string {
	switch {
	case r.Value == "":
		return ""
	case r.Type != "TXT":
		return r.Name + ". IN " + r.Type + " " + r.Value
	}
	var b strings.Builder
	b.WriteString(r.Name + ". IN TXT")
	for _, s := range cut(r.Value) {
		b.WriteString(` "` + escape(s) + `"`)
	}
	return b.String()
}

// cut cuts a text into character-strings of at most 255 octets.
func cut(s string) (list []string) {
	for len(s) > 255 {
		list, s = append(list, s[:255]), s[255:]
	}
	return append(list, s)
}

// escape writes the octets of a character-string so that a zone file can hold them.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
