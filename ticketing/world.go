package ticketing

import (
	"slices"
	"strings"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/outbound"
	"mxdesk/ticketing/guard"
)

// world is the part of the database that a batch of letters (or one act of staff) touches, with what
// they change in it. It is loaded in one round trip, decided on in memory, letter after letter,
// each seeing what those before it did, and written in one round trip.
type world struct {
	now       time.Time
	tickets   map[ticketKey]*Ticket
	addresses map[addressKey]*Correspondent
	threads   map[threadKey][]int64 // tickets in which a letter with this Message-ID stands
	letters   map[threadKey]dupe    // letters already taken, by dedupe hash
	held      map[letterKey]bool    // letters that are held and locked
	// askedAgain has the same keys: whether the staff member was told how to confirm; toldHow are those told here.
	askedAgain map[letterKey]bool
	toldHow    []letterKey
	returned   map[deliveryKey]int64 // ticket of a delivery whose return path was written to
	recent     map[ticketKey][]Entry // the latest public entries, newest first, and the last answer; as far as they were wanted

	customers   []*Correspondent // made here
	opened      []*Ticket        // made here, in order
	changed     []*Ticket        // found, and changed here
	joined      []*Participant   // made here
	touched     []*Participant   // found, and changed here
	rows        []letterRow      // letters that came
	released    []letterRow      // letters that were held, as they are now
	entries     []Entry
	attachments []attachmentRow
	ids         []threadRow
	reports     []reportRow
	daily       []waitingReport // letters to report addresses
	messages    []outbound.Message
	lifted      []liftRow   // addresses that persons wrote from: mail to them is tried again
	renewed     []threadKey // letters whose dedupe hash is too old to count

	guards *guards
	totals map[addressKey]*sentTo // automatic mail to addresses
	trips  []trip
}

func newWorld(now time.Time, g *guards) *world {
	return &world{
		now:       now,
		guards:    g,
		totals:    map[addressKey]*sentTo{},
		tickets:   map[ticketKey]*Ticket{},
		addresses: map[addressKey]*Correspondent{},
		threads:   map[threadKey][]int64{},
		letters:   map[threadKey]dupe{},
		held:      map[letterKey]bool{},

		askedAgain: map[letterKey]bool{},
		returned:   map[deliveryKey]int64{},
		recent:     map[ticketKey][]Entry{},
	}
}

type ticketKey struct {
	organisation int32
	number       int64
}

type addressKey struct {
	organisation int32
	key          string
}

type letterKey struct {
	organisation int32
	letter       id.ID
}

type deliveryKey struct {
	organisation int32
	delivery     id.ID
}

// hash16 is a hash of 16 bytes: of a Message-ID, or of a letter.
type hash16 [16]byte

type threadKey struct {
	organisation int32
	hash         hash16
}

type dupe struct {
	letter     id.ID
	receivedAt time.Time
}

// Ticket is one ticket with everybody who takes part in it.
type Ticket struct {
	Organisation   int32
	Number         int64
	Subject        string
	Status         Status
	Priority       string
	Via            string // email, form, api or staff
	Category       int32
	SupportAddress string
	Requester      id.ID
	Owner          id.ID
	Tags           []string
	MinutesSpent   int
	Version        int // grows by one with every change
	CreatedAt      time.Time
	UpdatedAt      time.Time
	ClosedAt       *time.Time
	DueAt          *time.Time
	MergedInto     int64 // 0: not merged
	Follows        int64 // the closed ticket this one continues, or 0
	RequireTLS     bool  // mail about it leaves over encrypted and verified connections, or not at all
	Participants   []*Participant

	fresh, dirty bool
	threadIndex  []byte // of the letter that opens it; not loaded
}

// Status is the status of a ticket.
type Status string

// The statuses; doc.go shows what leads from one to another.
const (
	New        Status = "new"
	InProgress Status = "in_progress"
	Waiting    Status = "waiting"
	Closed     Status = "closed"
)

// Participant is somebody who takes part in a ticket; No is the number in his signed address.
type Participant struct {
	Organisation int32
	Ticket       int64
	No           int
	Person       id.ID
	Name         string
	Role         Role
	Address      address.Address
	Subscribed   bool
	Refs         string // Message-IDs he has seen, oldest first, separated by spaces
	LastCommands string // subject of his last letter, if it held commands

	line guard.Line // automatic mail to him about the ticket

	fresh, dirty bool
}

// Role is the part somebody has in a ticket.
type Role string

// The roles.
const (
	Requester    Role = "requester"
	Collaborator Role = "collaborator"
	StaffRole    Role = "staff"
)

// Correspondent is an address with the customer behind it, and the budget of automatic answers to it.
type Correspondent struct {
	Organisation int32
	Address      address.Address
	Person       id.ID
	Name         string
	Staff        bool
	Inactive     bool
	Auto         autoBudget

	memory     guard.Memory // of letters that were answered automatically
	fresh      bool
	added      int  // automatic answers given here
	remembered bool // memory changed without an answer
}

// autoBudget counts automatic answers since two moments.
type autoBudget struct {
	Count    int
	Since    time.Time
	DayCount int
	DaySince time.Time
}

const (
	budgetShort = 5 * time.Minute
	budgetDay   = 24 * time.Hour
)

// at returns the counters as they are at now: windows that have passed are empty.
func (b autoBudget) at(now time.Time) autoBudget {
	if now.Sub(b.Since) >= budgetShort {
		b.Count, b.Since = 0, now
	}
	if now.Sub(b.DaySince) >= budgetDay {
		b.DayCount, b.DaySince = 0, now
	}
	return b
}

// Entry is one item of a ticket.
type Entry struct {
	Organisation  int32
	Ticket        int64
	ID            id.ID
	Kind          EntryKind
	Author        id.ID
	AuthorName    string
	AuthorAddress string
	Identity      Proof
	ThirdParty    bool   // its author does not take part in the ticket
	MailKind      string // kind of the letter when it is not human
	Body          string // the new words; of an event, its sentence
	FullText      string // the whole text when it is more than Body
	HTML          string // sanitised
	Event         string // name of the event; "" for words
	Letter        id.ID
	CreatedAt     time.Time
}

// EntryKind tells what an entry is and who may see it.
type EntryKind string

// The kinds of entries. A note is for staff alone.
const (
	MessageEntry EntryKind = "message"
	ReplyEntry   EntryKind = "reply"
	NoteEntry    EntryKind = "note"
	EventEntry   EntryKind = "event"
)

type attachmentRow struct {
	organisation int32
	ticket       int64
	entry        id.ID
	position     int
	message.Attachment
}

type liftRow struct {
	addressKey
	proven bool // that its owner wrote
}

type threadRow struct {
	threadKey
	ticket int64
}

type reportRow struct {
	org      *Organisation
	delivery id.ID
	report   *bounce.Report
}

// ticket returns a loaded ticket, following merges, or nil.
func (w *world) ticket(organisation int32, number int64) *Ticket {
	t := w.tickets[ticketKey{organisation, number}]
	for hops := 0; t != nil && t.MergedInto != 0 && hops < maxMergeHops; hops++ {
		t = w.tickets[ticketKey{organisation, t.MergedInto}]
	}
	return t
}

// change marks a ticket as changed.
func (w *world) change(t *Ticket) {
	t.UpdatedAt = w.now
	if !t.fresh && !t.dirty {
		t.dirty = true
		t.Version++
		w.changed = append(w.changed, t)
	}
}

// open puts a new ticket into the world.
func (w *world) open(t *Ticket) {
	t.fresh, t.Version, t.CreatedAt, t.UpdatedAt = true, 1, w.now, w.now
	w.tickets[ticketKey{t.Organisation, t.Number}] = t
	w.opened = append(w.opened, t)
}

// join makes a person a participant, or returns the one he is already.
func (w *world) join(t *Ticket, p Participant) *Participant {
	if there := t.participant(p.Person); there != nil {
		return there
	}
	p.Organisation, p.Ticket, p.No = t.Organisation, t.Number, len(t.Participants)+1
	p.Subscribed, p.fresh = true, true
	t.Participants = append(t.Participants, &p)
	w.joined = append(w.joined, &p)
	return &p
}

func (w *world) touch(p *Participant) {
	if !p.fresh && !p.dirty {
		p.dirty = true
		w.touched = append(w.touched, p)
	}
}

// participant returns the person's part in the ticket, or nil.
func (t *Ticket) participant(person id.ID) *Participant {
	for _, p := range t.Participants {
		if p.Person == person {
			return p
		}
	}
	return nil
}

// byNumber returns the participant with that number, or nil.
func (t *Ticket) byNumber(no int) *Participant {
	for _, p := range t.Participants {
		if p.No == no {
			return p
		}
	}
	return nil
}

// The References field of a letter stays below this (RFC 5322 asks for lines of 998 octets; clients
// and servers cut longer fields).
const (
	maxRefs      = 40
	maxRefsBytes = 1500
	maxMessageID = 400
)

// sawLetter notes that the participant wrote or was sent a letter, for the References of the next one.
func (w *world) sawLetter(p *Participant, messageID string) {
	if messageID == "" || len(messageID) > maxMessageID || strings.ContainsAny(messageID, " \t\r\n<>") {
		return
	}
	ids := strings.Fields(p.Refs)
	if slices.Contains(ids, messageID) {
		return
	}
	ids = append(ids, messageID)
	for len(ids) > 2 && (len(ids) > maxRefs || len(strings.Join(ids, " "))+2*len(ids) > maxRefsBytes) {
		ids = slices.Delete(ids, 1, 2) // the first is what every client has; the last ones are nearest
	}
	p.Refs = strings.Join(ids, " ")
	w.touch(p)
}
