package mtasts

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// OwnPolicy is what a domain of ours publishes.
type OwnPolicy struct {
	Text string // served at https://mta-sts.DOMAIN/.well-known/mta-sts.txt
	ID   string // follows from the text, so it changes exactly when the text does, and on all nodes alike
}

// Record is the TXT record of _mta-sts.DOMAIN that goes with the policy (RFC 8461 section 3.1).
func (o OwnPolicy) Record() string { return "v=STSv1; id=" + o.ID + ";" }

// The life in seconds of a policy of ours that says nothing of it, and its bounds. RFC 8461 section 3.2 asks for weeks or
// more: while a policy lives, nobody who blocks HTTPS gets rid of it.
const (
	defaultOwnAge = 14 * 24 * 3600
	leastOwnAge   = 3600
)

// Own is the policy of a domain of ours whose letters the hosts mx take. It is not published when the mode is none, which is
// the default, or one that RFC 8461 does not know, or when there is no host. seconds is how long others may remember it;
// it is kept within bounds, and 0 is two weeks.
func Own(mode Mode, mx []string, seconds int) (own OwnPolicy, published bool) {
	if mode != Testing && mode != Enforce || len(mx) == 0 || len(mx) > maxHosts {
		return OwnPolicy{}, false
	}
	if seconds == 0 {
		seconds = defaultOwnAge
	}
	var b strings.Builder
	b.WriteString("version: STSv1\r\nmode: " + string(mode) + "\r\n")
	for _, host := range mx {
		b.WriteString("mx: " + strings.ToLower(host) + "\r\n")
	}
	b.WriteString("max_age: " + strconv.Itoa(min(max(seconds, leastOwnAge), maxAge)) + "\r\n")
	sum := sha256.Sum256([]byte(b.String()))
	return OwnPolicy{Text: b.String(), ID: hex.EncodeToString(sum[:maxID/2])}, true
}
