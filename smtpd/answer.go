package smtpd

import "bytes"

// The half of the wire that speaks: replies of our own, and those of go-smtp.

// answer replies in go-smtp's place.
func (w *wire) answer(r reply) {
	if r.reason != "" {
		w.srv.refused(w, r)
	}
	switch r.reason {
	case replyNotSMTP.reason, replyPipelining.reason, replyBadChunkSize.reason:
		w.last(r)
		return
	}
	w.out = r.appendTo(w.out)
	w.count(r.code)
}

// count ends the connection when a reply was the last one, or one too many of its kind.
func (w *wire) count(code int) {
	switch {
	case code == 421:
		w.state, w.lingers = hungUp, true
	case code >= 500 && code <= 504:
		if w.bad++; w.bad > w.srv.cfg.MaxBadCommands {
			w.hangUp(replyTooManyBad)
		}
	case code >= 500 && w.cmd.verb == "RCPT":
		if w.refused++; w.refused > w.srv.cfg.MaxRefusedRecipients {
			w.hangUp(replyHarvest)
		}
	}
}

// hangUp says the last words and reads no more. Whatever go-smtp still answers is not sent.
func (w *wire) hangUp(r reply) {
	if w.state == hungUp {
		return
	}
	w.srv.refused(w, r)
	w.last(r)
}

func (w *wire) last(r reply) {
	w.out = r.appendTo(w.out)
	w.state, w.lingers = hungUp, true
}

// Write takes a line of a reply of go-smtp.
func (w *wire) Write(p []byte) (n int, err error) {
	defer w.caught(&err)
	line := string(bytes.TrimRight(p, "\r\n"))
	if w.state == hungUp || len(line) < 4 {
		return len(p), nil
	}
	code, final := int(line[0]-'0')*100+int(line[1]-'0')*10+int(line[2]-'0'), line[3] == ' '
	if w.swallow {
		w.swallow = !final
	} else {
		w.relay(line, code, final)
	}
	return len(p), nil
}

// relay passes a line of go-smtp on, in our words where its own are wrong, and keeps the state of
// the wire with it.
func (w *wire) relay(line string, code int, final bool) {
	begins := w.begins
	w.begins = false
	switch {
	case code == 354:
		w.bodyFrom, w.bodyGot = w.srv.cfg.Now(), 0
		if w.cmd.verb == "BDAT" {
			w.state = awaitsChunk
			return
		}
		w.state = awaitsText
	case begins && w.cmd.verb == "BDAT":
		// Refused, but the client does not wait to send the chunk (RFC 3030 section 2).
		w.skip = w.cmd.octets
	case code == 250 && w.lmtp && line[4:] == "CHUNKING":
		return // the replies to a last chunk would be several
	case code == 250 && (w.cmd.verb == "EHLO" || w.cmd.verb == "LHLO") && !w.saying:
		w.out = append(w.out, "250-"+w.srv.cfg.Hostname+" at your service\r\n"...)
		if w.srv.tls != nil && w.handshake == "" {
			w.out = append(w.out, "250-STARTTLS\r\n"...)
		}
		if w.handshake != "" {
			w.out = append(w.out, "250-REQUIRETLS\r\n"...)
		}
		w.saying, w.greeted, w.esmtp = true, true, true
		return
	case code == 250 && w.cmd.verb == "HELO":
		w.greeted, w.esmtp = true, false
	}
	w.saying = !final
	w.out = append(append(w.out, ownWords(w.cmd.verb, line)...), "\r\n"...)
	if !final {
		return
	}
	if code >= 400 {
		if w.reason == "" {
			w.reason = "command"
		}
		w.srv.refused(w, reply{code: code, text: line, reason: w.reason})
	}
	w.count(code)
}

// flush sends what was answered; a client that does not take it in time is gone.
func (w *wire) flush() {
	if len(w.out) == 0 {
		return
	}
	_ = w.conn.SetWriteDeadline(w.srv.cfg.Now().Add(w.srv.cfg.WriteTimeout))
	_, err := w.conn.Write(w.out)
	w.out = w.out[:0]
	if err != nil {
		w.state = hungUp
	}
}
