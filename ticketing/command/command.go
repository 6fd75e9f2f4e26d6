// Package command reads the commands that people write into a subject: words between hashes, such as
// "#close#" or "#assign Jane#". It knows the grammar, the values and who may use what; it does nothing.
//
// Reading order: Parse (scan.go), the table of commands (table.go), the values (value.go), TicketTag (tag.go).
package command

import "time"

// The canonical names of the commands. Several spellings lead to one name: "tech" is Note, "waiting" is Status.
const (
	Note        = "note"        // this letter is for staff only
	Close       = "close"       // post the text, then close
	Unsubscribe = "unsubscribe" // leave this ticket
	Take        = "take"        // the sender becomes the owner
	Assign      = "assign"      // Value: a name, an address or a team, as written
	Unassign    = "unassign"    // nobody owns it
	Status      = "status"      // Value: "in_progress" or "waiting"; closing is Close
	Priority    = "priority"    // Value: "low", "normal", "high" or "urgent"
	Category    = "category"    // Value: a category's name, as written
	Due         = "due"         // Value: "none", a date, a date and time, or 3d, 12h, 2w; see Command.Due
	Tag         = "tag"         // Value: one tag in lower case
	Untag       = "untag"       // Value: one tag in lower case
	Time        = "time"        // Value: minutes spent, a decimal number; see Command.Minutes
	CC          = "cc"          // Value: an address
	Uncc        = "uncc"        // Value: an address
	Merge       = "merge"       // Value: the number of the other ticket; see Command.Ticket
	Spam        = "spam"        // block the sender, delete the ticket
	OnBehalf    = "onbehalf"    // Value: the address of the customer who asks
	Help        = "help"        // mail back the list
)

// Unknown is the name of a single word between hashes that is no command. It stays in the subject.
const Unknown = ""

// Command is one command as found in a subject.
type Command struct {
	Name  string // canonical; Unknown if there is no such command
	Value string // in the form that the constants describe; "" if there is none or it is wrong
	Raw   string // as written, with its hashes, for the receipt mail
	Err   string // why it cannot be done, a plain sentence without a full stop; "" if it can
}

// Role is what a sender is to a ticket.
type Role string

// The roles. A sender who takes no part in the ticket has none and may use no command.
const (
	Staff       Role = "staff"
	Requester   Role = "requester"
	Participant Role = "participant" // a collaborator
)

// Allowed tells whether a sender in this role may use the command with this canonical name.
func Allowed(name string, role Role) bool {
	for i := range table {
		if e := &table[i]; e.name == name {
			switch role {
			case Staff:
				return true
			case Requester:
				return e.who >= requesterToo
			case Participant:
				return e.who >= participantToo
			}
			return false
		}
	}
	return false
}

// Minutes is the value of a Time command; 0 for every other.
func (c Command) Minutes() int {
	if c.Name != Time {
		return 0
	}
	return int(number(c.Value))
}

// Ticket is the value of a Merge command; 0 for every other.
func (c Command) Ticket() int64 {
	if c.Name != Merge {
		return 0
	}
	return number(c.Value)
}

// Due is the moment that the value of a Due command means when it is said at now, in the time zone of now; the
// zero time means that the ticket is not due any more. A date without a time is due at its last minute.
// ok is false for another command, and for a value that is wrong.
func (c Command) Due(now time.Time) (at time.Time, ok bool) {
	if c.Name != Due || c.Err != "" {
		return time.Time{}, false
	}
	return dueTime(c.Value, now)
}
