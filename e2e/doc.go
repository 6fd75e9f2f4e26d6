// Package e2e holds stories of the whole program: mail comes in, becomes a ticket, is answered, mail goes out.
//
// In a story everything is real but the DNS: mxdesk is the built program with a configuration file and a private
// PostgreSQL; customers and staff have mail servers of their own, Debian's Postfix, which find mxdesk by its MX record;
// signatures are checked by dkimpy and Mail::DKIM. The DNS is internal/dns serving a plain value, whose part about mxdesk
// is what `mxdesk dns` printed.
//
//	carl@customer.test ── Postfix ──SMTP, STARTTLS──▶ mxdesk ──SMTP, STARTTLS──▶ Postfix ── anna@staff.test
//	      Maildir ◀────── Postfix ◀─SMTP, STARTTLS── mxdesk ◀─SMTP, STARTTLS── Postfix ◀──────┘
//
// Every run takes a block of loopback addresses, 127.x.y.0/24, so that runs do not meet: .1 is the DNS (port 53, because
// resolv.conf knows no other), .2 the customers' server, .3 the staff's, from .4 on each mxdesk.
//
// Postfix runs as an own instance with own folders, as root alone; no service is touched. A missing program is a failure
// that names Debian's package, unless MXDESK_TEST_WITHOUT names the package: then stories that need it are skipped.
// -short leaves out full disks, two desks that write to each other, greylisting, who stands before mxdesk (Postfix by LMTP,
// haproxy) or judges for it (rspamd), and mail servers and name servers that ./dev unpacks and never installs: interop_…_test.go
// holds mxdesk against Exim and OpenSMTPD, MTA-STS against certificates of every kind, and DANE against unbound and a zone that
// ldns signed. Exim and OpenSMTPD run in a root of their own (testdata/peer-root.sh): they exclude Postfix, and read /etc.
// ./dev interop plays these alone and prints a table.
//
// Reading order: story_desk_test.go (the whole story), the other stories, interop_mail_test.go and its like, then world_test.go, postfix_test.go, desk_test.go (who takes part).
package e2e
