package dane

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"

	"mxdesk/internal/dns"
)

// FuzzTLSA: a record of any octets is judged, and only one that holds the host's certificate or key, or a certificate above
// it, makes it right.
func FuzzTLSA(f *testing.F) {
	root, strange := issue(f, nil, true, 0), issue(f, nil, true, 0)
	leaf := issue(f, &root, false, 0, "mx.example.com")
	for _, r := range []dns.TLSA{
		record(3, 1, 1, leaf.cert), record(3, 0, 0, leaf.cert), record(2, 1, 2, root.cert), record(2, 0, 0, root.cert), record(2, 0, 0, strange.cert), {Usage: 3},
	} {
		f.Add(r.Usage, r.Selector, r.MatchingType, r.Data)
	}
	chain := []*x509.Certificate{leaf.cert, root.cert}
	f.Fuzz(func(t *testing.T, usage, selector, matching uint8, data []byte) {
		r := dns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Data: data}
		usable := Usable([]dns.TLSA{r})
		err := Verify(usable, "mx.example.com")(tls.ConnectionState{PeerCertificates: chain})
		ours := slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return matches(r, c) })
		if err == nil && (!ours || len(usable) == 0 || usage != TrustAnchor && usage != endEntity) {
			t.Fatalf("%+v is taken for ours", r)
		}
		if err != nil && ours && len(usable) == 1 && usage == TrustAnchor && matches(r, root.cert) {
			t.Fatalf("%+v: %v", r, err)
		}
	})
}
