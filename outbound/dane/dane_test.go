package dane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"mxdesk/internal/dns"
)

type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate; without an issuer it signs itself. age shifts the time in which it is valid.
func issue(t testing.TB, issuer *pair, ca bool, age time.Duration, names ...string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: key.X.String()}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour - age), NotAfter: time.Now().Add(time.Hour - age), IsCA: ca, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca {
		template.KeyUsage |= x509.KeyUsageCertSign
	} else {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	parent := pair{template, key}
	if issuer != nil {
		parent = *issuer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair{cert, key}
}

// record is the TLSA record of a certificate.
func record(usage, selector, matching uint8, c *x509.Certificate) dns.TLSA {
	data := c.Raw
	if selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return dns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Data: data}
}

func TestVerify(t *testing.T) {
	root := issue(t, nil, true, 0)
	middle := issue(t, &root, true, 0)
	leaf := issue(t, &middle, false, 0, "mx.example.com")
	old := issue(t, &middle, false, 24*time.Hour, "mx.example.com")
	domain := issue(t, &root, false, 0, "example.com")
	foreign := issue(t, nil, true, 0, "mx.example.com")
	other := issue(t, nil, false, 0).cert
	whole := []*x509.Certificate{leaf.cert, middle.cert, root.cert}
	for _, c := range []struct {
		name   string
		chain  []*x509.Certificate
		record dns.TLSA
		ok     bool
	}{
		{"end entity, expired, of any name", []*x509.Certificate{old.cert}, record(3, 0, 1, old.cert), true},
		{"end entity, another's", whole, record(3, 1, 1, foreign.cert), false},
		{"end entity is not the issuer", whole, record(3, 1, 1, middle.cert), false},
		{"anchor at the root", whole, record(2, 1, 1, root.cert), true},
		{"anchor in the middle", whole, record(2, 0, 2, middle.cert), true},
		{"anchor in the record alone", whole[:2], record(2, 0, 0, root.cert), true},
		{"anchor nowhere", whole[:2], record(2, 1, 1, root.cert), false},
		{"anchor, chain broken", []*x509.Certificate{leaf.cert, root.cert}, record(2, 1, 1, root.cert), false},
		{"anchor sent along, but not above", []*x509.Certificate{foreign.cert, root.cert}, record(2, 1, 1, root.cert), false},
		{"anchor, expired", []*x509.Certificate{old.cert, middle.cert, root.cert}, record(2, 1, 1, root.cert), false},
		{"anchor, name of the domain", []*x509.Certificate{domain.cert, root.cert}, record(2, 1, 1, root.cert), true},
		{"no certificate", nil, record(3, 1, 1, leaf.cert), false},
	} {
		err := Verify([]dns.TLSA{record(3, 1, 2, other), c.record}, "mx.example.com", "example.com")(tls.ConnectionState{PeerCertificates: c.chain})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	state := tls.ConnectionState{PeerCertificates: whole}
	if err := Verify([]dns.TLSA{record(2, 1, 1, root.cert)}, "mx.example.org")(state); !errors.Is(err, ErrMismatch) {
		t.Errorf("a certificate of another name: %v", err)
	}
	for selector := range uint8(2) {
		for matching := range uint8(3) {
			r := Usable([]dns.TLSA{record(3, selector, matching, leaf.cert)})
			if err := Verify(r)(state); len(r) != 1 || err != nil {
				t.Errorf("3 %d %d: %d usable, %v", selector, matching, len(r), err)
			}
		}
	}
}

func TestUsable(t *testing.T) {
	leaf := issue(t, nil, false, 0, "mx.example.com").cert
	short := record(3, 1, 1, leaf)
	short.Data = short.Data[:31]
	long := record(3, 1, 2, leaf)
	long.MatchingType = 1
	broken := record(2, 0, 0, leaf)
	broken.Data = broken.Data[1:]
	for _, r := range []dns.TLSA{
		record(0, 1, 1, leaf), record(1, 1, 1, leaf), record(4, 1, 1, leaf), record(255, 1, 1, leaf), record(3, 2, 1, leaf),
		record(3, 1, 3, leaf), short, long, broken,
		{Usage: 3},
		{Usage: 3, Selector: 1},
	} {
		if got := Usable([]dns.TLSA{r}); len(got) != 0 {
			t.Errorf("%d %d %d with %d octets is usable", r.Usage, r.Selector, r.MatchingType, len(r.Data))
		}
	}
	many := make([]dns.TLSA, 1000)
	for i := range many {
		many[i] = record(3, 1, 1, leaf)
	}
	if got := Usable(many); len(got) != maxRecords {
		t.Errorf("%d of 1000 records", len(got))
	}
}
