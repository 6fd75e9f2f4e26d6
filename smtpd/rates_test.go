package smtpd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"mxdesk/internal/address"
)

var (
	alice = address.Address{Local: "alice", Domain: "example.org"}
	bob   = address.Address{Local: "bob", Domain: "example.org"}
	help  = address.Address{Local: "help", Domain: "example.test"}
	sales = address.Address{Local: "sales", Domain: "example.test"}
)

func TestRates(t *testing.T) {
	r := newRates(&Config{Rates: Rates{Sender: 2, SenderDomain: 3, Network: 5, Recipient: 4}})
	now := time.Unix(1_000_000, 0)
	take := func(client string, sender, recipient address.Address, after time.Duration, want reply) {
		t.Helper()
		now = now.Add(after)
		if got := r.take(r.keys(netip.MustParseAddr(client), sender, []address.Address{recipient}), now); got != want {
			t.Errorf("%s, %s: %q, want %q", client, sender, got.reason, want.reason)
		}
	}
	none := address.Address{}
	take("192.0.2.1", alice, help, 0, reply{})
	take("192.0.2.1", alice, help, 0, reply{})
	take("192.0.2.1", alice, help, 0, replyRateSender)
	take("192.0.2.2", bob, sales, 0, reply{})
	take("192.0.2.2", bob, sales, 0, replyRateDomain)
	take("192.0.2.1", none, help, 0, reply{})
	take("192.0.2.1", none, help, 0, reply{})
	take("192.0.2.3", none, help, 0, replyRateRecipient)
	take("192.0.2.1", none, sales, 0, reply{})
	take("192.0.2.1", none, sales, 0, replyRateNetwork)
	take("192.0.2.4", alice, sales, 15*time.Second, replyRateSender) // half a letter
	take("192.0.2.4", alice, sales, 15*time.Second, reply{})
	take("192.0.2.4", alice, sales, 0, replyRateSender)
}

// A letter that one bucket refuses costs the others nothing.
func TestRatesTakeAllOrNothing(t *testing.T) {
	r := newRates(&Config{Rates: Rates{Sender: 1, Network: 10}})
	client, now := netip.MustParseAddr("192.0.2.1"), time.Unix(1_000_000, 0)
	for range 5 {
		r.take(r.keys(client, alice, nil), now)
	}
	if left := r.buckets["network 192.0.2.1/32"].tokens; left != 9 {
		t.Errorf("%v letters left, want 9", left)
	}
}

func TestRatesAreBounded(t *testing.T) {
	r := newRates(&Config{Rates: Rates{Sender: 10}})
	now := time.Unix(1_000_000, 0)
	for i := range 2*maxBuckets + 10 {
		r.take(r.keys(netip.Addr{}, address.Address{Local: fmt.Sprint(i), Domain: "example.org"}, nil), now)
	}
	if n := len(r.buckets); n > maxBuckets {
		t.Errorf("%d buckets", n)
	}
}

// pot is the buckets of all nodes, for one key after the other.
type pot struct {
	left map[string]float64
	err  error
	told chan struct{}
}

func (p *pot) Spend(_ context.Context, keys []string, letters, perMinute []int) ([]float64, error) {
	if p.told != nil {
		select {
		case p.told <- struct{}{}:
		default:
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	left := make([]float64, len(keys))
	for i, key := range keys {
		if _, ok := p.left[key]; !ok {
			p.left[key] = float64(perMinute[i])
		}
		p.left[key] -= float64(letters[i])
		left[i] = p.left[key]
	}
	return left, nil
}

// Two nodes share what one sender may send.
func TestRatesAreShared(t *testing.T) {
	shared := &pot{left: map[string]float64{}}
	now := time.Unix(1_000_000, 0)
	clock := func() time.Time { return now }
	one, two := newRates(&Config{Rates: Rates{Sender: 4}}), newRates(&Config{Rates: Rates{Sender: 4}})
	take := func(r *rates, want reply) {
		t.Helper()
		if got := r.take(r.keys(netip.Addr{}, alice, nil), now); got != want {
			t.Errorf("%q, want %q", got.reason, want.reason)
		}
	}
	share := func(r *rates) {
		t.Helper()
		if err := r.shareOnce(context.Background(), shared, clock); !errors.Is(err, shared.err) {
			t.Error(err)
		}
	}
	take(one, reply{})
	take(one, reply{})
	take(one, reply{})
	shared.err = errors.New("the database is away")
	share(one) // is told later
	shared.err = nil
	share(one)
	take(two, reply{})
	share(two)
	take(two, replyRateSender)
	if left := shared.left["sender alice@example.org"]; left != 0 {
		t.Errorf("%v left in the pot", left)
	}
	share(one) // nothing to tell
}

// Over the rate is 451, and the connection goes on; the exempt are spared.
func TestRateReplies(t *testing.T) {
	shared := &pot{left: map[string]float64{}, told: make(chan struct{}, 1)}
	r := start(t, &fakeBackend{}, fromLoopback, func(c *Config) { c.Rates, c.SharedRates = Rates{Sender: 1}, shared })
	send := func(p *peer, want string) {
		t.Helper()
		p.do("MAIL FROM:<a@example.org>\r\n", "250")
		p.do("RCPT TO:<help@example.test>\r\n", "250")
		p.do("DATA\r\n", "354")
		p.do(letter("x\r\n.\r\n"), want)
	}
	connect := func(header string) *peer {
		p := r.dial()
		p.send(header)
		p.want("220")
		p.do("EHLO client.example.org\r\n", "250")
		return p
	}
	p := connect(proxyHeader(t, 1, "198.51.100.7:1"))
	send(p, "250")
	send(p, "451 4.7.1 Limit of messages per minute from this sender")
	p.do("NOOP\r\n", "250")
	p = connect("PROXY UNKNOWN\r\n") // loopback
	send(p, "250")
	send(p, "250")
	select {
	case <-shared.told:
	case <-time.After(patience):
		t.Error("the other nodes are not told")
	}
}
