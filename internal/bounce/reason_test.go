package bounce

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestReason holds the wordings of many systems against the reasons they mean.
func TestReason(t *testing.T) {
	tests := []struct {
		status, code, said string
		want               string
	}{
		// no such mailbox
		{"5.1.1", "550", "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in virtual mailbox table", UserUnknown},
		{"5.1.1", "550", "550 5.1.1 <a@b.example>: Recipient address rejected: b.example", UserUnknown},
		{"5.7.1", "550", "550 5.7.1 No such user!", UserUnknown},
		{"5.0.0", "550", "550 Unrouteable address", HostUnknown},
		{"5.0.0", "550", "550 no mailbox by that name is currently available", UserUnknown},
		{"", "", "Unknown user: a@b.example", UserUnknown},
		{"5.5.0", "550", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)", UserUnknown},
		{"5.1.1", "550", "550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found", UserUnknown},
		{"5.4.1", "550", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", UserUnknown},
		{"5.0.0", "554", "554 delivery error: dd This user doesn't have a provider.example account (a@b.example) [0]", UserUnknown},
		{"5.2.1", "550", "550 5.2.1 Mailbox not available", UserUnknown},
		{"5.1.1", "550", "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient.", UserUnknown},
		{"5.0.0", "550", "550 Benutzer unbekannt", UserUnknown},
		{"5.0.0", "550", "550 usuario desconocido", UserUnknown},
		{"5.0.0", "550", "550 пользователь не найден", UserUnknown},
		{"5.0.0", "550", "550 用户不存在", UserUnknown},
		{"", "", "User someone (a@b.example) not listed in Domino Directory", UserUnknown},
		{"", "", "The e-mail address could not be found. Perhaps the recipient moved to a different e-mail organization", UserUnknown},
		{"5.1.1", "550", "The e-mail account does not exist at the organization this message was sent to.", UserUnknown},
		{"5.0.0", "550", "550 sorry, no mailbox here by that name (#5.1.1 - chkuser)", UserUnknown},
		{"5.0.0", "511", "511 sorry, no mailbox here by that name", UserUnknown},
		{"5.1.0", "550", "550 5.1.0 Address rejected.", UserUnknown},
		{"5.1.2", "550", "unknown or illegal alias: a@b.example", UserUnknown},
		{"5.1.10", "550", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", UserUnknown},
		{"5.0.0", "550", "550 <a@b.example>: user does not exist", UserUnknown},
		{"5.0.0", "550", "550 a@b.example is not a valid mailbox", UserUnknown},
		{"5.0.0", "550", "550 Invalid recipient a@b.example (#5.1.1)", UserUnknown},
		{"5.0.0", "550", "550 Mailbox not found", UserUnknown},
		{"5.1.1", "550", "550 5.1.1 RCP-P1 recipient address does not exist", UserUnknown},
		{"5.0.0", "553", "553 sorry, that address isn't in my list of allowed rcpthosts (#5.7.1)", Policy},
		{"4.1.1", "450", "450 4.1.1 <a@b.example>: Recipient address rejected: unverified address: Address verification in progress", UserUnknown},

		// no such domain
		{"5.4.4", "", "Host or domain name not found. Name service error for name=nowhere.example type=AAAA: Host not found", HostUnknown},
		{"5.1.2", "550", "550 5.1.2 <a@nowhere.example>... Host unknown (Name server: nowhere.example: host not found)", HostUnknown},
		{"", "", "Sorry, I couldn't find any host named nowhere.example. (#5.1.2)", HostUnknown},
		{"", "", "all relevant MX records point to non-existent hosts", HostUnknown},
		{"5.4.310", "550", "550 5.4.310 DNS domain nowhere.example does not exist [Message=InfoDomainNonexistent]", HostUnknown},
		{"5.4.4", "550", "550 5.4.4 SMTPSEND.DNS.NonExistentDomain; nonexistent domain", HostUnknown},
		{"5.1.2", "", "Illegal host/domain name found: (TCP active open: Failed gethostbyname() on nowhere.example)", HostUnknown},
		{"4.4.3", "", "Host or domain name not found. Name service error for name=slow.example type=MX: Host not found, try again", Network},
		{"", "", "DNS Error: Domain name not found", HostUnknown},

		// full
		{"5.2.2", "552", "552 5.2.2 mailbox full", MailboxFull},
		{"4.2.2", "452", "452-4.2.2 The email account that you tried to reach is over quota. Please direct 452-4.2.2 the recipient to", MailboxFull},
		{"4.2.2", "452", "452 4.2.2 The recipient's inbox is out of storage space.", MailboxFull},
		{"5.0.0", "550", "550 User a@b.example has exceeded its 25600-kilobyte mailbox allocation", MailboxFull},
		{"5.1.1", "552", "552 sorry, mailbox a@b.example is over quota temporarily (#5.1.1)", MailboxFull},
		{"5.0.0", "550", "550 Postfach voll", MailboxFull},
		{"5.0.0", "552", "552 la boîte aux lettres du destinataire est pleine", MailboxFull},
		{"5.0.0", "550", "550 Mailbox size limit exceeded", MailboxFull},
		{"5.2.2", "554", "554 5.2.2 mailbox full;554.5.2.2 STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded", MailboxFull},
		{"5.0.0", "550", "550 ящик получателя переполнен", MailboxFull},
		{"5.0.0", "552", "552 Requested mail action aborted: exceeded storage allocation", MailboxFull},
		{"4.3.1", "452", "452 4.3.1 Insufficient system storage", SystemFull},

		// closed
		{"5.2.1", "550", "550 5.2.1 The email account that you tried to reach is disabled. Learn more at", Suspended},
		{"5.0.0", "554", "554 30 Sorry, your message to a@b.example cannot be delivered. This mailbox is disabled (554.30)", Suspended},
		{"5.0.0", "550", "550 Account disabled", Suspended},
		{"5.0.0", "550", "550 <a@b.example>: Recipient address rejected: user suspended", Suspended},
		{"5.2.1", "550", "550 5.2.1 Mailbox disabled, not accepting messages", Suspended},
		{"5.0.0", "550", "550 Account inactive", Suspended},
		{"5.0.0", "550", "550 this mailbox has been suspended", Suspended},
		{"5.1.6", "551", "551 5.1.6 recipient no longer on server", Moved},
		{"5.0.0", "551", "551 User not local; please try <c@d.example>", Moved},

		// who we are
		{"5.7.26", "550", "550-5.7.26 This mail has been blocked because the sender is unauthenticated.", AuthFailure},
		{"5.7.1", "550", "550 5.7.1 Email rejected per SPF policy", AuthFailure},
		{"5.7.1", "550", "550 5.7.1 rejected by DMARC policy for us.example", AuthFailure},
		{"5.7.20", "550", "550 5.7.20 No passing DKIM signature found", AuthFailure},
		{"5.7.1", "554", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1", Blocked},
		{"5.7.1", "550", "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).", Blocked},
		{"5.7.25", "550", "550 5.7.25 The IP address sending this message does not have a PTR record setup", Blocked},
		{"4.7.1", "450", "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", Blocked},
		{"5.7.606", "550", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]", Blocked},
		{"4.7.650", "451", "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.", Blocked},
		{"5.7.1", "554", "554 5.7.1 <unknown[192.0.2.1]>: Helo command rejected: need fully-qualified hostname", Blocked},
		{"4.7.28", "421", "421-4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address.", RateLimited},
		{"4.7.0", "421", "421 4.7.0 Too many connections", RateLimited},
		{"5.0.0", "550", "550 Too many recipients received this hour", RateLimited},
		{"4.3.2", "452", "452 4.3.2 Connection rate limit exceeded.", RateLimited},
		{"5.7.0", "530", "530 5.7.0 Must issue a STARTTLS command first", TLSRequired},
		{"4.7.5", "", "Server certificate not trusted", TLSRequired},
		{"5.7.1", "554", "554 5.7.1 <a@b.example>: Relay access denied", Policy},
		{"5.1.8", "553", "553 5.1.8 <us@us.example>... Domain of sender address us@us.example does not exist", Policy},
		{"5.7.1", "550", "550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized", Policy},
		{"5.7.133", "550", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", Policy},
		{"5.7.1", "550", "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy", Policy},

		// what we wrote
		{"5.7.1", "550", "550 5.7.1 Message rejected as spam by Content Filtering.", Spam},
		{"5.7.1", "554", "554 5.7.1 Message cannot be accepted, spam rejection", Spam},
		{"5.7.1", "571", "571 Message refused by spam filter", Spam},
		{"5.0.0", "554", "554 5.6.0 This message has been scored as spam", Spam},
		{"5.7.0", "552", "552-5.7.0 This message was blocked because its content presents a potential security issue", Content},
		{"5.0.0", "550", "550 Virus found (Eicar-Test-Signature)", Content},
		{"5.3.4", "552", "552 5.3.4 Message size exceeds fixed maximum message size (10485760)", TooLarge},
		{"5.2.3", "550", "550 5.2.3 RESOLVER.RST.SendSizeLimit.Sender; message too large for this sender", TooLarge},
		{"5.0.0", "552", "552 message too big", TooLarge},

		// the way
		{"5.4.6", "554", "554 5.4.6 Too many hops", Loop},
		{"5.4.6", "", "mail for b.example loops back to myself", Loop},
		{"5.4.14", "554", "554 5.4.14 Hop count exceeded - possible mail loop ATTR34", Loop},
		{"4.4.1", "", "connect to mx.b.example[192.0.2.1]:25: Connection timed out", Network},
		{"4.4.1", "", "connect to mx.b.example[192.0.2.1]:25: Connection refused", Network},
		{"4.4.2", "", "lost connection with mx.b.example[192.0.2.1] while receiving the initial server greeting", Network},
		{"4.4.7", "", "retry timeout exceeded", Expired},
		{"4.4.7", "550", "550 4.4.7 QUEUE.Expired; message expired", Expired},
		{"5.1.10", "556", "556 5.1.10 Recipient address has null MX", NotAccepting},
		{"5.3.2", "521", "521 5.3.2 Host does not accept mail", NotAccepting},
		{"", "", "an MX or SRV record indicated no SMTP service", NotAccepting},

		// wordings of single providers
		{"5.0.0", "550", "550 DT:SPM mx1,AAAA", Spam},
		{"4.7.0", "421", "421 4.7.0 IP not in whitelist for RCPT domain, closing connection", Blocked},
		{"4.2.1", "450", "450 4.2.1 Peak SMTP relay limit exceeded for customer.", RateLimited},
		{"4.2.1", "450", "450 4.2.1 The user you are trying to contact is receiving mail too quickly.", RateLimited},
		{"4.5.3", "452", "452 4.5.3 Your message has too many recipients.", RateLimited},
		{"5.2.3", "552", "552 5.2.3 Your message exceeded our message size limits.", TooLarge},
		{"5.0.0", "550", "550 unavailable mail user", UserUnknown},
		{"5.0.0", "550", "550 local server don't exists that user", UserUnknown},
		{"5.0.0", "550", "550 This account has been temporarily suspended", Suspended},
		{"5.0.0", "550", "550 user has exhausted allowed storage space", MailboxFull},
		{"5.0.0", "552", "552 exceeded mailsize limit", TooLarge},
		{"5.0.0", "550", "550 sending quota exceeded", RateLimited},
		{"5.0.0", "550", "550 csi.filter.example Poor Reputation Sender.", Blocked},
		{"5.0.0", "554", "554 Email rejected due to security policies", Policy},
		{"5.0.0", "554", "554 Maximum email size exceeded", TooLarge},
		{"5.0.0", "553", "553 5.7.1 [BL21] Connections not accepted from IP addresses on Spamhaus PBL", Blocked},
		{"4.7.0", "421", "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints", Blocked},
		{"5.7.9", "554", "554 5.7.9 Message not accepted for policy reasons.", Policy},
		{"5.7.1", "554", "554 5.7.1 [CS01] Message rejected due to local policy.", Policy},
		{"5.0.0", "421", "421 mwinf ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down.", RateLimited},
		{"5.7.509", "550", "550 5.7.509 Access denied, sending domain us.example does not pass DMARC verification", AuthFailure},
		{"5.7.1", "550", "550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus.", Blocked},
		{"5.7.64", "550", "550 5.7.64 TenantAttribution; Relay Access Denied", Policy},
		{"5.2.121", "550", "550 5.2.121 Recipient's per hour message receive limit from specific sender exceeded.", RateLimited},
		{"5.0.0", "550", "550 Rejected: us.example listed in rbl.filter.example", Blocked},
		{"5.0.0", "554", "554 Transaction failed: Duplicate header 'DKIM-Signature'.", Content},
		{"5.0.0", "550", "550 mail with a potentially executable attachment is not accepted", Content},
		{"4.3.0", "", "can't create user output file. Command output: disk quota exceeded", MailboxFull},
		{"5.3.0", "", "Command died with status 1: /usr/bin/filter", Undefined},
		{"4.3.0", "", "mail transport unavailable", Undefined},
		{"5.4.6", "", "Sorry. Although I'm listed as a best-preference MX or A for that host, it isn't in my control/locals file (#5.4.6)", Loop},
		{"4.0.0", "", "DNS Error: DNS type 'mx' lookup of nowhere.example responded with code NXDOMAIN Domain name not found: nowhere.example", Network},

		// nothing to go by
		{"5.0.0", "554", "554 5.0.0 Service unavailable", Undefined},
		{"5.3.0", "554", "554 5.3.0 unknown mailer error 255", Undefined},
		{"", "", "", Undefined},
		{"5.2.2", "", "", MailboxFull},
		// words that others hide in, and words of few
		{"5.4.300", "550", "550 5.4.300 Message expired -> 421 4.4.2 Connection dropped due to TimedOut", Network},
		{"5.0.0", "550", "550 The sender has been blocked by the recipient", Filtered},
		{"5.1.1", "511", "511 sorry, can't find a valid MX for rcpt domain (#5.1.1)", HostUnknown},
		{"5.7.511", "550", "550 5.7.511 Access denied, banned sender[192.0.2.1]", Blocked},
		{"5.2.121", "550", "550 5.2.121 RESOLVER.RST.RecipMessageRateExceeded", RateLimited},
		{"5.0.0", "552", "552 Wiadomość jest zbyt duża", TooLarge},
		{"5.0.0", "550", "550 Dieses Postfach wurde gelöscht", UserUnknown},
		{"5.0.0", "550", "550 Cet utilisateur n'existe plus", UserUnknown},
		{"5.0.0", "550", "550 Absender gesperrt", Policy},
		{"5.7.640", "", "", Blocked},
		{"5.7.999", "", "", Policy},
	}
	for _, tt := range tests {
		e := evidence{said: []string{tt.said}, status: tt.status, code: tt.code}
		if got := e.reason(); got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.status, tt.said, got, tt.want)
		}
	}
}

// TestPhrases makes sure that no line of phrases.txt is misspelt, double or without effect.
func TestPhrases(t *testing.T) {
	reasons := []string{
		UserUnknown, HostUnknown, MailboxFull, Suspended, Moved, Blocked, Spam, Policy, AuthFailure, TooLarge, Content, RateLimited,
		Network, TLSRequired, Expired, SystemFull, Loop, NotAccepting, Filtered, Undefined,
	}
	all := lexicons()
	if len(all) != 3 || all["clear"] == nil || all["likely"] == nil || all["vague"] == nil {
		t.Fatalf("levels: %d", len(all))
	}
	seen := map[string]bool{}
	for level, l := range all {
		for _, r := range l.reasons {
			if !slices.Contains(reasons, r) {
				t.Errorf("%s: no such reason: %s", level, r)
			}
		}
		for _, list := range l.byKey {
			for _, p := range list {
				var texts []string
				for _, f := range p.fragments {
					texts = append(texts, f.text)
				}
				text := strings.Join(texts, " ")
				if text != strings.ToLower(text) || len(text) < 3 {
					t.Errorf("%s: %q", level, text)
				}
				if line := fmt.Sprint(level, p.fragments); seen[line] {
					t.Errorf("%s: %q stands there twice", level, text)
				} else {
					seen[line] = true
				}
				if strings.HasSuffix(text, "(") {
					text += "word"
				}
				if got := l.find(words(text)); got == "" {
					t.Errorf("%s: %q does not find itself", level, text)
				}
			}
		}
	}
}

func TestSigns(t *testing.T) {
	asked := []string{
		"daemon", "postmaster", "robot", "subject", "subject within", "answer", "opening", "success", "delivered", "waiting", "over", "marker",
		"recipient label", "other label", "verdict", "help",
	}
	for _, list := range asked {
		if len(signs()[list]) == 0 {
			t.Errorf("no %s", list)
		}
	}
	for list, entries := range signs() {
		if !slices.Contains(asked, list) {
			t.Errorf("nobody asks for %s", list)
		}
		for i, s := range entries {
			if s != strings.ToLower(s) || slices.Contains(entries[:i], s) {
				t.Errorf("%s: %q", list, s)
			}
		}
	}
}

func TestStatus(t *testing.T) {
	for text, want := range map[string]string{
		"550 5.1.1 <a@b.example> unknown":       "5.1.1",
		"5.0.0 (permanent failure)":             "5.0.0",
		"(#5.7.1)":                              "5.7.1",
		"550-5.7.509 no":                        "5.7.509",
		"host 5.1.1.7 said no":                  "",
		"version 4.82.1a":                       "",
		"mx.5.1.1.example":                      "",
		"5.1.":                                  "",
		"said: 450 4.2.2, then 550 5.1.1":       "4.2.2",
		"the temporary 4.4.1.":                  "4.4.1",
		"3.1.1 is no class, and 5.1234.1 is no": "",
	} {
		if got := firstStatus(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for _, tt := range []struct{ text, status, want string }{
		{"550 5.1.1 unknown", "5.1.1", "550"},
		{"554 4.4.7 expired <421 4.4.2 timed out>", "4.4.7", "421"},
		{"Received 550-no such", "", "550"},
		{"said:550.", "", "550"},
		{"10.550.1.1 and a550 and 550a", "", ""},
		{"limit of 500 messages, 512 bytes", "", ""},
		{"250 2.1.5 Ok", "2.1.5", "250"},
		{"250 queued, then 452 full", "", "452"},
		{"port 4500, id 55012", "", ""},
	} {
		if got := pickCode(tt.text, tt.status); got != tt.want {
			t.Errorf("%q %s: %q, want %q", tt.text, tt.status, got, tt.want)
		}
	}
}

func TestOfReply(t *testing.T) {
	if got := OfReply(552, "5.2.2", "mailbox full"); got != MailboxFull {
		t.Error(got)
	}
	if got := OfReply(550, "", "no such user here"); got != UserUnknown {
		t.Error(got)
	}
}
