package smtpclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/smtptest"
)

// TestFates goes through the table of the package comment, with PIPELINING and without.
func TestFates(t *testing.T) {
	act := func(reply string) smtptest.Action { return smtptest.Action{Reply: reply} }
	hangUp := smtptest.Action{Close: true}
	type fates [3]Status
	for _, c := range []struct {
		name   string
		script func(smtptest.Command) smtptest.Action
		want   fates
		phase  Phase // of the first recipient
		code   int
		broken bool
		taken  int
	}{
		{"all well", nil, fates{Delivered, Delivered, Delivered}, PhaseFinal, 250, false, 1},
		{"MAIL later", on("MAIL", 0, act("451 4.3.0 later")), fates{}, PhaseMail, 451, false, 0},
		{"MAIL refused", on("MAIL", 0, act("550 5.7.1 no")), fates{Refused, Refused, Refused}, PhaseMail, 550, false, 0},
		{"MAIL 421", on("MAIL", 0, act("421 4.3.2 bye")), fates{}, PhaseMail, 421, true, 0},
		{"MAIL hang up", on("MAIL", 0, hangUp), fates{}, PhaseMail, 0, true, 0},
		{"MAIL answered 354", on("MAIL", 0, act("354 what")), fates{}, PhaseMail, 354, true, 0},
		{"RCPT refused", on("RCPT", 1, act("550 5.1.1 unknown")), fates{Refused, Delivered, Delivered}, PhaseRcpt, 550, false, 1},
		{"RCPT later", on("RCPT", 1, act("450 4.2.1 later")), fates{Deferred, Delivered, Delivered}, PhaseRcpt, 450, false, 1},
		{"RCPT 452", on("RCPT", 1, act("452 4.5.3 too many")), fates{Deferred, Delivered, Delivered}, PhaseRcpt, 452, false, 1},
		{"RCPT 552 is 452", on("RCPT", 1, act("552 5.5.3 too many")), fates{Deferred, Delivered, Delivered}, PhaseRcpt, 552, false, 1},
		{"RCPT 251", on("RCPT", 1, act("251 will forward")), fates{Delivered, Delivered, Delivered}, PhaseFinal, 250, false, 1},
		{"every RCPT refused", on("RCPT", 0, act("550 5.1.1 unknown")), fates{Refused, Refused, Refused}, PhaseRcpt, 550, false, 0},
		{"RCPT 421", on("RCPT", 1, smtptest.Action{Reply: "421 bye", Close: true}), fates{}, PhaseRcpt, 421, true, 0},
		{"second RCPT 421", on("RCPT", 2, smtptest.Action{Reply: "421 bye", Close: true}), fates{}, PhaseRcpt, 421, true, 0},
		{"RCPT garbage", on("RCPT", 1, act("!!!")), fates{}, PhaseRcpt, 0, true, 0},
		{"refused, then hang up", func(c smtptest.Command) smtptest.Action {
			switch {
			case c.Verb == "RCPT" && c.N == 1:
				return act("550 5.1.1 unknown")
			case c.Verb == "RCPT" && c.N == 2:
				return hangUp
			}
			return smtptest.Action{}
		}, fates{Refused, Deferred, Deferred}, PhaseRcpt, 550, true, 0},
		{"DATA later", on("DATA", 0, act("451 4.3.0 later")), fates{}, PhaseData, 451, false, 0},
		{"DATA refused", on("DATA", 0, act("554 5.7.1 no")), fates{Refused, Refused, Refused}, PhaseData, 554, false, 0},
		{"DATA answered 250", on("DATA", 0, act("250 what")), fates{}, PhaseData, 250, true, 0},
		{"DATA hang up", on("DATA", 0, hangUp), fates{}, PhaseData, 0, true, 0},
		{"reply before the letter", on("DATA", 0, act("354 go\r\n250 taken")), fates{}, PhaseData, 0, true, 0},
		{"letter later", on("BODY", 0, act("451 4.3.0 later")), fates{}, PhaseFinal, 451, false, 0},
		{"letter refused", on("BODY", 0, act("554 5.6.0 no")), fates{Refused, Refused, Refused}, PhaseFinal, 554, false, 0},
		{"letter too large", on("BODY", 0, act("552 5.3.4 too large")), fates{Refused, Refused, Refused}, PhaseFinal, 552, false, 0},
		{"421 after the final dot", on("BODY", 0, smtptest.Action{Reply: "421 4.3.2 bye", Close: true}), fates{}, PhaseFinal, 421, true, 0},
		{"hang up after the final dot", on("BODY", 0, hangUp), fates{Unknown, Unknown, Unknown}, PhaseFinal, 0, true, 0},
		{"garbage after the final dot", on("BODY", 0, act("taken!")), fates{Unknown, Unknown, Unknown}, PhaseFinal, 0, true, 0},
		{"354 after the final dot", on("BODY", 0, act("354 more")), fates{Unknown, Unknown, Unknown}, PhaseFinal, 354, true, 0},
		{"half a reply after the final dot", on("BODY", 0, smtptest.Action{Reply: "250-ta", Close: true}), fates{Unknown, Unknown, Unknown}, PhaseFinal, 0, true, 1},
	} {
		for _, pipelining := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/pipelining=%v", c.name, pipelining), func(t *testing.T) {
				cfg := smtptest.Config{Script: c.script}
				if !pipelining {
					cfg.Extensions = []string{"8BITMIME"}
				}
				s := smtptest.New(t, cfg)
				client, _ := connect(t, s, Config{})
				res := client.Send(within(t), envelope(t, "a@x.test", "b@x.test", "c@x.test"), letter)
				for i, want := range c.want {
					if f := res.Recipients[i]; f.Status != want {
						t.Errorf("recipient %d: %+v, want %v", i, f, want)
					}
				}
				f := res.Recipients[0]
				if f.Phase != c.phase || f.Reply.Code != c.code || c.code == 0 && f.Err == nil {
					t.Errorf("%+v, want %s %d", f, c.phase, c.code)
				}
				if (res.Err != nil) != c.broken || (client.Err() != nil) != c.broken {
					t.Errorf("broken: %v, %v", res.Err, client.Err())
				}
				if got := s.Letters(); len(got) != c.taken {
					t.Errorf("%d letters taken", len(got))
				}
			})
		}
	}
}

// TestReuseAfterRefusal: whatever happened to one letter, the next one on the same connection is unharmed, and costs
// no more writes.
func TestReuseAfterRefusal(t *testing.T) {
	for verb, reply := range map[string]string{"MAIL": "550 no", "RCPT": "550 no", "DATA": "451 no", "BODY": "554 no"} {
		s := smtptest.New(t, smtptest.Config{Script: on(verb, 1, smtptest.Action{Reply: reply})})
		c, nc := connect(t, s, Config{})
		first := c.Send(within(t), envelope(t, "a@x.test"), letter)
		nc.writes = nil
		second := c.Send(within(t), envelope(t, "b@x.test"), letter)
		if first.Recipients[0].Status == Delivered || second.Recipients[0].Status != Delivered || len(nc.writes) != 2 {
			t.Errorf("%s: %+v, %+v, %q", verb, first, second, nc.writes)
		}
		if reset := strings.HasPrefix(nc.writes[0], "RSET\r\nMAIL"); reset != (verb != "BODY") {
			t.Errorf("%s: %q", verb, nc.writes[0])
		}
		if got := s.Letters(); len(got) != 1 || !slices.Equal(got[0].Recipients, []string{"b@x.test"}) {
			t.Errorf("%s: %+v", verb, got)
		}
	}
}

// TestNobodyLeft: a server that asks for the letter although it refused everybody gets an empty one.
func TestNobodyLeft(t *testing.T) {
	script := func(c smtptest.Command) smtptest.Action {
		switch {
		case c.Verb == "RCPT" && c.N == 1:
			return smtptest.Action{Reply: "550 no"}
		case c.Verb == "DATA" && c.N == 1:
			return smtptest.Action{Reply: "354 go"}
		case c.Verb == "BODY" && c.N == 1:
			return smtptest.Action{Reply: "554 nobody"}
		}
		return smtptest.Action{}
	}
	s := smtptest.New(t, smtptest.Config{Script: script})
	c, nc := connect(t, s, Config{})
	nc.writes = nil
	first := c.Send(within(t), envelope(t, "a@x.test"), letter)
	if first.Recipients[0].Status != Refused || first.Err != nil || nc.writes[len(nc.writes)-1] != ".\r\n" {
		t.Errorf("%+v, %q", first, nc.writes)
	}
	if second := c.Send(within(t), envelope(t, "b@x.test"), letter); second.Recipients[0].Status != Delivered {
		t.Errorf("%+v", second)
	}
	// After a refused MAIL, 354 comes from a server that is out of step.
	s = smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		return map[string]smtptest.Action{"MAIL": {Reply: "550 no"}, "DATA": {Reply: "354 go"}}[c.Verb]
	}})
	c, nc = connect(t, s, Config{})
	res := c.Send(within(t), envelope(t, "a@x.test"), letter)
	if res.Recipients[0].Status != Refused || !errors.Is(res.Err, ErrProtocol) || nc.writes[len(nc.writes)-1] == ".\r\n" {
		t.Errorf("%+v", res)
	}
}

func TestParameters(t *testing.T) {
	all := smtptest.DefaultExtensions()
	long := strings.Repeat("i", 101)
	for _, c := range []struct {
		name, from, rcpt, id string
		body                 string
		utf8                 bool
		extensions           []string
		mail, rcptTo         string // the commands
		want                 error  // refused for this, and nothing was said
	}{
		{"plain", "a@b.test", "c@d.test", "", "x\r\n", false, all, "MAIL FROM:<a@b.test> SIZE=3", "RCPT TO:<c@d.test>", nil},
		{"null sender", "", "c@d.test", "", "x\r\n", false, all, "MAIL FROM:<> SIZE=3", "RCPT TO:<c@d.test>", nil},
		{"quoted", `"a b> X=Y"@b.test`, `"c\"d"@d.test`, "", "x\r\n", false, all, `MAIL FROM:<"a b> X=Y"@b.test> SIZE=3`, `RCPT TO:<"c\"d"@d.test>`, nil},
		{"eight bit", "a@b.test", "c@d.test", "", "ü\r\n", false, all, "MAIL FROM:<a@b.test> SIZE=4 BODY=8BITMIME", "RCPT TO:<c@d.test>", nil},
		{"eight bit not offered", "a@b.test", "c@d.test", "", "ü\r\n", false, []string{}, "", "", ErrNoEightBit},
		{"UTF-8 header", "a@b.test", "c@d.test", "", "x\r\n", true, all, "MAIL FROM:<a@b.test> SIZE=3 SMTPUTF8", "RCPT TO:<c@d.test>", nil},
		{"UTF-8 header not offered", "a@b.test", "c@d.test", "", "x\r\n", true, []string{}, "", "", ErrNoUTF8},
		{"UTF-8 recipient", "a@b.test", "ü@d.test", "id", "x\r\n", false, all, "MAIL FROM:<a@b.test> SIZE=3 SMTPUTF8 RET=HDRS ENVID=id", "RCPT TO:<ü@d.test> NOTIFY=FAILURE,DELAY", nil},
		{"UTF-8 recipient not offered", "a@b.test", "ü@d.test", "", "x\r\n", false, []string{}, "", "", ErrNoUTF8},
		{"UTF-8 sender not offered", "ü@b.test", "c@d.test", "", "x\r\n", false, []string{}, "", "", ErrNoUTF8},
		{"DSN", "a@b.test", "c+d=e@d.test", "i d+", "x\r\n", false, all, "MAIL FROM:<a@b.test> SIZE=3 RET=HDRS ENVID=i+20d+2B", "RCPT TO:<c+d=e@d.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;c+2Bd+3De@d.test", nil},
		{"DSN not offered", "a@b.test", "c@d.test", "id", "x\r\n", false, []string{"PIPELINING"}, "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", nil},
		{"id with a line end", "a@b.test", "c@d.test", "i\r\nRSET", "x\r\n", false, all, "MAIL FROM:<a@b.test> SIZE=3", "RCPT TO:<c@d.test>", nil},
		{"id too long", "a@b.test", "c@d.test", long, "x\r\n", false, all, "MAIL FROM:<a@b.test> SIZE=3", "RCPT TO:<c@d.test>", nil},
		{"too large", "a@b.test", "c@d.test", "", "1234\r\n", false, []string{"SIZE 5"}, "", "", ErrTooLarge},
		{"just not too large", "a@b.test", "c@d.test", "", "123\r\n", false, []string{"SIZE 5"}, "MAIL FROM:<a@b.test> SIZE=5", "RCPT TO:<c@d.test>", nil},
		{"no limit", "a@b.test", "c@d.test", "", "123\r\n", false, []string{"SIZE 0"}, "MAIL FROM:<a@b.test> SIZE=5", "RCPT TO:<c@d.test>", nil},
		{"bare CR", "a@b.test", "c@d.test", "", "x\r.\r\n", false, all, "", "", ErrBody},
		{"bare LF", "a@b.test", "c@d.test", "", "x\n.\r\n", false, all, "", "", ErrBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := smtptest.New(t, smtptest.Config{Extensions: c.extensions})
			client, _ := connect(t, s, Config{})
			env := Envelope{Recipients: []address.Address{mailbox(t, c.rcpt)}, UTF8: c.utf8, ID: c.id}
			if c.from != "" {
				env.From = mailbox(t, c.from)
			}
			res := client.Send(within(t), env, []byte(c.body))
			said := s.Commands()[1:]
			if c.want != nil {
				if f := res.Recipients[0]; f.Status != Refused || !errors.Is(f.Err, c.want) || len(said) != 0 || res.Err != nil {
					t.Errorf("%+v, said %q", f, said)
				}
				return
			}
			if res.Recipients[0].Status != Delivered || said[0] != "1: "+c.mail || said[1] != "1: "+c.rcptTo {
				t.Errorf("%+v, said %q", res, said)
			}
		})
	}
}

func TestNoInjection(t *testing.T) {
	s := smtptest.New(t, smtptest.Config{})
	c, _ := connect(t, s, Config{})
	good := mailbox(t, "a@x.test")
	for _, bad := range []address.Address{
		{Local: "a", Domain: "b> RET=FULL"},
		{Local: "a", Domain: "b.test> NOTIFY=NEVER"},
		{Local: "a\r\nRSET", Domain: "b.test"},
		{Local: "a", Domain: "b.test>\r\nDATA"},
		{Local: "a\x00", Domain: "b.test"},
		{Local: "a", Domain: "b c"},
		{Local: "a", Domain: ""},
		{Local: "\xff", Domain: "b.test"},
		{Local: strings.Repeat("a", 65), Domain: "b.test"},
	} {
		res := c.Send(within(t), Envelope{From: good, Recipients: []address.Address{bad, good}}, letter)
		if f := res.Recipients[0]; f.Status != Refused || !errors.Is(f.Err, address.ErrSyntax) || res.Recipients[1].Status != Delivered {
			t.Errorf("to %q: %+v", bad, res)
		}
		res = c.Send(within(t), Envelope{From: bad, Recipients: []address.Address{good}}, letter)
		if f := res.Recipients[0]; f.Status != Refused || !errors.Is(f.Err, address.ErrSyntax) {
			t.Errorf("from %q: %+v", bad, res)
		}
	}
	for _, line := range s.Commands()[1:] {
		if line != "1: MAIL FROM:<a@x.test> SIZE=30" && line != "1: RCPT TO:<a@x.test>" && line != "1: DATA" {
			t.Errorf("said %q", line)
		}
	}
}

func TestRecipientLimit(t *testing.T) {
	s := smtptest.New(t, smtptest.Config{Extensions: []string{"PIPELINING", "LIMITS RCPTMAX=2"}})
	c, _ := connect(t, s, Config{})
	res := c.Send(within(t), envelope(t, "a@x.test", "b@x.test", "c@x.test"), letter)
	if res.Recipients[1].Status != Delivered || res.Recipients[2].Status != Deferred || !errors.Is(res.Recipients[2].Err, ErrNotTried) || res.Recipients[2].Phase != "" {
		t.Errorf("%+v", res)
	}
	if res = c.Send(within(t), envelope(t, "c@x.test"), letter); res.Recipients[0].Status != Delivered {
		t.Errorf("%+v", res)
	}
	s = smtptest.New(t, smtptest.Config{})
	c, nc := connect(t, s, Config{})
	nc.writes = nil
	var many []string
	for i := range 150 {
		many = append(many, fmt.Sprintf("%s%d@x.test", strings.Repeat("r", 60), i))
	}
	env := envelope(t, many...)
	env.ID = "id"
	res = c.Send(within(t), env, letter)
	for i, f := range res.Recipients {
		if want := map[bool]Status{true: Delivered, false: Deferred}[i < maxRecipients]; f.Status != want {
			t.Fatalf("recipient %d: %+v", i, f)
		}
	}
	if len(nc.writes) != 2 {
		t.Errorf("%d writes", len(nc.writes))
	}
	if res := c.Send(within(t), Envelope{}, letter); len(res.Recipients) != 0 || res.Err != nil || len(nc.writes) != 2 {
		t.Errorf("nobody: %+v", res)
	}
}

// TestGoodbyeWhileIdle: what the server said between two letters is understood, and never taken for
// the answer to the second.
func TestGoodbyeWhileIdle(t *testing.T) {
	for said, want := range map[string]Fate{
		"421 4.4.2 idle": {Status: Deferred, Reply: Reply{421, "4.4.2", "idle"}},
		"250 2.1.0 yes":  {Status: Deferred, Reply: Reply{250, "2.1.0", "yes"}},
	} {
		s := smtptest.New(t, smtptest.Config{Script: on("BODY", 0, smtptest.Action{Reply: "250 taken\r\n" + said})})
		c, _ := connect(t, s, Config{})
		first := c.Send(within(t), envelope(t, "a@x.test"), letter)
		second := c.Send(within(t), envelope(t, "b@x.test"), letter)
		if first.Recipients[0].Status != Delivered || second.Recipients[0].Status != want.Status || second.Recipients[0].Reply != want.Reply || second.Err == nil {
			t.Errorf("%s: %+v, %+v", said, first, second)
		}
		if got := s.Letters(); len(got) != 1 {
			t.Errorf("%s: %d letters", said, len(got))
		}
	}
}

// TestContext: the end of the context ends the waiting, and only after the final dot is anything unknown.
func TestContext(t *testing.T) {
	for verb, want := range map[string]Status{"MAIL": Deferred, "RCPT": Deferred, "DATA": Deferred, "BODY": Unknown} {
		ctx, cancel := context.WithCancel(within(t))
		never := make(chan struct{})
		s := smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
			if c.Verb != verb {
				return smtptest.Action{}
			}
			cancel()
			return smtptest.Action{Wait: never}
		}})
		c, _ := connect(t, s, Config{})
		res := c.Send(ctx, envelope(t, "a@x.test"), letter)
		if f := res.Recipients[0]; f.Status != want || f.Reply.Code != 0 || res.Err == nil {
			t.Errorf("%s: %+v", verb, res)
		}
	}
	s := smtptest.New(t, smtptest.Config{})
	c, _ := connect(t, s, Config{})
	ended, cancel := context.WithCancel(within(t))
	cancel()
	if err := c.Reset(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestTimeouts(t *testing.T) {
	never := make(chan struct{})
	const short = 30 * time.Millisecond
	for verb, c := range map[string]struct {
		timeouts Timeouts
		want     Status
	}{
		"MAIL": {Timeouts{Mail: short}, Deferred}, "RCPT": {Timeouts{Rcpt: short}, Deferred},
		"DATA": {Timeouts{Data: short}, Deferred}, "BODY": {Timeouts{Final: short}, Unknown},
	} {
		s := smtptest.New(t, smtptest.Config{Script: on(verb, 0, smtptest.Action{Wait: never})})
		client, _ := connect(t, s, Config{Timeouts: c.timeouts})
		res := client.Send(within(t), envelope(t, "a@x.test"), letter)
		var timeout net.Error
		if f := res.Recipients[0]; f.Status != c.want || !errors.As(f.Err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: %+v", verb, f)
		}
	}
	if got := (Timeouts{}).withDefaults(); got.Final != 10*time.Minute || got.Block != 3*time.Minute || got.Data != 2*time.Minute {
		t.Errorf("%+v", got)
	}
}

// TestServerStopsReading: a server that takes no more of the letter cannot hold us, and what it said
// meanwhile counts.
func TestServerStopsReading(t *testing.T) {
	for early, want := range map[string]Fate{
		"":                        {Status: Deferred, Phase: PhaseBody},
		"552 5.3.4 too large\r\n": {Status: Refused, Phase: PhaseBody, Reply: Reply{552, "5.3.4", "too large"}},
		"421 4.3.2 bye\r\n":       {Status: Deferred, Phase: PhaseBody, Reply: Reply{421, "4.3.2", "bye"}},
		"250 ok\r\n":              {Status: Deferred, Phase: PhaseBody},
	} {
		t.Run(early, func(t *testing.T) {
			t.Parallel()
			ours, theirs := net.Pipe() // no buffers: a write lasts until it is read
			served := make(chan struct{})
			go func() {
				defer close(served)
				buf := make([]byte, 4096)
				for _, reply := range []string{"220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"} {
					if _, err := io.WriteString(theirs, reply); err != nil {
						return
					}
					if _, err := theirs.Read(buf); err != nil {
						return
					}
				}
				_ = ours.SetWriteDeadline(time.Unix(1, 0)) // the time for the block, which is being written, is over
				_, _ = io.WriteString(theirs, early)
			}()
			c, err := Connect(within(t), ours, Config{Name: "a.test", Timeouts: Timeouts{Block: patience}})
			if err != nil {
				t.Fatal(err)
			}
			res := c.Send(within(t), envelope(t, "a@x.test"), bytes.Repeat([]byte("a line of the letter\r\n"), 10_000))
			if f := res.Recipients[0]; f.Status != want.Status || f.Phase != want.Phase || f.Reply != want.Reply || f.Err == nil || res.Err == nil {
				t.Errorf("%q: %+v", early, f)
			}
			<-served
			_ = theirs.Close()
		})
	}
}

// talker is a connection to a server that says what it likes, whatever it is told.
type talker struct {
	net.Conn
	says io.Reader
	told bytes.Buffer
}

func (c *talker) Read(b []byte) (int, error)       { return c.says.Read(b[:min(len(b), 7)]) }
func (c *talker) Write(b []byte) (int, error)      { return c.told.Write(b) }
func (c *talker) Close() error                     { return nil }
func (c *talker) SetDeadline(time.Time) error      { return nil }
func (c *talker) SetReadDeadline(time.Time) error  { return nil }
func (c *talker) SetWriteDeadline(time.Time) error { return nil }

func FuzzServer(f *testing.F) {
	f.Add("220 a\r\n250-b\r\n250 PIPELINING\r\n250 c\r\n250 d\r\n550 e\r\n354 f\r\n250 g\r\n", "x\r\n.y\r\n")
	f.Add("220 a\r\n502 b\r\n250 c\r\n250 d\r\n250 e\r\n250 e\r\n354 f\r\n250 g\r\n", "x")
	f.Add("220 a\r\n250-STARTTLS\r\n250 LIMITS RCPTMAX=1\r\n220 x\r\n", "")
	for _, login := range []string{"PLAIN\r\n334 b\r\n", "LOGIN\r\n334 b\r\n334 c\r\n"} {
		f.Add("220 login\r\n250 AUTH "+login+"235 d\r\n250 e\r\n250 f\r\n250 f\r\n354 g\r\n250 h\r\n", "x")
	}
	f.Fuzz(func(t *testing.T, says, body string) {
		nc := &talker{says: strings.NewReader(says)}
		cfg := Config{Name: "a.test", TLS: TLSNone}
		if strings.HasPrefix(says, "220 login") {
			cfg.Auth = &Auth{Username: "u\r\n", Password: "p\x00\r\n", AllowPlaintext: true}
		}
		c, err := Connect(t.Context(), nc, cfg)
		if err != nil {
			return
		}
		defer c.Close()
		res := c.Send(t.Context(), envelope(t, "b@x.test", "c@x.test"), []byte(body))
		told := nc.told.Bytes()
		if bytes.Count(told, []byte("\n")) != bytes.Count(told, crlf) || bytes.Count(told, []byte("\r")) != bytes.Count(told, crlf) {
			t.Fatalf("bare line ends: %q", told)
		}
		for _, f := range res.Recipients {
			if (f.Status == Delivered || f.Status == Unknown) && !bytes.HasSuffix(told, []byte(".\r\n")) {
				t.Fatalf("%v, but the letter was not sent: %q", f.Status, told)
			}
			if f.Status == Delivered != (f.Reply.Code/100 == 2 && f.Phase == PhaseFinal) {
				t.Fatalf("%+v", f)
			}
		}
	})
}

func BenchmarkSend(b *testing.B) {
	s := smtptest.New(b, smtptest.Config{})
	c, _ := connect(b, s, Config{})
	env := envelope(b, "a@x.test")
	body := bytes.Repeat([]byte("Some words of a letter, as they are found in lines of text.\r\n"), 66)
	ctx := within(b)
	b.ReportAllocs()
	for b.Loop() {
		if res := c.Send(ctx, env, body); res.Recipients[0].Status != Delivered {
			b.Fatal(res)
		}
	}
}
