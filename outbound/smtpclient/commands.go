package smtpclient

import "strconv"

// The lines of an envelope, as they are gathered in the transaction's buffer.

func (t *transaction) putEnvelope() {
	if t.c.open {
		t.putReset()
	}
	t.putMail()
	for _, i := range t.pending {
		t.putRcpt(i)
	}
	t.putData()
}

func (t *transaction) put(parts ...string) {
	for _, s := range parts {
		t.buf = append(t.buf, s...)
	}
}

func (t *transaction) putReset() { t.put("RSET\r\n") }
func (t *transaction) putData()  { t.put("DATA\r\n") }

func (t *transaction) putMail() {
	x := t.c.ext
	t.put("MAIL FROM:<", t.env.From.String(), ">")
	if x.HasSize {
		t.put(" SIZE=", strconv.Itoa(len(t.body)))
	}
	if t.eightBit {
		t.put(" BODY=8BITMIME")
	}
	if t.utf8 {
		t.put(" SMTPUTF8")
	}
	if t.env.RequireTLS && x.RequireTLS && t.c.tls != nil {
		t.put(" REQUIRETLS")
	}
	if t.wantsDSN() {
		t.put(" RET=HDRS ENVID=", xtext(t.env.ID))
	}
	t.put("\r\n")
}

func (t *transaction) putRcpt(i int) {
	rcpt := t.env.Recipients[i]
	t.put("RCPT TO:<", rcpt.String(), ">")
	if t.wantsDSN() {
		t.put(" NOTIFY=FAILURE,DELAY")
		if rcpt.ASCII() {
			t.put(" ORCPT=rfc822;", xtext(rcpt.String()))
		}
	}
	t.put("\r\n")
}

func (t *transaction) wantsDSN() bool {
	if !t.c.ext.DSN || t.env.ID == "" || len(t.env.ID) > maxEnvelopeID {
		return false
	}
	return isPrintableASCII(t.env.ID)
}

func isPrintableASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// xtext encodes printable ASCII for a parameter of DSN (RFC 3461 section 4).
func xtext(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || c == '+' || c == '=' {
			b = append(b, '+', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
