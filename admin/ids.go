package admin

import (
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"mxdesk/internal/id"
)

// Ids are strings with the prefix of their kind, so that nobody takes one for another. Their schemas let through only
// what can be read, so reading has no errors: what cannot be read is zero, which nothing has.
type (
	organisationID string
	ticketID       string
	categoryID     string
	personID       string
	entryID        string
	letterID       string
	deliveryID     string
	messageID      string
	reportID       string
)

func writeNumber[T ~string](prefix string, n int64) T {
	return T(prefix + "_" + strconv.FormatInt(n, 10))
}

func writeID[T ~string](prefix string, v id.ID) T { return T(prefix + "_" + v.String()) }

// writeNumberOr and writeIDOr are nil for what is zero.
func writeNumberOr[T ~string](prefix string, n int64) *T {
	if n == 0 {
		return nil
	}
	v := writeNumber[T](prefix, n)
	return &v
}

func writeIDOr[T ~string](prefix string, v id.ID) *T {
	if v.IsZero() {
		return nil
	}
	s := writeID[T](prefix, v)
	return &s
}

func readNumber(prefix, s string, bits int) int64 {
	digits, ok := strings.CutPrefix(s, prefix+"_")
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(digits, 10, bits)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func readID(prefix, s string) id.ID {
	text, _ := strings.CutPrefix(s, prefix+"_")
	v, err := id.Parse(text)
	if err != nil {
		return id.ID{}
	}
	return v
}

func (v organisationID) number() int32 { return int32(readNumber("org", string(v), 32)) }
func (v categoryID) number() int32     { return int32(readNumber("cat", string(v), 32)) }
func (v ticketID) number() int64       { return readNumber("tkt", string(v), 64) }
func (v personID) id() id.ID           { return readID("per", string(v)) }
func (v entryID) id() id.ID            { return readID("ent", string(v)) }
func (v letterID) id() id.ID           { return readID("ltr", string(v)) }
func (v deliveryID) id() id.ID         { return readID("dlv", string(v)) }
func (v reportID) id() id.ID           { return readID("rep", string(v)) }

// numberSchema allows as many digits as surely fit the type.
func numberSchema(prefix string, digits int) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: "^" + prefix + "_[1-9][0-9]{0," + strconv.Itoa(digits-1) + "}$",
		PatternDescription: prefix + "_ and a number", Examples: []any{prefix + "_42"},
	}
}

// idSchema knows that 26 characters of 5 bits hold 130: the last two are zero.
func idSchema(prefix string) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: "^" + prefix + "_[0-9a-v]{25}[048cgkos]$",
		PatternDescription: prefix + "_ and 26 characters of 0-9 and a-v", Examples: []any{prefix + "_06f3m5k8dg7q10s2t4v6u80a1c"},
	}
}

// Schema describes the id in the OpenAPI document; so do the methods below.
func (organisationID) Schema(huma.Registry) *huma.Schema { return numberSchema("org", 9) }

// Schema is the schema of the id.
func (ticketID) Schema(huma.Registry) *huma.Schema { return numberSchema("tkt", 18) }

// Schema is the schema of the id.
func (categoryID) Schema(huma.Registry) *huma.Schema { return numberSchema("cat", 9) }

// Schema is the schema of the id.
func (personID) Schema(huma.Registry) *huma.Schema { return idSchema("per") }

// Schema is the schema of the id.
func (entryID) Schema(huma.Registry) *huma.Schema { return idSchema("ent") }

// Schema is the schema of the id.
func (letterID) Schema(huma.Registry) *huma.Schema { return idSchema("ltr") }

// Schema is the schema of the id.
func (deliveryID) Schema(huma.Registry) *huma.Schema { return idSchema("dlv") }

// Schema is the schema of the id.
func (messageID) Schema(huma.Registry) *huma.Schema { return idSchema("msg") }

// Schema is the schema of the id.
func (reportID) Schema(huma.Registry) *huma.Schema { return idSchema("rep") }
