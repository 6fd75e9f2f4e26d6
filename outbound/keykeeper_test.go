package outbound

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/dns"
	"mxdesk/internal/mailauth"
	"mxdesk/internal/message"
)

// keyWorld is a world with a keeper whose clock and DNS the test sets.
type keyWorld struct {
	*world
	keeper  *KeyKeeper
	metrics *prometheus.Registry
	zone    dns.Fake
	now     time.Time
	worker  *Worker
	letter  []byte
}

func newKeyWorld(t *testing.T) *keyWorld {
	x := &keyWorld{world: newWorld(t), metrics: prometheus.NewRegistry(), zone: dns.Fake{}, now: time.Now().Truncate(time.Second)}
	x.worker = x.world.worker(script(func(l *Letter) Attempt { x.letter = l.Body; return taken }))
	x.keeper = NewKeyKeeper(x.q, KeyKeeperConfig{
		Resolver: x.zone, Now: func() time.Time { return x.now }, Metrics: x.metrics,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	return x
}

// after lets time pass, and the keeper do what is due then.
func (x *keyWorld) after(d time.Duration) {
	x.t.Helper()
	x.now = x.now.Add(d)
	if err := x.keeper.Pass(x.ctx); err != nil {
		x.t.Fatal(err)
	}
}

func (x *keyWorld) create() []Key {
	x.t.Helper()
	keys, err := x.q.CreateKeys(x.ctx, testOrg, testDomain, x.now)
	if err != nil {
		x.t.Fatal(err)
	}
	return keys
}

func (x *keyWorld) publish(keys ...Key) {
	for _, k := range keys {
		x.zone[k.RecordName()] = dns.Records{TXT: []string{k.Record()}}
	}
}

func (x *keyWorld) withdraw(keys ...Key) {
	for _, k := range keys {
		delete(x.zone, k.RecordName())
	}
}

// signatures sends a letter and lists the results of its signatures, as others verify them.
func (x *keyWorld) signatures() (list []message.Result) {
	x.t.Helper()
	x.worker.directory.checked = time.Time{} // a second has passed
	x.letter = nil
	x.send("a@x.test")
	x.round(x.worker)
	if x.letter == nil {
		x.t.Fatal("no letter was sent")
	}
	v := mailauth.Verifier{DNS: x.zone, Now: time.Now}
	for _, s := range v.Verify(x.ctx, mailauth.In{Raw: x.letter}).DKIM {
		list = append(list, s.Result)
	}
	return list
}

// wantSigned wants that many good signatures, and no others.
func (x *keyWorld) wantSigned(n int, when string) {
	x.t.Helper()
	list := x.signatures()
	for _, r := range list {
		if r != message.Pass {
			x.t.Errorf("%s: signatures %v", when, list)
		}
	}
	if len(list) != n {
		x.t.Errorf("%s: %d signatures, want %d", when, len(list), n)
	}
}

// gauge is what the metric says of a state.
func (x *keyWorld) gauge(state string) float64 {
	x.t.Helper()
	families, err := x.metrics.Gather()
	if err != nil {
		x.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "mxdesk_outbound_dkim_keys" && m.GetLabel()[0].GetValue() == state {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// wantStates wants the keys of the domain in these states, the oldest first.
func (x *keyWorld) wantStates(want, when string) {
	x.t.Helper()
	keys, err := x.q.Keys(x.ctx, testOrg)
	if err != nil {
		x.t.Fatal(err)
	}
	var states []string
	for _, k := range keys {
		state := k.State
		if k.Lost {
			state = "lost"
		}
		states = append(states, k.Algorithm+" "+state)
	}
	if got := strings.Join(states, ", "); got != want {
		x.t.Errorf("%s: %q, want %q", when, got, want)
	}
}

// TestKeyLife: from the first key to the removal of its record, letter by letter.
func TestKeyLife(t *testing.T) {
	x := newKeyWorld(t)
	first := x.create()
	x.after(0)
	x.wantSigned(0, "before the records are published")

	x.publish(first[1]) // the Ed25519 key alone
	x.after(time.Minute)
	x.wantStates("ed25519 published, rsa created", "seen once")
	x.wantSigned(0, "seen once")
	x.after(time.Minute)
	x.wantStates("ed25519 active, rsa created", "seen twice")
	x.wantSigned(1, "one key is published")
	x.publish(first[0])
	x.after(time.Minute)
	x.after(time.Minute)
	x.wantSigned(2, "both are")
}

// TestLostKey: two honest absences in a row, and no failures of the DNS, stop a key; it comes back by itself.
func TestLostKey(t *testing.T) {
	x := newKeyWorld(t)
	keys := x.create()
	x.publish(keys...)
	x.after(0)
	x.after(time.Minute)
	x.wantSigned(2, "published")

	rsa := keys[0].RecordName()
	for range 5 {
		x.zone[rsa] = dns.Records{Fail: true}
		x.after(lookActive)
	}
	x.publish(keys[0])
	x.wantSigned(2, "the DNS failed")

	x.withdraw(keys[0])
	x.after(lookActive)
	x.wantStates("ed25519 active, rsa active", "missing once")
	x.zone[rsa] = dns.Records{Fail: true}
	x.after(lookAgain)
	x.wantStates("ed25519 active, rsa active", "no answer after that")
	x.withdraw(keys[0])
	x.after(lookAgain)
	x.wantStates("ed25519 active, rsa lost", "missing twice")
	x.wantSigned(1, "one key is lost")
	if n := x.gauge("lost"); n != 1 {
		t.Errorf("the metric counts %v lost keys", n)
	}

	x.publish(keys[0])
	x.after(lookAgain)
	x.wantSigned(2, "it is back")
}

// TestRotation: successors are made, wait for the DNS, settle, sign; the old keys stay for a week, then are erased.
func TestRotation(t *testing.T) {
	x := newKeyWorld(t)
	first := x.create()
	x.publish(first...)
	x.after(0)
	x.after(time.Minute)
	const day = 24 * time.Hour
	x.after((DefaultRotation - 1) * day)
	x.wantStates("ed25519 active, rsa active", "the day before")
	x.after(2 * day)
	x.wantStates("ed25519 active, rsa active, ed25519 created, rsa created", "successors")
	x.after(day)
	x.wantStates("ed25519 active, rsa active, ed25519 created, rsa created", "nobody published them")

	keys, err := x.q.Keys(x.ctx, testOrg)
	if err != nil {
		t.Fatal(err)
	}
	x.publish(keys[2:]...)
	x.after(lookAgain)
	x.after(lookSoon)
	x.wantStates("ed25519 active, rsa active, ed25519 published, rsa published", "seen, settling")
	x.wantSigned(2, "settling")
	x.after(keySettle)
	x.wantStates("ed25519 retiring, rsa retiring, ed25519 active, rsa active", "taken over")
	x.wantSigned(2, "with the new keys")
	x.withdraw(first...)
	x.wantSigned(2, "the old records have no part in it")
	x.publish(first...)

	x.after(keyOverlap - time.Hour)
	x.wantStates("ed25519 retiring, rsa retiring, ed25519 active, rsa active", "overlap")
	x.after(2 * time.Hour)
	x.wantStates("ed25519 removed, rsa removed, ed25519 active, rsa active", "overlap is over")
	if n := one[int](x.world, `SELECT count(*) FROM dkim_keys WHERE private_key IS NULL`); n != 2 {
		t.Errorf("%d private keys are erased", n)
	}
	x.withdraw(first...)
	x.after(day)
	x.wantStates("ed25519 active, rsa active", "the records are gone too")

	x.exec(`UPDATE domains SET dkim_rotation_days = 0`)
	x.after(1000 * day)
	x.wantStates("ed25519 active, rsa active", "rotation is off")
}

// TestRotationOfOne: a key that nobody publishes does not keep that of the other algorithm from getting a successor.
func TestRotationOfOne(t *testing.T) {
	x := newKeyWorld(t)
	first := x.create()
	x.publish(first[0])
	x.after(0)
	x.after(time.Minute)
	x.wantStates("ed25519 created, rsa active", "the RSA key is published alone")
	x.after((DefaultRotation + 1) * 24 * time.Hour)
	x.wantStates("ed25519 created, rsa active, rsa created", "the RSA key is due")
	x.after((DefaultRotation + 1) * 24 * time.Hour)
	x.wantStates("ed25519 created, rsa active, rsa created", "it has a successor")
}

// TestStandIn: while a new key is lost, the old one signs as long as the DNS shows that, and its overlap begins when it ends.
func TestStandIn(t *testing.T) {
	x := newKeyWorld(t)
	const day = 24 * time.Hour
	old := x.create()[:1]
	x.publish(old...)
	x.after(0)
	x.after(time.Minute)
	x.exec(`DELETE FROM dkim_keys WHERE algorithm = 'ed25519'`)
	x.wantSigned(1, "the first key")
	young := x.create()[:1]
	x.exec(`DELETE FROM dkim_keys WHERE algorithm = 'ed25519'`)
	x.publish(young...)
	x.after(lookAgain)
	x.after(keySettle)
	x.wantStates("rsa retiring, rsa active", "taken over")
	for range 12 {
		x.after(lookActive)
	}

	x.withdraw(young...)
	x.after(lookActive)
	x.after(lookAgain)
	x.wantStates("rsa retiring, rsa lost", "the new record vanished")
	x.wantSigned(1, "the old key stands in")
	for range 9 * 24 {
		x.after(lookActive)
	}
	x.wantStates("rsa retiring, rsa lost", "nine days later")
	x.wantSigned(1, "nine days later")
	x.zone[old[0].RecordName()] = dns.Records{Fail: true}
	x.after(lookAgain)
	x.publish(old...)
	x.wantSigned(1, "the DNS failed")
	x.withdraw(old...)
	x.after(lookAgain)
	x.wantSigned(0, "the old record vanished too")
	x.publish(old...)
	x.after(lookAgain)
	x.wantSigned(1, "the old record is back")

	x.publish(young...)
	x.after(lookAgain)
	x.wantStates("rsa retiring, rsa active", "the new record is back")
	x.withdraw(old...)
	x.wantSigned(1, "with the new key")
	x.publish(old...)
	for range 6 * 24 {
		x.after(lookActive)
	}
	x.wantStates("rsa retiring, rsa active", "six days after it signed last")
	x.after(day)
	x.wantStates("rsa removed, rsa active", "a week after")
}

// TestLostKeyStandsNotIn: a key that the DNS did not show when it was retired signs for no other.
func TestLostKeyStandsNotIn(t *testing.T) {
	x := newKeyWorld(t)
	old := x.create()[:1]
	x.publish(old...)
	x.after(0)
	x.after(time.Minute)
	x.exec(`DELETE FROM dkim_keys WHERE algorithm = 'ed25519'`)
	x.withdraw(old...)
	x.after(lookActive)
	x.after(lookAgain)
	x.wantStates("rsa lost", "the first record vanished")
	young := x.create()
	if err := x.q.ActivateKey(x.ctx, testOrg, testDomain, young[0].Selector, nil, x.now); err != nil {
		t.Fatal(err)
	}
	x.exec(`UPDATE dkim_keys SET published_at = now(), lost = true WHERE state = 'active'`)
	x.exec(`UPDATE directory_revision SET revision = revision + 1`)
	x.wantSigned(0, "no key is in the DNS")
}

// TestRequiredSignature: letters of a domain that demands signatures wait for a key; others are never held up.
func TestRequiredSignature(t *testing.T) {
	x := newKeyWorld(t)
	yes := true
	if err := x.q.ChangeDomain(x.ctx, testOrg, testDomain, DomainChange{RequireDKIM: &yes}); err != nil {
		t.Fatal(err)
	}
	d := x.send("a@x.test")[0]
	x.round(x.worker)
	if x.letter != nil || !strings.HasPrefix(x.state(d), "deferred") {
		t.Fatalf("%s; sent unsigned: %t", x.state(d), x.letter != nil)
	}
	if info, _, err := x.q.Delivery(x.ctx, testOrg, d); err != nil || info.Reply != "no DKIM key in DNS" {
		t.Errorf("reply %q, %v", info.Reply, err)
	}
	keys := x.create()
	x.publish(keys...)
	x.after(0)
	x.after(time.Minute)
	x.elapse(time.Hour)
	x.worker.directory.checked = time.Time{}
	x.round(x.worker)
	if x.state(d) != "delivered" || !strings.Contains(string(x.letter), "DKIM-Signature") {
		t.Errorf("%s\n%.300s", x.state(d), x.letter)
	}
}

// TestKeysByHand: what an administrator can do, and what not.
func TestKeysByHand(t *testing.T) {
	x := newKeyWorld(t)
	keys := x.create()
	rsa, ed := keys[0].Selector, keys[1].Selector
	activate := func(selector string, r dns.Resolver) func() error {
		return func() error { return x.q.ActivateKey(x.ctx, testOrg, testDomain, selector, r, x.now) }
	}
	retire := func(selector string) func() error {
		return func() error { return x.q.RetireKey(x.ctx, testOrg, testDomain, selector, x.now) }
	}
	for i, c := range []struct {
		do   func() error
		want error
		then string
	}{
		{activate(rsa, x.zone), ErrNotPublished, "ed25519 created, rsa created"},
		{activate("nobody", nil), ErrNoKey, "ed25519 created, rsa created"},
		{activate(rsa, nil), nil, "ed25519 created, rsa active"},
		{activate(rsa, nil), ErrKeyState, "ed25519 created, rsa active"},
		{func() error { x.after(lookActive); x.after(lookActive); x.after(lookActive); return nil }, nil, "ed25519 created, rsa active"},
		{func() error { x.publish(keys[1]); return nil }, nil, "ed25519 created, rsa active"},
		{activate(ed, x.zone), nil, "ed25519 active, rsa active"},
		{retire(rsa), nil, "ed25519 active, rsa retiring"},
		{retire(rsa), ErrKeyState, "ed25519 active, rsa retiring"},
		{activate(rsa, nil), nil, "ed25519 active, rsa active"},
		{func() error { x.now = x.now.Add(time.Minute); x.create(); return nil }, nil, "ed25519 active, rsa active, ed25519 created, rsa created"},
		{func() error { _, err := x.q.CreateKeys(x.ctx, testOrg, testDomain, x.now); return err }, ErrKeyExists, "ed25519 active, rsa active, ed25519 created, rsa created"},
		{func() error { _, err := x.q.CreateKeys(x.ctx, testOrg, "other.test", x.now); return err }, ErrNoDomain, "ed25519 active, rsa active, ed25519 created, rsa created"},
		{func() error {
			return x.q.RetireKey(x.ctx, testOrg, testDomain, "mx"+x.now.UTC().Format("200601021504")+"r", x.now)
		}, nil, "ed25519 active, rsa active, ed25519 created, rsa removed"},
		{func() error { return x.q.ChangeDomain(x.ctx, testOrg, "other.test", DomainChange{}) }, ErrNoDomain, "ed25519 active, rsa active, ed25519 created, rsa removed"},
	} {
		if err := c.do(); !errors.Is(err, c.want) {
			t.Errorf("step %d: %v, want %v", i, err, c.want)
		}
		x.wantStates(c.then, "step "+string(rune('a'+i)))
	}
}
