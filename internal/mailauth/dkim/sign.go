package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SigningKey is a private key, RSA or Ed25519, and where its public key is published.
type SigningKey struct {
	Domain   string
	Selector string
	Private  crypto.Signer
}

// record is where the DNS has the public key.
func (k SigningKey) record() string { return k.Selector + "._domainkey." + k.Domain }

const (
	signatureName = "DKIM-Signature:"
	signLine      = 76 // where the lines of a signature end if they can
)

// Sign makes a DKIM-Signature field, relaxed/relaxed, for each key, to be put in front of the letter. names are those of
// h=, at least one; a name that stands there more often than in the letter keeps others from adding such a field (RFC 6376 section 5.4.2).
// Neither algorithm draws on chance and the time is given: the same letter gets the same signatures whenever it is signed.
func Sign(letter []byte, names []string, keys []SigningKey, at time.Time) ([]byte, error) {
	header, body := signedHeader(letter, names)
	h := sha256.New()
	writeBody(h, body, true)
	bodyHash := base64.StdEncoding.EncodeToString(h.Sum(nil))
	var out []byte
	for _, k := range keys {
		algorithm, hash, err := k.algorithm()
		if err != nil {
			return nil, err
		}
		f := folded{text: []byte(signatureName), col: len(signatureName)}
		f.add(" ", "v=1;", "a="+algorithm+"-sha256;", "c=relaxed/relaxed;", "d="+k.Domain+";", "s="+k.Selector+";",
			"t="+strconv.FormatInt(at.Unix(), 10)+";", "bh="+bodyHash+";", "h=")
		for _, name := range names[:len(names)-1] {
			f.add("", name+":")
		}
		f.add("", names[len(names)-1]+";")
		f.add(" ", "b=")
		sum := sha256.Sum256(appendField(header[:len(header):len(header)], f.text, true))
		signature, err := k.Private.Sign(rand.Reader, sum[:], hash)
		if err != nil {
			return nil, fmt.Errorf("sign with %s: %w", k.record(), err)
		}
		f.addBase64(base64.StdEncoding.EncodeToString(signature))
		out = append(append(out, f.text...), crlf...)
	}
	return out, nil
}

// algorithm is the name of the key's algorithm, and the hash to tell it of: Ed25519 takes the SHA-256 as its
// message (RFC 8463 section 3).
func (k SigningKey) algorithm() (string, crypto.Hash, error) {
	switch k.Private.Public().(type) {
	case *rsa.PublicKey:
		return "rsa", crypto.SHA256, nil
	case ed25519.PublicKey:
		return "ed25519", 0, nil
	}
	return "", 0, fmt.Errorf("sign with %s: a %T cannot sign", k.record(), k.Private)
}

// signedHeader is what names cover of the header of a letter, canonicalised, and the body. Of several fields of a name the last
// one counts first.
func signedHeader(letter []byte, names []string) (header, body []byte) {
	byName := map[string][]Field{}
	body = scan(letter, func(f Field, name []byte) {
		lower := strings.ToLower(string(name))
		byName[lower] = append(byName[lower], f)
	})
	for _, name := range names {
		name = strings.ToLower(name)
		if n := len(byName[name]) - 1; n >= 0 {
			header = append(appendField(header, byName[name][n].raw, true), crlf...)
			byName[name] = byName[name][:n]
		}
	}
	return header, body
}

// folded is a header field that is written word by word.
type folded struct {
	text []byte
	col  int // where its last line ends
}

// add writes words with a separator in front of each, or a fold where it would not fit.
func (f *folded) add(separator string, words ...string) {
	for _, w := range words {
		if f.col+len(separator)+len(w) > signLine {
			f.text = append(append(f.text, crlf...), ' ')
			f.col = 1
		} else {
			f.text = append(f.text, separator...)
			f.col += len(separator)
		}
		f.text = append(f.text, w...)
		f.col += len(w)
	}
}

// addBase64 ends the field with a value that may be folded anywhere.
func (f *folded) addBase64(value string) {
	for room := signLine - f.col; len(value) > room; room = signLine - len(space) {
		f.text = append(append(append(f.text, value[:room]...), crlf...), ' ')
		value = value[room:]
	}
	f.text = append(f.text, value...)
}
