// Package template turns the words of an organisation and the facts of a ticket into a subject and two bodies.
// It is pure. A template is compiled once, which finds every mistake and says where; rendering cannot fail.
//
// A mask stands for a value: "#Subject#" or "{{subject}}". Upper and lower case are the same in both forms. "##" is a
// hash, for words such as "##close##"; a hash that begins no word between hashes is just a hash.
//
// What keeps a customer's words from doing harm: a value is put in and never read again, so a mask in it
// stays as it is; in HTML it is escaped, and in an attribute only our own links may stand; in a subject it is one
// line without control characters. What is staff-only is left out unless Values.Staff is set.
//
// A line of a text body is left out when it consists of masks without a value, alone or after a label:
// "Ticket page: {{url}}". Of a text body alone an HTML body is made, and the other way round.
//
// Reading order: values.go (what can be said), mask.go (its names), parse.go (text), html.go (HTML),
// compile.go, render.go, default.go and defaults/ (our own words).
package template
