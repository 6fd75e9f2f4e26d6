package ticketing

import (
	"log/slog"
	"slices"
	"testing"
	"time"
)

// TestHousekeeping: a letter that became part of no ticket goes when it is old, that of a ticket with its ticket, and a file
// with the last entry that holds it; all of it while others are kept.
func TestHousekeeping(t *testing.T) {
	d := newDesk(t)
	withFile := func(from, subject, file string) {
		t.Helper()
		d.must(mail{
			from: from, to: []string{"help@example.test"}, subject: subject, header: "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
			text: "--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=a.bin\n\n" + file + "\n--b--",
		})
	}
	withFile("carl@client.test", "One", "only here")
	withFile("carl@client.test", "Two", "shared")
	withFile("dora@client.test", "Three", "shared")
	d.must(mail{from: "robot@client.test", to: []string{"help@example.test"}, subject: "Away", text: "I am away.", header: "Auto-Submitted: auto-replied\r\n"})
	keeper := &Housekeeper{Pool: d.pool, Retention: 72 * time.Hour, Log: slog.New(slog.DiscardHandler)}
	left := func() (out []int) {
		t.Helper()
		if err := keeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"letters", "blobs", "loose_letters", "loose_blobs"} {
			var n int
			if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
				t.Fatal(err)
			}
			out = append(out, n)
		}
		return out
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := d.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name, sql string
		want      []int // letters, files, and what is noted of either
	}{
		{"nothing is old", `SELECT 1`, []int{4, 2, 0, 0}},
		{"all is old", `UPDATE letters SET received_at = received_at - interval '8 days'`, []int{3, 2, 0, 0}},
		{"a ticket with a file of its own is erased", `DELETE FROM tickets WHERE subject = 'One'`, []int{2, 1, 0, 0}},
		{"one of two that share a file", `DELETE FROM tickets WHERE subject = 'Two'`, []int{1, 1, 0, 0}},
		{"the other", `DELETE FROM tickets WHERE subject = 'Three'`, []int{0, 0, 0, 0}},
	} {
		exec(step.sql)
		if got := left(); !slices.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}
