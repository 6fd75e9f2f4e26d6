package outbound

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mxdesk/outbound/mtasts"
)

func TestPolicyStore(t *testing.T) {
	x := newWorld(t)
	store := x.q.Policies()
	load := func() mtasts.Entry {
		t.Helper()
		e, err := store.Load(x.ctx, "example.com")
		if err != nil {
			t.Fatal(err)
		}
		e.FetchedAt = e.FetchedAt.UTC()
		return e
	}
	save := func(e mtasts.Entry) {
		t.Helper()
		if err := store.Save(x.ctx, "example.com", e); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(mtasts.Entry{}, load()); diff != "" {
		t.Errorf("an unknown domain: %s", diff)
	}
	now := time.Now().UTC().Truncate(time.Second)
	first := mtasts.Entry{FetchedAt: now, Policy: mtasts.Policy{ID: "1", Mode: mtasts.Enforce, MX: []string{"mx.example.com", "*.example.net"}, MaxAge: time.Hour}}
	save(first)
	if diff := cmp.Diff(first, load()); diff != "" {
		t.Error(diff)
	}
	second := mtasts.Entry{FetchedAt: now.Add(time.Second), Policy: mtasts.Policy{ID: "2", Mode: mtasts.None, MX: []string{}, MaxAge: time.Hour}}
	save(mtasts.Entry{FetchedAt: second.FetchedAt, Policy: mtasts.Policy{ID: "2", Mode: mtasts.None, MaxAge: time.Hour}})
	save(first) // another node, late
	if diff := cmp.Diff(second, load()); diff != "" {
		t.Error(diff)
	}
	// What ran out is forgotten, what did not is kept.
	save(mtasts.Entry{FetchedAt: now.Add(2 * time.Second), Policy: mtasts.Policy{ID: "3", Mode: mtasts.None, MaxAge: time.Hour}})
	w := x.worker(Discard{})
	if err := w.archive(x.ctx); err != nil {
		t.Fatal(err)
	}
	if e := load(); e.ID != "3" {
		t.Errorf("a policy that is valid was forgotten: %+v", e)
	}
	x.exec(`UPDATE mta_sts_policies SET fetched_at = now() - interval '61 minutes'`)
	if err := w.archive(x.ctx); err != nil {
		t.Fatal(err)
	}
	if e := load(); e.ID != "" {
		t.Errorf("a policy that ran out is kept: %+v", e)
	}
}
