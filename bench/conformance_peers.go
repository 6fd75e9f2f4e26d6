package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mxdesk/internal/dns"
	"mxdesk/outbound"
)

// captured has a running mxdesk write to a customer and to staff, and returns what a mail server gets, with the zone that
// publishes the keys.
func (c *conformance) captured(ctx context.Context) (letters [][]byte, zone dns.Fake, err error) {
	a := &attack{attackCmd: &attackCmd{}}
	f := &findings{}
	if err = a.start(ctx, c.program); err == nil {
		for i, body := range []string{"Words.", "Wörter, 日本語, \t and white  space  \r\n\r\n\r\n", strings.Repeat("A long line of words. ", 200), ".\r\n..\r\nFrom here"} {
			a.submit(ctx, envelope{ip: customerIP, from: customer5, to: support, letter: a.letter(customer5, fmt.Sprintf("Question %d", i), body, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8")})
		}
		a.settle(ctx, f, "")
		for _, l := range a.sink.letters(func(sunk) bool { return true }) {
			letters = append(letters, l.raw)
		}
		zone, err = a.keys(ctx)
	}
	err = errors.Join(err, a.stop())
	if a.in != nil {
		a.in.remove()
	}
	if err == nil && len(letters) < 8 {
		err = fmt.Errorf("mxdesk sent %d letters, fewer than 8: %v", len(letters), f.list)
	}
	return letters, zone, err
}

// keys are the DKIM keys of the instance as the DNS publishes them.
func (a *attack) keys(ctx context.Context) (dns.Fake, error) {
	list, err := outbound.NewQueue(a.pool, outbound.QueueConfig{}).Keys(ctx, 1)
	zone := dns.Fake{}
	for _, k := range list {
		zone[k.RecordName()] = dns.Records{TXT: []string{k.Record()}}
	}
	return zone, err
}

// scripted asks dkimpy and Mail::DKIM.
func (c *conformance) scripted(ctx context.Context, server *dns.Server, files, forged []string) error {
	for _, v := range []struct{ peer, program, script, module, debian string }{
		{"dkimpy", "/usr/bin/python3", "e2e/testdata/verify.py", "/usr/lib/python3/dist-packages/dkim/__init__.py", "python3-dkim, python3-dnspython, python3-nacl"},
		{"Mail::DKIM", "perl", "e2e/testdata/verify.pl", "/usr/share/perl5/Mail/DKIM/Verifier.pm", "libmail-dkim-perl"},
	} {
		for _, set := range []struct {
			what  string
			files []string
			good  bool
		}{{"our letters verify", files, true}, {"our letters, forged, do not", forged, false}} {
			if r := c.row(set.what, v.peer); !r.lacks(v.module, v.debian) {
				addr, port := server.Addr.Addr().String(), fmt.Sprint(server.Addr.Port())
				out, err := exec.CommandContext(ctx, v.program, append([]string{v.script, addr, port}, set.files...)...).Output()
				if err != nil {
					return fmt.Errorf("%s: %w", v.peer, withStderr(err))
				}
				r.signatures(out, set.good)
			}
		}
	}
	return nil
}

// signatures counts the verdicts in the output of a verifier: a list of signatures for each letter.
func (r *row) signatures(out []byte, good bool) {
	for line := range bytes.Lines(out) {
		var list []struct{ Algorithm, Result string }
		if err := json.Unmarshal(line, &list); err != nil || len(list) == 0 {
			r.count(false, "no signature: %s", line)
		}
		for _, s := range list {
			r.count((s.Result == "pass") == good, "%s: %s", s.Algorithm, s.Result)
		}
	}
}

// openDKIM asks opendkim-testmsg, which asks the name server of /etc/resolv.conf: it runs where that file names ours.
func (c *conformance) openDKIM(ctx context.Context, zone dns.Fake, files, forged []string) error {
	const nameServer = "127.53.53.53"
	r, refused := c.row("our letters verify", "opendkim-testmsg"), c.row("our letters, forged, do not", "opendkim-testmsg")
	if r.lacks("/usr/sbin/opendkim-testmsg", "opendkim-tools") || r.lacks("unshare", "util-linux") {
		refused.missing = r.missing
		return nil
	}
	server, err := dns.Serve(nameServer+":53", zone)
	if err != nil {
		r.missing = "only root can serve the DNS where opendkim-testmsg asks"
		refused.missing = r.missing
		return nil
	}
	defer server.Close() //nolint:errcheck // the end
	conf := filepath.Join(c.dir, "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver "+nameServer+"\n"), 0o644); err != nil {
		return err
	}
	verify := func(file string) error {
		script := `mount --bind "$1" /etc/resolv.conf && exec /usr/sbin/opendkim-testmsg <"$2"`
		out, err := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", script, "sh", conf, file).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
		return nil
	}
	for i := range files {
		err := verify(files[i])
		r.count(err == nil, "%v", err)
		refused.count(verify(forged[i]) != nil, "a forged letter passes")
	}
	return nil
}

// signerKeys are the keys of a domain that others sign for, as their programs read them.
type signerKeys struct {
	rsa, rsaBare, ed25519 string // files: PEM, base64 of DER, base64 of the seed
	zone                  []byte
}

const signerDomain = "signer.test"

func (c *conformance) signerKeys() (k signerKeys, err error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return k, err
	}
	public, seed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return k, err
	}
	spki, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return k, err
	}
	der := x509.MarshalPKCS1PrivateKey(private)
	k.rsa, k.rsaBare, k.ed25519 = filepath.Join(c.dir, "rsa.pem"), filepath.Join(c.dir, "rsa.txt"), filepath.Join(c.dir, "ed25519.txt")
	encode := base64.StdEncoding.EncodeToString
	k.zone = fmt.Appendf(nil, "r._domainkey.%[1]s:\n- TXT: \"v=DKIM1; k=rsa; p=%[2]s\"\ne._domainkey.%[1]s:\n- TXT: \"v=DKIM1; k=ed25519; p=%[3]s\"\n", signerDomain, encode(spki), encode(public))
	return k, errors.Join(
		os.WriteFile(k.rsa, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}), 0o600),
		os.WriteFile(k.rsaBare, []byte(encode(der)), 0o600),
		os.WriteFile(k.ed25519, []byte(encode(seed.Seed())), 0o600))
}

// signedBy is one way of one peer to sign; good is what we should make of it.
type signedBy struct {
	what, peer, program, debian string
	args                        []string
	good                        bool
	arc                         bool
	fieldOnly                   bool // it prints the signature without the letter
}

func signers(k signerKeys) (list []signedBy) {
	for _, h := range []string{"simple", "relaxed"} {
		for _, b := range []string{"simple", "relaxed"} {
			way := ", " + h + "/" + b
			list = append(list,
				signedBy{
					what: "RSA" + way, peer: "dkimpy", program: "/usr/bin/dkimsign", debian: "python3-dkim", good: true,
					args: []string{"--hcanon", h, "--bcanon", b, "--signalg", "rsa-sha256", "r", signerDomain, k.rsa},
				},
				signedBy{
					what: "Ed25519" + way, peer: "dkimpy", program: "/usr/bin/dkimsign", debian: "python3-dkim, python3-nacl", good: true,
					args: []string{"--hcanon", h, "--bcanon", b, "--signalg", "ed25519-sha256", "e", signerDomain, k.ed25519},
				},
				signedBy{
					what: "RSA" + way, peer: "Mail::DKIM", program: "dkimproxy-sign", debian: "libmail-dkim-perl", good: true, fieldOnly: true,
					args: []string{"--binary", "--method=" + h + "/" + b, "--selector=r", "--domain=" + signerDomain, "--key=" + k.rsaBare},
				})
		}
	}
	return append(list,
		signedBy{
			what: "RSA with SHA-1 (RFC 8301: not verified)", peer: "opendkim-testmsg", program: "/usr/sbin/opendkim-testmsg", debian: "opendkim-tools",
			args: []string{"-C", "-d", signerDomain, "-k", k.rsa, "-s", "r"},
		},
		signedBy{
			what: "ARC, RSA", peer: "dkimpy arcsign", program: "/usr/bin/arcsign", debian: "python3-dkim", good: true, arc: true,
			args: []string{"r", signerDomain, k.rsa, "mx." + signerDomain},
		})
}

// theirs has others sign letters, and reads these.
func (c *conformance) theirs(ctx context.Context) error {
	keys, err := c.signerKeys()
	if err != nil {
		return err
	}
	for _, s := range signers(keys) {
		r := c.row("signed by others: "+s.what, s.peer)
		if r.lacks(s.program, s.debian) {
			continue
		}
		for _, body := range []string{"Words.\r\n", "", "Two  spaces \t\r\nand lines\r\n\r\n\r\n", "W\xc3\xb6rter\r\n.dot\r\n", strings.Repeat("A line of words that is folded nowhere. ", 20) + "\r\n"} {
			letter := []byte("Authentication-Results: mx." + signerDomain + "; spf=pass smtp.mailfrom=a@" + signerDomain + "\r\nFrom: A  Signer <a@" + signerDomain + ">\r\nTo: help@example.test\r\nSubject: A subject\r\n\tthat is  folded\r\n" +
				"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@" + signerDomain + ">\r\n\r\n" + body)
			if err := c.hold(ctx, r, s, keys.zone, letter); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold has one letter signed and read, as it is and with another subject.
func (c *conformance) hold(ctx context.Context, r *row, s signedBy, zone, letter []byte) error {
	signed, err := piped(ctx, letter, s.program, s.args...)
	if err != nil {
		return err
	}
	if s.fieldOnly {
		field := bytes.ReplaceAll(bytes.TrimSpace(bytes.ReplaceAll(signed, []byte("\r"), nil)), []byte("\n"), []byte("\r\n"))
		signed = append(append(field, "\r\n"...), letter...)
	}
	for _, changed := range []bool{false, true} {
		if changed {
			signed = bytes.Replace(signed, []byte("\nSubject: A"), []byte("\nSubject: Another"), 1)
		}
		got, err := c.inspect(ctx, zone, signed)
		if err != nil {
			return err
		}
		result, reason := got.Auth.ARC.Result, got.Auth.ARC.Reason
		if !s.arc {
			result, reason = "none", ""
			if len(got.Auth.DKIM) > 0 {
				result, reason = got.Auth.DKIM[0].Result, got.Auth.DKIM[0].Reason
			}
		}
		r.count((result == "pass") == (s.good && !changed), "changed %v: %s %s", changed, result, reason)
	}
	return nil
}
