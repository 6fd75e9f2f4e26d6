package certificate

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	for failures, want := range []time.Duration{
		10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 160 * time.Minute, 320 * time.Minute, 6 * time.Hour, 6 * time.Hour,
	} {
		if got := backoff(failures); got != want {
			t.Errorf("after %d failures %v, want %v", failures, got, want)
		}
	}
	if got := backoff(1 << 40); got != lastBackoff {
		t.Errorf("after very many failures %v, want %v", got, lastBackoff)
	}
	for _, c := range []struct{ asked, want time.Duration }{
		{0, 20 * time.Minute}, {time.Minute, 20 * time.Minute}, {time.Hour, time.Hour}, {1000 * time.Hour, 24 * time.Hour}, {-time.Hour, 20 * time.Minute},
	} {
		if got := wait(1, c.asked); got != c.want {
			t.Errorf("asked for %v: %v, want %v", c.asked, got, c.want)
		}
	}
	if orderTime+2*endTime+storeTime >= firstBackoff {
		t.Error("an attempt may last longer than its claim")
	}
}

func TestRenewAt(t *testing.T) {
	from := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct{ life, after time.Duration }{
		{90 * 24 * time.Hour, 60 * 24 * time.Hour}, {6 * 24 * time.Hour, 4 * 24 * time.Hour}, {time.Hour, 40 * time.Minute},
	} {
		if got := renewAt(from, from.Add(c.life)).Sub(from); got != c.after {
			t.Errorf("a life of %v is renewed after %v, want %v", c.life, got, c.after)
		}
	}
}

func TestIsDue(t *testing.T) {
	const ours = "https://ca.test/dir"
	for _, c := range []struct {
		name string
		s    state
		want bool
	}{
		{"new", state{Due: true, Rested: true}, true},
		{"not yet", state{Directory: ours, Rested: true}, false},
		{"in time", state{Directory: ours, Due: true}, true},
		{"from another authority", state{Directory: "https://old.test/dir", Rested: true}, true},
		{"from another authority, a moment ago", state{Directory: "https://old.test/dir"}, false},
	} {
		if got := c.s.isDue(ours); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestChoose(t *testing.T) {
	all := []string{"dns-01", TLSALPN01, HTTP01}
	both := []string{HTTP01, TLSALPN01}
	for _, c := range []struct {
		offered, kinds []string
		failures, want int
	}{
		{all, both, 0, 2},
		{all, both, 1, 1},
		{all, both, 2, 2},
		{all, []string{TLSALPN01}, 7, 1},
		{[]string{TLSALPN01}, both, 0, 0},
		{[]string{"dns-01"}, both, 0, -1},
		{nil, both, 0, -1},
		{all, nil, 0, -1},
	} {
		if got := choose(c.offered, c.kinds, c.failures); got != c.want {
			t.Errorf("choose(%v, %v, %d) = %d, want %d", c.offered, c.kinds, c.failures, got, c.want)
		}
	}
}
