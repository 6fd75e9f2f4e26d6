package outbound

import (
	"html"
	"net/url"
	"strings"
)

// maxReferred bounds the pictures that one letter shows within its text.
const maxReferred = 200

// referred are the content ids, in lower case, that the pictures of an HTML text name (RFC 2392). Both sources of our HTML,
// the sanitiser and templates, write attributes in this one way; words of people have no quotes left.
func referred(text string) map[string]bool {
	const attribute = ` src="cid:`
	var ids map[string]bool
	for len(ids) < maxReferred {
		_, rest, found := strings.Cut(text, attribute)
		if !found {
			break
		}
		var id string
		if id, text, found = strings.Cut(rest, `"`); !found {
			break
		}
		id = html.UnescapeString(id)
		if plain, err := url.PathUnescape(id); err == nil {
			id = plain
		}
		if ids == nil {
			ids = map[string]bool{}
		}
		ids[strings.ToLower(id)] = true
	}
	return ids
}

// splitInline parts the attachments that the HTML shows within the text from those that stand beside it. Of two with the same
// content id the first is shown.
func splitInline(text string, list []Attachment) (within, beside []Attachment) {
	ids := referred(text)
	if len(ids) == 0 {
		return nil, list
	}
	for _, a := range list {
		if id := strings.ToLower(a.ContentID); ids[id] && validMessageID(a.ContentID) {
			delete(ids, id)
			within = append(within, a)
		} else {
			beside = append(beside, a)
		}
	}
	return within, beside
}
