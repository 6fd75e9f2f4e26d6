package command

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mxdesk/internal/address"
)

// Limits of values.
const (
	maxName    = 100 // characters of a name
	maxTag     = 50  // characters of a tag
	maxMinutes = 100 * 60
	maxDueDays = 3660
)

func name(s string) (string, string) {
	s = tidy(s)
	if utf8.RuneCountInString(s) > maxName {
		return "", "the name is too long"
	}
	return s, ""
}

func status(s string) (string, string) {
	switch strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(tidy(s))) {
	case "in progress", "open":
		return "in_progress", ""
	case "waiting":
		return "waiting", ""
	case "closed":
		return "closed", ""
	case "new":
		return "", "a ticket is new only until somebody acts on it"
	}
	return "", "the status is one of: in progress, waiting, closed"
}

func priority(s string) (string, string) {
	s = strings.ToLower(s)
	switch s {
	case "low", "normal", "high", "urgent":
		return s, ""
	}
	return "", "the priority is one of: low, normal, high, urgent"
}

func tag(s string) (string, string) {
	s = strings.ToLower(tidy(s))
	switch {
	case strings.ContainsAny(s, ",;"):
		return "", "one tag at a time"
	case utf8.RuneCountInString(s) > maxTag:
		return "", "the tag is too long"
	}
	return s, ""
}

// mailbox takes an address, alone or as "Name <address>".
func mailbox(s string) (string, string) {
	if open := strings.LastIndexByte(s, '<'); open >= 0 && strings.HasSuffix(s, ">") {
		s = s[open+1 : len(s)-1]
	}
	a, err := address.Parse(strings.TrimSpace(s))
	if err != nil {
		return "", "that is no mail address"
	}
	return a.String(), ""
}

func ticketNumber(s string) (string, string) {
	n := number(s)
	if n == 0 {
		return "", "that is no ticket number"
	}
	return strconv.FormatInt(n, 10), ""
}

// number reads a positive decimal number of digits alone; 0 if s is none or too large.
func number(s string) int64 {
	if s == "" || len(s) > 19 {
		return 0
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// minutes reads 15, 15m, 2h, 1h30m, 1h 30m.
func minutes(s string) (string, string) {
	const wrong = "the time is written like 15m, 2h or 1h30m"
	rest := strings.ReplaceAll(strings.ToLower(s), " ", "")
	var total int64
	if h, after, found := strings.Cut(rest, "h"); found {
		n := number(h)
		if n == 0 || n > maxMinutes {
			return "", wrong
		}
		total, rest = n*60, after
	}
	if rest != "" {
		n := number(strings.TrimSuffix(rest, "m"))
		if n == 0 || n > math.MaxInt32 {
			return "", wrong
		}
		total += n
	}
	switch {
	case total == 0:
		return "", wrong
	case total > maxMinutes:
		return "", "more than 100 hours at once"
	}
	return strconv.FormatInt(total, 10), ""
}

// The forms of a date and of a date with a time.
const (
	dateForm     = "2006-01-02"
	dateTimeForm = "2006-01-02 15:04"
)

func due(s string) (string, string) {
	s = strings.ToLower(tidy(s))
	if len(s) == len(dateTimeForm) && s[len(dateForm)] == 't' {
		s = s[:len(dateForm)] + " " + s[len(dateForm)+1:]
	}
	if _, ok := dueTime(s, time.Unix(0, 0)); !ok {
		return "", "the due time is written like 2026-12-01, 2026-12-01 15:00, 12h, 3d, 2w, or none"
	}
	return s, ""
}

func dueTime(s string, now time.Time) (time.Time, bool) {
	if s == "none" {
		return time.Time{}, true
	}
	if t, err := time.ParseInLocation(dateForm, s, now.Location()); err == nil {
		return time.Date(t.Year(), t.Month(), t.Day(), 23, 59, 0, 0, t.Location()), true
	}
	if t, err := time.ParseInLocation(dateTimeForm, s, now.Location()); err == nil {
		return t, true
	}
	if s == "" {
		return time.Time{}, false
	}
	n, unit := number(s[:len(s)-1]), s[len(s)-1]
	if n == 0 || n > 24*maxDueDays {
		return time.Time{}, false
	}
	switch {
	case unit == 'h':
		return now.Add(time.Duration(n) * time.Hour), true
	case unit == 'd' && n <= maxDueDays:
		return now.AddDate(0, 0, int(n)), true
	case unit == 'w' && n <= maxDueDays/7:
		return now.AddDate(0, 0, 7*int(n)), true
	}
	return time.Time{}, false
}
