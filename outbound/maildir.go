package outbound

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mxdesk/internal/bounce"
)

// Maildir writes every letter into a folder named after its recipient, which is a Maildir:
//
//	<dir>/bob@example.com/new/<delivery>.eml
//
// It is how mxdesk "sends" until it is told otherwise: `ls` shows who was written to, `cat` shows
// what, and every mail reader opens it. A letter that is sent again replaces itself.
type Maildir struct{ Dir string }

// Open satisfies Transport.
func (m Maildir) Open(string) Connection { return m }

// Close satisfies Transport and Connection.
func (m Maildir) Close() {}

// Send satisfies Connection. The letter is on the disk when it returns ResultDelivered; any error is
// taken for one that passes, such as a full disk.
func (m Maildir) Send(_ context.Context, l *Letter) Attempt {
	name, err := m.write(l)
	if err != nil {
		return Attempt{Result: ResultDeferred, Site: true, Reason: bounce.SystemFull, Reply: clean(err.Error())}
	}
	return Attempt{Result: ResultDelivered, Host: "maildir", Reply: name}
}

func (m Maildir) write(l *Letter) (name string, err error) {
	box := filepath.Join(m.Dir, safeName(l.To.Key()))
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(box, sub), 0o700); err != nil {
			return "", fmt.Errorf("make Maildir: %w", err)
		}
	}
	file := l.Delivery.String() + ".eml"
	tmp, final := filepath.Join(box, "tmp", file), filepath.Join(box, "new", file)
	head := "Return-Path: <" + l.From.String() + ">\r\nDelivered-To: " + l.To.String() + "\r\n"
	if err := writeSynced(tmp, []byte(head), l.Body); err != nil {
		return "", errors.Join(fmt.Errorf("write letter: %w", err), os.Remove(tmp))
	}
	if err := os.Rename(tmp, final); err != nil {
		return "", fmt.Errorf("move letter to new: %w", err)
	}
	return filepath.Join(filepath.Base(box), "new", file), syncDir(filepath.Join(box, "new"))
}

func writeSynced(name string, pieces ...[]byte) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, p := range pieces {
		if _, err := f.Write(p); err != nil {
			return err
		}
	}
	return f.Sync()
}

func syncDir(name string) (err error) {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

// safeName makes a file name of an address: readable, never hidden, never a path, one to one.
func safeName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("@+-_=", c) >= 0 || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	name := b.String()
	if len(name) > 250 { // an address has 254 octets, a file name 255
		name = name[:200] + "%" + fmt.Sprintf("%x", shortHash(s))
	}
	return name
}

func shortHash(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:8]
}
