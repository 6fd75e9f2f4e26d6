package bounce_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mxdesk/internal/message"
)

const corpus = "../../../shared/corpus"

type corpusCase struct {
	ID     string  `json:"id"`
	File   string  `json:"file"`
	Expect [][]any `json:"expect"`
}

func readCorpus(t *testing.T, category string) []corpusCase {
	t.Helper()
	if _, err := os.Stat(corpus); err != nil {
		t.Skip("no corpus beside the repository")
	}
	b, err := os.ReadFile(filepath.Join(corpus, category, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Cases []corpusCase }
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f.Cases
}

// TestCorpus holds the reports of the corpus against what is known of them. Some cases contradict
// each other or the specification, so a few may fail, but no more than now.
func TestCorpus(t *testing.T) {
	const wantPassed = 0.97
	cases := readCorpus(t, "bounce")
	passed := 0
	for _, c := range cases {
		raw, err := os.ReadFile(filepath.Join(corpus, "bounce", c.File))
		if err != nil {
			t.Fatal(err)
		}
		letter := message.Read(raw, message.Envelope{})
		var wrong []string
		for _, e := range c.Expect {
			if msg := check(letter, e); msg != "" {
				wrong = append(wrong, msg)
			}
		}
		if len(wrong) == 0 {
			passed++
			continue
		}
		t.Logf("%s\n\t%s", c.ID, strings.Join(wrong, "\n\t"))
	}
	t.Logf("%d of %d passed", passed, len(cases))
	if float64(passed) < wantPassed*float64(len(cases)) {
		t.Errorf("%d of %d passed, want %.0f %%", passed, len(cases), 100*wantPassed)
	}
}

// TestNoReports makes sure that letters of other categories are not taken for reports.
func TestNoReports(t *testing.T) {
	for _, category := range []string{"auto-reply", "reply", "threading", "dkim", "arc"} {
		t.Run(category, func(t *testing.T) {
			for _, c := range readCorpus(t, category) {
				raw, err := os.ReadFile(filepath.Join(corpus, category, c.File))
				if err != nil {
					t.Fatal(err)
				}
				report := false
				for _, e := range c.Expect {
					if e[0] == "kind" {
						b, _ := json.Marshal(e[2])
						for _, k := range []string{"bounce", "delay", "feedback-report"} {
							report = report || strings.Contains(string(b), `"`+k+`"`)
						}
					}
				}
				if r := message.Read(raw, message.Envelope{}).Bounce; r != nil && !report {
					t.Errorf("%s: taken for a report: %+v", c.ID, r)
				}
			}
		})
	}
}

// TestNullFrom: some systems write the null sender where the author stands, and nothing else tells what they are.
func TestNullFrom(t *testing.T) {
	const raw = "From: <>\nTo: us@here.example\nSubject: Mail delivery failed\n\nYour message could not be delivered to:\n\n<them@there.example>: 550 5.1.1 User unknown\n"
	if r := message.Read([]byte(raw), message.Envelope{}).Bounce; r == nil || len(r.Recipients) != 1 || r.Recipients[0].Address != "them@there.example" {
		t.Errorf("%+v", r)
	}
}

// check returns what is wrong with one expectation, or "".
func check(c *message.Content, e []any) string {
	path, op := e[0].(string), e[1].(string)
	got := lookup(c, path)
	ok := false
	switch op {
	case "eq":
		ok = len(got) == 1 && got[0] == fmt.Sprint(e[2])
	case "in":
		ok = len(got) == 1 && slices.Contains(stringsOf(e[2]), got[0])
	case "set":
		ok = sameSet(got, stringsOf(e[2]))
	case "any-set":
		for _, s := range e[2].([]any) {
			ok = ok || sameSet(got, stringsOf(s))
		}
	case "multiset":
		want := stringsOf(e[2])
		slices.Sort(want)
		g := slices.Clone(got)
		slices.Sort(g)
		ok = slices.Equal(g, want)
	case "all-in":
		ok = len(got) > 0
		for _, g := range got {
			ok = ok && slices.Contains(stringsOf(e[2]), g)
		}
	case "count":
		ok = float64(len(got)) == e[2].(float64)
	case "absent":
		ok = c.Bounce == nil
	default:
		return "unknown operator " + op
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("%s: got %q, want %s %v", path, got, op, e[2])
}

func lookup(c *message.Content, path string) []string {
	if path == "kind" {
		return []string{string(c.Kind)}
	}
	r := c.Bounce
	if r == nil {
		return []string{"no report"}
	}
	switch path {
	case "bounce.kind":
		return []string{r.Kind}
	case "bounce.feedback_type":
		return []string{r.FeedbackType}
	case "bounce.original_message_id":
		return []string{r.MessageID}
	}
	var out []string
	for _, rc := range r.Recipients {
		switch strings.TrimPrefix(path, "bounce.final_recipients[].") {
		case "address":
			out = append(out, rc.Address)
		case "action":
			out = append(out, rc.Action)
		case "status":
			out = append(out, rc.Status)
		case "smtp_code":
			out = append(out, rc.SMTPCode)
		case "reason":
			out = append(out, rc.Reason)
		case "hard":
			out = append(out, fmt.Sprint(rc.Hard))
		}
	}
	return out
}

func stringsOf(v any) []string {
	var out []string
	for _, x := range v.([]any) {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

func sameSet(a, b []string) bool {
	m := map[string]int{}
	for _, x := range a {
		m[strings.ToLower(x)] |= 1
	}
	for _, x := range b {
		m[strings.ToLower(x)] |= 2
	}
	for _, v := range m {
		if v != 3 {
			return false
		}
	}
	return true
}
