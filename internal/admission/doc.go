// Package admission is what the nodes remember of strangers together: who has tried to send a letter (greylisting), whom
// we know, and how much was sent lately (rates). smtpd decides; this is its memory in PostgreSQL. Everything in it may be
// lost: strangers then have to come twice again, and buckets are full.
//
// Rows are of fixed size, whatever a stranger calls himself, and Run deletes what is too old to matter.
package admission
