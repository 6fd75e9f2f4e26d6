package smtpd

import (
	"context"
	"errors"
	"io"

	"github.com/emersion/go-smtp"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
	"mxdesk/internal/network"
)

// session answers the commands of one connection. Each method returns its reply by way of done, which counts it
// and catches panics; go-smtp calls them one at a time.
type session struct {
	srv  *Server
	wire *wire
	conn *smtp.Conn
	tx   transaction
}

// newSession is called at the first EHLO or HELO.
func (s *Server) newSession(c *smtp.Conn) (smtp.Session, error) {
	w, ok := c.Conn().(*wire)
	if !ok {
		return nil, replyLocalError.error()
	}
	return &session{srv: s, wire: w, conn: c}, nil
}

// Mail opens a transaction. The address is the wire's reading of it: go-smtp takes off quotes.
func (s *session) Mail(_ string, opts *smtp.MailOptions) (err error) {
	defer s.caught(&err)
	return s.done(s.mail(opts))
}

func (s *session) mail(opts *smtp.MailOptions) reply {
	cfg := &s.srv.cfg
	switch {
	case s.tx.open:
		return replyNested
	case s.wire.letters >= cfg.MaxMessages:
		return replyTooManyLetters
	case s.wire.cmd.utf8 && !opts.UTF8:
		return replyNeedsUTF8
	case opts.RequireTLS && s.wire.handshake == "": // RFC 8689 section 2: offered within TLS alone
		return replyNotOffered
	case !s.srv.space.enough(cfg.Now(), opts.Size):
		return replyTo(message.ErrStorageFull)
	case cfg.QueueFull != nil && !s.wire.cmd.path.IsZero() && cfg.QueueFull():
		return replyQueueFull
	}
	if r := s.admitSender(s.wire.cmd.path); !r.isZero() {
		return r
	}
	s.tx = transaction{open: true, utf8: opts.UTF8, requireTLS: opts.RequireTLS, sender: s.wire.cmd.path}
	return reply{}
}

// Rcpt takes a recipient that the backend knows.
func (s *session) Rcpt(string, *smtp.RcptOptions) (err error) {
	defer s.caught(&err)
	return s.done(s.rcpt(s.wire.cmd.path))
}

func (s *session) rcpt(recipient address.Address) reply {
	if s.wire.cmd.utf8 && !s.tx.utf8 {
		return replyNeedsUTF8
	}
	if r := admitRecipient(&s.tx); !r.isZero() {
		return r
	}
	ctx, cancel := context.WithTimeout(s.wire.ctx, s.srv.cfg.CheckTimeout)
	defer cancel()
	if err := s.srv.backend.CheckRecipient(ctx, s.tx.sender, recipient); err != nil {
		return s.failed("checking a recipient", err)
	}
	if r := s.greylisted(ctx, recipient); !r.isZero() {
		return r
	}
	s.tx.add(recipient)
	return reply{}
}

// Data takes the letter and answers for it. go-smtp's reader is left alone: the wire reads the body, and go-smtp
// then finds an empty one.
func (s *session) Data(io.Reader) (err error) {
	defer s.caught(&err)
	kept := newStore(&s.srv.cfg)
	defer kept.release()
	if r := s.wire.readBody(kept); !r.isZero() {
		return s.done(r)
	}
	end := s.srv.cfg.Now()
	r := s.accept(kept)
	s.srv.metrics.replySeconds.Observe(s.srv.cfg.Now().Sub(end).Seconds())
	return s.done(r)
}

// accept decides on a whole letter and hands it over. Only a nil error of Deliver leads to 250.
func (s *session) accept(kept *store) reply {
	cfg := &s.srv.cfg
	ctx, cancel := context.WithTimeout(s.wire.ctx, cfg.ProcessingTimeout)
	defer cancel()
	raw, err := kept.bytes()
	if err != nil {
		return s.failed("spooling a letter", err)
	}
	if kept.mapped != nil {
		defer collectOften()()
	}
	header := readHeader(raw, cfg.MaxHeader)
	if r := admit(facts{nullSender: s.tx.sender.IsZero(), header: header}, cfg); !r.isZero() {
		return r
	}
	if r := s.rated(); !r.isZero() {
		return r
	}
	letter := s.tx.letter(s.facts(ctx), raw, cfg.Hostname, cfg.Now())
	letter.Verdict = s.srv.verify(ctx, letter)
	if r := s.filter(ctx, letter); !r.isZero() {
		return r
	}
	if ctx.Err() != nil {
		return replyTookTooLong
	}
	receipt, err := s.srv.backend.Deliver(ctx, letter)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return replyTookTooLong
		}
		return s.failed("delivering a letter", err)
	}
	s.remember(ctx, letter)
	s.wire.commands = 0
	s.wire.letters++
	s.srv.accepted(s.wire, letter, receipt)
	return replyAccepted(receipt)
}

// rated takes the letter out of the buckets. Whoever may have as many connections as he likes may send as much too.
func (s *session) rated() reply {
	r := s.srv.rates
	if s.wire.lmtp || !s.wire.client.IsValid() || s.wire.listing == network.Allowed || network.Contains(r.exempt, s.wire.client) {
		return reply{}
	}
	return r.take(r.keys(s.wire.client, s.tx.sender, s.tx.recipients), s.srv.cfg.Now())
}

// facts are what the letters of this session keep of it.
func (s *session) facts(ctx context.Context) message.Session {
	w := s.wire
	protocol := "SMTP"
	switch {
	case w.lmtp:
		protocol = "LMTP"
	case w.esmtp || w.handshake != "": // RFC 3848 knows no SMTPS
		protocol = "ESMTP"
	}
	if w.handshake != "" {
		protocol += "S"
	}
	return message.Session{
		ID: w.id, Client: w.client, PTR: w.lookup.name(ctx), Helo: sanitise(s.conn.Hostname()), TLS: w.handshake, Protocol: protocol,
	}
}

// failed is the reply to an error of ours or of the backend; what is not a refusal is logged.
func (s *session) failed(act string, err error) reply {
	r := replyTo(err)
	if r.reason == replyLocalError.reason || r.reason == "storage-full" {
		s.srv.cfg.Log.Error(act, "session", s.wire.id.String(), "client", s.wire.client.String(), "error", err)
	}
	return r
}

// done hands a reply to go-smtp; the zero one is its own 250.
func (s *session) done(r reply) error {
	if r.isZero() {
		return nil
	}
	s.wire.reason = r.reason
	return r.error()
}

// Reset forgets the transaction. go-smtp holds a lock meanwhile, so nothing is called from here.
func (s *session) Reset() { s.tx = transaction{} }

// Logout is called where a panic would end the process, so it does nothing; the wire cleans up.
func (s *session) Logout() error { return nil }

// caught turns a panic in a command into 421 and the end of the connection.
func (s *session) caught(err *error) {
	if p := recover(); p != nil {
		s.wire.panicked(p)
		*err = replyPanic.error()
	}
}
