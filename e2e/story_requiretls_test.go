//go:build linux

package e2e

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"mxdesk/internal/id"
	"mxdesk/internal/smtptest"
)

// TestRequireTLS: a customer whose mail server takes no TLS, and one whose server cannot prove its name, ask by REQUIRETLS (RFC 8689) that
// their words go over verified TLS alone. The acknowledgement, which holds their words, waits. A letter without the wish is
// answered over what there is.
func TestRequireTLS(t *testing.T) {
	w := theWorld(t)
	plain := w.address(165)
	peer := smtptest.New(t, smtptest.Config{Addr: fmt.Sprintf("%s:%d", plain, w.port), Name: "mx.plain.test"})
	w.add(hostOf("plain.test", plain))
	d := newDesk(t, w)
	for _, c := range []struct {
		from, reply string
	}{
		{"carl@plain.test", "does not offer STARTTLS"},
		{"carl@" + customerDomain, "certificate"},
	} {
		requireTLS(t, d, c.from)
		got := d.awaitDelivery(t, c.from, "deferred")
		if len(got.Log) == 0 || got.Log[0].Reason != "tls_required" || got.Log[0].Policy != "required" || !strings.Contains(got.Log[0].Reply, c.reply) {
			t.Errorf("to %s: %+v", c.from, got)
		}
	}
	if n := len(peer.Letters()); n != 0 {
		t.Errorf("%d letters went in the clear", n)
	}
	fromOutside(t, d, "eve@plain.test", d.support(), "No such wish")
	d.awaitDelivery(t, "eve@plain.test", "delivered")
}

// requireTLS brings a letter by STARTTLS and REQUIRETLS.
func requireTLS(t *testing.T, d *desk, from string) {
	t.Helper()
	c, err := smtp.DialStartTLS(d.smtp(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who mxdesk is does not matter here
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the talk is over
	if err := c.Mail(from, &smtp.MailOptions{RequireTLS: true}); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(d.support(), nil); err != nil {
		t.Fatal(err)
	}
	data, err := c.Data()
	if err == nil {
		_, err = fmt.Fprintf(data, "From: %s\r\nTo: %s\r\nSubject: Secret\r\nMessage-ID: <%s@client.test>\r\n\r\nMy word is %s.\r\n", from, d.support(), id.New(), newWord())
	}
	if err == nil {
		err = data.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
