package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// fate is what the sender's tables say of one recipient.
type fate struct {
	outcome  string
	claims   int // attempts counted when claimed
	attempts []attempt
}

// attempt is one line of the sender's log.
type attempt struct {
	at     time.Time
	result string
	code   int
	reply  string
}

// numbered finds the receiver's number in a reply.
var numbered = regexp.MustCompile(`\(r(\d+)\)`)

// count holds what was received against what was promised, and the log of each delivery against what the receiver said.
func (t *tortureOut) count(ctx context.Context, pool *pgxpool.Pool) error {
	fates, err := readFates(ctx, pool)
	if err != nil {
		return err
	}
	outcomes, faults := map[string]int{}, map[string]int{}
	attempts, unlogged, twice := 0, 0, 0
	for _, recipient := range t.promised {
		f := fates[recipient]
		if f == nil {
			f = &fate{}
		}
		outcomes[f.outcome]++
		attempts += len(f.attempts)
		unlogged += f.claims - len(f.attempts)
		got := t.receiver.of(recipient)
		if len(got) > 1 {
			twice++
		}
		for _, fault := range t.judge(recipient, f, got) {
			faults[fault]++
			if faults[fault] <= 5 {
				fmt.Printf("%s: %s\n  received %s\n  logged %+v\n", recipient, fault, times(got), f.attempts)
			}
		}
	}
	fmt.Printf("enqueued %d, outcomes %v\nattempts logged %d, and %d that a kill kept from the log\nreceived %d, of them %d letters more than once\n",
		len(t.promised), outcomes, attempts, unlogged, t.receiver.total(), twice)
	if len(faults) > 0 {
		return fmt.Errorf("broken: %v; the logs are in %s", faults, t.dir)
	}
	fmt.Println("held: none lost, none sent again without need, every line of the log is what the receiver said")
	return nil
}

// judge names what is wrong with the delivery to one recipient.
func (t *tortureOut) judge(recipient string, f *fate, got []*reception) (faults []string) {
	refused := strings.HasPrefix(recipient, refusedPrefix)
	switch {
	case f.outcome == "":
		faults = append(faults, "lost: it has no outcome")
	case f.outcome == "delivered" && len(got) == 0:
		faults = append(faults, "lost: delivered, but not received")
	case refused != (f.outcome == "failed"), !refused && f.outcome != "delivered" && f.outcome != "unknown":
		faults = append(faults, "wrong outcome "+f.outcome)
	case f.claims < len(f.attempts):
		faults = append(faults, "more attempts in the log than were counted")
	}
	for _, a := range f.attempts {
		if fault := t.receiver.contradicts(recipient, a); fault != "" {
			faults = append(faults, fault)
		}
		if a.result == "delivered" && slices.ContainsFunc(got, func(r *reception) bool { return r.at.After(a.at.Add(time.Second)) }) {
			faults = append(faults, "sent again after it was recorded as delivered")
		}
	}
	for _, r := range got[:max(0, len(got)-1)] {
		if !r.silent && !r.logged && !t.killedAfter(r) {
			faults = append(faults, "sent again though its answer could have been recorded")
		}
	}
	return faults
}

// contradicts says how a line of the log differs from what was said, "" if it does not. The line of an answer marks the
// reception as logged.
func (r *badReceiver) contradicts(recipient string, a attempt) string {
	m := numbered.FindStringSubmatch(a.reply)
	if m == nil {
		if a.result == "delivered" || a.result == "failed" {
			return "the log says " + a.result + " without an answer of the receiver"
		}
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _ := strconv.Atoi(m[1])
	if n >= len(r.said) {
		return "the log has an answer that was never given"
	}
	said := r.said[n]
	want := "deferred"
	switch said.code {
	case 250:
		want = "delivered"
	case 554:
		want = "failed"
	}
	switch {
	case said.recipients != nil && !slices.Contains(said.recipients, recipient):
		return "the log has an answer about somebody else"
	case a.code != said.code:
		return fmt.Sprintf("the log says %d where the receiver said %d", a.code, said.code)
	case a.result != want:
		return fmt.Sprintf("the log says %s after %d", a.result, said.code)
	}
	if one := said.taken[recipient]; one != nil {
		one.logged = true
	}
	return ""
}

// killedAfter tells whether the node that had the answer was killed before it could record it, which it cannot do while
// PostgreSQL is away.
func (t *tortureOut) killedAfter(r *reception) bool {
	window := killWindow
	for _, k := range t.kills {
		if d := k.at.Sub(r.at); k.postgres && d > -5*time.Second && d < killWindow {
			window = 15 * time.Second
		}
	}
	return slices.ContainsFunc(t.kills, func(k kill) bool {
		d := k.at.Sub(r.at)
		return !k.postgres && (k.node == "" || k.node == r.node) && d > -100*time.Millisecond && d < window
	})
}

func readFates(ctx context.Context, pool *pgxpool.Pool) (map[string]*fate, error) {
	rows, err := pool.Query(ctx, `
		SELECT d.recipient, d.outcome, d.attempts, coalesce(a.at, 'epoch'), coalesce(a.result, ''), coalesce(a.code, 0), coalesce(a.reply, '')
		  FROM deliveries_done d LEFT JOIN attempts a USING (organisation_id, delivery_id)
		 ORDER BY a.at`)
	if err != nil {
		return nil, err
	}
	fates := map[string]*fate{}
	var recipient string
	var f fate
	var a attempt
	_, err = pgx.ForEachRow(rows, []any{&recipient, &f.outcome, &f.claims, &a.at, &a.result, &a.code, &a.reply}, func() error {
		if fates[recipient] == nil {
			fates[recipient] = &fate{outcome: f.outcome, claims: f.claims}
		}
		if a.result != "" {
			fates[recipient].attempts = append(fates[recipient].attempts, a)
		}
		return nil
	})
	return fates, err
}

func times(got []*reception) string {
	var list []string
	for _, r := range got {
		list = append(list, fmt.Sprintf("%s by %s (silent %v, logged %v)", r.at.Format("15:04:05.000"), r.node, r.silent, r.logged))
	}
	return strings.Join(list, ", ")
}
