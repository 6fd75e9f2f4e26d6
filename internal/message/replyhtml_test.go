package message

import (
	"strings"
	"testing"
)

func TestReplyHTML(t *testing.T) {
	const picture = `<img src="cid:a@b" alt="screen">`
	for _, c := range []struct{ name, html, reply, want string }{
		{"all of it", "<p>Hello <b>Bob</b>,</p><p>bye &amp; thanks</p>", "Hello Bob,\n\nbye & thanks", "<p>Hello <b>Bob</b>,</p><p>bye &amp; thanks</p>"},
		{"quoted below", "<div>New words.</div><div>On Monday Bob wrote:</div><blockquote>Old</blockquote>", "New words.", "<div>New words.</div><div></div>"},
		{"quote without introduction", "<p>New</p><blockquote>Old</blockquote>", "New", "<p>New</p>"},
		{"a picture", "<p>See " + picture + " there</p>", "See [screen] there", "<p>See " + picture + " there</p>"},
		{"a picture behind the words", "<div>See:</div>" + picture + "<div>On Monday Bob wrote:</div>", "See:", "<div>See:</div>" + picture + "<div></div>"},
		{"a picture alone", picture, "", picture},
		{"punctuation before a picture", "<p>Look at <b>this</b>: " + picture + "</p><p>--<br>Bob</p>", "Look at this:", "<p>Look at <b>this</b>: " + picture + "</p><p></p>"},
		{"a link", `<p>Look <a href="https://x.test/1">here</a> now</p>`, "Look here <https://x.test/1> now", `<p>Look <a href="https://x.test/1">here</a> now</p>`},
		{"a list", "<ol><li>one<li>two</ol>", "1. one\n2. two", "<ol><li>one<li>two</li></li></ol>"},
		{"left open", "<div><table><tr><td>Hi", "Hi", "<div><table><tr><td>Hi</td></tr></table></div>"},
		{"closed too often", "</td></table>Hi</div>", "Hi", "Hi"},
		{"signature in the same text", "Hello\n-- \nBob", "Hello", "Hello"},
		{"answers between quotes", "<blockquote>Old</blockquote><p>New</p>", "New", ""},
		{"other words", "<p>Hello</p>", "Goodbye", ""},
		{"too few words", "<p>Hello</p>", "Hello Bob", ""},
		{"nothing", "", "", ""},
		{"nothing to show", "<p></p>", "", ""},
		{"escaped", "<p>1 &lt; 2 &amp;lt;</p>", "1 < 2 &lt;", "<p>1 &lt; 2 &amp;lt;</p>"},
		{"too deep", strings.Repeat("<div>", 500) + "x", "x", ""},
	} {
		if got := ReplyHTML(c.html, c.reply, true); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
	if got := ReplyHTML("<p>See "+picture+" there</p>", "See [screen] there", false); strings.Contains(got, "img") || !strings.Contains(got, "there") {
		t.Errorf("without pictures: %s", got)
	}
}

// FuzzReplyHTML: what comes out holds no more words than the reply, and closes what it opens.
func FuzzReplyHTML(f *testing.F) {
	f.Add("<p>Hello <b>Bob</b></p><blockquote>old", "Hello Bob")
	f.Add("<ol><li>one<li>two", "1. one\n2. two")
	f.Add("a[b", "[a]<b>\n1. ")
	f.Fuzz(func(t *testing.T, src, reply string) {
		src = SanitizeHTML(src, func(string) bool { return true })
		out := ReplyHTML(src, CleanText(reply), true)
		if strings.Contains(out, "<script") || len(out) > 6*len(src)+6*len(reply)+10*maxOpen {
			t.Errorf("%q", out)
		}
		if again := ReplyHTML(out, CleanText(reply), true); out != "" && again != out {
			t.Errorf("%q\nthen %q", out, again)
		}
	})
}

// BenchmarkReplyHTML: 64 KB of words, in HTML and without any.
func BenchmarkReplyHTML(b *testing.B) {
	reply := strings.Repeat("Some words of a customer about a thing.\n", 1600)
	for name, src := range map[string]string{"html": "<p>" + strings.ReplaceAll(reply, "\n", "<br>\n") + "</p><blockquote>before</blockquote>", "plain": ""} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(reply)))
			b.ReportAllocs()
			for b.Loop() {
				if got := ReplyHTML(src, reply, true); (got == "") != (src == "") {
					b.Fatal(len(got))
				}
			}
		})
	}
}
