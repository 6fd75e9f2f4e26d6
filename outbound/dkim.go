package outbound

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"mxdesk/internal/mailauth/dkim"
)

// Key is one DKIM key (RFC 6376, RFC 8463) of one domain.
type Key struct {
	Organisation int32
	Domain       string
	Selector     string
	Algorithm    string // "rsa" or "ed25519"
	State        string // KeyCreated, …
	Lost         bool   // active, but gone from the DNS: it does not sign
	Presence     dkim.Presence
	CreatedAt    time.Time
	PublishedAt  *time.Time // when the DNS first showed it
	ActiveAt     *time.Time
	RetiringAt   *time.Time
	RemovedAt    *time.Time
	LookedAt     *time.Time // in the DNS, the last time

	missed int           // looks in a row that the DNS did not show it
	signer crypto.Signer // nil when removed
}

const rsaBits = 2048 // RFC 8301 section 3.2; 4096 do not fit into one UDP answer

// signedFields are named in h= once more than they occur ("over-signed"), so that nobody can add
// another one behind our back: a List-Post or List-Help put in front of our letter would be shown as our word too. Resent and
// trace fields belong to others.
var signedFields = []string{
	"From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Reply-To", "Sender",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted",
	"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Post", "List-Owner", "List-Subscribe", "List-Archive",
}

// GenerateKeys makes an RSA and an Ed25519 key for domain; now goes into their selectors.
func GenerateKeys(domain string, now time.Time) ([]Key, error) {
	r, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, fmt.Errorf("make RSA key: %w", err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make Ed25519 key: %w", err)
	}
	stamp := "mx" + now.UTC().Format("200601021504")
	return []Key{
		{Domain: domain, Selector: stamp + "r", Algorithm: "rsa", State: KeyCreated, CreatedAt: now, signer: r},
		{Domain: domain, Selector: stamp + "e", Algorithm: "ed25519", State: KeyCreated, CreatedAt: now, signer: e},
	}, nil
}

// parseKey reads the private key, PKCS #8 in DER, into k.
func parseKey(k Key, der []byte) (Key, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return k, fmt.Errorf("read DKIM key %s of %s: %w", k.Selector, k.Domain, err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return k, fmt.Errorf("read DKIM key %s of %s: %T cannot sign", k.Selector, k.Domain, private)
	}
	k.signer = signer
	return k, nil
}

func (k Key) marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.signer) }

// RecordName is where the public key is published.
func (k Key) RecordName() string { return k.Selector + "._domainkey." + k.Domain }

// Public is the public key, nil of a removed one.
func (k Key) Public() crypto.PublicKey {
	if k.signer == nil {
		return nil
	}
	return k.signer.Public()
}

// Record is the TXT record that publishes the public key, as one string; "" of a removed key.
func (k Key) Record() string {
	if k.signer == nil {
		return ""
	}
	var p []byte
	switch public := k.signer.Public().(type) {
	case ed25519.PublicKey:
		p = public
	default:
		// The keys made and read here are RSA or Ed25519, and RSA keys always marshal.
		p, _ = x509.MarshalPKIXPublicKey(public)
	}
	return "v=DKIM1; k=" + k.Algorithm + "; p=" + base64.StdEncoding.EncodeToString(p)
}

// sign returns letter with one DKIM-Signature field for each key in front. at is the letter's own time and not
// that of the attempt: a letter that is sent again has the same bytes.
func sign(letter []byte, keys []Key, at time.Time) ([]byte, error) {
	if len(keys) == 0 {
		return letter, nil
	}
	with := make([]dkim.SigningKey, len(keys))
	for i, k := range keys {
		with[i] = dkim.SigningKey{Domain: k.Domain, Selector: k.Selector, Private: k.signer}
	}
	signatures, err := dkim.Sign(letter, overSigned(letter), with, at)
	if err != nil {
		return nil, err
	}
	return append(append(make([]byte, 0, len(signatures)+len(letter)), signatures...), letter...), nil
}

// overSigned lists signedFields for h=. Our letters hold each at most once.
func overSigned(letter []byte) []string {
	end := bytes.Index(letter, []byte("\r\n\r\n"))
	header := "\r\n" + strings.ToLower(string(letter[:max(end, 0)]))
	list := make([]string, 0, 2*len(signedFields))
	for _, f := range signedFields {
		if strings.Contains(header, "\r\n"+strings.ToLower(f)+":") {
			list = append(list, f)
		}
		list = append(list, f)
	}
	return list
}
