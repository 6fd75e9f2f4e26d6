package outbound

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"mxdesk/internal/dns"
	dkimkey "mxdesk/internal/mailauth/dkim"
	"mxdesk/internal/message"
)

func verify(t testing.TB, letter []byte, keys []Key) []*dkim.Verification {
	t.Helper()
	list, err := dkim.VerifyWithOptions(bytes.NewReader(letter), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		for _, k := range keys {
			if k.RecordName() == name {
				return []string{k.Record()}, nil
			}
		}
		return nil, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSign(t *testing.T) {
	keys, err := GenerateKeys(testDomain, time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range drafts() {
		letter, err := sign(Compose(d), keys, d.Date)
		if err != nil {
			t.Fatal(err)
		}
		list := verify(t, letter, keys)
		if len(list) != 2 {
			t.Fatalf("%s: %d signatures", name, len(list))
		}
		for _, v := range list {
			if v.Err != nil || v.Domain != testDomain {
				t.Errorf("%s: %v", name, v.Err)
			}
		}
		for line := range strings.SplitSeq(string(letter), "\r\n") {
			if len(line) > 998 {
				t.Errorf("%s: line of %d octets", name, len(line))
			}
		}
	}
}

// TestOverSigned: a field that somebody puts in front breaks the signatures, also one we did not write.
func TestOverSigned(t *testing.T) {
	keys, err := GenerateKeys(testDomain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	letter, err := sign(Compose(draft(func(*Draft) {})), keys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	fields := []string{
		"From: x@evil.test", "To: y@evil.test", "Cc: z@evil.test", "Subject: other", "Reply-To: x@evil.test", "List-Unsubscribe: <https://evil.test>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "Content-Type: text/html",
		"List-Help: <https://evil.test>", "List-Post: <mailto:x@evil.test>", "List-Owner: <mailto:x@evil.test>",
		"List-Subscribe: <https://evil.test>", "List-Archive: <https://evil.test>", "List-Id: <evil.test>",
	}
	for _, field := range fields {
		for _, v := range verify(t, append([]byte(field+"\r\n"), letter...), keys) {
			if v.Err == nil {
				t.Errorf("%q added, and a signature still holds", field)
			}
		}
	}
	for _, v := range verify(t, append([]byte("Received: by relay\r\n"), letter...), keys) {
		if v.Err != nil {
			t.Errorf("a trace field breaks the signature: %v", v.Err)
		}
	}
}

// TestOurVerifierAgrees: what we sign, we believe, whatever fields a letter has; and the lines of the signatures are as short as
// those of other fields (RFC 5322 section 2.1.1).
func TestOurVerifierAgrees(t *testing.T) {
	keys, err := GenerateKeys(testDomain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	zone := dns.Fake{}
	for _, k := range keys {
		zone[k.RecordName()] = dns.Records{TXT: []string{k.Record()}}
	}
	list := drafts()
	list["all fields"] = draft(func(d *Draft) {
		d.Unsubscribe, d.LeaveURL, d.Automatic, d.References = true, "https://desk.test/u/1", "auto-generated", []string{"a@b"}
	})
	for name, d := range list {
		letter, err := sign(Compose(d), keys, d.Date)
		if err != nil {
			t.Fatal(err)
		}
		found, _ := dkimkey.Parse(letter).Verify(t.Context(), zone, time.Now())
		if len(found) != len(keys) {
			t.Errorf("%s: %d signatures", name, len(found))
		}
		for _, s := range found {
			if s.Result != message.Pass || s.Reason != "" || s.Domain != testDomain {
				t.Errorf("%s: %+v", name, s)
			}
		}
		signatures, _, _ := bytes.Cut(letter, []byte("\r\nFrom:"))
		for line := range bytes.SplitSeq(signatures, []byte("\r\n")) {
			if len(line) > 78 {
				t.Errorf("%s: a line of %d octets", name, len(line))
			}
		}
	}
}

// TestSameBytes: a letter that is sent again is the same letter, to the last octet of its signatures.
func TestSameBytes(t *testing.T) {
	x := newWorld(t)
	x.signingKeys(time.Now())
	x.send("a@x.test")
	x.exec(`UPDATE deliveries SET created_at = '2026-01-02 03:04:05Z'`) // whatever was the time of the attempt
	var letters []string
	w := x.worker(script(func(l *Letter) Attempt {
		letters = append(letters, string(l.Body))
		return Attempt{Result: ResultDeferred, Host: "mx.x.test", Code: 451}
	}))
	x.round(w)
	x.elapse(time.Hour)
	x.round(w)
	if len(letters) != 2 || letters[0] != letters[1] {
		t.Fatalf("attempts: %q", letters)
	}
	if n := strings.Count(letters[0], " t=1767323045;"); n != 2 {
		t.Errorf("%d signatures have the time of the letter:\n%s", n, letters[0])
	}
}

func TestRecords(t *testing.T) {
	keys, err := GenerateKeys(testDomain, time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	r, e := keys[0], keys[1]
	if r.RecordName() != "mx202601020304r._domainkey.desk.test" || !strings.HasPrefix(r.Record(), "v=DKIM1; k=rsa; p=MIIB") {
		t.Errorf("RSA: %s %s", r.RecordName(), r.Record())
	}
	if got := e.Record(); !strings.HasPrefix(got, "v=DKIM1; k=ed25519; p=") || len(got) != len("v=DKIM1; k=ed25519; p=")+44 {
		t.Errorf("Ed25519: %s", got)
	}
}

// TestKeysOfDomain: letters are signed with the keys in the database; a change is noticed.
func TestKeysOfDomain(t *testing.T) {
	x := newWorld(t)
	add := x.signingKeys
	var letter []byte
	w := x.worker(script(func(l *Letter) Attempt { letter = l.Body; return taken }))
	send := func() string {
		t.Helper()
		w.directory.checked = time.Time{} // a second has passed
		x.send("a@x.test")
		x.round(w)
		return string(letter)
	}
	if strings.Contains(send(), "DKIM-Signature") {
		t.Error("signed without a key")
	}
	for _, at := range []time.Time{time.Now().Add(-time.Hour), time.Now()} { // the newest signs
		keys := add(at)
		list := verify(t, []byte(send()), keys)
		if len(list) != 2 || list[0].Err != nil || list[1].Err != nil {
			t.Fatalf("signatures: %v", list)
		}
	}
	x.exec(`UPDATE dkim_keys SET state = 'retiring', retiring_at = now()`)
	x.exec(`UPDATE directory_revision SET revision = revision + 1`)
	if strings.Contains(send(), "DKIM-Signature") {
		t.Error("signed with a key that retires")
	}
	keys, err := x.q.Keys(x.ctx, testOrg)
	if err != nil || len(keys) != 4 || keys[0].State != "retiring" {
		t.Errorf("keys %v, %v", keys, err)
	}
}
