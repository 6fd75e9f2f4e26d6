// Package selfcheck looks at a mail server from beside it: its name in the DNS, its listeners, its certificate, its database,
// its disk. Every finding is a line with a level and what to do about it; every wait is bounded.
//
// network.go asks the DNS and the listeners, certificate.go and facts.go judge without I/O, store_database.go asks the database.
package selfcheck

import (
	"fmt"

	"mxdesk/internal/message"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // works, but not as well as it should, or will soon not; or could not be found out
	Error   Level = "error"   // mail is lost, late or not believed
)

// Line is one finding.
type Line struct {
	Check string // what was looked at
	Level Level
	Text  string // what was found
	Do    string // what to do about it; "" when nothing
}

// Report is what a check found.
type Report []Line

// Add appends a finding. What comes from outside is made fit for a terminal.
func (r *Report) Add(check string, level Level, do, format string, args ...any) {
	*r = append(*r, Line{Check: check, Level: level, Text: message.CleanLine(fmt.Sprintf(format, args...)), Do: do})
}

// Code is the exit code for monitoring: 0 all is well, 1 there are warnings, 2 there are errors.
func (r Report) Code() int {
	code := 0
	for _, l := range r {
		switch l.Level {
		case Error:
			return 2
		case Warning:
			code = 1
		}
	}
	return code
}
