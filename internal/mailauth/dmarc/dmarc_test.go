package dmarc

import (
	"fmt"
	"strings"
	"testing"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// zone has a DMARC record at each of the domains; "fail" stands for a name server that does not answer.
func zone(records map[string]string) dns.Fake {
	f := dns.Fake{}
	for domain, txt := range records {
		if txt == "fail" {
			f["_dmarc."+domain] = dns.Records{Fail: true}
		} else {
			f["_dmarc."+domain] = dns.Records{TXT: strings.Split(txt, "|")}
		}
	}
	return f
}

type records = map[string]string

func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name, domain string
		zone         records
		want         message.Result
		at, policy   string
	}{
		{"none anywhere", "a.example.com", records{}, "none", "", "none"},
		{"own", "example.com", records{"example.com": "v=DMARC1; p=reject"}, "fail", "example.com", "reject"},
		{"own before the organization's", "a.example.com", records{"a.example.com": "v=DMARC1; p=quarantine; sp=none", "example.com": "v=DMARC1; p=reject"}, "fail", "a.example.com", "quarantine"},
		{"inherited p", "a.example.com", records{"example.com": "v=DMARC1; p=reject"}, "fail", "example.com", "reject"},
		{"inherited sp", "a.b.example.com", records{"example.com": "v=DMARC1; p=reject; sp=quarantine"}, "fail", "example.com", "quarantine"},
		{"sp is not for itself", "example.com", records{"example.com": "v=DMARC1; p=none; sp=reject"}, "fail", "example.com", "none"},
		{"np, does not exist", "gone.example.com", records{"example.com": "v=DMARC1; p=none; sp=none; np=reject"}, "fail", "example.com", "reject"},
		{"np, exists", "host.example.com", records{"example.com": "v=DMARC1; p=none; np=reject"}, "fail", "example.com", "none"},
		{"np, has mail", "mx.example.com", records{"example.com": "v=DMARC1; p=none; np=reject"}, "fail", "example.com", "none"},
		{"np, not known", "slow.example.com", records{"example.com": "v=DMARC1; p=none; np=reject"}, "temperror", "example.com", "none"},
		{"the topmost is the organization", "a.b.example.com", records{"b.example.com": "v=DMARC1; p=none", "example.com": "v=DMARC1; p=reject"}, "fail", "example.com", "reject"},
		{"psd=n ends the walk", "a.b.example.com", records{"b.example.com": "v=DMARC1; p=none; psd=n", "example.com": "v=DMARC1; p=reject"}, "fail", "b.example.com", "none"},
		{"registry", "giant.bank.example", records{"bank.example": "v=DMARC1; p=reject; psd=y"}, "fail", "bank.example", "reject"},
		{"organization below a registry", "a.giant.bank.example", records{"bank.example": "v=DMARC1; p=reject; psd=y", "giant.bank.example": "v=DMARC1; p=none; sp=quarantine"}, "fail", "giant.bank.example", "quarantine"},
		{"registry that does not say so", "a.firm.co.uk", records{"co.uk": "v=DMARC1; p=none", "firm.co.uk": "v=DMARC1; p=reject"}, "fail", "firm.co.uk", "reject"},
		{"several are none", "example.com", records{"example.com": "v=DMARC1; p=reject|v=DMARC1; p=none"}, "none", "", "none"},
		{"several, then the parent's", "a.example.com", records{"a.example.com": "v=DMARC1; p=none|v=DMARC1; p=none", "example.com": "v=DMARC1; p=reject"}, "fail", "example.com", "reject"},
		{"other texts beside", "example.com", records{"example.com": "v=spf1 -all|v=DMARC1; p=reject|v=DMARC2; p=none"}, "fail", "example.com", "reject"},
		{"capitals and spaces", "example.com", records{"example.com": "v = DMARC1 ;P=Reject ; ;"}, "fail", "example.com", "reject"},
		{"version in small letters", "example.com", records{"example.com": "v=dmarc1; p=reject"}, "none", "", "none"},
		{"version not first", "example.com", records{"example.com": "p=reject; v=DMARC1"}, "none", "", "none"},
		{"no semicolon behind the version", "example.com", records{"example.com": "v=DMARC1 p=reject"}, "none", "", "none"},
		{"no p, no rua", "example.com", records{"example.com": "v=DMARC1; adkim=s"}, "none", "", "none"},
		{"no p, rua", "example.com", records{"example.com": "v=DMARC1; rua=mailto:a@example.com"}, "fail", "example.com", "none"},
		{"bad p, rua", "example.com", records{"example.com": "v=DMARC1; p=drop; rua=mailto:a@example.com"}, "fail", "example.com", "none"},
		{"bad sp, bad rua", "example.com", records{"example.com": "v=DMARC1; p=reject; sp=drop; rua=a"}, "none", "", "none"},
		{"bad sp, rua", "a.example.com", records{"example.com": "v=DMARC1; p=reject; sp=drop; rua=ftp:x, mailto:a@example.com"}, "fail", "example.com", "none"},
		{"pct is no more", "example.com", records{"example.com": "v=DMARC1; p=reject; pct=0; ri=x; rf=y"}, "fail", "example.com", "reject"},
		{"bad values of other tags", "example.com", records{"example.com": "v=DMARC1; p=reject; psd=x; t=x; adkim=x; fo=9; junk"}, "fail", "example.com", "reject"},
		{"no answer", "example.com", records{"example.com": "fail"}, "temperror", "", "none"},
		{"no answer above", "a.example.com", records{"example.com": "fail"}, "temperror", "", "none"},
		{"no answer above what is known", "example.com", records{"example.com": "v=DMARC1; p=reject", "com": "fail"}, "fail", "example.com", "reject"},
		{"eight questions", "a.b.c.d.e.f.g.h.i.j.mail.example.com", records{"f.g.h.i.j.mail.example.com": "v=DMARC1; p=none", "example.com": "v=DMARC1; p=reject"}, "fail", "example.com", "reject"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := zone(c.zone)
			f["host.example.com"] = dns.Records{A: []string{"192.0.2.1"}}
			f["mx.example.com"] = dns.Records{MX: []dns.MX{{Host: "x"}}}
			f["slow.example.com"] = dns.Records{Fail: true}
			got := Discover(dns.WithBudget(t.Context(), 8), f, c.domain).Evaluate(t.Context(), nil, nil)
			if got.Result != c.want || got.PolicyDomain != c.at || got.Policy != c.policy || got.Domain != c.domain {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAlignment(t *testing.T) {
	const p = "v=DMARC1; p=reject"
	for _, c := range []struct {
		name, from, id string
		zone           records
		want           bool
	}{
		{"the same", "example.com", "example.com", records{"example.com": p}, true},
		{"child", "example.com", "news.example.com", records{"example.com": p}, true},
		{"parent", "news.example.com", "example.com", records{"example.com": p}, true},
		{"sibling", "news.example.com", "mail.example.com", records{"example.com": p}, true},
		{"strict, the same", "example.com", "example.com", records{"example.com": p + "; adkim=s; aspf=s"}, true},
		{"strict, child", "example.com", "news.example.com", records{"example.com": p + "; adkim=s; aspf=s"}, false},
		{"ends alike", "example.com", "badexample.com", records{"example.com": p, "badexample.com": p}, false},
		{"another", "example.com", "example.org", records{"example.com": p}, false},
		{"neighbour below co.uk", "firm.co.uk", "other.co.uk", records{"firm.co.uk": p}, false},
		{"neighbour below a registry with a record", "firm.co.uk", "other.co.uk", records{"co.uk": p}, false},
		{"neighbour below psd=y", "a.bank.example", "b.bank.example", records{"bank.example": p + "; psd=y"}, false},
		{"child below psd=y", "a.bank.example", "x.a.bank.example", records{"bank.example": p + "; psd=y"}, true},
		{"the registry itself signs", "firm.co.uk", "co.uk", records{"firm.co.uk": p, "co.uk": p}, false},
		{"the registry psd=y itself signs", "a.bank.example", "bank.example", records{"bank.example": p + "; psd=y"}, false},
		{"mail of the registry", "bank.example", "bank.example", records{"bank.example": p + "; psd=y"}, true},
		{"siblings below psd=n", "a.mail.example.com", "b.mail.example.com", records{"mail.example.com": p + "; psd=n", "example.com": p}, true},
		{"psd=n parts from above", "a.mail.example.com", "example.com", records{"mail.example.com": p + "; psd=n", "example.com": p}, false},
		{"empty", "example.com", "", records{"example.com": p}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Discover(t.Context(), zone(c.zone), c.from)
			id := Identifier{Domain: c.id}
			if got := d.Evaluate(t.Context(), &id, nil); got.AlignedSPF != c.want || got.AlignedDKIM || (got.Result == message.Pass) != c.want {
				t.Errorf("spf: %+v", got)
			}
			if got := d.Evaluate(t.Context(), nil, []Identifier{{Domain: "example.net"}, id}); got.AlignedDKIM != c.want || got.AlignedSPF || (got.Result == message.Pass) != c.want {
				t.Errorf("dkim: %+v", got)
			}
		})
	}
}

// What is not known must not become a fail, if it could have made the letter pass; nor keep it from passing.
func TestUnknown(t *testing.T) {
	f := zone(records{"example.com": "v=DMARC1; p=reject", "com": "fail"})
	unknown := []Identifier{{Domain: "example.com", Unknown: true}}
	for _, c := range []struct {
		name string
		spf  *Identifier
		dkim []Identifier
		want message.Result
	}{
		{"aligned, not known", nil, unknown, "temperror"},
		{"aligned, not known, another known", &Identifier{Domain: "example.com"}, unknown, "pass"},
		{"another organization, not known", nil, []Identifier{{Domain: "example.org", Unknown: true}}, "fail"},
		{"organization not known", nil, []Identifier{{Domain: "a.example.com"}}, "temperror"},
	} {
		if got := Discover(t.Context(), f, "example.com").Evaluate(t.Context(), c.spf, c.dkim); got.Result != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestTesting(t *testing.T) {
	got := Discover(t.Context(), zone(records{"example.com": "v=DMARC1; p=reject; t=y"}), "example.com").Evaluate(t.Context(), nil, nil)
	if !got.Testing || got.Policy != "reject" || got.Record != "v=DMARC1; p=reject; t=y" {
		t.Errorf("%+v", got)
	}
}

// Ten signatures of deep domains share what was already asked.
func TestQuestions(t *testing.T) {
	var ids []Identifier
	for i := range 10 {
		ids = append(ids, Identifier{Domain: fmt.Sprintf("s%d.a.b.c.d.e.f.example.com", i)})
	}
	ctx := dns.WithBudget(t.Context(), 3+8+9)
	got := Discover(ctx, zone(records{"example.com": "v=DMARC1; p=reject"}), "a.example.com").Evaluate(ctx, nil, ids)
	if got.Result != message.Pass {
		t.Errorf("%+v", got)
	}
}

// FuzzRecord: no record is taken that does not begin with the version, and every policy is one of three.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{"v=DMARC1; p=reject; sp=none; np=quarantine; psd=y; t=y; rua=mailto:a@b!10m; adkim=s", "v=DMARC1;;p=;=x;p", "V =DMARC1\t;"} {
		f.Add(s, "a.example.com")
	}
	f.Fuzz(func(t *testing.T, txt, domain string) {
		r, ok := Parse(txt)
		if ok && !strings.HasPrefix(strings.ToLower(txt), "v") || strings.ContainsAny(r.Text, "\r\n\x00") {
			t.Fatalf("%q: %+v", txt, r)
		}
		got := Discover(dns.WithBudget(t.Context(), maxQueries+3), dns.Fake{"_dmarc." + domain: {TXT: []string{txt}}}, domain).Evaluate(t.Context(), nil, nil)
		if got.Policy != "none" && got.Policy != "quarantine" && got.Policy != "reject" {
			t.Fatalf("%+v", got)
		}
	})
}
