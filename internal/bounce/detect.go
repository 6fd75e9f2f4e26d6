package bounce

import "strings"

// daemons are local parts and names from which delivery notices come.
var daemons = []string{
	"mailer-daemon", "mailer_daemon", "mailerdaemon", "mail-daemon", "maildaemon", "postmaster", "post_master", "post.master",
	"poostmaster", "mail delivery", "mail.delivery", "maildelivery", "delivery subsystem", "delivery system", "mail system",
	"mail-system", "delivery service", "delivery agent", "system administrator", "systemadministrator", "systemadmin",
	"system attendant", "microsoft exchange", "microsoftexchange", "email system", "mail administrator", "mailsystem",
	"double-bounce", "bounces@", "noreply-dsn", "mdaemon", "mailadmin", "mail admin", "mta-daemon", "internet mail delivery",
	"bounce@", "auto-bounce", "undeliver", "mail daemon",
}

// fromDaemon reports whether a letter comes from a mail system by its own account.
func fromDaemon(in *Input) bool {
	from := in.From
	if in.Header != nil {
		for _, v := range first(in.Header("From"), 2) {
			from += " " + strings.ToLower(head(v, maxField))
		}
	}
	return containsAny(from, daemons)
}

// subjects begin the subjects of delivery notices. They are compared in lower case after
// white space.
var subjects = []string{
	"delivery status notification", "delivery notification", "delivery failure", "delivery failed", "delivery report",
	"delivery has failed", "delivery delayed", "delivery error", "delivery unsuccessful", "delivery problem",
	"undelivered mail", "undeliverable", "undelivered", "undeliverable mail", "returned mail", "returned message", "return mail",
	"returned to sender", "returned email", "mail delivery fail", "mail delivery error", "mail delivery problem",
	"mail delivery status", "mail delivery", "mail delivery system", "mail system error", "mail undeliverable", "mail not delivered",
	"mail could not be delivered", "mail status report", "mail failure", "mail failed", "mail error", "message delivery", "message undeliverable",
	"message not delivered", "message could not", "message you sent", "message delayed", "message status", "your message to",
	"failure notice", "failed mail", "failed message", "failed delivery", "failure delivery", "failed to deliver", "non-delivery", "nondeliverable", "non delivery",
	"nondelivery", "nondeliverable mail", "notice: mail delivery status", "notification d", "warning: could not send",
	"warning: message", "warning: mail", "warning - delayed", "delayed mail", "delayed:", "delay notification", "could not deliver", "could not send",
	"cannot deliver", "can't deliver", "unable to deliver", "unzustellbar", "nicht zustellbar", "nachricht nicht zugestellt", "unzustellbare",
	"zustellung fehlgeschlagen", "zustellungsfehler", "übermittlungsfehler", "mail-zustellung", "fehler bei der", "e-mail-benachrichtigung",
	"échec de la remise", "echec de la remise", "non remis", "message non", "non distribu", "courrier non", "avis de non", "rapport de non", "notification de non", "undelivrable",
	"no se puede entregar", "no se pudo entregar", "error de entrega", "no entregado", "notificación de estado", "mensaje no",
	"mancato recapito", "recapito non", "impossibile", "messaggio non", "notifica di mancat", "non recapitabile",
	"não é possível entregar", "não entreg", "falha na entrega", "erro de entrega", "mensagem não", "notificação de falha",
	"onbestelbaar", "niet bezorgd", "niet te leveren", "ei voitu toimittaa", "kan inte leverera", "kan ikke leveres",
	"недоставлен", "не доставлен", "не удается доставить", "сообщение не", "ошибка доставки", "невозможно доставить", "письмо не",
	"niedostarcz", "nie dostarczono", "nedoručiteln", "nelze doručit", "teslim edilemedi", "kézbesíthetetlen",
	"配信不能", "配信エラー", "送信できません", "配信できません", "エラーメール", "未送達", "配達", "退信", "投递失败", "无法投递", "系统退信", "邮件退回",
	"傳送失敗", "无法送达", "未送达", "무법", "배달", "반송", "전달되지", "smtp server: errors from", "non delivery report", "mail returned", "e-mail not delivered",
	"postmaster notify", "email delivery failure", "e-mail delivery", "email delivery", "rejected mail", "rejected:", "nichtzustellbarkeit", "ndn:", "ndr:", "dsn:", "bounced", "bounce",
	"error sending", "problems with your e-mail", "problem delivering", "sorry, your mail", "you * are not member", "loop alert", "auto-bounce", "transient failure",
	"mdaemon notification", "mail transaction failed", "spam mail", "virus", "user unknown", "underliverable", "undeliverd",
}

// subjectSpeaks reports whether the subject is that of a delivery notice, and no answer to
// one.
func subjectSpeaks(subject string) bool {
	s := strings.ToLower(strings.Join(strings.Fields(head(subject, maxField)), " "))
	s = strings.TrimLeft(s, "*[(<\"' ")
	for _, p := range subjects {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	for _, p := range []string{"undeliver", "returned to sender", "delivery fail", "delivery status notification", "failure notice",
		"could not be delivered", "mail delivery", "non-delivery", "smtp server: errors"} {
		if strings.Contains(s, p) && !answered(s) {
			return true
		}
	}
	return false
}

// answered reports whether a subject is that of an answer or a forwarded letter.
func answered(s string) bool {
	for _, p := range []string{"re:", "re[", "fw:", "fwd:", "aw:", "wg:", "sv:", "tr:", "rv:", "r:", "vs:", "antw:"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// openings are what mail systems say when they give up, or wait. Lower case, one space.
var openings = []string{
	"could not be delivered", "couldn't be delivered", "can not be delivered", "cannot be delivered", "can't be delivered", "was not delivered",
	"wasn't delivered", "has not been delivered", "not been delivered", "was undeliverable", "were undeliverable", "is undeliverable", "undeliverable mail", "delivery has failed",
	"delivery failed", "delivery to the following recipient", "delevery to the following recipient", "failed permanently", "permanent fatal error",
	"had delivery problems", "wasn't able to deliver", "was unable to deliver", "were unable to deliver", "unable to deliver", "not able to deliver",
	"could not deliver", "couldn't deliver", "cannot deliver", "error delivering your mail", "an error occurred while trying to deliver", "error while sending",
	"did not reach the following", "didn't reach", "following recipients were affected", "recipient(s) did not receive", "failed to deliver", "failed to be delivered", "failure reasons", "failed addresses follow", "list of recipients",
	"not possible to deliver", "unable to send", "could not send", "could not be sent", "was not sent", "returned to sender", "is being returned to you", "message is being returned", "mail is being returned",
	"error message below", "transcript of session follows", "delivery report", "delivery status notification", "delivery notification",
	"delivery attempts", "delivery error", "message not delivered", "not delivered", "address not found", "has been rejected", "was rejected", "been delayed", "is delayed", "not yet been delivered", "still being retried",
	"this is the mail system", "this is the postfix program", "qmail-send program", "created automatically by mail delivery software", "could not process your", "rejected by the server",
	"mail delivery system", "problem delivering your message", "no se pudo entregar", "no se ha podido entregar", "no pudo ser entregado", "impossible de remettre", "n'a pas pu être remis", "n'a pas pu être", "n'a pas été remis", "échec de la remise",
	"konnte nicht zugestellt", "konnten nicht zugestellt", "konnte leider nicht", "nicht zugestellt werden", "zustellung fehlgeschlagen", "fehler bei der zustellung", "nicht ausgeliefert", "non è stato possibile", "impossibile recapitare",
	"non può essere", "não foi possível entregar", "não pôde ser entregue", "не удалось доставить", "не может быть доставлено", "не было доставлено", "невозможно доставить", "не доставлено", "nie można dostarczyć",
	"nie udało się", "kon niet worden", "配信できません", "送信できません", "配信されません", "配送できません", "お届けできません", "無法", "无法投递", "无法发送", "无法送达", "投递失败", "被退回", "退回", "send failed", "delivery is impossible",
	"groups.google.com/support", "you are not a member of this mailing list", "duplicated message-id", "user unknown", "no such user", "mailbox full", "mailbox is full", "service unavailable", "undelivered", "delivered to the following",
}

// tellsFailure reports whether the notice says that something was not delivered.
func tellsFailure(said []string) bool {
	text := strings.ToLower(strings.Join(strings.Fields(head(strings.Join(said, " "), maxScan)), " "))
	return containsAny(strings.ReplaceAll(text, "’", "'"), openings)
}

// automatic reports whether a header field says that no person wrote this letter.
func automatic(in *Input) bool {
	if in.Header == nil {
		return false
	}
	for _, v := range first(in.Header("Auto-Submitted"), 3) {
		if v = strings.ToLower(strings.TrimSpace(v)); v != "" && !strings.HasPrefix(v, "no") {
			return true
		}
	}
	return false
}

// failedRecipients returns the addresses of X-Failed-Recipients, which Exim and Google set.
func failedRecipients(in *Input) []string {
	if in.Header == nil {
		return nil
	}
	var list []string
	for _, name := range []string{"X-Failed-Recipients", "X-Failed-Recipient"} {
		for _, v := range first(in.Header(name), maxRecipients) {
			for part := range strings.SplitSeq(head(v, maxText), ",") {
				if len(list) < maxRecipients {
					list = appendAddresses(list, part)
				}
			}
		}
	}
	return list
}

// speaksForReport decides whether a letter without the fields of RFC 3464 is a delivery notice.
// One sign is not enough: people write "could not be delivered", postmasters write letters,
// and answering machines use the null sender.
func speaksForReport(in *Input, said []string, failed []string) bool {
	tells := tellsFailure(said)
	daemon, subject := fromDaemon(in), subjectSpeaks(in.Subject)
	switch {
	case len(failed) > 0:
		return true
	case in.Type == "multipart/report" && in.ReportType == "delivery-status":
		return true
	case in.ReportType != "" && in.ReportType != "delivery-status":
		return false // a receipt, or another report
	case daemon && (tells || subject):
		return true
	case subject && tells:
		return in.NullSender || automatic(in) || mailingList(in) || in.Type == "multipart/report"
	}
	return mailingList(in) && tells
}

// mailingList reports whether a list manager wrote the letter itself.
func mailingList(in *Input) bool {
	return in.Header != nil && len(in.Header("X-MLServer")) > 0 && len(in.Header("List-Id")) == 0
}

func containsAny(s string, list []string) bool {
	for _, p := range list {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

func first(list []string, n int) []string {
	return list[:min(len(list), n)]
}
