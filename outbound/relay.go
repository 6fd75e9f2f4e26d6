package outbound

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// The kinds of a Relay.
const (
	RelaySmarthost = "smarthost"
	RelayMaildir   = "maildir"
	RelayDiscard   = "discard"
)

// How a Relay shows a smart host who we are: RelayPassword is PLAIN, or LOGIN where only that is offered.
const (
	RelayPassword = "password"
	RelayXOAUTH2  = "xoauth2"
)

// ErrRelay is wrapped by the error for a Relay that cannot be used; its text is fit to be shown.
var ErrRelay = errors.New("no usable relay")

// Relay is how the mail of one organisation leaves, when it has decided so itself.
type Relay struct {
	Kind     string
	Host     string // of a smart host
	Port     uint16
	Implicit bool // TLS from the first byte; else STARTTLS is required
	Username string
	Auth     string // "": none
	Secret   Secret // password, or access token for XOAUTH2
	Grant    Grant  // for XOAUTH2, in place of Secret: how to get access tokens
}

// Secret is a text that no log line, error or document shows.
type Secret string

const hidden = "(secret)"

// String hides the secret; so do the methods below.
func (Secret) String() string { return hidden }

// GoString hides the secret.
func (Secret) GoString() string { return hidden }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// maxCredential bounds a user name and a secret; access tokens of some providers have 4 KiB.
const maxCredential = 8 << 10

// check tells whether the relay can be used; the error wraps ErrRelay.
func (r Relay) check() error {
	switch r.Kind {
	case RelayMaildir, RelayDiscard:
		if r != (Relay{Kind: r.Kind}) {
			return fmt.Errorf("%w: only a smart host has a host and a user", ErrRelay)
		}
		return nil
	case RelaySmarthost:
	default:
		return fmt.Errorf("%w: the kind is smarthost, maildir or discard", ErrRelay)
	}
	if _, err := address.ParseDomain(r.Host); err != nil {
		return fmt.Errorf("%w: the host is no host name", ErrRelay)
	}
	switch {
	case r.Port == 0:
		return fmt.Errorf("%w: the port is missing", ErrRelay)
	case r.Auth != "" && r.Auth != RelayPassword && r.Auth != RelayXOAUTH2:
		return fmt.Errorf("%w: authentication is by password or xoauth2", ErrRelay)
	case r.Grant != (Grant{}) && (r.Auth != RelayXOAUTH2 || r.Secret != ""):
		return fmt.Errorf("%w: a refresh token is for xoauth2, in place of a secret", ErrRelay)
	case (r.Auth == "") != (r.Username == "") || (r.Auth == "") != (r.Secret == "" && r.Grant == (Grant{})):
		return fmt.Errorf("%w: authentication, user name and secret go together", ErrRelay)
	case r.Auth == RelayXOAUTH2 && strings.HasPrefix(string(r.Secret), "{"):
		return fmt.Errorf("%w: the secret is no access token", ErrRelay)
	case !plainCredential(r.Username) || !plainCredential(string(r.Secret)):
		return fmt.Errorf("%w: user name or secret is too long or holds a control character", ErrRelay)
	}
	if r.Grant != (Grant{}) {
		return r.Grant.check()
	}
	return nil
}

// plainCredential: the mechanisms put NUL and 0x01 between their fields.
func plainCredential(s string) bool {
	return len(s) <= maxCredential && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f || c == 0xFFFD })
}

// lane is the organisation's own lane. No domain holds a colon, so it is no other's.
func (r Relay) lane(organisation int32) string { return r.Kind + ":" + strconv.Itoa(int(organisation)) }

// ownerOf tells whose own lane it is; ok is false for every other lane.
func ownerOf(lane string) (organisation int32, ok bool) {
	kind, number, ok := strings.Cut(lane, ":")
	if !ok || kind != RelaySmarthost && kind != RelayMaildir && kind != RelayDiscard {
		return 0, false
	}
	n, err := strconv.ParseInt(number, 10, 32)
	return int32(n), err == nil
}

// smarthost is the relay as the router sees it. Words and secrets go to a host that has proved its name, and to nobody else.
func (r Relay) smarthost() route.Smarthost {
	s := route.Smarthost{Host: r.Host, Port: r.Port, TLS: smtpclient.TLSVerified, Implicit: r.Implicit, Tenant: true}
	switch r.Auth {
	case RelayPassword:
		s.Auth = &smtpclient.Auth{Username: r.Username, Password: string(r.Secret)}
	case RelayXOAUTH2:
		s.Auth = &smtpclient.Auth{Username: r.Username, Token: string(r.Secret)}
	}
	return s
}

// fingerprint differs for relays that differ, so that no connection outlives a change.
func (r Relay) fingerprint() string {
	g := r.Grant
	sum := sha256.Sum256(fmt.Append(nil, r.Host, r.Port, r.Implicit, "\x00", r.Username, "\x00", r.Auth, "\x00", string(r.Secret),
		"\x00", g.TokenURL, "\x00", g.ClientID, "\x00", string(g.ClientSecret)))
	return string(sum[:8])
}

// Relays is the Transport of a server on which organisations may have relays of their own: their mail takes those, all
// other mail Default.
type Relays struct {
	Queue   *Queue
	Default Transport
	SMTP    *SMTP // for smart hosts; its Hosts is not used
	Via     func(context.Context, route.Smarthost) ([]route.Host, error)
	Dir     string // of the Maildirs: each organisation has a folder in it

	Client *http.Client // asks token servers; it must lead into no private network
	Log    *slog.Logger

	once   sync.Once
	tokens *tokens
}

// Open satisfies Transport.
func (r *Relays) Open(lane string) Connection {
	organisation, own := ownerOf(lane)
	if !own {
		return r.Default.Open(lane)
	}
	relay, ok := r.Queue.relay(organisation)
	switch {
	case !ok || relay.lane(organisation) != lane:
		return noRelay{}
	case relay.Kind == RelayDiscard:
		return Discard{}
	case relay.Kind == RelayMaildir:
		return Maildir{Dir: filepath.Join(r.Dir, strconv.Itoa(int(organisation)))}
	}
	return r.SMTP.open(lane+"\x00"+relay.fingerprint(), func(ctx context.Context, _ string) ([]route.Host, error) {
		return r.hosts(ctx, organisation, relay)
	})
}

// hosts finds the smart host, with an access token if it wants one. When the smart host refuses a token that lay ready, another
// is got at once.
func (r *Relays) hosts(ctx context.Context, organisation int32, relay Relay) ([]route.Host, error) {
	if relay.Grant == (Grant{}) {
		return r.Via(ctx, relay.smarthost())
	}
	token, ready, err := r.accessTokens().get(ctx, organisation, relay, "")
	if err != nil {
		return nil, tokenFailed(err)
	}
	with := func(token Secret) route.Smarthost {
		relay := relay
		relay.Secret = token
		return relay.smarthost()
	}
	hosts, err := r.Via(ctx, with(token))
	for i := range hosts {
		if ready {
			hosts[i].Renew = func(ctx context.Context) (*smtpclient.Auth, error) {
				next, _, err := r.accessTokens().get(ctx, organisation, relay, token)
				if err != nil {
					return nil, tokenFailed(err)
				}
				return with(next).Auth, nil
			}
		}
	}
	return hosts, err
}

func (r *Relays) accessTokens() *tokens {
	r.once.Do(func() { r.tokens = newTokens(r.Queue, r.Client, r.Log, time.Now) })
	return r.tokens
}

// Close satisfies Transport.
func (r *Relays) Close() {
	r.Default.Close()
	r.SMTP.Close()
	r.accessTokens().close()
}

// noRelay stands for a relay that was changed at this moment: what waits in its lane is moved by who claims it next.
type noRelay struct{}

// Send satisfies Connection.
func (noRelay) Send(context.Context, *Letter) Attempt {
	return Attempt{Result: ResultDeferred, Site: true, Reason: bounce.Network, Reply: "the way of the organisation's mail was changed"}
}

// Close satisfies Connection.
func (noRelay) Close() {}
