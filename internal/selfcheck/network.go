package selfcheck

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mxdesk/internal/dns"
)

const (
	dnsTime      = 20 * time.Second // for the questions about one name
	listenerTime = 20 * time.Second // for the talk with one listener, beside its greeting delay
	maxTalk      = 64 << 10         // octets that a listener may say
	maxAddresses = 8                // whose names are looked up
)

// Identity looks whether the host's name leads to addresses, and, when letters leave from there, these back to the name: receivers
// distrust senders for which EHLO, PTR and A do not agree.
func Identity(ctx context.Context, r dns.Resolver, host string, sends bool) (report Report) {
	const check = "name"
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	addresses, _, err := r.IP(ctx, host)
	switch {
	case errors.Is(err, dns.ErrNotFound):
		report.Add(check, Error, "publish A and AAAA records of "+host+", or set hostname", "%s has no address in the DNS", host)
		return report
	case err != nil:
		report.Add(check, Warning, "look at the resolver", "%s: the DNS gives no answer: %v", host, err)
		return report
	}
	for _, ip := range addresses[:min(len(addresses), maxAddresses)] {
		if ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() {
			report.Add(check, Warning, "publish the address by which others reach this machine", "%s is %s, which nobody outside can reach", host, ip)
			continue
		}
		if !sends {
			report.Add(check, OK, "", "%s is %s", host, ip)
			continue
		}
		reverse(ctx, r, &report, host, ip)
	}
	return report
}

func reverse(ctx context.Context, r dns.Resolver, report *Report, host string, ip netip.Addr) {
	const check = "reverse name"
	names, _, err := r.PTR(ctx, ip)
	do := fmt.Sprintf("have whoever gave you %s set its PTR record to %s", ip, host)
	switch {
	case errors.Is(err, dns.ErrNotFound):
		report.Add(check, Error, do, "%s has no PTR record", ip)
	case err != nil:
		report.Add(check, Warning, "look at the resolver", "%s: the DNS gives no answer: %v", ip, err)
	case !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) }):
		report.Add(check, Error, do, "%s is %s in reverse, not %s", ip, strings.Join(names[:min(len(names), 3)], ", "), host)
	default:
		report.Add(check, OK, "", "%s and %s lead to each other", host, ip)
	}
}

// Listener talks to an SMTP listener of ours and returns the certificate chain that it serves, nil if none. host is the name
// that it should say; delay is how long it makes clients wait before its greeting.
func Listener(ctx context.Context, network, address, host string, delay time.Duration) (report Report, chain []*x509.Certificate) {
	const check = "listener"
	ctx, cancel := context.WithTimeout(ctx, listenerTime+delay)
	defer cancel()
	address = local(network, address)
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		report.Add(check, Error, "start mxdesk serve, and look at its log", "nobody answers at %s: %v", address, err)
		return report, nil
	}
	defer conn.Close()                                          //nolint:errcheck // nothing was written that counts
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends every wait below
	t := talk{conn, bufio.NewReader(io.LimitReader(conn, maxTalk))}
	greeting, err := t.say("")
	switch {
	case err != nil:
		report.Add(check, Error, "look at the log of mxdesk", "%s does not greet: %v", address, err)
		return report, nil
	case !strings.HasPrefix(greeting, "220 "):
		report.Add(check, Error, "look at the log of mxdesk", "%s greets with %.200q", address, greeting)
		return report, nil
	case !namesHost(greeting, host):
		report.Add(check, Warning, "restart mxdesk if hostname was changed; or another program listens there", "%s greets with %.200q, not as %s", address, greeting, host)
	}
	features, err := t.say("EHLO " + host)
	if err != nil || !strings.HasPrefix(features, "250") {
		report.Add(check, Error, "look at the log of mxdesk", "%s: EHLO is answered with %.200q, %v", address, features, err)
		return report, nil
	}
	report.Add(check, OK, "", "%s takes mail; whether others reach port 25 from outside cannot be seen from here", address)
	if !strings.Contains(strings.ToUpper(features), "STARTTLS") {
		return report, nil
	}
	if chain, err = t.startTLS(ctx, host); err != nil {
		report.Add(check, Error, "look at the certificate and the log of mxdesk", "%s: STARTTLS fails: %v", address, err)
	}
	return report, chain
}

// local makes an address to listen on one to connect to.
func local(network, address string) string {
	host, port, err := net.SplitHostPort(address)
	if network == "unix" || err != nil {
		return address
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

func namesHost(greeting, host string) bool {
	words := strings.Fields(greeting)
	return len(words) > 1 && strings.EqualFold(words[1], host)
}

// talk is an SMTP session without mail.
type talk struct {
	conn net.Conn
	in   *bufio.Reader
}

// say sends a command, unless it is "", and returns the whole reply.
func (t *talk) say(command string) (string, error) {
	if command != "" {
		if _, err := io.WriteString(t.conn, command+"\r\n"); err != nil {
			return "", err
		}
	}
	var reply strings.Builder
	for {
		line, err := t.in.ReadString('\n') // no longer than maxTalk
		if err != nil {
			return reply.String(), err
		}
		reply.WriteString(strings.TrimRight(line, "\r\n") + " ")
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimSpace(reply.String()), nil
		}
	}
}

// startTLS returns the chain that is served to host. It is judged elsewhere, so here anyone is taken.
func (t *talk) startTLS(ctx context.Context, host string) ([]*x509.Certificate, error) {
	reply, err := t.say("STARTTLS")
	if err != nil || !strings.HasPrefix(reply, "220") {
		return nil, fmt.Errorf("answer %.200q: %w", reply, errors.Join(err, errors.ErrUnsupported))
	}
	secure := tls.Client(t.conn, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	chain := secure.ConnectionState().PeerCertificates
	_, _ = io.WriteString(secure, "QUIT\r\n") // the listener ends the session anyway
	return chain, nil
}
