// Package id makes the identifiers of letters, entries, messages and deliveries.
//
// An ID is a UUID of version 7 (RFC 9562): it begins with the time in milliseconds, so
// rows made one after the other lie beside each other in an index, and any node can make
// one without asking the database. A letter therefore has its id before it is stored: the
// same id stands in the SMTP reply, the log line, the Received field and the API.
package id

import (
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Length is the number of characters of an ID in text.
const Length = 26

// ErrMalformed is returned by Parse for a text that is no ID.
var ErrMalformed = errors.New("not an id: expected 26 characters of 0-9 and a-v")

// ID identifies one letter, entry, message or delivery. The zero value means none.
type ID [16]byte

// hex32 keeps the order of the bytes and survives mail systems that change case.
var hex32 = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// New returns a fresh ID that begins with the present time.
func New() ID {
	u, err := uuid.NewV7()
	if err != nil {
		// crypto/rand does not fail on the systems we run on; without it nothing we sign is safe.
		panic(fmt.Sprintf("id: no randomness: %v", err))
	}
	return ID(u)
}

// At is the least ID that New could have made at a moment: a bound for what was made before or since.
func At(t time.Time) (v ID) {
	ms := max(t.UnixMilli(), 0)
	for i := range 6 {
		v[i] = byte(ms >> (40 - 8*i))
	}
	return v
}

// Parse reads the text form of an ID in either case.
func Parse(s string) (ID, error) {
	var v ID
	if len(s) != Length {
		return ID{}, ErrMalformed
	}
	n, err := hex32.Decode(v[:], []byte(strings.ToLower(s)))
	if err != nil || n != len(v) || v.String() != strings.ToLower(s) {
		return ID{}, ErrMalformed
	}
	return v, nil
}

// String is the ID as 26 characters of 0-9 and a-v, in the order of time.
func (v ID) String() string { return hex32.EncodeToString(v[:]) }

// MarshalText is String for JSON and logs, but "" for the zero value.
func (v ID) MarshalText() ([]byte, error) {
	if v.IsZero() {
		return nil, nil
	}
	return []byte(v.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (v *ID) UnmarshalText(text []byte) (err error) {
	*v = ID{}
	if len(text) > 0 {
		*v, err = Parse(string(text))
	}
	return err
}

// IsZero tells whether v is the zero value.
func (v ID) IsZero() bool { return v == ID{} }

// Time is the moment, to the millisecond, at which New made v.
func (v ID) Time() time.Time {
	ms := int64(v[0])<<40 | int64(v[1])<<32 | int64(v[2])<<24 | int64(v[3])<<16 | int64(v[4])<<8 | int64(v[5])
	return time.UnixMilli(ms).UTC()
}

// UUIDValue hands v to PostgreSQL; the zero value becomes NULL.
func (v ID) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: v, Valid: !v.IsZero()}, nil
}

// ScanUUID takes v from PostgreSQL; NULL becomes the zero value.
func (v *ID) ScanUUID(u pgtype.UUID) error {
	*v = ID{}
	if u.Valid {
		*v = u.Bytes
	}
	return nil
}
