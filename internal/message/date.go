package message

import (
	"strings"
	"time"
)

var months = map[string]time.Month{
	"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}

// zones are the names of RFC 5322 section 4.3 and a few more that senders use, in minutes.
var zones = map[string]int{
	"ut": 0, "utc": 0, "gmt": 0, "z": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360,
	"pst": -480, "pdt": -420, "bst": 60, "wet": 0, "west": 60, "cet": 60, "cest": 120, "met": 60, "mest": 120, "mez": 60, "mesz": 120,
	"eet": 120, "eest": 180, "msk": 180, "msd": 240, "jst": 540, "kst": 540, "ist": 330, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780, "hst": -600, "akst": -540, "akdt": -480,
}

// parseDate reads a Date field in any order of its words: RFC 5322 and its obsolete forms, the output of
// asctime and of date(1), RFC 3339. ok is false when it names no day. A zone nobody knows is UTC (RFC 5322
// section 4.3). exact tells that it names a time of day too.
func parseDate(raw []byte) (t time.Time, exact, ok bool) {
	s := dropComments(unfold(raw[:min(len(raw), 200)]))
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, writable(t), writable(t)
	}
	d := dateParts{day: -1, year: -1, hour: -1}
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		d.take(w)
	}
	t, ok = d.time()
	return t, ok && d.hour >= 0, ok
}

type dateParts struct {
	day, year      int
	month          time.Month
	hour, min, sec int
	offset         int // minutes
	hasZone        bool
}

func (d *dateParts) take(w string) {
	switch {
	case (w[0] == '+' || w[0] == '-') && len(w) > 1:
		d.zone(w)
	case strings.IndexByte(w, ':') > 0:
		d.clock(w)
	case strings.Count(w, "-") == 2 || strings.Count(w, "/") == 2:
		for p := range strings.FieldsFuncSeq(w, func(r rune) bool { return r == '-' || r == '/' }) {
			d.number(p)
		}
	case w[0] >= '0' && w[0] <= '9':
		d.number(w)
	default:
		d.name(w)
	}
}

func (d *dateParts) name(w string) {
	l := strings.ToLower(strings.Trim(w, ".\""))
	if len(l) >= 3 {
		if m := months[l[:3]]; m != 0 && d.month == 0 && l != "mart" {
			d.month = m
			return
		}
	}
	switch l {
	case "am", "pm":
		if d.hour >= 0 && d.hour <= 12 {
			d.hour = d.hour % 12
			if l == "pm" {
				d.hour += 12
			}
		}
		return
	}
	if off, found := zones[l]; found && !d.hasZone && d.hour >= 0 {
		d.offset, d.hasZone = off, true
		return
	}
	for _, p := range [...]string{"gmt", "utc"} { // "GMT+0200"
		if rest, found := strings.CutPrefix(l, p); found && len(rest) > 1 && (rest[0] == '+' || rest[0] == '-') {
			d.zone(rest)
		}
	}
}

// number takes a day, a month in digits or a year, by what is still missing.
func (d *dateParts) number(w string) {
	n, digits := leadingInt(w)
	if digits == 0 {
		d.name(w)
		return
	}
	switch {
	case digits >= 4 && d.year < 0:
		d.year = n
	case d.day < 0 && n >= 1 && n <= 31:
		if d.year >= 0 && d.month == 0 && n <= 12 { // 2006-01-02
			d.month = time.Month(n)
			return
		}
		d.day = n
	case d.month == 0 && n >= 1 && n <= 12:
		d.month = time.Month(n)
	case d.year < 0 && digits <= 3:
		switch { // RFC 5322 section 4.3
		case digits == 3:
			n += 1900
		case n < 50:
			n += 2000
		default:
			n += 1900
		}
		d.year = n
	}
}

func (d *dateParts) clock(w string) {
	part := strings.SplitN(w, ":", 3)
	var v [3]int
	for i, p := range part {
		n, digits := leadingInt(p)
		if digits == 0 {
			return
		}
		v[i] = n
		if i == len(part)-1 {
			if rest := p[digits:]; len(rest) > 1 && (rest[0] == '+' || rest[0] == '-') {
				d.zone(rest)
			} else if rest != "" {
				defer d.name(rest)
			}
		}
	}
	if v[0] < 24 && v[1] < 60 && v[2] <= 61 && d.hour < 0 {
		d.hour, d.min, d.sec = v[0], v[1], min(v[2], 59)
	}
}

func (d *dateParts) zone(w string) {
	n, digits := leadingInt(strings.Replace(w[1:], ":", "", 1))
	if d.hasZone || digits == 0 {
		return
	}
	off := n/100*60 + n%100
	if digits <= 2 {
		off = n * 60
	}
	if off >= 24*60 {
		off = 0
	}
	if w[0] == '-' {
		off = -off
	}
	d.offset, d.hasZone = off, true
}

func (d *dateParts) time() (time.Time, bool) {
	if d.day < 1 || d.month == 0 || d.year > 9999 {
		return time.Time{}, false
	}
	loc := time.UTC
	if d.offset != 0 {
		loc = time.FixedZone("", d.offset*60)
	}
	t := time.Date(d.year, d.month, d.day, max(d.hour, 0), d.min, d.sec, 0, loc)
	return t, t.Day() == d.day && writable(t)
}

// writable tells whether a year is within the bounds of ours, and of RFC 3339, in every zone.
func writable(t time.Time) bool { return t.Year() >= 1900 && t.Year() < 9999 }

// leadingInt reads the digits at the start of s, at most nine.
func leadingInt(s string) (n, digits int) {
	for digits < len(s) && digits < 9 && s[digits] >= '0' && s[digits] <= '9' {
		n = n*10 + int(s[digits]-'0')
		digits++
	}
	return n, digits
}
