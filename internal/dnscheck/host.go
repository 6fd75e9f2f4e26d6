package dnscheck

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"mxdesk/internal/dns"
)

// Server is a mail server as it is meant to be.
type Server struct {
	Name  string
	Known []netip.Addr // addresses at which it surely is; none: they are not known here
	Sends bool         // letters leave from there: whoever gets them looks whether address and name lead to each other
}

// Host lists what the name of a mail server has to have, compared with what it has: addresses by which others reach it, and at
// each of them a PTR record that leads back to the name. A nil resolver is not asked: then only what is known is listed.
func Host(ctx context.Context, r dns.Resolver, s Server) []Record {
	name := dns.ASCII(s.Name)
	known := slices.DeleteFunc(slices.Clone(s.Known), unreachable)
	var found []netip.Addr
	var err error
	if r != nil {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		found, _, err = r.IP(ctx, name)
	}
	list := addressRecords(r != nil, name, known, found[:min(len(found), maxShown)], err)
	if !s.Sends {
		return list
	}
	var back []Record
	for _, a := range list {
		if ip, err := netip.ParseAddr(a.Value); err == nil && !unreachable(ip) {
			back = append(back, Record{Name: dns.ReverseName(ip), Type: "PTR", Value: name + ".", About: "PTR", Need: Required, Status: Unchecked, host: name, ip: ip})
		}
	}
	if r != nil {
		back = Check(ctx, r, back)
	}
	return append(list, back...)
}

// addressRecords are the A and AAAA records: those known, judged, and those found besides.
func addressRecords(asked bool, name string, known, found []netip.Addr, err error) (list []Record) {
	record := func(ip netip.Addr) *Record {
		list = append(list, Record{Name: name, Type: "A", Value: ip.String(), About: "address", Need: Required, Status: Unchecked})
		if ip.Is6() {
			list[len(list)-1].Type = "AAAA"
		}
		return &list[len(list)-1]
	}
	for _, ip := range known {
		rec := record(ip)
		switch {
		case !asked || rec.absent(err, len(found) == 0):
		case slices.Contains(found, ip):
			rec.say(OK, "")
		default:
			rec.show(texts(found)...)
			rec.say(Different, "the name leads to other addresses, and not to this one")
		}
	}
	for _, ip := range found {
		switch {
		case slices.Contains(known, ip):
		case unreachable(ip):
			record(ip).say(Weak, "nobody outside can reach it")
		case len(known) > 0:
			record(ip).say(Weak, "smtp.listen does not name it: fine only if it leads here")
		default:
			record(ip).say(OK, "")
		}
	}
	if len(list) == 0 {
		rec := Record{Name: name, Type: "A", About: "address", Need: Required, Status: Unchecked}
		rec.Text = "the address by which others reach this server, and with IPv6 an AAAA record too"
		if asked {
			rec.absent(err, true)
		}
		list = append(list, rec)
	}
	return list
}

// unreachable tells of addresses that nobody outside can reach.
func unreachable(ip netip.Addr) bool {
	return !ip.IsGlobalUnicast() || ip.IsPrivate()
}

// comparePTR looks whether the address leads back to the name.
func (rec *Record) comparePTR(ctx context.Context, r dns.Resolver) {
	found, _, err := r.PTR(ctx, rec.ip)
	if rec.absent(err, len(found) == 0) {
		return
	}
	rec.show(found...)
	if !slices.ContainsFunc(found, func(n string) bool { return strings.EqualFold(n, rec.host) }) {
		rec.say(Different, "whoever gave you %s has to set it", rec.ip)
		return
	}
	rec.say(OK, "")
}
