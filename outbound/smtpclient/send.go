package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mxdesk/internal/address"
)

// Envelope says from whom a letter is and to whom it goes. The addresses are checked again before they
// go out, wherever they come from.
type Envelope struct {
	From       address.Address // zero is the null reverse-path
	Recipients []address.Address
	Domain     string // whose recipients the server takes; the others are not tried. "": any
	RequireTLS bool   // ask servers that know REQUIRETLS (RFC 8689) to pass it on over TLS alone; that this connection is safe is the caller's to see to
	UTF8       bool   // the header holds UTF-8 (RFC 6532); addresses that need SMTPUTF8 are found without it
	ID         string // our id of the delivery, printable ASCII: asked back in delivery reports where the server knows DSN (RFC 3461)
}

// Status is what became of a recipient. The zero value promises nothing.
type Status int

// The states. See the table in the package comment.
const (
	Deferred  Status = iota // not now
	Delivered               // the server took responsibility
	Refused                 // trying again does not help
	Unknown                 // the connection broke after the final dot: the server may have it
)

// String is the status as it goes into a log.
func (s Status) String() string {
	return [...]string{"deferred", "delivered", "refused", "unknown"}[s]
}

// Fate is what became of one recipient, and why.
type Fate struct {
	Status Status
	Phase  Phase // "" when the recipient was not tried
	Reply  Reply // what the server said, if it said anything
	Err    error // what happened instead, or why we did not send
}

// Result is what became of one letter.
type Result struct {
	Recipients []Fate // one for each recipient of the envelope, in its order
	Err        error  // why the connection can no longer be used; nil: it is ready for the next letter
}

// Why a recipient was not tried at all. Only ErrNotTried is cured by trying again.
var (
	ErrNotTried   = errors.New("not a recipient that the server takes together with these")
	ErrTooLarge   = errors.New("letter is larger than the server takes")
	ErrNoEightBit = errors.New("letter needs 8BITMIME, which the server does not offer")
	ErrNoUTF8     = errors.New("address or header needs SMTPUTF8, which the server does not offer")
)

const (
	// blockSize is how much of a letter one write carries.
	blockSize = 64 << 10
	// maxRecipients is how many a transaction carries when the server tells no limit: what every
	// server must take (RFC 5321 section 4.5.3.1.8). It keeps a pipelined envelope below what sockets buffer.
	maxRecipients = 100
	// maxEnvelopeID is RFC 3461 section 4.4.
	maxEnvelopeID = 100
	// lastWordsWait is for a reply that ought to be there already.
	lastWordsWait = 2 * time.Second
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, blockSize); return &b }}

// transaction is one letter on its way; pending holds the recipients whose fate is open.
type transaction struct {
	c        *Client
	env      *Envelope
	body     []byte
	eightBit bool
	utf8     bool
	fates    []Fate
	pending  []int
	buf      []byte
}

// Send delivers one letter: body is header and text, with CRLF line ends (see CheckBody). It carries as many
// recipients as the server takes at once; those left over get ErrNotTried and may be given to Send again.
// A letter costs two round trips where the server knows PIPELINING. The end of the context closes the
// connection; it is what bounds the whole, as each step has its own timeout.
func (c *Client) Send(ctx context.Context, env Envelope, body []byte) Result {
	t := &transaction{c: c, env: &env, body: body, fates: make([]Fate, len(env.Recipients))}
	t.plan()
	if len(t.pending) > 0 {
		b := buffers.Get().(*[]byte)
		t.buf = (*b)[:0]
		err := c.within(ctx, func(context.Context) error { return t.run() })
		if err != nil { // those still pending: nothing was said about them
			t.settle(failure(err))
		}
		buffers.Put(b)
	}
	return Result{Recipients: t.fates, Err: c.broken}
}

// plan finds the recipients that can be tried, and refuses what the server announced it would not take.
func (t *transaction) plan() {
	for i, rcpt := range t.env.Recipients {
		if t.env.Domain != "" && rcpt.Domain != t.env.Domain {
			t.fates[i] = Fate{Err: ErrNotTried}
			continue
		}
		t.pending = append(t.pending, i)
	}
	if err := t.checkLetter(); err != nil {
		t.settle(Fate{Status: Refused, Phase: PhaseMail, Err: err})
		return
	}
	limit := t.c.ext.MaxRcpt
	if limit == 0 || limit > maxRecipients {
		limit = maxRecipients
	}
	all, domains := t.pending, map[string]bool{}
	t.pending = nil
	for _, i := range all {
		rcpt := t.env.Recipients[i]
		switch err := checkAddress(rcpt); {
		case err != nil:
			t.fates[i] = Fate{Status: Refused, Phase: PhaseRcpt, Err: err}
		case !rcpt.ASCII() && !t.c.ext.SMTPUTF8:
			t.fates[i] = Fate{Status: Refused, Phase: PhaseRcpt, Err: ErrNoUTF8}
		case len(t.pending) == limit, t.c.ext.MaxDomains > 0 && len(domains) == t.c.ext.MaxDomains && !domains[rcpt.Domain]:
			t.fates[i] = Fate{Err: ErrNotTried}
		default:
			domains[rcpt.Domain] = true
			t.pending = append(t.pending, i)
			t.utf8 = t.utf8 || !rcpt.ASCII()
		}
	}
}

func (t *transaction) checkLetter() (err error) {
	t.utf8 = t.env.UTF8 || !t.env.From.ASCII()
	if t.eightBit, err = CheckBody(t.body); err != nil {
		return err
	}
	if !t.env.From.IsZero() {
		if err := checkAddress(t.env.From); err != nil {
			return err
		}
	}
	switch x := t.c.ext; {
	case t.utf8 && !x.SMTPUTF8:
		return ErrNoUTF8
	case t.eightBit && !x.EightBit:
		return ErrNoEightBit
	case x.Size > 0 && int64(len(t.body)) > x.Size:
		return ErrTooLarge
	}
	return nil
}

// checkAddress makes sure that an address put between < and > is one address and nothing else.
func checkAddress(a address.Address) error {
	_, err := address.Parse(a.String())
	return err
}

// run says the envelope and, when somebody is left, sends the letter. The error is that of the connection.
func (t *transaction) run() error {
	ready, err := t.envelope()
	if err != nil || !ready {
		return err
	}
	return t.letter()
}

// envelope sends MAIL, RCPT and DATA: in one write if the server knows PIPELINING, and otherwise each
// when the one before is answered. It tells whether the server waits for the letter and
// somebody is to get it.
func (t *transaction) envelope() (ready bool, err error) {
	c := t.c
	if c.ext.Pipelining {
		t.putEnvelope()
		if err := c.write(PhaseMail, t.buf); err != nil {
			return false, err
		}
	}
	if c.open {
		reset, err := t.ask(PhaseMail, c.cfg.Timeouts.Mail, t.putReset)
		if err != nil {
			return false, err
		}
		if !reset.Positive() { // what it says of MAIL now may be about the letter before
			return false, c.fail(&Error{Phase: PhaseMail, Reply: reset, Err: fmt.Errorf("%w: RSET is refused", ErrProtocol)})
		}
	}
	c.open = true
	c.mails++
	rcpts := slices.Clone(t.pending)
	mail, err := t.ask(PhaseMail, c.cfg.Timeouts.Mail, t.putMail)
	if err == nil && !mail.Positive() {
		err = t.refuse(PhaseMail, mail)
	}
	if err != nil || t.over() {
		return false, err
	}
	if err := t.recipients(rcpts); err != nil || t.over() {
		return false, err
	}
	data, err := t.ask(PhaseData, c.cfg.Timeouts.Data, t.putData)
	switch {
	case err != nil:
		return false, err
	case data.Code != 354:
		return false, t.refuse(PhaseData, data)
	case len(t.pending) == 0:
		return false, t.emptyLetter(mail)
	}
	return true, nil
}

// over tells whether there is nothing more to say: nobody is left, and nothing was said ahead.
func (t *transaction) over() bool { return len(t.pending) == 0 && !t.c.ext.Pipelining }

// ask takes the answer to one command, after sending it unless that was done in the one write.
func (t *transaction) ask(p Phase, timeout time.Duration, put func()) (Reply, error) {
	if !t.c.ext.Pipelining {
		t.buf = t.buf[:0]
		put()
		if err := t.c.write(p, t.buf); err != nil {
			return Reply{}, err
		}
	}
	r, _, err := t.c.read(p, timeout)
	return r, err
}

// recipients takes the answers to RCPT. After a refused MAIL they say nothing, but must be read.
func (t *transaction) recipients(rcpts []int) error {
	for _, i := range rcpts {
		r, err := t.ask(PhaseRcpt, t.c.cfg.Timeouts.Rcpt, func() { t.putRcpt(i) })
		if err != nil {
			return err
		}
		if !r.Positive() && slices.Contains(t.pending, i) {
			if err := t.refuseOne(i, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// emptyLetter answers a server that asks for a letter which nobody is to get: with a lone dot, as RFC 2920
// section 3.1 says. But after a refused MAIL we do not know whose transaction it is, and leave.
func (t *transaction) emptyLetter(mail Reply) error {
	if !mail.Positive() {
		return t.c.fail(&Error{Phase: PhaseData, Err: fmt.Errorf("%w: 354 without a transaction", ErrProtocol)})
	}
	if err := t.c.write(PhaseData, []byte(".\r\n")); err != nil {
		return err
	}
	_, _, err := t.c.read(PhaseFinal, t.c.cfg.Timeouts.Final)
	t.c.open = false
	return err
}

// letter sends the body and takes the answer that decides.
func (t *transaction) letter() error {
	c := t.c
	if c.br.Buffered() > 0 {
		return c.fail(&Error{Phase: PhaseData, Err: fmt.Errorf("%w: a reply before the letter", ErrProtocol)})
	}
	if err := writeBody(t.body, t.buf, c.writeBlock); err != nil {
		err = &Error{Phase: PhaseBody, Err: fmt.Errorf("write: %w", err)}
		t.settle(c.lastWords(err))
		return c.fail(err)
	}
	r, _, err := c.read(PhaseFinal, c.cfg.Timeouts.Final)
	switch {
	case err != nil:
		fate := failure(err)
		if fate.Reply.Code == 0 {
			fate.Status = Unknown
		}
		t.settle(fate)
		return err
	case r.Positive():
		t.settle(Fate{Status: Delivered, Phase: PhaseFinal, Reply: r})
		c.letters++
	case r.Code/100 == 3:
		t.settle(Fate{Status: Unknown, Phase: PhaseFinal, Reply: r, Err: ErrProtocol})
		return c.fail(&Error{Phase: PhaseFinal, Reply: r, Err: ErrProtocol})
	default:
		return t.refuse(PhaseFinal, r)
	}
	c.open = false
	return nil
}

// settle decides the fate of all who are pending.
func (t *transaction) settle(f Fate) {
	for _, i := range t.pending {
		t.fates[i] = f
	}
	t.pending = nil
}

// refuse settles all pending with a negative reply; any other is no answer to what we said.
func (t *transaction) refuse(p Phase, r Reply) error {
	status, err := t.c.judge(p, r)
	if err != nil {
		return err
	}
	t.settle(Fate{Status: status, Phase: p, Reply: r})
	if p == PhaseFinal {
		t.c.open = false
	}
	return nil
}

func (t *transaction) refuseOne(rcpt int, r Reply) error {
	status, err := t.c.judge(PhaseRcpt, r)
	if err != nil {
		return err
	}
	t.fates[rcpt] = Fate{Status: status, Phase: PhaseRcpt, Reply: r}
	t.pending = slices.DeleteFunc(t.pending, func(i int) bool { return i == rcpt })
	return nil
}

// judge tells what a negative reply means. 552 to RCPT is an old way to say "too many recipients", and no fault
// of this one (RFC 5321 section 4.5.3.1.10).
func (c *Client) judge(p Phase, r Reply) (Status, error) {
	switch {
	case r.Code/100 == 4, p == PhaseRcpt && r.Code == 552:
		return Deferred, nil
	case r.Code/100 == 5:
		return Refused, nil
	}
	return Deferred, c.fail(&Error{Phase: p, Reply: r, Err: ErrProtocol})
}

// failure is the fate that an error of the connection means while nothing was delivered.
func failure(err error) Fate {
	var e *Error
	if errors.As(err, &e) {
		return Fate{Phase: e.Phase, Reply: e.Reply, Err: err}
	}
	return Fate{Err: err}
}

func (c *Client) writeBlock(block []byte) error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.patience(PhaseBody, c.cfg.Timeouts.Block))); err != nil {
		return err
	}
	_, err := c.nc.Write(block)
	return err
}

// lastWords is what a server said before it hung up on us in mid-letter. It has not seen the end.
func (c *Client) lastWords(werr error) Fate {
	if err := c.nc.SetReadDeadline(time.Now().Add(min(lastWordsWait, c.cfg.Timeouts.Block))); err != nil {
		return failure(werr)
	}
	r, _, err := readReply(c.br)
	if err != nil || r.Code/100 != 4 && r.Code/100 != 5 {
		return failure(werr)
	}
	f := Fate{Status: Deferred, Phase: PhaseBody, Reply: r, Err: werr}
	if r.Permanent() {
		f.Status = Refused
	}
	return f
}
