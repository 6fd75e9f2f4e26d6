package dnscheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/mailauth/dkim"
	"mxdesk/internal/mailauth/dmarc"
	"mxdesk/internal/mailauth/spf"
	"mxdesk/internal/message"
	"mxdesk/internal/report"
)

// Status is what a comparison with the DNS found.
type Status string

// The outcomes of a comparison. Weak: it does its work, but not as well as it could. NoAnswer says nothing about the record.
const (
	Unchecked Status = "unchecked"
	OK        Status = "ok"
	Weak      Status = "weak"
	Missing   Status = "missing"
	Different Status = "different"
	NoAnswer  Status = "no_answer"
)

// Wrong tells whether a record is not there as it must be.
func (s Status) Wrong() bool { return s == Missing || s == Different }

const (
	checkTime = 20 * time.Second // for one record
	maxFlight = 8                // records looked up at once
	maxShown  = 5                // published records that are shown of one name
)

// Check asks the DNS about every record, and fills in what it found. It returns within checkTime for each eight records.
func Check(ctx context.Context, r dns.Resolver, list []Record) []Record {
	list = slices.Clone(list)
	slots := make(chan struct{}, maxFlight)
	var wg sync.WaitGroup
	for i := range list {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			list[i].compare(ctx, r)
		})
	}
	wg.Wait()
	return list
}

// compare judges one record.
func (rec *Record) compare(ctx context.Context, r dns.Resolver) {
	switch {
	case rec.Type == "MX":
		rec.compareMX(ctx, r)
	case rec.Type == "PTR":
		rec.comparePTR(ctx, r)
	case rec.Type == "CNAME":
		rec.compareAddresses(ctx, r)
	case rec.About == "DKIM":
		rec.compareKey(ctx, r)
	default:
		rec.compareTXT(ctx, r)
	}
}

// say sets the status, with words behind those that are there.
func (rec *Record) say(s Status, format string, args ...any) {
	rec.Status = s
	if text := message.CleanLine(fmt.Sprintf(format, args...)); rec.Text == "" {
		rec.Text = text
	} else if text != "" {
		rec.Text += "; " + text
	}
}

// absent handles an answer without records; false if there are some.
func (rec *Record) absent(err error, none bool) bool {
	switch {
	case errors.Is(err, dns.ErrNotFound) || err == nil && none:
		rec.say(Missing, "")
	case err != nil:
		rec.say(NoAnswer, "%v", err)
	default:
		return false
	}
	return true
}

// show keeps what is published, fit for a terminal.
func (rec *Record) show(texts ...string) {
	for _, t := range texts[:min(len(texts), maxShown)] {
		rec.Published = append(rec.Published, message.CleanLine(t))
	}
}

func (rec *Record) compareMX(ctx context.Context, r dns.Resolver) {
	found, _, err := r.MX(ctx, rec.Name)
	if rec.absent(err, len(found) == 0) {
		return
	}
	slices.SortStableFunc(found, func(a, b dns.MX) int { return int(a.Preference) - int(b.Preference) })
	wanted := strings.TrimSuffix(rec.Value[strings.IndexByte(rec.Value, ' ')+1:], ".")
	ours := false
	var others []string
	for _, mx := range found {
		rec.show(fmt.Sprintf("%d %s.", mx.Preference, mx.Host))
		if strings.EqualFold(strings.TrimSuffix(mx.Host, "."), wanted) {
			ours = true
		} else {
			others = append(others, mx.Host)
		}
	}
	switch {
	case !ours && len(found) == 1 && found[0].Host == "":
		rec.say(Different, "the domain says that it takes no mail (null MX)")
	case !ours:
		rec.say(Different, "mail goes to other hosts")
	case len(others) > 0 && rec.Need == Required:
		rec.say(Weak, "mail also goes to %s: fine only if that hands it on to %s", strings.Join(others[:min(len(others), maxShown)], ", "), wanted)
	default:
		rec.say(OK, "")
	}
}

// compareAddresses takes an alias, or A and AAAA records with the same meaning, to any of the nodes.
func (rec *Record) compareAddresses(ctx context.Context, r dns.Resolver) {
	found, _, err := r.IP(ctx, rec.Name)
	if rec.absent(err, len(found) == 0) {
		return
	}
	rec.show(texts(found)...)
	var failure error
	found = slices.Clone(found)
	for _, node := range rec.nodes {
		if node == "" || len(found) == 0 {
			continue
		}
		ours, _, err := r.IP(ctx, dns.ASCII(node))
		if err != nil && !errors.Is(err, dns.ErrNotFound) {
			failure = cmp.Or(failure, fmt.Errorf("%s: %w", node, err))
		}
		found = slices.DeleteFunc(found, func(ip netip.Addr) bool { return slices.Contains(ours, ip) })
	}
	switch {
	case len(found) == 0:
		rec.say(OK, "")
	case failure != nil:
		rec.say(NoAnswer, "%v", failure)
	default:
		rec.say(Different, "it leads to other machines than %s", rec.host)
	}
}

func texts(list []netip.Addr) (out []string) {
	for _, ip := range list {
		out = append(out, ip.String())
	}
	return out
}

func (rec *Record) compareKey(ctx context.Context, r dns.Resolver) {
	presence, why := dkim.Look(ctx, r, rec.Name, rec.key)
	if rec.Need == Obsolete {
		rec.Status = OK
		if presence == dkim.Missing {
			rec.say(OK, "it is gone")
		}
		return
	}
	switch presence {
	case dkim.Published:
		rec.say(OK, "")
	case dkim.Missing:
		rec.say(Missing, "")
	case dkim.Different:
		found, _, _ := r.TXT(ctx, rec.Name) // it was there a moment ago; what it holds is only shown
		rec.show(found...)
		rec.say(Different, "%s", why)
	default:
		rec.say(NoAnswer, "%s", why)
	}
}

// compareTXT compares the records of one version among all texts of the name.
func (rec *Record) compareTXT(ctx context.Context, r dns.Resolver) {
	all, _, err := r.TXT(ctx, rec.Name)
	if rec.absent(err, len(all) == 0) {
		rec.inheritDMARC(ctx, r)
		return
	}
	version, _, _ := strings.Cut(strings.ReplaceAll(rec.Value, " ", ";"), ";")
	found := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !hasVersion(s, version) })
	rec.show(found...)
	switch {
	case len(found) == 0:
		rec.say(Missing, "")
		rec.inheritDMARC(ctx, r)
	case len(found) > 1:
		rec.say(Different, "there are %d such records: none counts", len(found))
	case rec.About == "SPF":
		rec.compareSPF(ctx, r)
	case rec.About == "DMARC":
		rec.compareDMARC(found[0])
	case normal(found[0]) == normal(rec.Value):
		rec.say(OK, "")
	case rec.About == "TLS-RPT" && len(report.TLSDestinations(found)) == 0:
		rec.say(Different, "it names nothing that reports can be sent to")
	case rec.About == "TLS-RPT":
		rec.say(OK, "reports go elsewhere")
	default:
		rec.say(Different, "")
	}
}

// hasVersion tells whether a text begins with the version, as a word.
func hasVersion(s, version string) bool {
	if len(s) < len(version) || !strings.EqualFold(s[:len(version)], version) {
		return false
	}
	rest := s[len(version):]
	return rest == "" || strings.ContainsAny(rest[:1], "; \t")
}

// normal leaves out what does not matter in a list of tags.
func normal(s string) string {
	s = strings.NewReplacer(" ", "", "\t", "").Replace(s)
	return strings.TrimSuffix(s, ";")
}

// compareSPF asks whether our letters pass, whatever the record looks like, and those from an address that nobody has do not.
func (rec *Record) compareSPF(ctx context.Context, r dns.Resolver) {
	nobody := rec.evaluate(ctx, r, netip.IPv4Unspecified())
	if len(rec.senders) == 0 {
		switch nobody.Result {
		case message.Pass:
			rec.say(Weak, "letters from anybody pass")
		case message.PermError:
			rec.say(Different, "the record cannot be evaluated")
		case message.TempError:
			rec.say(NoAnswer, "a name in it gives no answer")
		default:
			rec.say(OK, "not evaluated: which addresses letters leave from is not known here")
		}
		return
	}
	for _, ip := range rec.senders {
		v := rec.evaluate(ctx, r, ip)
		switch v.Result {
		case message.Pass:
			continue
		case message.TempError:
			rec.say(NoAnswer, "for %s a name in it gives no answer", ip)
		default:
			rec.say(Different, "letters from %s get %s", ip, v.Result)
		}
		return
	}
	if nobody.Result == message.Pass {
		rec.say(Weak, "letters from anybody pass")
		return
	}
	rec.say(OK, "")
}

func (rec *Record) evaluate(ctx context.Context, r dns.Resolver, ip netip.Addr) message.SPF {
	return spf.Check(ctx, r, spf.Query{IP: ip, Helo: rec.host, MailFrom: "postmaster@" + rec.domain, Now: time.Now()})
}

func (rec *Record) compareDMARC(txt string) {
	p, ok := dmarc.Parse(txt)
	switch {
	case !ok || p.Policy == "":
		rec.say(Different, "it holds no valid policy")
	case p.Policy == "none" || p.Testing:
		rec.say(Weak, "it asks nobody to refuse forged letters")
	default:
		rec.say(OK, "")
	}
}

// inheritDMARC looks whether a domain above speaks for one that has no policy of its own (RFC 9989 section 4.10).
func (rec *Record) inheritDMARC(ctx context.Context, r dns.Resolver) {
	if rec.About != "DMARC" || rec.Status != Missing {
		return
	}
	found := dmarc.Discover(ctx, r, rec.domain).Evaluate(ctx, nil, nil)
	if found.PolicyDomain == "" {
		return
	}
	rec.show(found.Record)
	if found.Policy == "none" || found.Testing {
		rec.say(Weak, "that of %s asks nobody to refuse forged letters", found.PolicyDomain)
		return
	}
	rec.say(OK, "that of %s holds", found.PolicyDomain)
}
