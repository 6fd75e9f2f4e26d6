package message

import (
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
)

// SanitizeHTML makes the HTML of a letter safe to show: no script, style, form or frame, no remote
// image, links that open elsewhere and tell nobody where they were. Inline images stay as cid: when hasCID knows
// their content id.
func SanitizeHTML(src string, hasCID func(id string) bool) string {
	return dropUnknownCIDs(strings.TrimSpace(sanitize(src)), hasCID)
}

// shownElements are the elements that are shown, with or without attributes.
var shownElements = strings.Fields("a abbr acronym address article aside b bdi bdo big blockquote body br caption center cite code col colgroup dd del details dfn div dl dt em " +
	"figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup " +
	"table tbody td tfoot th thead time tr tt u ul var wbr")

var sanitizer = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements(shownElements...)
	p.AllowNoAttrs().OnElements(shownElements...)
	p.AllowAttrs("dir").Matching(regexp.MustCompile(`(?i)^(ltr|rtl|auto)$`)).Globally()
	p.AllowAttrs("lang").Matching(regexp.MustCompile(`^[A-Za-z0-9-]{1,35}$`)).Globally()
	p.AllowAttrs("title").Globally()
	p.AllowAttrs("align", "valign").Matching(regexp.MustCompile(`(?i)^[a-z]{3,8}$`)).Globally()
	p.AllowAttrs("color", "bgcolor").Matching(regexp.MustCompile(`^(#?[0-9A-Fa-f]{3,8}|[A-Za-z]{3,20})$`)).OnElements("font", "table", "tr", "td", "th")
	p.AllowAttrs("width", "height", "border", "cellpadding", "cellspacing", "colspan", "rowspan", "span", "start", "size", "value").
		Matching(bluemonday.NumberOrPercent).OnElements("table", "tr", "td", "th", "col", "colgroup", "img", "ol", "li", "hr", "font")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`(?i)^(cite|disc|circle|square|[1ai])$`)).OnElements("blockquote", "ul", "ol", "li")
	p.AllowAttrs("alt").OnElements("img")
	p.AllowAttrs("src").Matching(regexp.MustCompile(`^(?i:cid:[^\s"'<>]+|data:image/(?:png|gif|jpeg|webp);base64,[A-Za-z0-9+/=\s]+)$`)).OnElements("img")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("datetime").OnElements("time", "del", "ins")
	p.AllowDataURIImages()
	p.AllowURLSchemes("http", "https", "mailto", "tel", "cid")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	return p
})

// dropUnknownCIDs empties the source of images whose content id no attachment has.
func dropUnknownCIDs(s string, hasCID func(id string) bool) string {
	const attr = ` src="cid:`
	if !strings.Contains(s, attr) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.Index(s, attr)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := strings.IndexByte(s[i+len(attr):], '"')
		if end < 0 {
			b.WriteString(s)
			return b.String()
		}
		end += i + len(attr)
		b.WriteString(s[:i])
		if hasCID(unescapeCID(s[i+len(attr) : end])) {
			b.WriteString(s[i : end+1])
		}
		s = s[end+1:]
	}
}

// unescapeCID is the content id that a cid: URL names (RFC 2392).
func unescapeCID(s string) string {
	s = strings.ReplaceAll(s, "&amp;", "&")
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	return string(appendPercent(nil, s))
}
