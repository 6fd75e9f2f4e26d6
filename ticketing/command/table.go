package command

import "strings"

// access says who may use a command besides staff.
type access int

const (
	staffOnly access = iota
	requesterToo
	participantToo
)

// entry is one command. A nil value function means that the command takes no value.
type entry struct {
	name    string
	words   []string // spellings, in lower case
	who     access
	fixed   string // the value that the spelling itself means
	value   func(string) (canonical, problem string)
	anyRest bool // further words between the hashes do no harm
	usage   string
	help    string
}

// A note that is not understood as one would be mailed to the customer, so words after "note" are ignored.
var table = []entry{
	{name: Note, words: []string{"note", "tech"}, who: participantToo, anyRest: true, usage: "#note#", help: "this message is for staff only"},
	{name: Close, words: []string{"close"}, who: requesterToo, usage: "#close#", help: "post the text, then close the ticket"},
	{name: Unsubscribe, words: []string{"unsubscribe", "unsub"}, who: participantToo, usage: "#unsubscribe#", help: "get no more mail about this ticket"},
	{name: Take, words: []string{"take"}, usage: "#take#", help: "make yourself the owner"},
	{name: Assign, words: []string{"assign"}, value: name, usage: "#assign name, address or team#", help: "give it to somebody"},
	{name: Unassign, words: []string{"unassign"}, usage: "#unassign#", help: "take the owner away"},
	{name: Status, words: []string{"status"}, value: status, usage: "#status in progress, waiting or closed#", help: "set the status"},
	{name: Status, words: []string{"waiting"}, fixed: "waiting", usage: "#waiting#", help: "wait for the customer"},
	{name: Status, words: []string{"reopen"}, fixed: "in_progress", usage: "#reopen#", help: "open it again"},
	{name: Priority, words: []string{"priority"}, value: priority, usage: "#priority low, normal, high or urgent#", help: "set the priority"},
	{name: Category, words: []string{"category"}, value: name, usage: "#category name#", help: "move it to another category"},
	{name: Due, words: []string{"due"}, value: due, usage: "#due 2026-12-01#, #due 3d#, #due none#", help: "set the due time"},
	{name: Tag, words: []string{"tag"}, value: tag, usage: "#tag word#", help: "add a tag"},
	{name: Untag, words: []string{"untag"}, value: tag, usage: "#untag word#", help: "remove a tag"},
	{name: Time, words: []string{"time"}, value: minutes, usage: "#time 15m#, #time 1h30m#", help: "record time spent"},
	{name: CC, words: []string{"cc"}, who: requesterToo, value: mailbox, usage: "#cc name@example.com#", help: "add a collaborator"},
	{name: Uncc, words: []string{"uncc"}, value: mailbox, usage: "#uncc name@example.com#", help: "remove a collaborator"},
	{name: Merge, words: []string{"merge"}, value: ticketNumber, usage: "#merge 123#", help: "merge this ticket into that one"},
	{name: Spam, words: []string{"spam"}, usage: "#spam#", help: "block the sender and delete the ticket"},
	{name: OnBehalf, words: []string{"onbehalf"}, value: mailbox, usage: "#onbehalf name@example.com#", help: "the ticket is this customer's"},
	{name: Help, words: []string{"help"}, usage: "#help#", help: "get this list"},
}

var byWord = func() map[string]*entry {
	m := make(map[string]*entry)
	for i := range table {
		for _, w := range table[i].words {
			m[w] = &table[i]
		}
	}
	return m
}()

// HelpText lists the commands that a sender in this role may use, one a line.
func HelpText(role Role) string {
	var b strings.Builder
	for i := range table {
		if e := &table[i]; Allowed(e.name, role) {
			b.WriteString(e.usage)
			b.WriteString(" - ")
			b.WriteString(e.help)
			b.WriteByte('\n')
		}
	}
	return b.String()
}
