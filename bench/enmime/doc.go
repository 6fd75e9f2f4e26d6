// Package enmime holds the reader of letters beside jhillyerd/enmime, in one run on the same letters. It is a module
// of its own, so that mxdesk does not depend on what it is measured against:
//
//	cd bench/enmime && go test -bench .
//
// enmime parses MIME and turns HTML into text; mxdesk's reader does that too, and also parts the reply from its quotes,
// sanitises the HTML, tells the kind of the letter and reads delivery reports.
package enmime
