//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mxdesk/internal/dns"
)

// peersFolder is where ./dev unpacks what is not installed; the test is skipped without it.
func peersFolder(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("exchanges mail with servers of others for a minute; ./dev interop runs it")
	}
	dir := os.Getenv("MXDESK_TEST_PEERS")
	if dir == "" {
		t.Skip("MXDESK_TEST_PEERS does not name the folder of unpacked mail servers; ./dev interop makes it, on Debian, as root")
	}
	return dir
}

// unpackedLibraries is the environment for an unpacked program that runs in the root of this machine.
func unpackedLibraries(t testing.TB, peers string) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(peers, "usr/lib/*-linux-gnu*"))
	if err != nil {
		t.Fatal(err)
	}
	return "LD_LIBRARY_PATH=" + strings.Join(dirs, ":")
}

// mailServer is a server of others that runs in a root of its own (testdata/peer-root.sh), the mail server of one domain.
type mailServer struct {
	*process
	w           *world
	domain, dir string
	ip          string
	smtps       int    // port with implicit TLS
	logFile     string // "": it writes to standard error
	taken       string // words of the line that it logs about a letter it took, which has the sender too
}

// The users that Exim and OpenSMTPD want to be. The numbers are nobody's.
const peerUsers = "Debian-exim:x:64901:64901::/:/bin/sh\nopensmtpd:x:64902:64902::/var/lib/opensmtpd/empty:/bin/false\n" +
	"opensmtpq:x:64903:64903::/var/lib/opensmtpd/empty:/bin/false\nmailbox:x:64904:64904::/var/lib/opensmtpd:/bin/sh\n"

const (
	eximUser    = 64901
	mailboxUser = 64904
)

// prepareServer makes the folders and files of a server and publishes its domain.
func prepareServer(t *testing.T, w *world, domain, ip string, owner int, configs map[string]string, more ...string) *mailServer {
	t.Helper()
	s := &mailServer{w: w, domain: domain, ip: ip, dir: w.folder(t, domain)}
	for _, dir := range []string{"root", "etc/ssl/certs", "mail", "log", "spool", "tls"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"mail", "log", "spool"} {
		if err := os.Chown(filepath.Join(s.dir, dir), owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	var groups strings.Builder
	for line := range strings.Lines(peerUsers) {
		field := strings.Split(line, ":")
		fmt.Fprintf(&groups, "%s:x:%s:\n", field[0], field[2])
	}
	files := map[string]string{
		"etc/passwd": readFile(t, "/etc/passwd") + peerUsers, "etc/group": readFile(t, "/etc/group") + groups.String(),
		"etc/resolv.conf": "nameserver " + w.address(1) + "\n", "etc/hosts": "127.0.0.1 localhost\n", "etc/services": readFile(t, "/etc/services"),
		"etc/protocols": readFile(t, "/etc/protocols"), "etc/mailname": "mx." + domain + "\n", "closed.sh": readFile(t, "testdata/closed.sh"),
	}
	replace := strings.NewReplacer(append(more, "DIR", s.dir, "DOMAIN", domain, "PORT", fmt.Sprint(w.port), "ADDRESS", ip)...)
	for from, to := range configs {
		files[to] = replace.Replace(readFile(t, filepath.Join("testdata", from)))
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.add(dns.Fake{
		domain:         {MX: []dns.MX{{Preference: 10, Host: "mx." + domain}}, TXT: []string{"v=spf1 mx ip4:127.0.0.1 -all"}},
		"mx." + domain: {A: []string{ip}},
		ip:             {PTR: []string{"mx." + domain}},
	})
	return s
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// run starts the server and waits until it listens; it is stopped when the test ends.
func (s *mailServer) run(t *testing.T, peers string, command ...string) {
	t.Helper()
	args := []string{"-c", whileRead, "sh", "/usr/bin/unshare", "-m", "/bin/sh", "testdata/peer-root.sh", s.dir, peers, root}
	cmd := exec.Command("/bin/sh", append(args, command...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if s.process, err = launch(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = lifeline.Close() // it may have ended
		<-s.ended
		if t.Failed() {
			t.Log(s.logTail())
		}
	})
	listens := func() bool {
		nc, err := net.Dial("tcp", s.listen())
		if err == nil {
			err = nc.Close()
		}
		return err == nil
	}
	if !within(t.Context(), patience, func() bool { return !s.alive() || listens() }) || !s.alive() {
		t.Fatalf("it does not listen\n%s", s.logTail())
	}
}

// written is the log, line by line.
func (s *mailServer) written() []string {
	lines := slices.Clone(s.log())
	if s.logFile != "" {
		text, err := os.ReadFile(s.logFile)
		if err != nil {
			return append(lines, err.Error())
		}
		lines = append(lines, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	return lines
}

// find returns the lines of the log that hold all of the texts.
func (s *mailServer) find(texts ...string) []string {
	return (&process{lines: s.written()}).find(texts...)
}

// arrivals counts the letters that it took from a desk.
func (s *mailServer) arrivals(d *desk) int { return len(s.find(s.taken, "@"+d.name)) }

func (s *mailServer) logTail() string {
	return "log of " + s.domain + ":\n" + (&process{lines: s.written()}).tail(25)
}

func (s *mailServer) listen() string { return fmt.Sprintf("%s:%d", s.ip, s.w.port) }

// mailbox is the Maildir of a user.
func (s *mailServer) mailbox(name string) maildir {
	return maildir{filepath.Join(s.dir, "mail", name, "new"), s}
}

// send hands a letter to the server as a user's program does.
func (s *mailServer) send(t *testing.T, from, to, letter string) {
	t.Helper()
	mustOutput(t, letter, program, "send", "--server", s.listen(), "--from", from, "--to", to, "-")
}

// add puts names into the DNS, or replaces their records.
func (w *world) add(more dns.Fake) {
	w.mu.Lock()
	defer w.mu.Unlock()
	zone := maps.Clone(w.zone)
	maps.Copy(zone, more)
	w.zone = zone
	w.dns.Set(zone)
}

// startOpenSMTPD starts OpenSMTPD for a domain, with a certificate of the authority.
func startOpenSMTPD(t *testing.T, w *world, peers, domain, ip string, ca *authority, cert func(*certificateRequest)) *mailServer {
	t.Helper()
	s := prepareServer(t, w, domain, ip, mailboxUser, map[string]string{"smtpd.conf": "etc/smtpd.conf", "greylist.py": "greylist.py"})
	ca.issue(t, filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem"), cert)
	err := os.WriteFile(filepath.Join(s.dir, "etc/ssl/certs/ca-certificates.crt"), ca.pem, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	s.taken = " smtp envelope "
	s.run(t, peers, "/peers/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf")
	return s
}

// listener is one more address of Exim: a host of its own, and what its certificate is like; nil: it offers no TLS.
type listener struct {
	ip   string
	cert func(*certificateRequest)
}

// startExim starts Exim for a domain and those below it, on an address of its own and on others.
func startExim(t *testing.T, w *world, peers, domain, ip string, ca *authority, others ...listener) *mailServer {
	t.Helper()
	addresses, plain := []string{ip}, "none"
	for _, l := range others {
		addresses = append(addresses, l.ip)
		if l.cert == nil {
			plain = l.ip
		}
	}
	smtps := freePort(t, ip)
	s := prepareServer(t, w, domain, ip, eximUser, map[string]string{"exim.conf": "exim.conf"},
		"LISTEN", strings.Join(addresses, " ; "), "NOTLS", plain, "SMTPS", fmt.Sprint(smtps))
	s.smtps, s.taken = smtps, "<= "
	for _, l := range append(others, listener{ip, names("mx." + domain)}) {
		if l.cert != nil {
			file := filepath.Join(s.dir, "tls", l.ip)
			ca.issue(t, file+".pem", file+".key", l.cert)
			if err := os.Chown(file+".key", eximUser, eximUser); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.logFile = filepath.Join(s.dir, "log", "mainlog")
	err := errors.Join(
		os.WriteFile(filepath.Join(s.dir, "authority.pem"), ca.pem, 0o644),
		os.WriteFile(s.logFile, nil, 0o644),
		os.Chown(s.logFile, eximUser, eximUser))
	if err != nil {
		t.Fatal(err)
	}
	s.run(t, peers, "/peers/usr/sbin/exim4", "-C", filepath.Join(s.dir, "exim.conf"), "-bdf", "-q2s")
	return s
}

// freePort is a port that nobody listens on at the address.
func freePort(t testing.TB, ip string) int {
	t.Helper()
	l, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
