package outbound

import (
	"fmt"
	"strings"

	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// How safe a letter was on its way: a closed set, for metrics.
const (
	levelPlaintext = "plaintext"
	levelEncrypted = "encrypted" // with any certificate
	levelVerified  = "verified"  // DANE, an MTA-STS policy or the roots vouch for the host
)

// tlsLevel is how safe a letter was that a host took; "" if it went over no network.
func tlsLevel(a Attempt) string {
	switch {
	case a.Result != ResultDelivered || a.IP == "":
		return ""
	case a.TLS == "":
		return levelPlaintext
	}
	switch a.TLSPolicy {
	case route.PolicyDANE, route.PolicyMTASTS, route.PolicyRequired, smtpclient.TLSVerified.String():
		return levelVerified
	}
	return levelEncrypted
}

// maxTLSError is how much of an error of TLS is kept with attempts and lanes; the remote host may have a part in its words.
const maxTLSError = 200

// plaintextAfter is the policy under which a letter leaves in plaintext because TLS failed.
func plaintextAfter(err error) string {
	return fmt.Sprintf("%s after: %.*s", levelPlaintext, maxTLSError, clean(err.Error()))
}

// tlsMemo is what a lane remembers of an attempt: "TLS1.3 TLS_AES_128_GCM_SHA256 dane", "plaintext", with the error that led
// to it if there was one; "": nothing, for who did not take a letter proves no lack of TLS.
func tlsMemo(a Attempt) string {
	switch {
	case a.TLS != "":
		return strings.TrimSpace(a.TLS + " " + a.TLSPolicy)
	case tlsLevel(a) != levelPlaintext:
		return ""
	case isPlaintext(a.TLSPolicy):
		return a.TLSPolicy
	}
	return levelPlaintext
}

func isPlaintext(memo string) bool { return strings.HasPrefix(memo, levelPlaintext) }

// downgrade is a lane that takes letters in plaintext now, which it had over TLS before.
type downgrade struct{ Lane, Before, Now string }

// happened tells whether it is one. A lane is forgotten after a month without letters, and with it what it had.
func (d downgrade) happened() bool {
	return isPlaintext(d.Now) && d.Before != "" && !isPlaintext(d.Before)
}
