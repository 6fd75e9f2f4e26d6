package address

import (
	"crypto/hmac"
	"crypto/sha256"
	"strconv"
	"strings"
	"time"

	"mxdesk/internal/id"
)

// A token stands in a URL and is all that its reader needs. It is signed with 128 bits, and holds only characters that no
// mail program breaks and no parser escapes: digits, a to z and dots. Its first part is the organisation, by which its
// signer is found.
const (
	tokenBytes = 16
	tokenChars = 26
	maxToken   = 160
)

func (s *Signer) token(purpose string, parts ...string) string {
	text := strings.Join(parts, ".")
	return text + "." + s.tokenMAC(purpose, text)
}

func (s *Signer) tokenMAC(purpose, text string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("token\x00" + purpose + "\x00" + text))
	var sum [sha256.Size]byte
	return macText.EncodeToString(h.Sum(sum[:0])[:tokenBytes])
}

// parseToken returns the parts of a token that was signed for the purpose, without the signature.
func (s *Signer) parseToken(purpose, token string) ([]string, bool) {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 || len(token) > maxToken || len(token)-dot-1 != tokenChars {
		return nil, false
	}
	if !hmac.Equal([]byte(token[dot+1:]), []byte(s.tokenMAC(purpose, token[:dot]))) {
		return nil, false
	}
	return strings.Split(token[:dot], "."), true
}

// TokenOrganisation tells whose token it says to be; only that organisation's signer can tell whether it is.
func TokenOrganisation(token string) (int32, bool) {
	first, _, found := strings.Cut(token, ".")
	n, err := strconv.ParseInt(first, 10, 32)
	return int32(n), found && err == nil && n > 0
}

// LeaveToken lets a participant leave a ticket with one click.
func (s *Signer) LeaveToken(organisation int32, ref TicketRef) string {
	return s.token("leave", strconv.Itoa(int(organisation)), strconv.FormatInt(ref.Ticket, 10), strconv.Itoa(ref.Participant))
}

// ParseLeaveToken tells who would leave which ticket, if the signature is right.
func (s *Signer) ParseLeaveToken(token string) (TicketRef, bool) {
	part, ok := s.parseToken("leave", token)
	if !ok || len(part) != 3 {
		return TicketRef{}, false
	}
	number, err1 := strconv.ParseInt(part[1], 10, 64)
	no, err2 := strconv.Atoi(part[2])
	return TicketRef{Ticket: number, Participant: no}, err1 == nil && err2 == nil
}

// FileRef names one attachment, and until when a link leads to it.
type FileRef struct {
	Ticket   int64
	Entry    id.ID
	Position int
	Expires  time.Time // whole seconds
}

// FileToken lets its reader fetch one attachment.
func (s *Signer) FileToken(organisation int32, f FileRef) string {
	return s.token("file", strconv.Itoa(int(organisation)), strconv.FormatInt(f.Ticket, 10), f.Entry.String(),
		strconv.Itoa(f.Position), strconv.FormatInt(f.Expires.Unix(), 10))
}

// ParseFileToken tells which attachment may be fetched, if the signature is right. Whether it is too late is for the caller
// to say.
func (s *Signer) ParseFileToken(token string) (FileRef, bool) {
	part, ok := s.parseToken("file", token)
	if !ok || len(part) != 5 {
		return FileRef{}, false
	}
	number, err1 := strconv.ParseInt(part[1], 10, 64)
	entry, err2 := id.Parse(part[2])
	position, err3 := strconv.Atoi(part[3])
	expires, err4 := strconv.ParseInt(part[4], 10, 64)
	f := FileRef{Ticket: number, Entry: entry, Position: position, Expires: time.Unix(expires, 0).UTC()}
	return f, err1 == nil && err2 == nil && err3 == nil && err4 == nil
}
