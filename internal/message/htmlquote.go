package message

import "strings"

func (r *htmlRenderer) openQuote(more bool) {
	r.block()
	class, id, kind := r.attrs(more)
	held := kind == "cite" || isQuoteContainer(class, id, "")
	if held {
		r.held++
	}
	r.cite = append(r.cite, held)
	r.quote = min(len(r.cite), maxQuote)
}

func (r *htmlRenderer) closeQuote() {
	r.block()
	if n := len(r.cite); n > 0 {
		if r.cite[n-1] {
			r.held--
		}
		r.cite = r.cite[:n-1]
		r.quote = min(n-1, maxQuote)
	}
}

// open remembers a div or span, and whether it holds a quoted letter.
func (r *htmlRenderer) open(more bool) {
	held := false
	if more {
		class, id, name := r.attrs(more)
		held = isQuoteContainer(class, id, name)
	}
	if held {
		r.held++
	}
	r.divs = append(r.divs, held)
}

func (r *htmlRenderer) close() {
	if n := len(r.divs); n > 0 {
		if r.divs[n-1] {
			r.held--
		}
		r.divs = r.divs[:n-1]
	}
}

// attrs returns the attributes by which quote containers are known; kind is type or name.
func (r *htmlRenderer) attrs(more bool) (class, id, kind string) {
	for more {
		var k, v []byte
		k, v, more = r.z.TagAttr()
		switch string(k) {
		case "class":
			class = string(v)
		case "id":
			id = string(v)
		case "type", "name":
			kind = string(v)
		}
	}
	return class, id, kind
}

// isQuoteContainer knows the elements that mail programs put around the letter they answer.
func isQuoteContainer(class, id, name string) bool {
	if class == "" && id == "" && name == "" {
		return false
	}
	for c := range strings.FieldsSeq(class) {
		switch strings.TrimPrefix(c, "x_") {
		case "gmail_quote", "gmail_quote_container", "gmail_extra", "yahoo_quoted", "protonmail_quote", "moz-cite-prefix", "zmail_extra",
			"tutanota_quote", "OutlookMessageHeader", "ms-outlook-mobile-reference-message", "yahoo-quoted-begin", "hs_reply",
			"mailru-blockquote", "ymail_android_quote", "WLM_reply", "mail_quote", "fastmail-quote", "fairemail_quote", "aqm-original",
			"ntes-mailmaster-quote", "sh-quoted-content", "missive_quote", "front-blockquote", "freshdesk_quote":
			return true
		}
	}
	switch strings.TrimPrefix(id, "x_") {
	case "divRplyFwdMsg", "appendonsend", "isReplyContent", "OLK_SRC_BODY_SECTION", "mail-editor-reference-message-container", "reply-intro", "reply_message", "yahoo_quoted":
		return true
	}
	return name == "quote" || name == "messageReplySection"
}
