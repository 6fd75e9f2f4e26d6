package message

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// sanitizeCases are pieces of HTML whose handling takes thought.
var sanitizeCases = []string{
	"", "text", "a < b & c > \"d\" 'e' \r\n f", "<p>x</p>", "<P CLASS=a STYLE='b'>x</P>", "<div/>x<br/><br />", "<main><var>x</var></main>", "<a name=x>y</a>", "<a href=http://e.example/?a=1&b=2>y</a>",
	"<a href='javascript:alert(1)'>y</a>", "<a href=' java\nscript:x'>y</a>", "<img src=x onerror=alert(1)>", "<img src=cid:a@b alt=z>", "<img src='data:image/svg+xml;base64,AAAA'>", "<img src=data:image/png;base64,AAAA>",
	"<script>alert('<p>')</script>after", "<script/>x</script>y", "<style>p{}</style>after<style>", "<style/><p>x", "<title>t</title>after", "</title><title>t</title>after", "<noscript><p>x</noscript>y",
	"<object><p>x</p><object>y</object>z</object>w", "</object><object>x</object>y", "<iframe src=x><p></iframe>y", "<frame>x", "<textarea><p>x</textarea>y", "<xmp><p></xmp>", "<plaintext><p>x",
	"<svg><script>x</script></svg>", "<math><mi>x", "<form action=x><input value=y>z</form>", "<!-- c --><![CDATA[x]]><!doctype html><?xml?>y", "<p title='a\"b<c>'>x", "<p dir=rtl lang=he align=RIGHT>x",
	"<td width=10% height=a colspan=2 bgcolor=#fff>x", "<blockquote type=cite cite=x>y", "<o:p>&nbsp;</o:p>x", "<p", "<p title=\"", "</p", "<", "</", "<a/b href=http://x.example/>y", "<p\x00title=x>y", "x\x00y", "<p title=&quot;&lt;>y",
	"<ScRiPt>x</sCrIpT>y", "<script>x</style>y</script>z", "<style><script></style>x", "&lt;script&gt;", "&#0;&#x3c;script>", "<a href=\"http://e.example/\" onclick=x target=_self rel=opener>y</a>", "<span></span><font color=red>x</font>",
	"<A 0=/>x", "<br/ >", "<br / a=b/>", "<br a='/'>", "<img>", "<col span=2>", "<noscript>x<title>y</noscript>z</title>w", strings.Repeat("<p title=x>y", 30),
}

// What is written here must be what the sanitiser writes, to the byte: it is the one that is trusted.
func checkSanitize(t *testing.T, src string) {
	t.Helper()
	if got, want := sanitize(src), sanitizer().Sanitize(src); got != want {
		t.Errorf("%.200q\n got %.300q\nwant %.300q", src, got, want)
	}
}

func TestSanitizeIsTheSanitizer(t *testing.T) {
	for _, a := range sanitizeCases {
		checkSanitize(t, a)
		for _, b := range sanitizeCases {
			checkSanitize(t, a+b)
		}
	}
	var many strings.Builder
	for i := range maxTags + 10 {
		many.WriteString("<p title=" + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + ">y")
	}
	checkSanitize(t, many.String())
	checkSanitize(t, "<p title="+strings.Repeat("x", maxTagLen)+">y")
}

// The letters of the corpus, where it is, are HTML and what is not HTML.
func TestSanitizeLetters(t *testing.T) {
	files, err := filepath.Glob("../../../shared/corpus/*/*/*.eml")
	if err != nil || len(files) == 0 {
		t.Skip("no corpus beside the repository")
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		checkSanitize(t, string(raw[:min(len(raw), 1<<20)]))
	}
}

func FuzzSanitize(f *testing.F) {
	for _, s := range sanitizeCases {
		f.Add(s)
	}
	f.Fuzz(checkSanitize)
}

func TestTagNameIsTheTokenizers(t *testing.T) {
	for _, src := range append(sanitizeCases, "<div>", "<DIV>", "</div >", "<h1\nid=x>", "<p/>", "<p\t>", "<o:p>", "<p\x00>", "</p/>", "<a b>") {
		ours, theirs := html.NewTokenizer(strings.NewReader(src)), html.NewTokenizer(strings.NewReader(src))
		for ours.Next() != html.ErrorToken {
			if tt := theirs.Next(); tt != html.StartTagToken && tt != html.EndTagToken && tt != html.SelfClosingTagToken {
				if tt == html.TextToken {
					if got, want := string(tokenText(ours)), string(theirs.Text()); got != want {
						t.Errorf("%q: text %q, want %q", src, got, want)
					}
				}
				continue
			}
			got, more := tagName(ours)
			want, wantMore := theirs.TagName()
			// A space may be followed by nothing; asking for the attribute then gives none.
			if string(got) != string(want) || wantMore && !more {
				t.Errorf("%q: %q, %v; want %q, %v", src, got, more, want, wantMore)
			}
		}
	}
}
