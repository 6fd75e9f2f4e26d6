package smtpd

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxConnections, cfg.MaxPerNetwork, cfg.MaxNewPerMinute = 6, 2, 4
	l := newLimits(&cfg)
	now := time.Unix(1_000_000, 0)
	enter := func(client string, after time.Duration, want reply) {
		t.Helper()
		now = now.Add(after)
		if got := l.enter(netip.MustParseAddr(client), now); got != want {
			t.Errorf("%s: %q, want %q", client, got.reason, want.reason)
		}
	}
	leave := func(client string) { l.leave(netip.MustParseAddr(client)) }

	enter("192.0.2.1", 0, reply{})
	enter("192.0.2.1", 0, reply{})
	enter("192.0.2.1", 0, replyTooManyNetwork)
	enter("192.0.2.2", 0, reply{}) // another /32
	enter("2001:db8:0:1::1", 0, reply{})
	enter("2001:db8:0:1::2", 0, reply{})
	enter("2001:db8:0:1:ffff::3", 0, replyTooManyNetwork) // the same /64
	enter("127.0.0.1", 0, reply{})
	enter("198.51.100.1", 0, replyTooManyOpen)

	leave("192.0.2.1")
	enter("192.0.2.1", 0, reply{})
	leave("192.0.2.1")
	enter("192.0.2.1", 0, reply{}) // the fourth in this minute
	leave("192.0.2.1")
	enter("192.0.2.1", 10*time.Second, replyTooManyNew)
	enter("192.0.2.1", 5*time.Second, reply{}) // a quarter of a minute brings one of four
	leave("192.0.2.1")
	enter("192.0.2.1", 0, replyTooManyNew)
	leave("127.0.0.1")
	for range 50 { // loopback is spared
		enter("127.0.0.1", 0, reply{})
		leave("127.0.0.1")
	}
	if l.open != 4 {
		t.Errorf("%d open, want 4", l.open)
	}
}

// One who is exempt leaves his network's places to those who are not.
func TestExemptAmongOthers(t *testing.T) {
	cfg := DefaultConfig()
	one, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	cfg.MaxPerNetwork, cfg.Exempt = 1, []netip.Prefix{netip.PrefixFrom(one, 128)}
	l := newLimits(&cfg)
	now := time.Unix(1_000_000, 0)
	for _, client := range []netip.Addr{one, one, other} {
		if r := l.enter(client, now); !r.isZero() {
			t.Fatalf("%s: %s", client, r.reason)
		}
	}
	l.leave(one)
	if r := l.enter(other, now); r != replyTooManyNetwork {
		t.Errorf("the second of the others: %q", r.reason)
	}
}

// A flood from everywhere does not grow the map without bound, and forgets nobody who is connected.
func TestLimitsAreBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxPerNetwork = 1
	l := newLimits(&cfg)
	now := time.Unix(1_000_000, 0)
	stays := netip.MustParseAddr("192.0.2.1")
	l.enter(stays, now)
	for i := range uint32(3 * maxIdleNetworks) {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], 0x0a000000+i)
		client := netip.AddrFrom4(ip)
		if r := l.enter(client, now); !r.isZero() {
			t.Fatalf("%s: %s", client, r.reason)
		}
		l.leave(client)
	}
	if n := len(l.networks); n > maxIdleNetworks+cfg.MaxConnections {
		t.Errorf("%d networks are remembered", n)
	}
	if r := l.enter(stays, now); r != replyTooManyNetwork {
		t.Errorf("%s was forgotten: %q", stays, r.reason)
	}
}
