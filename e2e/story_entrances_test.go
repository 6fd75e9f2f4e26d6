//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/dns"
)

// TestBehindPostfix: a Postfix is the mail server of the desk's domain, and brings its letters by LMTP. What mxdesk refuses
// Postfix hears for each recipient; what mxdesk cannot take now it keeps.
func TestBehindPostfix(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a third mail server; ./dev e2e runs it")
	}
	w := theWorld(t)
	socket := filepath.Join(w.folder(t, "lmtp"), "lmtp.sock")
	d := newDesk(t, w, with("smtp.lmtp_listen", `["unix:`+socket+`"]`))
	front, err := startPostfix(w, "front.test", w.address(180), "relay_domains = "+d.name, "relay_transport = lmtp:unix:"+socket,
		"smtpd_relay_restrictions = permit_auth_destination, reject")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := front.stop(); err != nil {
			t.Error(err)
		}
	})
	w.mu.Lock()
	published := w.zone[d.name]
	w.mu.Unlock()
	published.MX = []dns.MX{{Preference: 10, Host: "mx.front.test"}}
	w.add(dns.Fake{d.name: published, "mx.front.test": {A: []string{front.ip()}}, front.ip(): {PTR: []string{"mx.front.test"}}})

	// One letter to somebody and to nobody.
	says(t, w, carl, d.support(), write(carl, d.support(), "By the back door", "Hello?"))
	w.staff.mailbox("anna").await(t, d.name, 1)
	nobody := "nobody@" + d.name
	w.customers.send(t, "dora@"+customerDomain, nobody, write(dora, nobody, "Is anybody there", "Hello?"))
	eventually(t, "the front hears that there is nobody\n"+front.logTail(), func() bool {
		return len(front.find("status=bounced", "to=<"+nobody+">", "550 5.1.1")) == 1
	})
	sent := front.find("status=sent", "to=<"+d.support()+">", socket, "250 2.0.0 <"+d.support()+"> Accepted as ")
	if list := d.letters(t); len(sent) != 1 || len(list) != 1 || list[0].Outcome != "ticket" {
		t.Errorf("letters %+v\n%s", list, front.logTail())
	}

	// The desk is away for a while.
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	says(t, w, carl, d.support(), write(carl, d.support(), "While you were away", "Hello again?"))
	eventually(t, "the front keeps the letter", func() bool { return len(front.find("status=deferred", "to=<"+d.support()+">")) > 0 })
	d.serve(t)
	eventually(t, "the letter is there\n"+front.logTail(), func() bool { return len(d.letters(t)) == 2 })

	// SPF was the front's work, and nothing else proves that Anna writes this: it waits until she confirms it.
	notice := w.staff.mailbox("anna").await(t, d.name, 2)
	to, text := answer(t, notice, anna, "Re: "+notice.get("Subject")+" #close#", "Here is the key.")
	says(t, w, anna, to, text)
	eventually(t, "the answer is held\n"+front.logTail(), func() bool { return d.letters(t)[0].Outcome == "held" })
	checkSignatures(t, w, d.name)
}

func (p *postfixServer) ip() string {
	host, _, err := net.SplitHostPort(p.listen)
	if err != nil {
		return ""
	}
	return host
}

// TestBehindProxy: haproxy stands before the desk and tells by the PROXY protocol, in both versions, who the client is. SPF
// and Received are about him. Nobody else may tell.
func TestBehindProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("needs haproxy; ./dev e2e runs it")
	}
	w := theWorld(t)
	need(t, haproxy, swaks)
	proxy := w.address(181)
	d := newDesk(t, w, with("smtp.proxy_networks", `["`+proxy+`/32"]`), with("smtp.greet_delay", `"1s"`))
	versions := []string{w.address(182), w.address(183)}
	startHaproxy(t, w, d, proxy, versions)
	for i, version := range versions {
		w.mu.Lock()
		published := w.zone["mx."+d.name]
		w.mu.Unlock()
		published.A = []string{version}
		w.add(dns.Fake{"mx." + d.name: published})
		front := fmt.Sprintf("mx%d.%s", i+1, d.name)
		w.add(dns.Fake{front: {A: []string{version}}, d.name: {MX: []dns.MX{{Preference: 10, Host: front}}, TXT: w.records(d.name).TXT}})
		subject := fmt.Sprintf("Through version %d", i+1)
		from := []string{carl, dora}[i] // an acknowledgement to each
		says(t, w, from, d.support(), write(strings.ReplaceAll(from, "ö", "oe"), d.support(), subject, "Hello?"))
		w.staff.mailbox("anna").await(t, d.name, i+1)
		received := string(raw(t, d, subject))
		if !strings.Contains(received, "["+w.address(2)+"]") || strings.Contains(received, proxy) {
			t.Errorf("version %d: the letter does not name its client\n%s", i+1, received)
		}
		// The acknowledgement goes to whom SPF vouches for alone.
		w.customers.mailbox([]string{"carl", "dora"}[i]).await(t, d.name, 1)
	}
	for _, c := range []struct{ from, say, want string }{
		{w.address(184), "PROXY TCP4 " + w.address(2) + " " + d.ip + " 1000 25\r\n", "554"},
		{proxy, "EHLO client.test\r\n", "421"},
	} {
		if got := firstWords(t, c.from, d.smtp(), c.say); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q from %s: answered %q, want %s", c.say, c.from, got, c.want)
		}
	}
}

// records is what the DNS knows of a name.
func (w *world) records(name string) dns.Records {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.zone[name]
}

// startHaproxy starts it before the desk, and waits until it answers.
func startHaproxy(t *testing.T, w *world, d *desk, proxy string, versions []string) {
	t.Helper()
	port := fmt.Sprint(":", w.port)
	config := strings.NewReplacer("V1", versions[0]+port, "V2", versions[1]+port, "ADDRESS", proxy, "MXDESK", d.smtp()).Replace(readFile(t, "testdata/haproxy.cfg"))
	file := filepath.Join(d.dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := start(d.dir, nil, haproxy.path, "-db", "-f", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Log(p.tail(20))
		}
	})
	eventually(t, "haproxy listens", func() bool {
		nc, err := net.Dial("tcp", versions[1]+port)
		if err == nil {
			err = nc.Close()
		}
		return err == nil
	})
}

// firstWords connects from an address, speaks first, and returns what is answered.
func firstWords(t *testing.T, from, to, say string) string {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	nc, err := dialer.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(nc, say); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := nc.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return string(line[:n])
}

// raw is the letter of that subject, as it is stored.
func raw(t *testing.T, d *desk, subject string) []byte {
	t.Helper()
	for _, l := range d.letters(t) {
		body, code := d.request(t, "/v1/letters/"+l.ID+"/raw")
		if code == 200 && strings.Contains(string(body), subject) {
			return body
		}
	}
	t.Fatalf("no letter with %q", subject)
	return nil
}
