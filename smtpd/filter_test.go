package smtpd

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mxdesk/internal/message"
)

func TestWeigh(t *testing.T) {
	all := SpamScores{Tag: 6, Hold: 10, Refuse: 15}
	for _, test := range []struct {
		name      string
		found     message.Spam
		scores    SpamScores
		tag, hold bool
		want      reply
	}{
		{"good", message.Spam{Score: -3}, all, false, false, reply{}},
		{"below", message.Spam{Score: 5.99}, all, false, false, reply{}},
		{"tag", message.Spam{Score: 6}, all, true, false, reply{}},
		{"hold", message.Spam{Score: 10}, all, true, true, reply{}},
		{"refuse", message.Spam{Score: 15}, all, true, true, replySpam},
		{"nothing is done", message.Spam{Score: 99}, SpamScores{}, false, false, reply{}},
		{"refuse alone", message.Spam{Score: 99}, SpamScores{Refuse: 15}, false, false, replySpam},
		{"no answer", message.Spam{Score: 99, Unreachable: true}, all, false, false, reply{}},
	} {
		got, r := weigh(test.found, test.scores)
		if got.Tag != test.tag || got.Hold != test.hold || r != test.want {
			t.Errorf("%s: %+v, %q", test.name, got, r.reason)
		}
	}
}

// filterOf finds what it is told to.
type filterOf struct {
	spam message.Spam
	err  error
}

func (f filterOf) Check(context.Context, *message.Letter) (message.Spam, error) { return f.spam, f.err }

func TestFilter(t *testing.T) {
	for _, test := range []struct {
		name   string
		filter filterOf
		want   string
		found  message.Spam
	}{
		{"tagged", filterOf{spam: message.Spam{Score: 7, Action: "add header"}}, "250", message.Spam{Score: 7, Action: "add header", Tag: true}},
		{"refused", filterOf{spam: message.Spam{Score: 20}}, "550 5.7.1 This message looks like spam", message.Spam{}},
		{"away", filterOf{err: errors.New("connection refused")}, "250", message.Spam{Unreachable: true, Symbols: []string{}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			backend := &fakeBackend{}
			r := start(t, backend, func(c *Config) { c.Filter, c.Spam = test.filter, SpamScores{Tag: 6, Hold: 10, Refuse: 15} })
			p := r.inData()
			p.do(letter("buy\r\n.\r\n"), test.want)
			p.do("NOOP\r\n", "250")
			taken := backend.taken()
			if test.want != "250" {
				if len(taken) != 0 {
					t.Error("the letter was taken")
				}
				return
			}
			got := taken[0].Verdict.Spam
			if got == nil || got.Score != test.found.Score || got.Tag != test.found.Tag || got.Hold || got.Unreachable != test.found.Unreachable {
				t.Errorf("verdict %+v, want %+v", got, test.found)
			}
			if away := strings.Contains(r.log.String(), "a letter was not filtered"); away != test.found.Unreachable {
				t.Errorf("log: %s", r.log)
			}
		})
	}
}
