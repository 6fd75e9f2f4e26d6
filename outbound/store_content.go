package outbound

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

// sqlContents reads the messages of a list of deliveries: as many from its beginning as $3 octets of text
// hold, at least one. A message that is gone has found = false.
const sqlContents = `
SELECT message_id IS NOT NULL AS found, coalesce(ticket_number, 0) AS ticket_number, entry_id, coalesce(from_name, '') AS from_name,
       coalesce(from_address, '') AS from_address, coalesce(auto_submitted, '') AS auto_submitted,
       coalesce(subject, '') AS subject, coalesce(body_text, '') AS body_text, coalesce(body_html, '') AS body_html,
       coalesce(attach_entry, false) AS attach_entry, coalesce(shared_with, '') AS shared_with, links_until,
       (SELECT t.thread_index FROM tickets t WHERE t.organisation_id = c.organisation_id AND t.number = c.ticket_number) AS thread_index
  FROM (SELECT r.n, r.organisation_id, m.message_id, m.ticket_number, m.entry_id, m.from_name, m.from_address, m.auto_submitted, m.subject,
               m.body_text, m.body_html, m.attach_entry, m.shared_with, m.links_until,
               sum(coalesce(octet_length(m.body_text) + octet_length(m.body_html), 0)) OVER (ORDER BY r.n) AS total
          FROM unnest($1::int[], $2::uuid[]) WITH ORDINALITY AS r (organisation_id, message_id, n)
          LEFT JOIN messages m ON m.organisation_id = r.organisation_id AND m.message_id = r.message_id) c
 WHERE n = 1 OR total <= $3
 ORDER BY n`

// content is the shared part of a letter, as stored.
type content struct {
	Found         bool
	TicketNumber  int64
	EntryID       id.ID
	FromName      string
	FromAddress   string
	AutoSubmitted string
	Subject       string
	BodyText      string
	BodyHTML      string `db:"body_html"`
	AttachEntry   bool
	SharedWith    string // not "": all deliveries of the message carry the same bytes
	LinksUntil    *time.Time
	ThreadIndex   []byte // of the letter that opened the ticket; nil: it had none
}

// loadBytes bounds the text that one batch holds in memory, unless a single letter is larger.
const loadBytes = 1 << 20

func contents(ctx context.Context, db querier, leases []lease) ([]content, error) {
	organisations, messages := make([]int32, len(leases)), make([]id.ID, len(leases))
	for i, l := range leases {
		organisations[i], messages[i] = l.OrganisationID, l.MessageID
	}
	rows, err := db.Query(ctx, sqlContents, organisations, messages, loadBytes)
	if err != nil {
		return nil, fmt.Errorf("load messages: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[content])
	if err != nil {
		return nil, fmt.Errorf("load messages: %w", err)
	}
	return list, nil
}

const sqlAttachments = `
SELECT position, filename, content_type, content_id, size
  FROM attachments
 WHERE organisation_id = $1 AND ticket_number = $2 AND entry_id = $3
 ORDER BY position
 LIMIT 1000`

const sqlAttachmentData = `
SELECT a.position, b.data
  FROM attachments a
  JOIN blobs b ON b.organisation_id = a.organisation_id AND b.sha256 = a.sha256
 WHERE a.organisation_id = $1 AND a.ticket_number = $2 AND a.entry_id = $3 AND a.position = ANY($4)`

// attachmentRow is an attachment without its data, which is fetched when it is known to travel.
type attachmentRow struct {
	Position    int
	Filename    string
	ContentType string
	ContentID   string
	Size        int
}

func listAttachments(ctx context.Context, db querier, organisation int32, c *content) ([]attachmentRow, error) {
	rows, err := db.Query(ctx, sqlAttachments, organisation, c.TicketNumber, c.EntryID)
	if err != nil {
		return nil, fmt.Errorf("list attachments: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[attachmentRow])
	if err != nil {
		return nil, fmt.Errorf("list attachments: %w", err)
	}
	return list, nil
}

// attachmentData reads the decoded bytes of the attachments at these positions.
func attachmentData(ctx context.Context, db querier, organisation int32, c *content, positions []int) (map[int][]byte, error) {
	rows, err := db.Query(ctx, sqlAttachmentData, organisation, c.TicketNumber, c.EntryID, positions)
	if err != nil {
		return nil, fmt.Errorf("load attachments: %w", err)
	}
	data := make(map[int][]byte, len(positions))
	var position int
	var bytes []byte
	_, err = pgx.ForEachRow(rows, []any{&position, &bytes}, func() error {
		data[position], bytes = bytes, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load attachments: %w", err)
	}
	return data, nil
}

// What a letter needs besides: the header with its signatures, each mailbox in Cc, and the header of each part.
const (
	headerRoom  = 8 << 10
	mailboxRoom = 1 << 10
	partRoom    = 2 << 10
)

// encodedSize bounds the octets of an attachment in a letter.
func encodedSize(size int) int {
	return (size+base64Line-1)/base64Line*(base64Line/3*4+len("\r\n")) + partRoom
}

// wordsSize bounds the octets of a text in quoted-printable, where white space before the end of a line is encoded.
func wordsSize(text string) int {
	n := partRoom
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c < ' ', c >= 0x7f, c == '=', c == ' ' && i+1 < len(text) && text[i+1] < ' ':
			n += 3
		default:
			n++
		}
	}
	return n + n/70*len("=\r\n")
}

// chooseAttachments takes what fits into a letter that has room for so many octets more, in order: what is shown in the text
// first. The others are named, which takes room too.
func chooseAttachments(list []attachmentRow, shown map[string]bool, room int) (take, omit []attachmentRow) {
	fits := make([]bool, len(list))
	for _, inline := range []bool{true, false} {
		for i, a := range list {
			size := encodedSize(a.Size)
			if shown[strings.ToLower(a.ContentID)] == inline && size <= room {
				room -= size
				fits[i] = true
			}
		}
	}
	for i, a := range list {
		if fits[i] {
			take = append(take, a)
		} else {
			omit = append(omit, a)
		}
	}
	return take, omit
}
