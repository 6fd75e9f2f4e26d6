package smtpd

import (
	"strconv"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/octets"
)

// command is one line of a client, taken apart before the library sees it.
type command struct {
	verb   string // in upper case
	line   string // what go-smtp is given in its place, without line end
	path   address.Address
	utf8   bool  // the path as written is beyond ASCII
	octets int64 // BDAT: the length of the chunk
	last   bool  // BDAT: the letter ends with it
}

// verbs are the commands that exist; all others end here, so that go-smtp, which hangs up after
// four of them, does not see them.
var verbs = map[string]bool{
	"HELO": true, "EHLO": true, "LHLO": true, "MAIL": true, "RCPT": true, "DATA": true, "BDAT": true, "RSET": true, "NOOP": true,
	"QUIT": true, "VRFY": true, "EXPN": true, "HELP": true, "STARTTLS": true, "AUTH": true,
}

// strangers are verbs that no mail client sends: a browser, or a server that a browser was talked
// into using, is speaking (the cross-protocol attack ALPACA).
var strangers = map[string]bool{
	"GET": true, "POST": true, "HEAD": true, "PUT": true, "DELETE": true, "OPTIONS": true,
	"CONNECT": true, "TRACE": true, "PATCH": true, "PRI": true, "HOST:": true, "USER-AGENT:": true,
}

// parseCommand reads one line, given without its CRLF. defaultDomain completes <postmaster>.
// The reply is zero when the command is one for go-smtp or the wire to act on.
func parseCommand(line, defaultDomain string) (command, reply) {
	verb, arg, _ := strings.Cut(line, " ")
	verb, arg = strings.ToUpper(verb), strings.Trim(arg, " \t")
	switch {
	case strangers[verb]:
		return command{}, replyNotSMTP
	case hasControl(line):
		return command{}, replyControls
	case !verbs[verb]:
		return command{}, replyUnknown
	}
	c := command{verb: verb, line: verb}
	switch verb {
	case "HELO", "EHLO", "LHLO":
		if arg == "" {
			return command{}, replyArguments
		}
		c.line = verb + " " + sanitise(arg)
	case "MAIL":
		return c.withPath(arg, "FROM:", defaultDomain)
	case "RCPT":
		return c.withPath(arg, "TO:", defaultDomain)
	case "BDAT":
		return c.withChunk(arg)
	case "DATA", "STARTTLS", "RSET", "QUIT":
		if arg != "" {
			return command{}, replyArguments
		}
	case "AUTH":
		return command{}, replyNoAuth
	}
	return c, reply{}
}

// withPath reads "FROM:<path> parameters". go-smtp is given the path as we understood it, so the
// two never differ, and only syntax that it knows.
func (c command) withPath(arg, keyword, defaultDomain string) (command, reply) {
	bad := replyBadRecipient
	if c.verb == "MAIL" {
		bad = replyBadSender
	}
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return command{}, replyArguments
	}
	path, parameters, ok := cutPath(strings.TrimLeft(arg[len(keyword):], " \t"))
	if !ok {
		return command{}, bad
	}
	switch {
	case path == "" && c.verb == "MAIL": // the null reverse-path
	case c.verb == "RCPT" && strings.EqualFold(path, "postmaster"):
		c.path = address.Address{Local: "postmaster", Domain: defaultDomain}
	default:
		a, err := address.Parse(path)
		if err != nil {
			return command{}, bad
		}
		c.path = a
	}
	for p := range strings.FieldsSeq(parameters) {
		if name, _, valued := strings.Cut(p, "="); valued && strings.EqualFold(name, "REQUIRETLS") {
			return command{}, replyArguments // RFC 8689 section 2: it has no value, and go-smtp does not look
		}
	}
	c.utf8 = !octets.IsASCII([]byte(path))
	c.line = c.verb + " " + keyword + "<" + c.path.String() + ">" + clampSize(parameters)
	return c, reply{}
}

// cutPath splits "<path> parameters" at the bracket that no quotes protect.
func cutPath(s string) (path, parameters string, ok bool) {
	if !strings.HasPrefix(s, "<") {
		return "", "", false
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			rest := s[i+1:]
			return s[1:i], rest, rest == "" || rest[0] == ' '
		}
	}
	return "", "", false
}

// clampSize shortens a SIZE of up to 20 digits (RFC 1870 section 3), which go-smtp takes for a
// syntax error beyond 32 bits, to one that is too large as well.
func clampSize(parameters string) string {
	fields := strings.Fields(parameters)
	for i, f := range fields {
		if len(f) < 5 || !strings.EqualFold(f[:5], "SIZE=") || len(f) > 25 {
			continue
		}
		if n, err := strconv.ParseUint(f[5:], 10, 64); (err == nil && n > 1<<32-1) || (err != nil && isDigits(f[5:])) {
			fields[i] = "SIZE=4294967295"
		}
	}
	if len(fields) == 0 {
		return ""
	}
	return " " + strings.Join(fields, " ")
}

// withChunk reads "BDAT size [LAST]". go-smtp is told DATA: a letter in chunks is one like any other
// to it, and its own way with them (a second goroutine, a body cut short taken as complete) is not used.
func (c command) withChunk(arg string) (command, reply) {
	size, last, more := strings.Cut(arg, " ")
	if !isDigits(size) || len(size) > 10 || (more && !strings.EqualFold(strings.TrimSpace(last), "LAST")) {
		return command{}, replyBadChunkSize
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return command{}, replyBadChunkSize
	}
	c.octets, c.last, c.line = n, more, "DATA"
	return c, reply{}
}

// sanitise makes printable ASCII of what a client calls itself: what is not becomes '?', what is
// longer than a domain can be is cut, and only the first word counts.
func sanitise(s string) string {
	s, _, _ = strings.Cut(s, " ")
	if len(s) > address.MaxDomain {
		s = s[:address.MaxDomain]
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if (s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f {
			return true
		}
	}
	return false
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// printable is s for the log: what is not printable ASCII is written as an escape.
func printable(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return strings.Trim(strconv.QuoteToASCII(s), `"`)
		}
	}
	return s
}
