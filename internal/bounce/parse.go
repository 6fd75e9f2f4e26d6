package bounce

import (
	"cmp"
	"slices"
	"strings"
)

// Parse reads a letter as a delivery or feedback report. It returns nil when the letter is
// neither; a person's letter about a report is none.
func Parse(in *Input) *Report {
	if in.ReportType == "disposition-notification" {
		return nil // RFC 8098, a receipt
	}
	if r := parseSNS(in); r != nil {
		return r
	}
	if r := parseFeedback(in); r != nil {
		return r
	}
	return parseDelivery(in)
}

// parseDelivery reads a delivery report, by its fields and by its text.
func parseDelivery(in *Input) *Report {
	body := in.Text
	if strings.TrimSpace(body) == "" {
		body = in.HTML
	}
	said, quoted := splitNotice(lines(body))
	fields := dsnText(in)
	attached := fields != ""
	if !attached {
		fields = textDSN(said)
	}
	list := parseDSN(fields)
	failed := failedRecipients(in)
	if !isReport(in, attached, len(list) > 0, said, failed) {
		return nil
	}
	o := attachedOriginal(in.Parts)
	if !o.found {
		o = quoted
	}
	r := &Report{Recipients: list}
	r.setOriginal(o)
	if !o.found {
		r.MessageID = namedID(append(lines(fields), said...))
	}
	r.addText(said, o, failed, authors(in, o))
	if o.found {
		r.addSubject(in.Subject)
	}
	if len(r.Recipients) == 0 && !machine(in) {
		return nil // a postmaster writes of mail, not of a letter
	}
	r.settle(outcome(in.Subject, said))
	r.addressee(o)
	return r
}

// isReport decides whether a letter is a delivery report. Fields of RFC 3464 are proof where
// the letter calls itself a report; elsewhere a machine must have written it.
func isReport(in *Input, attached, fields bool, said, failed []string) bool {
	if attached && (in.Type == "multipart/report" || in.Type == "message/delivery-status") {
		return true
	}
	if from := author(in); attached || fields {
		daemon := holds(from, "daemon") || holds(from, "postmaster")
		if daemon || !answered(in.Subject) && (in.NullSender || automatic(in) || subjectSpeaks(in.Subject)) {
			return true
		}
	}
	return speaksForReport(in, said, failed)
}

// authors returns the addresses of whoever wrote the original, to whom the report is sent.
func authors(in *Input, o original) []string {
	own := slices.Clone(o.sender)
	for _, name := range []string{"To", "Delivered-To"} {
		for _, v := range fieldValues(in, name, 3) {
			own = appendAddresses(own, v)
		}
	}
	if in.From != "" {
		own = append(own, in.From)
	}
	return own
}

// addText completes the recipients of the fields by what the text says, or takes both from
// the text alone.
func (r *Report) addText(said []string, o original, failed, own []string) {
	text := strings.Join(said, "\n")
	missing := false
	for _, rc := range r.Recipients {
		missing = missing || !whole(rc.Address)
	}
	var verdicts []verdict
	if len(r.Recipients) == 0 || missing {
		verdicts = readNotice(said, o, failed, own)
	}
	if len(r.Recipients) == 0 {
		for _, v := range verdicts {
			r.Recipients = append(r.Recipients, Recipient{Address: v.addr, OriginalAddress: v.original})
			r.judge(len(r.Recipients)-1, v.text)
		}
		return
	}
	if len(r.Recipients) == 1 {
		if rc := &r.Recipients[0]; !whole(rc.Address) && len(verdicts) > 0 && (rc.Address == "" || len(verdicts) == 1) {
			rc.Address = verdicts[0].addr
		}
		r.judge(0, text)
		return
	}
	all, list := map[string]bool{}, mentions(said)
	for _, rc := range r.Recipients {
		all[rc.Address] = true
	}
	for i := range r.Recipients {
		r.judge(i, section(said, r.Recipients[i].Address, all, list))
	}
}

// addSubject takes the reason that neither fields nor text gave from the subject of the report, "Returned mail: User
// unknown". What it repeats of the original's subject says nothing.
func (r *Report) addSubject(subject string) {
	told := words(strings.Replace(clean(subject, maxField), r.OriginalSubject, "", 1))
	for i := range r.Recipients {
		if rc := &r.Recipients[i]; rc.Reason == Undefined {
			rc.Reason = cmp.Or(lexicons()["clear"].find(told), Undefined)
		}
	}
}

// judge fills what the fields leave open about one recipient: codes, diagnostic, reason.
func (r *Report) judge(i int, text string) {
	rc := &r.Recipients[i]
	said := []string{innerReply(rc.Diagnostic)}
	if rc.Diagnostic == "" {
		if said = replies(text); len(said) == 0 {
			said = []string{text}
		}
		rc.Diagnostic = clean(said[0], maxDiagnostic)
	}
	rc.Status = pickStatus(rc.Status, strings.Join(said, "\n"))
	rc.SMTPCode = pickCode(rc.Diagnostic, rc.Status)
	if rc.SMTPCode == "" || rc.Status != "" && rc.SMTPCode[0] != rc.Status[0] {
		if c := pickCode(text, rc.Status); c != "" && (rc.SMTPCode == "" || c[0] == rc.Status[0]) {
			rc.SMTPCode = c
		}
	}
	said[0] = rc.statusText + " " + said[0]
	rc.Reason = evidence{said: said, text: text, status: rc.Status, code: rc.SMTPCode}.reason()
}

// settle sets the actions nobody gave to what the text told, the kind of the report, and what
// follows from them.
func (r *Report) settle(told string) {
	worst := ""
	for i := range r.Recipients {
		rc := &r.Recipients[i]
		switch {
		case rc.Action != "":
		case strings.HasPrefix(rc.Status, "2"):
			rc.Action = Delivered
		default:
			rc.Action = told
		}
		switch {
		case rc.Action != Failed && rc.Action != Delayed:
			rc.Reason = ""
			if code := smtpCodes(rc.Diagnostic, 1); rc.SMTPCode == "" && code != nil && code[0][0] == '2' {
				rc.SMTPCode = code[0]
			}
		case rc.Action == Delayed && rc.Reason == Expired:
			rc.Reason = Network // "undelivered after 4 hours": its time is not over
		}
		rc.Hard = rc.Action == Failed && hard(rc.Reason)
		if worst == "" || rc.Action == Failed || rc.Action == Delayed && worst != Failed {
			worst = rc.Action
		}
	}
	switch cmp.Or(worst, told) {
	case Failed:
		r.Kind = Failure
	case Delayed:
		r.Kind = Delay
	default:
		r.Kind = Success
	}
}

// addressee says whom the original was addressed to: as the report has it, else whom of the
// original's To field the report speaks of, else the first of either.
func (r *Report) addressee(o original) {
	to := setOf(o.recipients)
	known := ""
	for _, rc := range r.Recipients {
		if whole(rc.OriginalAddress) {
			r.OriginalRcpt = rc.OriginalAddress
			return
		}
		if known == "" && to[rc.Address] {
			known = rc.Address
		}
	}
	r.OriginalRcpt = cmp.Or(known, r.OriginalRcpt)
	if r.OriginalRcpt == "" && len(r.Recipients) > 0 {
		r.OriginalRcpt = r.Recipients[0].Address
	}
}

// innerReply takes the remote system's reply out of a diagnostic in which the reporting system
// puts its own opinion before it: "5.1.0 - Unknown address error 550-'5.2.2 Mailbox full'".
func innerReply(d string) string {
	i := strings.Index(d, "-'")
	if i < 3 || smtpCodes(d[i-3:i], 1) == nil {
		return d
	}
	inner := d[i+2:]
	if j := strings.LastIndexByte(inner, '\''); j > 0 {
		inner = inner[:j]
	}
	return d[i-3:i] + " " + inner
}

func (r *Report) setOriginal(o original) {
	r.HasOriginal = o.found
	r.MessageID = o.messageID
	r.OriginalSubject = o.subject
	if len(o.recipients) > 0 {
		r.OriginalRcpt = o.recipients[0]
	}
}
