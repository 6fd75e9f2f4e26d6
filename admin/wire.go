package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"mxdesk/internal/id"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// page is one page of a list.
type page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next" doc:"Path of the next page; null: this is the last"`
}

// TicketSummary is a ticket in a list. It is exported because the library looks into embedded types only if they are.
type TicketSummary struct {
	ID             ticketID   `json:"id"`
	Subject        string     `json:"subject"`
	Status         string     `json:"status" enum:"new,in_progress,waiting,closed"`
	Priority       string     `json:"priority" enum:"low,normal,high,urgent"`
	Via            string     `json:"via" enum:"email,form,api,staff" doc:"How it came"`
	Category       categoryID `json:"category"`
	SupportAddress string     `json:"support_address" doc:"Where it came in: mail about it is From there, unless it was moved to a category that has an address of its own"`
	Requester      personID   `json:"requester"`
	RequesterName  string     `json:"requester_name"`
	RequesterEmail string     `json:"requester_email"`
	Owner          *personID  `json:"owner" nullable:"true" doc:"Who works on it; null: nobody"`
	OwnerName      string     `json:"owner_name"`
	Tags           []string   `json:"tags"`
	CreatedAt      time.Time  `json:"created_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	ClosedAt       *time.Time `json:"closed_at"`
	DueAt          *time.Time `json:"due_at"`
}

func wireSummary(org *ticketing.Organisation, t ticketing.TicketSummary) TicketSummary {
	return TicketSummary{
		ID: writeNumber[ticketID]("tkt", t.Number), Subject: t.Subject, Status: string(t.Status), Priority: t.Priority, Via: t.Via,
		Category: writeNumber[categoryID]("cat", int64(t.Category)), SupportAddress: t.SupportAddress,
		Requester: writeID[personID]("per", t.Requester), RequesterName: t.RequesterName, RequesterEmail: t.RequesterEmail,
		Owner: writeIDOr[personID]("per", t.Owner), OwnerName: staffName(org, t.Owner), Tags: listed(t.Tags),
		CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(), ClosedAt: utc(t.ClosedAt), DueAt: utc(t.DueAt),
	}
}

// ticket is a ticket with everybody who takes part.
type ticket struct {
	TicketSummary
	Version      int           `json:"version" doc:"Grows with every change; in quotes it is the ETag"`
	MinutesSpent int           `json:"minutes_spent"`
	RequireTLS   bool          `json:"require_tls" doc:"Mail about it leaves over encrypted and verified connections, or not at all"`
	MergedInto   *ticketID     `json:"merged_into" nullable:"true"`
	Follows      *ticketID     `json:"follows" nullable:"true" doc:"The closed ticket that this one continues"`
	Participants []participant `json:"participants"`
}

type participant struct {
	Person     personID `json:"person"`
	Name       string   `json:"name"`
	Email      string   `json:"email"`
	Role       string   `json:"role" enum:"requester,collaborator,staff"`
	Subscribed bool     `json:"subscribed" doc:"Is told of what happens"`
}

func wireTicket(org *ticketing.Organisation, t *ticketing.Ticket) ticket {
	s := ticketing.TicketSummary{
		Number: t.Number, Subject: t.Subject, Status: t.Status, Priority: t.Priority, Via: t.Via, Category: t.Category,
		SupportAddress: t.SupportAddress, Requester: t.Requester, Owner: t.Owner, Tags: t.Tags,
		CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt, ClosedAt: t.ClosedAt, DueAt: t.DueAt,
	}
	out := ticket{
		Version: t.Version, MinutesSpent: t.MinutesSpent, RequireTLS: t.RequireTLS, MergedInto: writeNumberOr[ticketID]("tkt", t.MergedInto),
		Follows: writeNumberOr[ticketID]("tkt", t.Follows), Participants: []participant{},
	}
	for _, p := range t.Participants {
		if p.Person == t.Requester {
			s.RequesterName, s.RequesterEmail = p.Name, p.Address.String()
		}
		out.Participants = append(out.Participants, participant{
			Person: writeID[personID]("per", p.Person), Name: p.Name, Email: p.Address.String(), Role: string(p.Role), Subscribed: p.Subscribed,
		})
	}
	out.TicketSummary = wireSummary(org, s)
	return out
}

// entry is one item of a ticket's story.
type entry struct {
	ID            entryID   `json:"id"`
	Ticket        ticketID  `json:"ticket"`
	Kind          string    `json:"kind" enum:"message,reply,note,event" doc:"A note is for staff alone"`
	Author        *personID `json:"author" nullable:"true"`
	AuthorName    string    `json:"author_name"`
	AuthorAddress string    `json:"author_address"`
	Identity      string    `json:"identity" enum:"verified,token,unverified,api,system" doc:"How sure we are that the author wrote it"`
	ThirdParty    bool      `json:"third_party" doc:"The author takes no part in the ticket"`
	MailKind      string    `json:"mail_kind" doc:"The kind of letter, when no human wrote it"`
	Text          string    `json:"text" doc:"The new words; of an event, its sentence"`
	FullText      string    `json:"full_text" doc:"The whole text with what it quotes, when that is more"`
	HTML          string    `json:"html" doc:"Sanitised; show it in a sandboxed frame all the same"`
	Event         string    `json:"event" doc:"What happened: ticket.closed, …; empty for words"`
	Letter        *letterID `json:"letter" nullable:"true" doc:"The letter that brought it"`
	CreatedAt     time.Time `json:"created_at"`
}

func wireEntry(e ticketing.Entry) entry {
	return entry{
		ID: writeID[entryID]("ent", e.ID), Ticket: writeNumber[ticketID]("tkt", e.Ticket), Kind: string(e.Kind),
		Author: writeIDOr[personID]("per", e.Author), AuthorName: e.AuthorName, AuthorAddress: e.AuthorAddress, Identity: string(e.Identity),
		ThirdParty: e.ThirdParty, MailKind: e.MailKind, Text: e.Body, FullText: e.FullText, HTML: e.HTML, Event: e.Event,
		Letter: writeIDOr[letterID]("ltr", e.Letter), CreatedAt: e.CreatedAt.UTC(),
	}
}

// attachment is a file of an entry, without its content.
type attachment struct {
	Entry       entryID `json:"entry"`
	Position    int     `json:"position"`
	Filename    string  `json:"filename"`
	ContentType string  `json:"content_type" doc:"As found by looking at it"`
	ContentID   string  `json:"content_id" doc:"What the entry's HTML calls it (cid:)"`
	Inline      bool    `json:"inline"`
	Size        int     `json:"size" doc:"Octets"`
	SHA256      string  `json:"sha256" doc:"Hexadecimal"`
	Content     string  `json:"content" doc:"Path of the download"`
}

func wireAttachment(number int64, a ticketing.Attachment) attachment {
	e := writeID[entryID]("ent", a.Entry)
	return attachment{
		Entry: e, Position: a.Position, Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentID, Inline: a.Inline,
		Size: a.Size, SHA256: fmt.Sprintf("%x", a.SHA256),
		Content: fmt.Sprintf("/v1/tickets/tkt_%d/entries/%s/attachments/%d", number, e, a.Position),
	}
}

// LetterSummary is a letter in the list of received letters; exported like TicketSummary.
type LetterSummary struct {
	ID         letterID  `json:"id"`
	ReceivedAt time.Time `json:"received_at"`
	MailFrom   string    `json:"mail_from" doc:"Envelope sender; empty: the null sender"`
	RcptTo     string    `json:"rcpt_to" doc:"Envelope recipients, separated by spaces"`
	From       string    `json:"from"`
	Subject    string    `json:"subject"`
	MessageID  string    `json:"message_id"`
	Kind       string    `json:"kind"`
	Outcome    string    `json:"outcome" enum:"ticket,entry,command,bounce,held,rejected,unhandled,over_limit,unprocessed,report"`
	Ticket     *ticketID `json:"ticket" nullable:"true" doc:"The first ticket it went into"`
	Size       int       `json:"size" doc:"Octets"`
	Problem    string    `json:"problem" doc:"Why it could not be processed"`
}

func wireLetterSummary(l ticketing.LetterSummary) LetterSummary {
	return LetterSummary{
		ID: writeID[letterID]("ltr", l.ID), ReceivedAt: l.ReceivedAt.UTC(), MailFrom: l.MailFrom, RcptTo: l.RcptTo, From: l.From,
		Subject: l.Subject, MessageID: l.MessageID, Kind: l.Kind, Outcome: string(l.Outcome),
		Ticket: writeNumberOr[ticketID]("tkt", l.Ticket), Size: l.Size, Problem: l.Problem,
	}
}

// letter is a letter with everything that is known of it.
type letter struct {
	LetterSummary
	Session object `json:"session" doc:"The SMTP session that brought it"`
	Verdict object `json:"verdict" doc:"What sender authentication found; empty: nobody checked"`
	Trace   object `json:"trace" doc:"Every decision on it, and why"`
	Raw     string `json:"raw" doc:"Path of the download"`
}

func wireLetter(l ticketing.LetterSummary) letter {
	s := wireLetterSummary(l)
	return letter{
		LetterSummary: s, Session: object(l.Session), Verdict: object(l.Verdict), Trace: object(l.Trace), Raw: "/v1/letters/" + string(s.ID) + "/raw",
	}
}

// delivery is one recipient of one outgoing letter.
type delivery struct {
	ID         deliveryID `json:"id"`
	Message    messageID  `json:"message" doc:"The content it shares with other recipients"`
	Ticket     *ticketID  `json:"ticket" nullable:"true"`
	Recipient  string     `json:"recipient"`
	Lane       string     `json:"lane"`
	MessageID  string     `json:"message_id"`
	State      string     `json:"state" enum:"queued,held,leased,deferred,delivered,failed,suppressed,cancelled,unknown"`
	Reason     string     `json:"reason" doc:"Why it failed"`
	Attempts   int        `json:"attempts"`
	CreatedAt  time.Time  `json:"created_at"`
	NextAt     *time.Time `json:"next_at" doc:"When it is due; null: it is finished, held until it is released, or the next of its lane by hand"`
	FinishedAt *time.Time `json:"finished_at"`
	Code       int        `json:"code" doc:"The last SMTP reply; 0: none"`
	Reply      string     `json:"reply" doc:"The last words of the remote host"`
	Log        []attempt  `json:"log,omitzero" required:"false" doc:"Every attempt, oldest first; only when one delivery is shown"`
}

func wireDelivery(d outbound.DeliveryInfo) delivery {
	return delivery{
		ID: writeID[deliveryID]("dlv", d.ID), Message: writeID[messageID]("msg", d.Message), Ticket: writeNumberOr[ticketID]("tkt", d.Ticket),
		Recipient: d.Recipient, Lane: d.Lane, MessageID: d.MessageID, State: d.State, Reason: d.Reason, Attempts: d.Attempts,
		CreatedAt: d.CreatedAt.UTC(), NextAt: utc(d.NextAt), FinishedAt: utc(d.FinishedAt), Code: d.Code, Reply: d.Reply,
	}
}

type attempt struct {
	At        time.Time `json:"at"`
	Number    int       `json:"number"`
	Result    string    `json:"result"`
	Reason    string    `json:"reason"`
	Host      string    `json:"host"`
	IP        string    `json:"ip"`
	TLS       string    `json:"tls"`
	TLSPolicy string    `json:"tls_policy"`
	Code      int       `json:"code"`
	Enhanced  string    `json:"enhanced" doc:"Status code of RFC 3463"`
	Reply     string    `json:"reply"`
	Millis    int       `json:"took_ms"`
}

func wireAttempt(a outbound.AttemptInfo) attempt {
	return attempt{
		At: a.At.UTC(), Number: a.Number, Result: string(a.Result), Reason: a.Reason, Host: a.Host, IP: a.IP, TLS: a.TLS,
		TLSPolicy: a.TLSPolicy, Code: a.Code, Enhanced: a.Enhanced, Reply: a.Reply, Millis: a.TookMS,
	}
}

type lane struct {
	Lane        string     `json:"lane"`
	Waiting     int        `json:"waiting"`
	OldestAt    *time.Time `json:"oldest_at"`
	NextAt      *time.Time `json:"next_at" doc:"Backed off until; null: not"`
	Connections int        `json:"connections"`
	Limit       int        `json:"connection_limit"`
	FailStreak  int        `json:"fail_streak"`
	Paused      bool       `json:"paused"`
	TLS         string     `json:"tls" doc:"As last seen"`
	Error       string     `json:"error" doc:"Why it is backed off"`
}

func wireLane(l outbound.LaneInfo) lane {
	return lane{
		Lane: l.Lane, Waiting: l.Waiting, OldestAt: utc(l.OldestAt), NextAt: utc(l.NextAt), Connections: l.Connections, Limit: l.Limit,
		FailStreak: l.FailStreak, Paused: l.Paused, TLS: l.TLS, Error: l.Error,
	}
}

type staff struct {
	ID         personID     `json:"id"`
	Name       string       `json:"name"`
	Email      string       `json:"email"`
	Role       string       `json:"role" enum:"administrator,technician"`
	State      string       `json:"state" enum:"active,away,inactive"`
	Categories []categoryID `json:"categories" doc:"Those it is a member of"`
}

type category struct {
	ID        categoryID `json:"id"`
	Name      string     `json:"name"`
	Manager   *personID  `json:"manager" nullable:"true"`
	Members   []personID `json:"members"`
	Addresses []string   `json:"addresses" doc:"Support addresses whose letters become its tickets"`
}

// queueDepth is how full the outgoing queue is, of all organisations.
type queueDepth struct {
	Queued         int `json:"queued"`
	Held           int `json:"held"`
	Leased         int `json:"leased"`
	Deferred       int `json:"deferred"`
	OldestSeconds  int `json:"oldest_seconds" doc:"Age of the oldest that is not held"`
	BusyLanes      int `json:"busy_lanes"`
	BackedOffLanes int `json:"backed_off_lanes"`
	PausedLanes    int `json:"paused_lanes"`
}

func wireDepth(d outbound.Depth) *queueDepth {
	return &queueDepth{
		Queued: d.States["queued"], Held: d.States["held"], Leased: d.States["leased"], Deferred: d.States["deferred"],
		OldestSeconds: int(d.Oldest.Seconds()), BusyLanes: d.BusyLanes, BackedOffLanes: d.BackedOffLanes, PausedLanes: d.PausedLanes,
	}
}

// health is how the server is.
type health struct {
	Status string      `json:"status" enum:"ok"`
	Time   time.Time   `json:"time"`
	Queue  *queueDepth `json:"queue,omitempty" doc:"With operator rights"`
}

// words is a text that somebody writes.
type words struct {
	Text string `json:"text" minLength:"1" maxLength:"1048576" doc:"At most 1 MiB"`
}

// ticketPatch is a JSON merge patch (RFC 7396): what is absent stays.
type ticketPatch struct {
	Status   optional[string]     `json:"status" required:"false" enum:"new,in_progress,waiting,closed"`
	Owner    optional[personID]   `json:"owner" required:"false" nullable:"true" doc:"A staff member; null: nobody"`
	Priority optional[string]     `json:"priority" required:"false" enum:"low,normal,high,urgent"`
	Category optional[categoryID] `json:"category" required:"false"`
	Tags     optional[[]string]   `json:"tags" required:"false" nullable:"true" maxItems:"100" doc:"All tags; null: none"`
	DueAt    optional[time.Time]  `json:"due_at" required:"false" nullable:"true"`

	RequireTLS optional[bool] `json:"require_tls" required:"false" doc:"Let mail about it leave over encrypted and verified connections alone; what waits already is not changed"`
}

// optional is a property of a merge patch: absent, null or a value.
type optional[T any] struct {
	sent, null bool
	value      T
}

// UnmarshalJSON is called only if the property is there.
func (o *optional[T]) UnmarshalJSON(data []byte) error {
	o.sent = true
	if o.null = bytes.Equal(data, []byte("null")); o.null {
		return nil
	}
	return json.Unmarshal(data, &o.value)
}

// Schema is that of the value.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// object is a JSON object as it is stored; empty or null is {}.
type object []byte

// MarshalJSON writes the object as it is.
func (o object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 || bytes.Equal(o, []byte("null")) {
		return []byte("{}"), nil
	}
	return o, nil
}

// Schema allows every object.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// listed makes an empty list of none: [] in JSON, not null.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func staffName(org *ticketing.Organisation, person id.ID) string {
	if m := org.Staff[person]; m != nil {
		return m.Name
	}
	return ""
}
