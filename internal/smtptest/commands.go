package smtptest

import (
	"crypto/tls"
	"encoding/base64"
	"strings"
)

// command does one command; false ends the connection.
func (c *conn) command(verb, line string) bool {
	switch verb {
	case "EHLO", "HELO":
		return c.hello(verb, line)
	case "MAIL":
		return c.mail(line)
	case "RCPT":
		return c.rcpt(line)
	case "DATA":
		return c.data(line)
	case "STARTTLS":
		return c.startTLS(line)
	case "AUTH":
		return c.authenticate(line)
	case "RSET":
		c.letter = nil
		return c.say(verb, line, "250 2.0.0 forgotten")
	case "NOOP":
		return c.say(verb, line, "250 2.0.0 still here")
	case "QUIT":
		return c.say(verb, line, "221 2.0.0 bye")
	}
	return c.say(verb, line, "500 5.5.1 what?")
}

func (c *conn) say(verb, line, usual string) bool {
	_, ok := c.answer(verb, line, usual)
	return ok
}

func (c *conn) hello(verb, line string) bool {
	_, c.helo, _ = strings.Cut(line, " ")
	c.letter = nil
	reply := []string{c.s.cfg.Name}
	if verb == "EHLO" {
		if c.s.cfg.TLS != nil && !c.tls {
			reply = append(reply, "STARTTLS")
		}
		reply = append(reply, c.s.cfg.Extensions...)
	}
	var b strings.Builder
	for i, l := range reply {
		if i < len(reply)-1 {
			b.WriteString("250-" + l + "\r\n")
		} else {
			b.WriteString("250 " + l)
		}
	}
	return c.say(verb, line, b.String())
}

// path takes the address and the parameters out of "MAIL FROM:<address> parameters".
func path(line string) (address, params string) {
	_, rest, _ := strings.Cut(line, "<")
	end := strings.LastIndexByte(rest, '>')
	if end < 0 {
		return rest, ""
	}
	return rest[:end], strings.TrimSpace(rest[end+1:])
}

func (c *conn) mail(line string) bool {
	if c.letter != nil {
		return c.say("MAIL", line, "503 5.5.1 nested MAIL")
	}
	class, ok := c.answer("MAIL", line, "250 2.1.0 sender ok")
	if class == '2' {
		c.letter = &Letter{Conn: c.no, Helo: c.helo, TLS: c.tls, Auth: c.auth}
		c.letter.From, c.letter.FromParams = path(line)
	}
	return ok
}

func (c *conn) rcpt(line string) bool {
	if c.letter == nil {
		return c.say("RCPT", line, "503 5.5.1 MAIL first")
	}
	class, ok := c.answer("RCPT", line, "250 2.1.5 recipient ok")
	if class == '2' {
		address, params := path(line)
		c.letter.Recipients = append(c.letter.Recipients, address)
		c.letter.RcptParams = append(c.letter.RcptParams, params)
	}
	return ok
}

func (c *conn) data(line string) bool {
	usual := "354 go ahead"
	if c.letter == nil || len(c.letter.Recipients) == 0 {
		usual = "554 5.5.1 no valid recipients"
	}
	class, ok := c.answer("DATA", line, usual)
	if class != '3' || !ok {
		return ok
	}
	if c.bw.Flush() != nil {
		return false
	}
	var raw, data []byte
	for atStart := true; ; {
		l, err := c.br.ReadSlice('\n')
		if err != nil {
			return false // also a line above bufio's 4 KiB: no client of ours sends one
		}
		// Only CRLF . CRLF ends a letter.
		if atStart && string(l) == ".\r\n" {
			break
		}
		raw = append(raw, l...)
		if atStart && l[0] == '.' {
			l = l[1:]
		}
		data = append(data, l...)
		atStart = len(raw) >= 2 && raw[len(raw)-2] == '\r'
	}
	letter := c.letter
	c.letter = nil
	class, ok = c.answer(Body, "", "250 2.0.0 taken")
	if class == '2' && letter != nil {
		letter.Raw, letter.Data = raw, data
		c.s.keep(*letter)
	}
	return ok
}

func (c *conn) startTLS(line string) bool {
	if c.s.cfg.TLS == nil || c.tls {
		return c.say("STARTTLS", line, "502 5.5.1 no TLS here")
	}
	class, ok := c.answer("STARTTLS", line, "220 2.0.0 go ahead")
	if class != '2' || !ok {
		return ok
	}
	if c.bw.Flush() != nil {
		return false
	}
	tc := tls.Server(c.nc, c.s.cfg.TLS)
	if tc.Handshake() != nil {
		return false
	}
	c.use(tc)
	c.tls, c.helo, c.letter = true, "", nil
	return true
}

// authenticate asks what the mechanism needs and believes everything. A script's 334 is one more challenge, whatever is
// answered to it is refused, as XOAUTH2 does.
func (c *conn) authenticate(line string) bool {
	word := strings.Fields(line)
	if len(word) < 2 {
		return c.say("AUTH", line, "501 5.5.4 which mechanism?")
	}
	challenges := map[string][]string{"PLAIN": {""}, "LOGIN": {"VXNlcm5hbWU6", "UGFzc3dvcmQ6"}, "XOAUTH2": {""}}[word[1]]
	if challenges == nil {
		return c.say("AUTH", line, "504 5.5.4 unknown mechanism")
	}
	auth := []string{word[1]}
	for _, challenge := range challenges {
		if _, err := c.bw.WriteString("334 " + challenge + "\r\n"); err != nil {
			return false
		}
		answer, err := c.line()
		if err != nil {
			return false
		}
		text, err := base64.StdEncoding.DecodeString(answer)
		if err != nil {
			return c.say("AUTH", line, "501 5.5.2 not base64")
		}
		auth = append(auth, string(text))
	}
	class, ok := c.answer("AUTH", line, "235 2.7.0 welcome")
	switch class {
	case '2':
		c.auth = auth
	case '3':
		if _, err := c.line(); err != nil {
			return false
		}
		_, err := c.bw.WriteString("535 5.7.8 no\r\n")
		return ok && err == nil
	}
	return ok
}
