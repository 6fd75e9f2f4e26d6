//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInteropMail exchanges letters with mail servers of others: there and back, refused at once, refused later, and put off.
func TestInteropMail(t *testing.T) {
	peers := peersFolder(t)
	w := theWorld(t)
	need(t, python, dkimpy, dnspython, nacl, perl, mailDKIM, swaks)
	ca := newAuthority(t)
	t.Run("Exim", func(t *testing.T) {
		exim := startExim(t, w, peers, "exim.test", w.address(100), ca)
		d := newDesk(t, w, also25)
		exchange(t, d, exim, "P=esmtps", "X=TLS1.3", "mx."+d.name)
		scenario(t, "Exim: unknown user refused in the session", func(t *testing.T) { refusedAtOnce(t, d, exim) })
		scenario(t, "Exim: its report of a closed mailbox", func(t *testing.T) { refusedLater(t, d, exim) })
		scenario(t, "Exim: greylisting, then taken", func(t *testing.T) {
			putOff(t, d, exim, func() error { return os.WriteFile(filepath.Join(exim.dir, "known"), nil, 0o644) })
		})
	})
	t.Run("OpenSMTPD", func(t *testing.T) {
		opensmtpd := startOpenSMTPD(t, w, peers, "opensmtpd.test", w.address(101), ca, names("mx.opensmtpd.test"))
		d := newDesk(t, w, also25)
		exchange(t, d, opensmtpd, "smtp tls", "TLSv1.3")
		scenario(t, "OpenSMTPD: unknown user refused in the session", func(t *testing.T) { refusedAtOnce(t, d, opensmtpd) })
		scenario(t, "OpenSMTPD: its report of a closed mailbox", func(t *testing.T) { refusedLater(t, d, opensmtpd) })
		scenario(t, "OpenSMTPD: greylisting, then taken", func(t *testing.T) {
			putOff(t, d, opensmtpd, func() error { return nil })
		})
	})
}

// also25 makes mxdesk listen on port 25 too, where servers deliver that know no other.
func also25(d *desk, settings map[string]string) {
	settings["smtp.listen"] = fmt.Sprintf("[%q, %q]", d.smtp(), d.ip+":25")
}

const exchangedWords = "Größe: 30 cm.\n.\n..zwei Punkte\n" +
	"From here on: Ελληνικά\n"

// exchange sends a customer's letter through the server; he gets an acknowledgement and the answer of staff, each
// once, with its signatures, over TLS. inLog are words of one line of the server's log about a letter from mxdesk.
func exchange(t *testing.T, d *desk, s *mailServer, inLog ...string) {
	t.Helper()
	name := strings.TrimPrefix(t.Name(), "TestInteropMail/")
	box, annasBox, from := s.mailbox("carl"), d.w.staff.mailbox("anna"), "carl@"+s.domain
	scenario(t, name+": a customer's letter becomes a ticket", func(t *testing.T) {
		s.send(t, from, d.support(), write("Carl <"+from+">", d.support(), "Printer on fire", exchangedWords+strings.Repeat("long ", 180), "Content-Type: text/plain; charset=utf-8", "MIME-Version: 1.0", "Content-Transfer-Encoding: 8bit"))
		eventually(t, "the letter is a ticket", func() bool { return len(d.tickets(t)) == 1 })
		text := d.entries(t, d.tickets(t)[0].ID)[0].Text
		for line := range strings.Lines(exchangedWords) {
			if !strings.Contains(text, strings.TrimSpace(line)) {
				t.Errorf("the ticket lacks %q:\n%s", line, text)
			}
		}
		if len(d.find(`"letter accepted"`, `"client":"`+s.ip+`"`, `"tls":"TLS1.3`)) != 1 {
			t.Errorf("it did not come once, over TLS\n%s", s.logTail())
		}
	})
	scenario(t, name+": acknowledgement and answer of staff arrive once, signed, over TLS", func(t *testing.T) {
		box.await(t, d.name, 1)
		to, text := answer(t, annasBox.await(t, d.name, 1), anna, "Re: Printer on fire", exchangedWords)
		d.w.staff.send(t, "anna@"+staffDomain, to, strings.Replace(text, "\n\n", "\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n", 1))
		reply := box.await(t, d.name, 2)
		if !strings.Contains(strings.ReplaceAll(reply.text, "\r", ""), strings.TrimSpace(exchangedWords)) {
			t.Errorf("the answer of staff:\n%s", reply.text)
		}
		d.awaitDelivery(t, from, "delivered")
		var files []string
		for _, l := range box.letters(t, d.name) {
			files = append(files, l.path)
		}
		if len(files) != 2 {
			t.Errorf("%d letters arrived, want 2", len(files))
		}
		checkSignaturesOf(t, d.w, d.name, files)
		if len(s.find(inLog...)) == 0 {
			t.Errorf("no line of its log has %q\n%s", inLog, s.logTail())
		}
		for _, x := range d.deliveries(t) {
			full := one[delivery](t, d, "/v1/deliveries/"+x.ID)
			if full.State != "delivered" || len(full.Log) != 1 || full.Log[0].Code != 250 || !strings.Contains(full.Log[0].TLS, "1.3") {
				t.Errorf("delivery: %+v", full)
			}
		}
	})
}

// refusedAtOnce: nobody has that name; the delivery fails and the ticket tells it.
func refusedAtOnce(t *testing.T, d *desk, s *mailServer) {
	t.Helper()
	ghost := "ghost@" + s.domain
	fromOutside(t, d, ghost, d.support(), "I do not exist")
	got := d.awaitDelivery(t, ghost, "failed")
	if got.Code/100 != 5 || got.Reason != "user_unknown" || len(got.Log) != 1 {
		t.Errorf("delivery: %+v", got)
	}
	wantFailure(t, d, ghost, got.Reply)
}

// refusedLater: the server takes the letter, then reports in its own words that it could not keep it.
func refusedLater(t *testing.T, d *desk, s *mailServer) {
	t.Helper()
	gone := "gone@" + s.domain
	fromOutside(t, d, gone, d.support(), "My mailbox will be closed")
	got := d.awaitDelivery(t, gone, "failed")
	if len(got.Log) < 1 || got.Log[0].Result != "delivered" || got.Log[0].Code != 250 {
		t.Errorf("the log does not begin with the delivery: %+v", got)
	}
	t.Logf("reason %s, code %d: %s", got.Reason, got.Code, got.Reply)
	wantFailure(t, d, gone, "")
	if report := d.letters(t)[0]; report.Outcome != "bounce" {
		t.Errorf("the report is %+v", report)
	}
}

// putOff: the server says "later" the first time, and takes the letter when it comes again.
func putOff(t *testing.T, d *desk, s *mailServer, open func() error) {
	t.Helper()
	grey := "grey@" + s.domain
	fromOutside(t, d, grey, d.support(), "You do not know me")
	got := d.awaitDelivery(t, grey, "deferred")
	if len(got.Log) != 1 || got.Log[0].Code/100 != 4 || !strings.Contains(strings.ToLower(got.Log[0].Reply), "greylisted") {
		t.Errorf("delivery: %+v", got)
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	d.command(t, "queue", "retry", got.ID)
	if got = d.awaitDelivery(t, grey, "delivered"); len(got.Log) != 2 {
		t.Errorf("delivery: %+v", got)
	}
	s.mailbox("grey").await(t, d.name, 1)
	if n := len(s.mailbox("grey").letters(t, d.name)); n != 1 {
		t.Errorf("%d letters arrived, want 1", n)
	}
}
