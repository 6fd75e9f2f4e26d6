package bounce

import (
	"strings"
	"testing"
)

// letter makes an Input of a notice in the form of some system: who it is from, its subject,
// and its text, in which the original stands where that system puts it.
func letter(from, subject, text string) *Input {
	return &Input{
		Header: func(name string) []string {
			return map[string][]string{"From": {from}, "To": {"us@here.example"}}[name]
		},
		Type:    "text/plain",
		Subject: subject,
		From:    strings.ToLower(strings.Trim(from[strings.LastIndexByte(from, '<')+1:], ">")),
		Text:    text,
	}
}

// quoted is the header of an original, as most systems append it.
const quoted = `Return-Path: <us@here.example>
Received: from desk.here.example by mx.there.example; Mon, 2 Mar 2026 10:00:00 +0000
Message-ID: <abc.123@here.example>
From: Us <us@here.example>
To: Them <them@there.example>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
MIME-Version: 1.0

What we wrote.
`

// TestNotices reads free text in the form of many systems.
func TestNotices(t *testing.T) {
	tests := []struct {
		system        string
		from, subject string
		text          string
		want          string // address action status code reason, "; " between recipients
	}{
		{"qmail", "MAILER-DAEMON@mx.there.example", "failure notice", `Hi. This is the qmail-send program at mx.there.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<them@there.example>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 unknown user
Giving up on 192.0.2.7.

<other@there.example>:
The users mailfolder is over the allowed quota (size). (#5.2.2)

--- Below this line is a copy of the message.

` + quoted, "them@there.example failed 5.1.1 550 user_unknown; other@there.example failed 5.2.2  mailbox_full"},

		{"Postfix without fields", "MAILER-DAEMON@mx.here.example", "Undelivered Mail Returned to Sender", `This is the Postfix program at host mx.here.example.

I'm sorry to have to inform you that the message returned
below could not be delivered to one or more destinations.

For further assistance, please send mail to <postmaster@here.example>

<them@there.example>: host mx.there.example[192.0.2.7] said: 552 5.2.2
    mailbox full (in reply to RCPT TO command)
`, "them@there.example failed 5.2.2 552 mailbox_full"},

		{"Exim", "Mail Delivery System <Mailer-Daemon@mx.here.example>", "Mail delivery failed: returning message to sender", `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  them@there.example
    host mx.there.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<them@there.example>:
    550 5.1.1 <them@there.example>: Recipient address rejected: User unknown
  other@full.example
    mailbox is full: retry timeout exceeded

------ This is a copy of the message, including all the headers. ------

` + quoted, "them@there.example failed 5.1.1 550 user_unknown; other@full.example failed   mailbox_full"},

		{"Exim, waiting", "Mail Delivery System <Mailer-Daemon@mx.here.example>", "Warning: message 1abcDE-000123-XY delayed 24 hours", `This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.here.example.

The message identifier is:     1abcDE-000123-XY
The subject of the message is: Hello

The address to which the message has not yet been delivered is:

  them@there.example
    host mx.there.example [192.0.2.7]
    Delay reason: Connection timed out

No action is required on your part. Delivery attempts will continue for
some time, and this warning may be repeated at intervals if the message
remains undelivered.
`, "them@there.example delayed   network"},

		{"Sendmail 5", "Mail Delivery Subsystem <MAILER-DAEMON@mx.there.example>", "Returned mail: User unknown", `   ----- Transcript of session follows -----
... while talking to mx.there.example:
>>> RCPT To:<them@there.example>
<<< 550 <them@there.example>... User unknown
550 them@there.example... User unknown

   ----- Unsent message follows -----
` + quoted, "them@there.example failed  550 user_unknown"},

		{"Exchange 2003", "System Administrator <postmaster@there.example>", "Undeliverable: Hello", `Your message

  To:      them@there.example
  Subject: Hello
  Sent:    Mon, 2 Mar 2026 10:00:00 +0100

did not reach the following recipient(s):

them@there.example on Mon, 2 Mar 2026 10:00:04 +0100
    The e-mail account does not exist at the organization this message was
sent to.  Check the e-mail address, or contact the recipient directly to
find out the correct address.
    <mx.there.example #5.1.1>
`, "them@there.example failed 5.1.1  user_unknown"},

		{"Exchange Online without fields", "Microsoft Outlook <postmaster@there.example>", "Undeliverable: Hello", `Your message to them@there.example couldn't be delivered.

them wasn't found at there.example.

us   Office 365   them
Action Required   Recipient

Unknown To address

More Info for Email Admins
Status code: 550 5.1.10

Original Message Details
Created Date: 3/2/2026 10:00:00 AM
Sender Address: us@here.example
Recipient Address: them@there.example
Subject: Hello

Error Details
Reported error: 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
`, "them@there.example failed 5.1.10 550 user_unknown"},

		{"Domino", "postmaster@there.example", "DELIVERY FAILURE: User them (them@there.example) not listed in Domino Directory", `Your message

  Subject: Hello

was not delivered to:

  them@there.example

because:

  User them (them@there.example) not listed in Domino Directory
`, "them@there.example failed   user_unknown"},

		{"Gmail", "Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", `Delivery to the following recipient failed permanently:

     them@there.example

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the server for the recipient domain there.example by mx.there.example. [192.0.2.7].

The error that the other server returned was:
550 5.2.2 <them@there.example>: mailbox over quota

----- Original message -----

` + quoted, "them@there.example failed 5.2.2 550 mailbox_full"},

		{"Yahoo", "MAILER-DAEMON@yahoo.example", "Failure Notice", `Sorry, we were unable to deliver your message to the following address.

<them@there.example>:
554: 5.7.1 <them@there.example>: Relay access denied

--- Below this line is a copy of the message.

` + quoted, "them@there.example failed 5.7.1 554 policy"},

		{"GMX, web.de", "GMX Mailer Daemon <mailer-daemon@gmx.example>", "Mail delivery failed: returning message to sender", `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to
one or more of its recipients. This is a permanent error.
The following address failed:

<them@there.example>:
SMTP error from remote server after RCPT command:
host: mx.there.example
5.1.1 <them@there.example>... User Unknown

--- The header of the original message is following. ---

` + quoted, "them@there.example failed 5.1.1  user_unknown"},

		{"1&1", "Mail Delivery System <mailer-daemon@kundenserver.example>", "Mail delivery failed: returning message to sender", `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its recipients.
The following address failed:

them@there.example

For the following reason:

Mail size limit exceeded. For explanation visit
http://postmaster.kundenserver.example/en/error-messages

--- The header of the original message is following. ---

` + quoted, "them@there.example failed   too_large"},

		{"mail.ru", "mailer-daemon@corp.mail.example", "Mail failure.", `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  them@there.example
    SMTP error from remote mail server after end of data:
    host mx.there.example [192.0.2.7]: 550 spam message rejected. Please visit
    https://help.there.example/notspam

------ This is a copy of the message, including all the headers. ------

` + quoted, "them@there.example failed  550 spam"},

		{"Yandex, in Russian", "mailer-daemon@yandex.example", "Недоставленное сообщение", `Здравствуйте!

Это письмо отправлено почтовым сервером yandex.example.
К сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может
быть доставлено одному или нескольким адресатам. Технические подробности:

<them@there.example>: host mx.there.example[192.0.2.7] said: 550 5.7.1 No such user!
    (in reply to RCPT TO command)
`, "them@there.example failed 5.7.1 550 user_unknown"},

		{"a phone's gateway", "Postmaster@phone.example", "Mail System Error - Returned Mail", `The user(s) account is temporarily over quota.

<them@phone.example>

Your mail sent on: Mon, 2 Mar 2026 10:00:00 +0900
`, "them@phone.example failed   mailbox_full"},

		{"another phone's gateway", "no-reply@phone.example <mail-system@phone.example>", "Mail System Error - Returned Mail", `Your mail sent on: Mon, 2 Mar 2026 10:00:00 +0900
        Could not be delivered to: <them@phone.example>
        As their mailbox is full.
`, "them@phone.example failed   mailbox_full"},

		{"SurfControl", "Mail Delivery Agent <postmaster@filter.here.example>", "Undeliverable mail", `Your message could not be sent.
A transcript of the attempts to send the message follows.
The number of attempts made: 1
Addressed To: them@there.example

Mon 2 Mar 2026 10:00:00 +0000
Failed to send to identified host,
them@there.example: [192.0.2.7], 550 them@there.example... User unknown

--- Message non-deliverable.
`, "them@there.example failed  550 user_unknown"},

		{"InterScan", "InterScan MSS <postmaster@filter.here.example>", "Mail delivery System Error: returned mail", `Sent <<< RCPT TO:<them@there.example>
Received >>> 550 5.1.1 <them@there.example>... user unknown

Unable to deliver message to <them@there.example>

************************
` + quoted, "them@there.example failed 5.1.1 550 user_unknown"},

		{"IMail", "Postmaster <postmaster@mail.here.example>", "Undeliverable Mail", `User mailbox exceeds allowed size: them@there.example

Original message follows.

` + quoted, "them@there.example failed   mailbox_full"},

		{"m-FILTER, in Japanese", "Mail Delivery Subsystem <postmaster@here.example>", "配信不能メール通知", `以下の宛先へメールを送信できませんでした。

-------server message
550 5.1.1 unknown user <them@there.example>

-------SMTP command
RCPT TO:<them@there.example>

-------original message
` + quoted, "them@there.example failed 5.1.1 550 user_unknown"},

		{"ActiveHunter", "MAILER-DAEMON@here.example", "FAILURE NOTICE :", `  ----- The following addresses had permanent fatal errors -----

>>> them@there.example <them@there.example>

  ----- Transcript of session follows -----
550 sorry, no mailbox here by that name (#5.1.1 - chkuser)

----- Original message follows -----
` + quoted, "them@there.example failed 5.1.1 550 user_unknown"},

		{"a pager's gateway", "Post_Master@text.example", "Undeliverable Message", `Message to <2125550100@text.example> failed.

Error: No valid recipients from this MM

Sender: us@here.example
`, "2125550100@text.example failed   user_unknown"},

		{"CommuniGate", "MAILER-DAEMON@cgp.there.example", "Undeliverable mail: Hello", `Failed to deliver to 'them@there.example'
SMTP module(domain there.example) reports:
 host mx.there.example says:
 550 5.1.1 <them@there.example> mailbox does not exist

` + quoted, "them@there.example failed 5.1.1 550 user_unknown"},

		{"hMailServer", "mailer-daemon@here.example", "Message undeliverable: Hello", `Your message did not reach some or all of the intended recipients.

   Sent: Mon, 2 Mar 2026 10:00:00 +0100
   Subject: Hello

The following recipient(s) could not be reached:

them@there.example
   Error Type: SMTP
   Remote server (192.0.2.7) issued an error.
   hMailServer sent: RCPT TO:<them@there.example>
   Remote server replied: 550 5.1.1 User unknown

hMailServer
`, "them@there.example failed 5.1.1 550 user_unknown"},

		{"SmarterMail", "System Administrator <postmaster@here.example>", "Delivery Failure", `Could not deliver message to the following recipient(s):

Failed Recipient: them@there.example
Reason: Remote host said: 550 No such user here

   -- The header and top 20 lines of the message follows --

` + quoted, "them@there.example failed  550 user_unknown"},

		{"Smail", "postmaster@there.example (Mail Delivery System)", "mail failed, returning to sender", `|------------------------- Message log follows: -------------------------|
 no valid recipients were found for this message
|------------------------- Failed addresses follow: ---------------------|
 <them@there.example> ... unknown host
|------------------------- Message text follows: ------------------------|
` + quoted, "them@there.example failed   host_unknown"},

		{"IronPort", "Mail Delivery System <MAILER-DAEMON@esa.there.example>", "Delivery Status Notification (Failure)", `The following message to <them@there.example> was undeliverable.
The reason for the problem:
5.1.0 - Unknown address error 550-'5.2.2 <them@there.example>... Mailbox Full'
`, "them@there.example failed 5.1.0 550 mailbox_full"},

		{"Zoho", "mailer-daemon@mail.zoho.example", "Undelivered Mail Returned to Sender", `This message was created automatically by mail delivery software.
A message that you sent could not be delivered to one or more of its recipients. This is a permanent error.

them@there.example Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 unknown recipient
`, "them@there.example failed 5.1.1 550 user_unknown"},

		{"DragonFly", "MAILER-DAEMON <>", "Mail delivery failed", `This is the DragonFly Mail Agent v0.13 at here.example.

There was an error delivering your mail to <them@there.example>.

mx.there.example [192.0.2.7] did not like our MAIL FROM:
550 5.7.1 SPF check failed

Message headers follow.

` + quoted, "them@there.example failed 5.7.1 550 auth_failure"},

		{"OpenSMTPD", "Mailer Daemon <MAILER-DAEMON@here.example>", "Delivery status notification: error", `    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this email.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

them@there.example: Domain does not exist

    Below is a copy of the original message:

` + quoted, "them@there.example failed   host_unknown"},

		{"MDaemon", "MDaemon@there.example", "MDaemon Notification -- Attachment Removed", `The following addresses did NOT receive a copy of your message:

> them@there.example

--- Session Transcript ---
 Parsing Message
 --> RCPT To:<them@there.example>
 <-- 550 <them@there.example>, Recipient unknown
--- End Transcript ---
`, "them@there.example failed  550 user_unknown"},

		{"LSMTP", "postmaster@lists.there.example", "Undelivered mail", `The enclosed message could not be delivered to the following recipients.

--> Error description:

Error-for:  them@there.example
Error-Code: 3
Error-Text: no such user

Error-End:  One error reported.
`, "them@there.example failed   user_unknown"},

		{"a heading and an address behind it", "Mail Delivery Subsystem <postmaster@there.example>", "Undeliverable message", `Undeliverable Address:  them@there.example
Reason: mailbox full

Original message attached
`, "them@there.example failed   mailbox_full"},

		{"an address in quotation marks", "Mail Delivery System <MAILER-DAEMON@there.example>", "Mail delivery failed", `This message was created automatically by mail delivery software.

The message addressed to 'them@there.example' could not be delivered:
no such user here

---- START OF RETURNED MESSAGE ----
` + quoted, "them@there.example failed   user_unknown"},

		{"MailEnable", "Postmaster <postmaster@there.example>", "Message Delivery Failure", `Message could not be delivered to some recipients.
The following recipient(s) could not be reached:

	Recipient: [SMTP:them@there.example]
	Reason: Remote SMTP Server Returned: 550 No such user here


Message headers follow:

` + quoted, "them@there.example failed  550 user_unknown"},

		{"Dovecot", "Mail Delivery Subsystem <postmaster@there.example>", "Automatically rejected mail", `Your message to <them@there.example> was automatically rejected:
Quota exceeded (mailbox for user is full)
`, "them@there.example failed   mailbox_full"},

		{"Netscape", "Mail Administrator <Postmaster@there.example>", "Mail System Error - Returned Mail", `This Message was undeliverable due to the following reason:

The following destination addresses were unknown (please check
the addresses and re-mail the message):

SMTP <them@there.example>

Please reply to Postmaster@there.example
if you feel this message to be in error.
`, "them@there.example failed   user_unknown"},

		{"McAfee", "Mail Delivery Subsystem <postmaster@filter.there.example>", "Delivery Status", `This email was created automatically by the gateway.

--- The following addresses had delivery problems ---

<them@there.example>   (User unknown them@there.example)

`, "them@there.example failed   user_unknown"},

		{"Sendmail, several", "Mail Delivery Subsystem <MAILER-DAEMON@mx.there.example>", "Returned mail: Host unknown (Name server: nowhere.example: host not found)", `The original message was received at Mon, 2 Mar 2026 10:00:00 +0000

   ----- The following addresses had permanent fatal errors -----
<them@there.example>
<other@nowhere.example>

   ----- Transcript of session follows -----
... while talking to mx.there.example.:
>>> RCPT To:<them@there.example>
<<< 552 5.2.2 <them@there.example>... Mailbox full
550 5.2.2 <them@there.example>... Mailbox full
550 5.1.2 <other@nowhere.example>... Host unknown (Name server: nowhere.example: host not found)

   ----- Original message follows -----

` + quoted, "them@there.example failed 5.2.2 552 mailbox_full; other@nowhere.example failed 5.1.2 550 host_unknown"},

		{"Mimecast", "Mail Delivery System <MAILER-DAEMON@us-mta.example>", "[Postmaster] Email Delivery Failure", `Your message was not delivered to some or all of the recipients.

them@there.example
  Reason: Remote server returned '550 Rejected by header based Blocked Senders'
`, "them@there.example failed  550 policy"},

		{"Proofpoint", "Mail Delivery Subsystem <MAILER-DAEMON@mx0a.example>", "Returned mail: see transcript for details", `   ----- The following addresses had permanent fatal errors -----
<them@there.example>
    (reason: 550 5.7.0 Local Policy Violation - Reject)
`, "them@there.example failed 5.7.0 550 policy"},

		{"iCloud", "Mail Delivery Subsystem <MAILER-DAEMON@me.example>", "Undeliverable: Hello", `Your message

	Subject: Hello

could not be delivered to the following recipients:

Recipient address: them@there.example
Reason: Remote SMTP server has rejected address
Diagnostic code: smtp;550 5.1.1 unknown or illegal alias: them@there.example
`, "them@there.example failed 5.1.1 550 user_unknown"},

		{"a Chinese provider", "Postmaster@163.example", "系统退信/Systems bounce", `抱歉，您的邮件被退回来了……

原邮件信息:
主　题: Hello
收件人: them@there.example

退信原因: 收件人邮箱已满
550 Mailbox full
`, "them@there.example failed  550 mailbox_full"},

		{"a German provider", "Mailer Daemon <mailer-daemon@post.example>", "Unzustellbare E-Mail", `Ihre Nachricht konnte nicht zugestellt werden.

An: them@there.example

Grund: Empfänger unbekannt
`, "them@there.example failed   user_unknown"},

		{"a French provider", "Mail Delivery System <mailer-daemon@poste.example>", "Échec de la remise", `Votre message n'a pas pu être remis aux destinataires suivants :

them@there.example
    552 5.2.2 La boîte aux lettres du destinataire est pleine
`, "them@there.example failed 5.2.2 552 mailbox_full"},

		{"a Spanish provider", "postmaster@correo.example", "No se puede entregar: Hola", `No se pudo entregar el mensaje a los siguientes destinatarios:

them@there.example
    550 5.1.1 usuario desconocido
`, "them@there.example failed 5.1.1 550 user_unknown"},

		{"an Italian provider", "Mail Delivery Subsystem <postmaster@posta.example>", "Mancato recapito: Ciao", `Non è stato possibile recapitare il messaggio a:

them@there.example
    550 5.2.2 casella piena
`, "them@there.example failed 5.2.2 550 mailbox_full"},

		{"a Brazilian provider", "mailer-daemon@correio.example", "Falha na entrega", `Não foi possível entregar a sua mensagem a:

<them@there.example>:
550 5.1.1 usuário inexistente
`, "them@there.example failed 5.1.1 550 user_unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.system, func(t *testing.T) {
			r := Parse(letter(tt.from, tt.subject, tt.text))
			if r == nil {
				t.Fatal("no report")
			}
			var got []string
			for _, rc := range r.Recipients {
				got = append(got, strings.Join([]string{rc.Address, rc.Action, rc.Status, rc.SMTPCode, rc.Reason}, " "))
			}
			if s := strings.Join(got, "; "); s != tt.want {
				t.Errorf("got  %s\nwant %s", s, tt.want)
			}
			if strings.HasSuffix(tt.text, quoted) {
				if r.MessageID != "abc.123@here.example" || r.OriginalSubject != "Grüße" || !r.HasOriginal || r.OriginalRcpt != "them@there.example" {
					t.Errorf("original: %q %q %v %q", r.MessageID, r.OriginalSubject, r.HasOriginal, r.OriginalRcpt)
				}
			}
		})
	}
}

// TestNoNotice makes sure that people are not taken for mail systems.
func TestNoNotice(t *testing.T) {
	bounceText := "Hi. This is the qmail-send program at mx.there.example.\nI'm afraid I wasn't able to deliver your message.\n\n<them@there.example>:\n550 5.1.1 unknown user\n"
	tests := []struct {
		name string
		in   *Input
	}{
		{"a question about a bounce", letter("Anna <anna@there.example>", "Mails to you bounce", "Hello,\n\nwhat does this mean?\n\n"+bounceText)},
		{"an answer to a bounce", letter("Anna <anna@there.example>", "Re: Undelivered Mail Returned to Sender", "I got this:\n\n> "+strings.ReplaceAll(bounceText, "\n", "\n> "))},
		{"a forwarded bounce", letter("Anna <anna@there.example>", "Fwd: failure notice", "FYI\n\n"+bounceText)},
		{"a postmaster writing himself", letter("Postmaster <postmaster@there.example>", "Your SPF record", "Hello,\n\nyour SPF record has two entries too many.\n\nRegards\nBert")},
		{"a subject alone", letter("Anna <anna@there.example>", "Delivery failed", "The parcel was not delivered, and them@there.example says so too.")},
		{"a letter with nothing in it", &Input{}},
	}
	away := letter("Bert <bert@there.example>", "Out of office: Hello", "I am away. In urgent cases write to other@there.example.")
	away.NullSender = true
	tests = append(tests, struct {
		name string
		in   *Input
	}{"an answering machine with a null sender", away})
	receipt := letter("Bert <bert@there.example>", "Read: Hello", "Your message was read.")
	receipt.Type, receipt.ReportType = "multipart/report", "disposition-notification"
	tests = append(tests, struct {
		name string
		in   *Input
	}{"a receipt", receipt})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if r := Parse(tt.in); r != nil {
				t.Errorf("taken for a report: %+v", r)
			}
		})
	}
}
