package certificate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/crypto/acme"
)

// errNoChallenge is wrapped by the error when an authority wants a proof that we cannot give.
var errNoChallenge = errors.New("no challenge offered that can be answered here")

// endTime is for what is tidied up when an attempt ended, perhaps because its time was over.
const endTime = 15 * time.Second

// obtained is a new certificate.
type obtained struct {
	certificate *tls.Certificate
	privateKey  []byte // PKCS #8, DER
}

// order is one attempt to have a name certified.
type order struct {
	name     string
	failures int // before this attempt
	kinds    []string
	client   *acme.Client
	store    store
}

// newClient signs in at the authority. Registering anew with a known key finds the account.
func (m *Manager) newClient(ctx context.Context) (*acme.Client, error) {
	der, err := m.store.account(ctx, m.cfg.Directory, func() ([]byte, error) {
		_, der, err := newKey()
		return der, err
	})
	if err != nil {
		return nil, err
	}
	key, err := parseKey(der)
	if err != nil {
		return nil, err
	}
	client := &acme.Client{Key: key, DirectoryURL: m.cfg.Directory, HTTPClient: m.http, UserAgent: "mxdesk", RetryBackoff: again}
	account := &acme.Account{}
	if m.cfg.Contact != "" {
		account.Contact = []string{"mailto:" + m.cfg.Contact}
	}
	_, err = client.Register(ctx, account, acme.AcceptTOS)
	if errors.Is(err, acme.ErrAccountAlreadyExists) {
		if err = nil; m.cfg.Contact != "" { // authorities refuse an update that changes nothing
			_, err = client.UpdateReg(ctx, account)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("sign in at the certificate authority: %w", err)
	}
	return client, nil
}

// again is the wait before a request is sent once more; 0 gives it up. What the authority asks for is for the next attempt.
func again(n int, _ *http.Request, res *http.Response) time.Duration {
	switch {
	case res.StatusCode == http.StatusTooManyRequests || res.Header.Get("Retry-After") != "":
		return 0
	case res.StatusCode < http.StatusInternalServerError && n <= 10: // a nonce that was used up
		return time.Duration(n) * 10 * time.Millisecond
	case n > 5:
		return 0
	}
	return time.Duration(n) * time.Second
}

// run orders, proves and fetches.
func (o *order) run(ctx context.Context) (*obtained, error) {
	placed, err := o.client.AuthorizeOrder(ctx, acme.DomainIDs(o.name))
	if err != nil {
		return nil, fmt.Errorf("order a certificate: %w", err)
	}
	for _, url := range placed.AuthzURLs {
		if err := o.authorize(ctx, url); err != nil {
			return nil, err
		}
	}
	uri := placed.URI
	if placed, err = o.client.WaitOrder(ctx, uri); err != nil {
		return nil, fmt.Errorf("wait for the order: %w", err)
	}
	key, der, err := newKey()
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{o.name}}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	chain, _, err := o.client.CreateCertFromOrder(ctx, placed, request, true)
	if err != nil {
		return nil, fmt.Errorf("fetch the certificate: %w", err)
	}
	c, err := assemble(o.name, chain, der)
	if err != nil {
		return nil, err
	}
	return &obtained{c, der}, nil
}

// authorize proves that the name is ours.
func (o *order) authorize(ctx context.Context, url string) (err error) {
	authorization, err := o.client.GetAuthorization(ctx, url)
	if err != nil {
		return fmt.Errorf("see what the certificate authority wants proved: %w", err)
	}
	if authorization.Status == acme.StatusValid {
		return nil
	}
	var offered []string
	for _, c := range authorization.Challenges {
		offered = append(offered, c.Type)
	}
	place := choose(offered, o.kinds, o.failures)
	if place < 0 {
		return fmt.Errorf("%w: %.200q", errNoChallenge, offered)
	}
	challenge := authorization.Challenges[place]
	answer, err := o.answer(challenge)
	if err != nil {
		return err
	}
	if err := o.store.putChallenge(ctx, o.name, challenge.Type, challenge.Token, answer); err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		if err != nil { // what stays pending counts against the account
			_ = o.client.RevokeAuthorization(end, url)
		}
		err = errors.Join(err, o.store.dropChallenge(end, o.name, challenge.Token))
	}()
	if _, err := o.client.Accept(ctx, challenge); err != nil {
		return fmt.Errorf("begin the proof by %s: %w", challenge.Type, err)
	}
	if _, err := o.client.WaitAuthorization(ctx, url); err != nil {
		return fmt.Errorf("prove by %s: %w", challenge.Type, err)
	}
	return nil
}

// answer makes what any node will answer to a challenge.
func (o *order) answer(challenge *acme.Challenge) ([]byte, error) {
	if challenge.Type == HTTP01 {
		text, err := o.client.HTTP01ChallengeResponse(challenge.Token)
		if err != nil {
			return nil, fmt.Errorf("answer the challenge: %w", err)
		}
		return []byte(text), nil
	}
	c, err := o.client.TLSALPN01ChallengeCert(challenge.Token, o.name)
	if err != nil {
		return nil, fmt.Errorf("answer the challenge: %w", err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("answer the challenge: %w", err)
	}
	var b bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: c.Certificate[0]}, {Type: "PRIVATE KEY", Bytes: key}} {
		if err := pem.Encode(&b, block); err != nil {
			return nil, fmt.Errorf("answer the challenge: %w", err)
		}
	}
	return b.Bytes(), nil
}

// newKey makes a private key. P-256 is what every mail server and browser takes.
func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a private key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a private key: %w", err)
	}
	return key, der, nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read a private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("read a private key: it cannot sign")
	}
	return signer, nil
}

// assemble joins a chain and its key, and checks that they belong together and to the name.
func assemble(name string, chain [][]byte, key []byte) (*tls.Certificate, error) {
	signer, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	if len(chain) == 0 {
		return nil, errors.New("read a certificate: the chain is empty")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	public, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || !public.Equal(signer.Public()) {
		return nil, errors.New("read a certificate: it is for another key")
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: signer, Leaf: leaf}, nil
}

// newHTTP is the client for the authority. roots, PEM, are believed beside those of the system.
func newHTTP(roots []byte) (*http.Client, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if len(roots) > 0 && !pool.AppendCertsFromPEM(roots) {
		return nil, errors.New("no certificate in the file of the certificate authority's roots")
	}
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
