package outbound

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSuppressionTransitions: what each kind of failure makes of each state of an address.
func TestSuppressionTransitions(t *testing.T) {
	x := newWorld(t)
	const from = `INSERT INTO suppressions (organisation_id, address, reason, active, automatic_only, failed_at, until) VALUES (1, 'a@x.test', `
	states := map[string]string{
		"none":               "",
		"counting":           from + `'old', false, false, ARRAY[now() - interval '1 day'], now() + interval '50 days')`,
		"counted twice":      from + `'old', false, false, ARRAY[now() - interval '1 day', now() - interval '2 days'], now() + interval '50 days')`,
		"counted long ago":   from + `'old', false, false, ARRAY[now() - interval '15 days', now() - interval '15 days'], now() + interval '40 days')`,
		"active":             from + `'old', true, false, ARRAY[now() - interval '1 day'], now() + interval '50 days')`,
		"for good":           from + `'old', true, false, '{}', NULL)`,
		"complaint":          from + `'complaint', true, true, '{}', now() + interval '50 days')`,
		"complaint, counted": from + `'complaint', true, true, ARRAY[now() - interval '1 day', now() - interval '2 days'], now() + interval '50 days')`,
		"run out":            from + `'old', true, false, ARRAY[now() - interval '61 days'], now() - interval '1 day')`,
		"complaint run out":  from + `'complaint', true, true, '{}', now() - interval '1 day')`,
	}
	failures := map[string]failure{
		"soft":      {organisation: 1, address: "A@x.test", reason: "soft", detail: "d"},
		"hard":      {organisation: 1, address: "a@x.test", reason: "hard", atOnce: true, detail: "d"},
		"complaint": {organisation: 1, address: "a@x.test", reason: "again", atOnce: true, automaticOnly: true, detail: "d"},
	}
	// reason, then who is stopped (nobody, machines or all), failures counted, and days until it is forgotten
	for state, want := range map[string]map[string]string{
		"none":               {"soft": "soft nobody 1 60", "hard": "hard all 1 60", "complaint": "again machines 0 60"},
		"counting":           {"soft": "soft nobody 2 60", "hard": "hard all 2 60", "complaint": "again machines 1 60"},
		"counted twice":      {"soft": "soft all 3 60", "hard": "hard all 3 60", "complaint": "again machines 2 60"},
		"counted long ago":   {"soft": "soft nobody 1 60", "hard": "hard all 1 60", "complaint": "again machines 2 60"},
		"active":             {"soft": "old all 2 50", "hard": "hard all 2 60", "complaint": "old all 1 50"},
		"for good":           {"soft": "old all 1 0", "hard": "hard all 1 0", "complaint": "old all 0 0"},
		"complaint":          {"soft": "complaint machines 1 50", "hard": "hard all 1 60", "complaint": "again machines 0 60"},
		"complaint, counted": {"soft": "soft all 3 60", "hard": "hard all 3 60", "complaint": "again machines 2 60"},
		"run out":            {"soft": "soft nobody 1 60", "hard": "hard all 1 60", "complaint": "again machines 1 60"},
		"complaint run out":  {"soft": "soft nobody 1 60", "hard": "hard all 1 60", "complaint": "again machines 0 60"},
	} {
		for kind, f := range failures {
			x.exec(`DELETE FROM suppressions`)
			if states[state] != "" {
				x.exec(states[state])
			}
			if err := recordFailures(x.ctx, x.pool, []failure{f}); err != nil {
				t.Fatal(err)
			}
			got := one[string](x, `
				SELECT concat_ws(' ', reason, CASE WHEN NOT active THEN 'nobody' WHEN automatic_only THEN 'machines' ELSE 'all' END,
				       cardinality(failed_at), coalesce(round(extract(epoch FROM until - now()) / 86400), 0))
				  FROM suppressions WHERE address = 'a@x.test'`)
			if diff := cmp.Diff(want[kind], got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", fmt.Sprint(state, " + ", kind), diff)
			}
		}
	}
}

// TestFailuresRecordedTogether: how many count does not hang on how many share a transaction.
func TestFailuresRecordedTogether(t *testing.T) {
	soft := failure{organisation: 1, address: "a@x.test", reason: "soft", detail: "d"}
	for _, c := range []struct {
		batches []int
		active  bool
		failed  int
	}{{[]int{2}, false, 2}, {[]int{3}, true, 3}, {[]int{1, 2}, true, 3}, {[]int{2, 1}, true, 3}, {[]int{1, 1}, false, 2}, {[]int{200}, true, 9}, {[]int{9, 9}, true, 10}} {
		x := newWorld(t)
		for _, n := range c.batches {
			if err := recordFailures(x.ctx, x.pool, slices.Repeat([]failure{soft}, n)); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := one[string](x, `SELECT concat_ws(' ', active, cardinality(failed_at)) FROM suppressions`), fmt.Sprint(map[bool]string{true: "t", false: "f"}[c.active], " ", c.failed); got != want {
			t.Errorf("%v: %s, want %s", c.batches, got, want)
		}
	}
	x := newWorld(t)
	if err := recordFailures(x.ctx, x.pool, []failure{{organisation: 1, address: "a@x.test", reason: "hard", atOnce: true}}); err != nil {
		t.Fatal(err)
	}
	if err := recordFailures(x.ctx, x.pool, slices.Repeat([]failure{soft}, 3)); err != nil {
		t.Fatal(err)
	}
	if got := one[string](x, `SELECT reason FROM suppressions`); got != "hard" {
		t.Errorf("weaker news changed the reason to %q", got)
	}
}
