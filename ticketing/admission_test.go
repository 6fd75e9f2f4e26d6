package ticketing

import (
	"errors"
	"strings"
	"testing"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/network"
)

func TestAdmit(t *testing.T) {
	failed := func(policy string, testing bool) belief {
		return belief{verdict: message.Verdict{DMARC: message.DMARC{Result: message.Fail, Policy: policy, PolicyDomain: "b.test", Testing: testing}}}
	}
	result := func(r message.Result) belief {
		return belief{verdict: message.Verdict{DMARC: message.DMARC{Result: r}}}
	}
	viaList := func(spf message.Result, domain string) admissionInput {
		in := admissionInput{belief: failed("reject", false), mailFrom: bare("bounces@lists.c.test"), settings: Settings{DMARCExempt: []string{"c.test"}}}
		in.belief.verdict.SPF = message.SPF{Result: spf, Domain: domain}
		return in
	}
	spam := func(s message.Spam) belief { return belief{verdict: message.Verdict{Spam: &s}} }
	waiting := failed("reject", false)
	waiting.waiting = true
	program := files{list: []file{{name: "tool.exe", types: []string{"application/x-msdownload", ""}}}}
	refuse, hold := AttachmentRules{Forbidden: []string{executables}}, AttachmentRules{Forbidden: []string{executables}, Action: holdFiles}
	for _, c := range []struct {
		name   string
		in     admissionInput
		held   bool
		refuse error
		reason string
	}{
		{"pass", admissionInput{belief: result(message.Pass)}, false, nil, ""},
		{"no record", admissionInput{belief: result(message.None)}, false, nil, ""},
		{"not checked", admissionInput{}, false, nil, ""},
		{"DNS does not answer", admissionInput{belief: result(message.TempError)}, false, nil, ""},
		{"policy none", admissionInput{belief: failed("none", false)}, false, nil, reasonDMARCNone},
		{"quarantine", admissionInput{belief: failed("quarantine", false)}, true, nil, reasonDMARCHeld},
		{"reject", admissionInput{belief: failed("reject", false)}, false, message.ErrDMARC, "dmarc"},
		{"reject, held by setting", admissionInput{belief: failed("reject", false), settings: Settings{HoldDMARCReject: true}}, true, nil, reasonDMARCHeld},
		{"reject, behind LMTP", admissionInput{belief: failed("reject", false), lmtp: true}, true, nil, reasonDMARCHeld},
		{"reject, behind LMTP, exempt domain", admissionInput{belief: failed("reject", false), lmtp: true, settings: Settings{DMARCExempt: []string{"b.test"}}}, false, nil, reasonDMARCExempt},
		{"reject, testing", admissionInput{belief: failed("reject", true)}, true, nil, reasonDMARCHeld},
		{"quarantine, testing", admissionInput{belief: failed("quarantine", true)}, false, nil, reasonDMARCNone},
		{"reject, to a return path of ours", admissionInput{belief: failed("reject", false), returned: true}, false, nil, ""},
		{"reject, of a confirmation", admissionInput{belief: failed("reject", false), confirm: true}, false, message.ErrDMARC, "dmarc"},
		{"reject, exempt domain", admissionInput{belief: failed("reject", false), settings: Settings{DMARCExempt: []string{"b.test"}}}, false, nil, reasonDMARCExempt},
		{"reject, another domain is exempt", admissionInput{belief: failed("reject", false), settings: Settings{DMARCExempt: []string{"ub.test"}}}, false, message.ErrDMARC, "dmarc"},
		{"reject, an exempt list forwards it", viaList(message.Pass, "lists.c.test"), false, nil, reasonDMARCExempt},
		{"reject, in the name of an exempt list", viaList(message.SoftFail, "lists.c.test"), false, message.ErrDMARC, "dmarc"},
		{"reject, SPF of another host in the name of an exempt list", viaList(message.Pass, "evil.test"), false, message.ErrDMARC, "dmarc"},
		{"reject, allowed network", admissionInput{belief: failed("reject", false), network: network.Allowed}, false, nil, reasonNetwork},
		{"reject, a listed sealer cannot be checked now", admissionInput{belief: waiting}, false, message.ErrSenderDNS, "sender-dns"},
		{"spam", admissionInput{belief: spam(message.Spam{Score: 11, Tag: true, Hold: true})}, true, nil, reasonSpamHeld},
		{"spam, perhaps", admissionInput{belief: spam(message.Spam{Score: 7, Tag: true})}, false, nil, ""},
		{"spam, to a return path of ours", admissionInput{belief: spam(message.Spam{Score: 11, Hold: true}), returned: true}, false, nil, ""},
		{"spam, allowed network", admissionInput{belief: spam(message.Spam{Score: 11, Hold: true}), network: network.Allowed}, false, nil, ""},
		{"blocked address", admissionInput{settings: Settings{BlockedSenders: []string{"a@mail.b.test"}}}, false, message.ErrBlockedSender, "blocked-sender"},
		{"blocked domain above", admissionInput{settings: Settings{BlockedSenders: []string{"b.test"}}}, false, message.ErrBlockedSender, "blocked-sender"},
		{"blocked sender, allowed network", admissionInput{settings: Settings{BlockedSenders: []string{"b.test"}}, network: network.Allowed}, false, message.ErrBlockedSender, "blocked-sender"},
		{"blocked network", admissionInput{network: network.Blocked}, false, message.ErrBlockedNetwork, "blocked-network"},
		{"program", admissionInput{files: program, rules: []AttachmentRules{{}, refuse}}, false, message.ErrForbiddenFile, "attachment-type"},
		{"program, allowed network", admissionInput{files: program, rules: []AttachmentRules{refuse}, network: network.Allowed}, false, message.ErrForbiddenFile, "attachment-type"},
		{"program, held", admissionInput{files: program, rules: []AttachmentRules{hold}}, true, nil, "attachment-type"},
		{"program, one holds and one refuses", admissionInput{files: program, rules: []AttachmentRules{hold, refuse}}, false, message.ErrForbiddenFile, "attachment-type"},
		{"program, quarantine", admissionInput{belief: failed("quarantine", false), files: program, rules: []AttachmentRules{refuse}}, false, message.ErrForbiddenFile, "attachment-type"},
	} {
		c.in.from = bare("a@mail.b.test")
		a := admit(c.in)
		if (a.hold != "") != c.held || !errors.Is(a.refuse, c.refuse) || a.reason != c.reason {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
}

func TestProve(t *testing.T) {
	me, other := id.New(), id.New()
	pass := func(domain string) message.Verdict {
		return message.Verdict{SPF: message.SPF{Result: message.Pass, Domain: domain}}
	}
	partly := message.Verdict{DKIM: []message.DKIM{{Result: message.Pass, Domain: "b.test", Reason: "not all From and Subject fields are signed"}}}
	dkim := message.Verdict{DKIM: []message.DKIM{{Result: message.Fail, Domain: "b.test"}, {Result: message.Pass, Domain: "B.test"}}}
	withRecord := pass("b.test")
	withRecord.DMARC = message.DMARC{Result: message.Fail, Record: "v=DMARC1; p=none"}
	for _, c := range []struct {
		name   string
		v      message.Verdict
		tokens []id.ID
		want   Proof
	}{
		{"nothing", message.Verdict{}, nil, Unverified},
		{"own signed address", message.Verdict{}, []id.ID{other, me}, ProofToken},
		{"somebody else's signed address", message.Verdict{}, []id.ID{other}, Unverified},
		{"DMARC pass", message.Verdict{DMARC: message.DMARC{Result: message.Pass, Domain: "b.test"}}, nil, ProofVerified},
		{"DMARC pass of another domain", message.Verdict{DMARC: message.DMARC{Result: message.Pass, Domain: "evil.test"}, SPF: pass("b.test").SPF}, nil, Unverified},
		{"no DMARC record, SPF of the very domain", pass("b.test"), nil, ProofVerified},
		{"no DMARC record, SPF of another domain", pass("evil.test"), nil, Unverified},
		{"no DMARC record, DKIM of the very domain", dkim, nil, ProofVerified},
		{"no DMARC record, DKIM that leaves out the subject", partly, nil, Unverified},
		{"DMARC record and failure, whatever SPF says", withRecord, nil, Unverified},
	} {
		if got := prove("b.test", c.v, me, c.tokens); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := prove("b.test", message.Verdict{}, id.ID{}, []id.ID{{}}); got != Unverified {
		t.Errorf("a stranger has a token: %s", got)
	}
}

// A letter in the name of staff waits for a DNS that does not answer, when the answer may prove who wrote it. Anybody else's does not.
func TestStaffLetterWaitsForDNS(t *testing.T) {
	d := newDesk(t)
	const unknown, failed = message.TempError, message.Fail
	for _, c := range []struct {
		name, from string
		v          message.Verdict
		waits      bool
	}{
		{"DMARC", "anna@staff.test", message.Verdict{DMARC: message.DMARC{Result: unknown}}, true},
		{"SPF", "anna@staff.test", message.Verdict{SPF: message.SPF{Result: unknown}}, true},
		{"her domain's key", "anna@staff.test", message.Verdict{DKIM: []message.DKIM{{Result: failed, Domain: "staff.test"}, {Result: unknown, Domain: "Staff.test"}}}, true},
		{"another domain's key", "anna@staff.test", message.Verdict{DKIM: []message.DKIM{{Result: unknown, Domain: "list.test"}}}, false},
		{"a customer", "carl@client.test", message.Verdict{DMARC: message.DMARC{Result: unknown}}, false},
	} {
		l := mail{from: c.from, to: []string{"help@example.test"}, subject: c.name, text: "hello"}.letter(d.clock())
		l.Verdict = c.v
		if _, err := d.intake.Deliver(t.Context(), l); errors.Is(err, message.ErrSenderDNS) != c.waits || (err != nil) != c.waits {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// set changes the organisation's settings.
func (d *desk) set(settings string) {
	d.t.Helper()
	if _, err := d.pool.Exec(d.t.Context(), `
		WITH r AS (UPDATE directory_revision SET revision = revision + 1 RETURNING revision)
		UPDATE organisations SET settings = $2, revision = r.revision FROM r WHERE organisation_id = $1`, d.org.ID, settings); err != nil {
		d.t.Fatal(err)
	}
	if err := d.dir.Refresh(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// What DMARC asks to quarantine is held; released it becomes a ticket, rejected nothing.
func TestHeldLetter(t *testing.T) {
	d := newDesk(t)
	deliver := func(subject string) id.ID {
		t.Helper()
		l := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: subject, text: "hello " + subject}.letter(d.clock())
		l.Verdict.SPF.Result = message.Fail
		l.Verdict.DMARC = message.DMARC{Result: message.Fail, Policy: "quarantine", PolicyDomain: "client.test", Record: "v=DMARC1; p=quarantine"}
		if _, err := d.intake.Deliver(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		return l.ID
	}
	first, second := deliver("one"), deliver("two")
	if n := len(d.tickets()); n != 0 || len(d.sentMail()) != 0 {
		t.Fatalf("a held letter acted: %d tickets", n)
	}
	l, err := d.service.Letter(t.Context(), d.org.ID, first)
	if err != nil || l.Outcome != HeldLetter || !strings.Contains(l.Problem, "quarantine") {
		t.Fatalf("letter %+v, %v", l, err)
	}
	if err := d.intake.Release(t.Context(), d.org.ID, first); err != nil {
		t.Fatal(err)
	}
	if got := d.entries(1); len(got) != 1 || got[0] != "message: hello one" {
		t.Errorf("entries %v", got)
	}
	to(t, d.sentMail(), "carl@client.test")
	if l, err = d.service.Letter(t.Context(), d.org.ID, first); err != nil || l.Outcome != OpenedTicket || l.Ticket != 1 || l.Problem != "" {
		t.Errorf("released letter %+v, %v", l, err)
	}
	if err := d.intake.Release(t.Context(), d.org.ID, first); !errors.Is(err, ErrNotFound) {
		t.Errorf("released twice: %v", err)
	}
	if err := d.service.Reject(t.Context(), d.org.ID, second); err != nil {
		t.Error(err)
	}
	if err := d.intake.Release(t.Context(), d.org.ID, second); !errors.Is(err, ErrNotFound) || len(d.tickets()) != 1 {
		t.Errorf("a rejected letter was released: %v", err)
	}
}

func TestDMARCRejectIsRefused(t *testing.T) {
	d := newDesk(t)
	l := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"}.letter(d.clock())
	l.Verdict.DMARC = message.DMARC{Result: message.Fail, Policy: "reject", PolicyDomain: "client.test", Record: "v=DMARC1; p=reject"}
	if _, err := d.intake.Deliver(t.Context(), l); !errors.Is(err, message.ErrDMARC) {
		t.Fatalf("%v, want ErrDMARC", err)
	}
	if n := len(d.tickets()); n != 0 {
		t.Errorf("%d tickets", n)
	}
}
