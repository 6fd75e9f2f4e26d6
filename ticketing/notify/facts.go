package notify

import "mxdesk/internal/id"

// EventType names what happened.
type EventType string

// The events.
const (
	TicketCreated       EventType = "ticket.created"
	MessageReceived     EventType = "message.received"
	ReplySent           EventType = "reply.sent"
	NoteAdded           EventType = "note.added"
	TicketAssigned      EventType = "ticket.assigned"
	TicketTaken         EventType = "ticket.taken"
	TicketMoved         EventType = "ticket.moved"
	TicketClosed        EventType = "ticket.closed"
	TicketReopened      EventType = "ticket.reopened"
	TicketStatusChanged EventType = "ticket.status_changed"
	TicketOverdue       EventType = "ticket.overdue"
	CustomerOverLimit   EventType = "customer.over_limit"
	CustomerWelcomed    EventType = "customer.welcomed"
	StaffMessage        EventType = "staff.message"
	StaffPasswordReset  EventType = "staff.password_reset"
	ArticleUpdated      EventType = "article.updated"
	SystemError         EventType = "system.error"
	DatabaseError       EventType = "database.error"
	LoginExcessive      EventType = "login.excessive"
	DeliveryFailed      EventType = "delivery.failed"
)

// eventTypes tells of each event whether only staff may ever hear of it.
var eventTypes = map[EventType]bool{
	TicketCreated: false, MessageReceived: false, ReplySent: false, NoteAdded: true,
	TicketAssigned: false, TicketTaken: false, TicketMoved: false, TicketClosed: false,
	TicketReopened: false, TicketStatusChanged: false, TicketOverdue: false,
	CustomerOverLimit: false, CustomerWelcomed: false, StaffMessage: true,
	StaffPasswordReset: true, ArticleUpdated: true, SystemError: true, DatabaseError: true,
	LoginExcessive: true, DeliveryFailed: true,
}

// Who causes an event (Event.By) and who may see what it tells of (Event.Visibility).
const (
	ByCustomer = "customer"
	ByStaff    = "staff"
	BySystem   = "system"

	Public   = "public"
	Internal = "internal"
)

// Event is one thing that happened, as it is after it happened.
type Event struct {
	Type          EventType
	By            string            // ByCustomer, ByStaff or BySystem
	Via           string            // "email", "form", "api" or "staff"
	Author        id.ID             // whose action it is; zero for the system and for strangers
	AuthorAddress string            // in lower case; "" if there is none
	Visibility    string            // Internal is for staff only; everything else is public
	Assigned      bool              // an agent owns the ticket; one that only a team has waits for an agent
	AutoAssigned  bool              // this event made the program choose the owner
	Category      string            // name
	Address       string            // the support address, lower case
	Status        string            // as stored: new, in_progress, waiting or closed
	Machine       string            // why the letter counts as a machine's; "" for a person's
	NoAnswer      string            // why its sender may not be answered, by NoAnswer and the guards; "" if he may
	Posted        bool              // a rule posted it: no rule posts again
	Settings      []map[string]bool // switches as set, the most specific first: address, category, organisation
}

// Person is one who may be told. A record of staff can be shared between events; it is only read.
type Person struct {
	ID          id.ID  // zero for an address that is nobody's, such as the system address
	Address     string // where he is written to, in lower case; "" if he has none
	Staff       bool
	Suppressed  bool            // mail to the address failed for good
	Inactive    bool            // may not take part any more; somebody away is not inactive
	Muted       bool            // staff: notifications are switched off in the profile
	Preferences map[string]bool // staff: what is switched on in the profile
}

// People are those whom the recipients of a rule can mean. Missing ones are nil. A person may stand in several places.
type People struct {
	Requester        *Person
	Collaborators    []*Person // the other subscribers; staff who follow the ticket are among them
	Owner            *Person   // the agent
	Team             []*Person
	TeamLead         *Person
	LastRespondent   *Person
	CategoryManager  *Person
	CategoryMembers  []*Person
	CategoryExtended []*Person // only when the category's recipients include groups
	CategoryStaff    []*Person // every agent with access; of the new category when the ticket moved
	OldCategoryStaff []*Person // the same of the category that the ticket left
	Administrators   []*Person
	SystemAddress    *Person
	MessageRecipient *Person
	FormAddress      *Person
	Unsubscribed     []id.ID // who left the ticket
}
