package template

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

func values() *Values {
	return &Values{
		TicketID: 12, Subject: "Printer", Category: "Hardware", Priority: "high", Status: "new", Via: "email", Date: "1 May", DueDate: "3 May", TimeSpent: "15 min",
		URL: "https://desk.test/t/12?a=1&b=2", WhatHappened: "Jane wrote.\nIt burns.", Originator: "Jane Doe", Body: "It burns.\n\nHelp!",
		From: "Jane Doe", FromEmail: "jane@x.test", FirstName: "Jane", LastName: "Doe", Username: "jane", Company: "X Ltd", Department: "IT", Location: "Rome",
		Technician: "Bob", TechnicianEmail: "bob@desk.test", Recipients: "Jane Doe, Ann", Subscribers: "Jane, Bob", NonTechSubscribers: "Jane",
		Recent: []Message{
			{Author: "Bob", When: "2 May", Text: "secret plan", Internal: true},
			{Author: "Jane", When: "2 May", Text: "newest\n"},
			{Author: "Ann", Text: "older"},
			{Author: "Jane", When: "1 May", Text: "oldest"},
		},
		Fields:      []Field{{1, "Room", "7", true}, {2, "Margin", "40 %", false}, {3, "Floor", "", true}, {4, "Door", "red", true}},
		Attachments: []Link{{"a.pdf", "https://desk.test/a"}, {"b.pdf", ""}}, RecentAttachments: []Link{{"c.pdf", "https://desk.test/c"}},
		Articles:    []Link{{"Fire", "https://desk.test/kb/1"}},
		Rating:      Rating{"https://desk.test/r/g", "https://desk.test/r/o", "https://desk.test/r/b"},
		Unsubscribe: "https://desk.test/u/1", Password: "abc-123",
	}
}

// Every mask, in both spellings.
func TestMasks(t *testing.T) {
	want := map[string]string{
		"What_Happened": "Jane wrote.\nIt burns.", "What_Happened_Short": "Jane wrote. It burns.", "Category": "Hardware", "Subject": "Printer",
		"From": "Jane Doe", "FromEmail": "jane@x.test", "FirstName": "Jane", "LastName": "Doe", "Username": "jane", "Originator": "Jane Doe",
		"Priority": "high", "Status": "new", "Body": "It burns.\n\nHelp!", "URL": "https://desk.test/t/12?a=1&b=2", "Recipients": "Jane Doe, Ann",
		"Recent_messages":     "Jane, 2 May:\nnewest\n\nAnn:\nolder\n\nJane, 1 May:\noldest",
		"2Recent_messages":    "Jane, 2 May:\nnewest\n\nAnn:\nolder",
		"Most_recent_message": "newest", "Custom_Fields": "Room: 7\nDoor: red", "CF_1": "7", "CF_2": "", "CF_99": "", "Company": "X Ltd", "Department": "IT", "Location": "Rome",
		"Attachments": "a.pdf: https://desk.test/a\nb.pdf", "Recent_Attachments": "c.pdf: https://desk.test/c", "TicketID": "12", "Technician": "Bob",
		"TechnicianEmail": "bob@desk.test", "Date": "1 May", "DueDate": "3 May", "TimeSpent": "15 min", "Via": "email", "Suggested_KB_articles": "Fire: https://desk.test/kb/1",
		"Subscribers": "Jane, Bob", "NonTechSubscribers": "Jane", "Unsubscribe": "https://desk.test/u/1", "password": "abc-123", "username": "jane",
		"RatingLinks":              "Good: https://desk.test/r/g\nOK: https://desk.test/r/o\nBad: https://desk.test/r/b",
		"RatingLinks(How was it?)": "How was it?\nGood: https://desk.test/r/g\nOK: https://desk.test/r/o\nBad: https://desk.test/r/b",
	}
	for name, value := range want {
		snake := ""
		for i, r := range name {
			if i > 0 && unicode.IsUpper(r) && unicode.IsLower(rune(name[i-1])) && !strings.Contains(name, "(") {
				snake += "_"
			}
			snake += string(unicode.ToLower(r))
		}
		for _, mark := range []string{"#" + name + "#", "{{" + name + "}}", "{{ " + snake + " }}"} {
			c, err := Compile(mark, "<"+mark+">", "")
			if err != nil {
				t.Errorf("%s: %v", mark, err)
				continue
			}
			wantText := value
			if strings.Contains(mark, "how was") {
				wantText = strings.Replace(value, "How", "how", 1)
			}
			subject, text, _ := c.Render(values())
			if text != "<"+wantText+">\n" || subject != strings.Join(strings.Fields(wantText), " ") {
				t.Errorf("%s: subject %q, text %q", mark, subject, text)
			}
		}
	}
	for i := range masks {
		n := masks[i].name
		if n == "CF" {
			n = "CF_1"
		}
		if _, ok := want[n]; !ok {
			t.Errorf("%s is not tested", n)
		}
	}
}

func TestMasksOfEmptyValues(t *testing.T) {
	for i := range masks {
		n := masks[i].name
		if n == "CF" {
			n = "CF_1"
		}
		c, err := Compile("#"+n+"#", "a\nLabel: #"+n+"#\nb", "")
		if err != nil {
			t.Fatal(err)
		}
		subject, text, body := c.Render(&Values{})
		if subject != "" || text != "a\nb\n" || body != "<p>a<br>\nb</p>\n" {
			t.Errorf("%s: %q, %q, %q", n, subject, text, body)
		}
	}
}

func TestStaffOnlyField(t *testing.T) {
	c, err := Compile("", "[#CF_2#] #Custom_Fields#", "")
	if err != nil {
		t.Fatal(err)
	}
	v := values()
	if _, text, _ := c.Render(v); strings.Contains(text, "40 %") {
		t.Errorf("a customer reads %q", text)
	}
	v.Staff = true
	if _, text, _ := c.Render(v); text != "[40 %] Room: 7\nDoor: red\n" {
		t.Errorf("staff read %q", text)
	}
}

func TestFallbacks(t *testing.T) {
	c, err := Compile("", "#From# #What_Happened_Short#", "")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := c.Render(&Values{Username: "jane", WhatHappened: strings.Repeat("äö ", 10000)})
	if want := "jane " + strings.TrimSpace(strings.Repeat("äö ", 34)[:len(strings.Repeat("äö ", 33))+2]) + "\n"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
}

func TestLiterals(t *testing.T) {
	for in, want := range map[string]string{
		"[#{{ticket_id}}] x":          "[#12] x",
		"[##TicketID#] x":             "[#12] x",
		"put ##close## in":            "put #close# in",
		"issue #5 and #6, #1234#":     "issue #5 and #6, #1234#",
		"C# and F#":                   "C# and F#",
		"## a":                        "# a",
		"#Subject##Status#":           "Printernew",
		"#not closed":                 "#not closed",
		"a } b }} { c":                "a } b }} { c",
		"#RatingLinks(not\n closed)#": "#RatingLinks(not\n closed)#",
	} {
		c, err := Compile("", in, "")
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if _, text, _ := c.Render(values()); text != want+"\n" {
			t.Errorf("%q renders %q", in, text)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, subject, text, html, want string }{
		{"", "a #Nobody#", "", "", "subject, line 1, column 3: #Nobody# unknown mask"},
		{"", "", "ä {{subject}}\r\nüb {{nobody}}", "", "text, line 2, column 4: {{nobody}} unknown mask"},
		{"", "", "x\n{{subject\n}}", "", `text, line 2, column 1: "{{" without "}}" on the same line`},
		{"", "", "{{}}", "", "text, line 1, column 1: {{}} unknown mask"},
		{"", "", "#0Recent_messages#", "", "text, line 1, column 1: #0Recent_messages# the number of messages is between 1 and 100"},
		{"", "", "#101Recent_messages#", "", "text, line 1, column 1: #101Recent_messages# the number of messages is between 1 and 100"},
		{"", "", "#5Subject#", "", "text, line 1, column 1: #5Subject# unknown mask"},
		{"", "", "#CF_x#", "", "text, line 1, column 1: #CF_x# unknown mask"},
		{"", "", "#CF_0#", "", "text, line 1, column 1: #CF_0# unknown mask"},
		{"", "", "#Subject(x)#", "", "text, line 1, column 1: #Subject(x)# only RatingLinks takes a prompt"},
		{"", "", "", "<p>\n <b>#Nobody#</b>", "html, line 2, column 5: #Nobody# unknown mask"},
		{"", "", "", "<p>\n<script>x</script>", `html, line 2, column 1: the element "script" is not allowed`},
		{"", "", "", "<iframe src=x>", `html, line 1, column 1: the element "iframe" is not allowed`},
		{"", "", "", "a <p onclick='x'>", `html, line 1, column 3: the attribute "onclick" of <p> is not allowed`},
		{"", "", "", "<a href='javascript:x'>", "html, line 1, column 1: a link begins with http:, https:, mailto:, tel: or #URL#"},
		{"", "", "", "<a href='#Subject#'>", `html, line 1, column 1: #Subject# cannot stand in the attribute "href"`},
		{"", "", "", "<a href='x#URL#'>", "html, line 1, column 1: a link begins with http:, https:, mailto:, tel: or #URL#"},
		{"", "", "", "<p title='#Body#'>", `html, line 1, column 1: #Body# cannot stand in the attribute "title"`},
		{"", "", "", "<p title='#Nobody#'>", `html, line 1, column 1: in the attribute "title": #Nobody# unknown mask`},
		{"", "", "", "<img src='data:x'>", "html, line 1, column 1: a picture begins with http:, https: or cid:"},
		{"", "", "", "<p style='background:url(x)'>", "html, line 1, column 1: a style cannot load or run anything"},
		{"", "", "", "x <p", "html, line 1, column 3: a tag that does not end"},
		{"", "", strings.Repeat("x", maxPart+1), "", "text, line 1, column 1: too long"},
		{"customer.welcomed/requester", "", "#username# #Subject#", "", "text, line 1, column 12: #Subject# is not known in the welcome mail, only username, password and URL are"},
		{"ticket.created/requester", "", "#password#", "", "text, line 1, column 1: #password# is known in the welcome mail and in questions to staff alone"},
		{"ticket.closed/collaborator", "", "#RatingLinks#", "", "text, line 1, column 1: #RatingLinks# is known in the mail to the requester of a closed ticket alone"},
		{"ticket.moved/staff", "", "#Recent_Attachments#", "", "text, line 1, column 1: #Recent_Attachments# is known in mails about new and updated tickets alone"},
	} {
		got, err := CompileFor(c.name, c.subject, c.text, c.html)
		if got != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s%s%s: %v, want %s", c.subject, c.text, c.html, err, c.want)
		}
		if _, ok := AsSyntaxError(err); !ok {
			t.Errorf("%v has no place", err)
		}
	}
}

func TestAbout(t *testing.T) {
	c, err := Compile("#Subject#", "#3Recent_messages# {{cf_7}}", "<p>#7Recent_messages# #Suggested_KB_articles#</p>")
	if err != nil {
		t.Fatal(err)
	}
	if c.Recent() != 7 || !c.Uses("Suggested_KB_articles") || !c.Uses("CF") || !c.Uses("Subject") || c.Uses("Body") || c.Empty() {
		t.Errorf("%+v", c)
	}
	if c, err = Compile("", "#Most_recent_message#", ""); err != nil || c.Recent() != 1 {
		t.Errorf("%v, %d", err, c.Recent())
	}
	if c, err = Compile("only #Subject#", " \n ", "\n"); err != nil || !c.Empty() {
		t.Errorf("%v: a template without a body is not empty", err)
	}
}

// Files of testdata: subject, text and html of a template, parted by lines of "====", then what comes out of it.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		part := strings.Split(string(data), "\n====\n")
		if len(part) != 6 {
			t.Fatalf("%s has %d parts", f, len(part))
		}
		c, err := Compile(part[0], part[1], part[2])
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		subject, text, body := c.Render(values())
		if d := cmp.Diff(part[3:], []string{subject, text, strings.TrimSuffix(body, "\n") + "\n"}); d != "" {
			t.Errorf("%s: %s", f, d)
		}
	}
}

// hostile draws what a customer may write anywhere.
var hostile = rapid.StringOf(rapid.SampledFrom([]rune("ab #<>&\"'{}()\r\n\t\x00\x1b\u202e\u2028\u00a0é#Body{{url}}https://javascript:")))

func TestHostileValues(t *testing.T) {
	c, err := Compile("[#TicketID#] #Subject# #Body#", "#Body#\nFrom: #From#\n#Recent_messages# #Attachments#", "")
	if err != nil {
		t.Fatal(err)
	}
	h, err := Compile("#Subject#", "", `<p>#Body#</p><a href="#URL#">#Subject#</a> #Unsubscribe# #Attachments# #RatingLinks(x)#`)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := hostile.Draw(t, "value")
		v := &Values{
			TicketID: 1, Subject: s, Body: s, From: s, URL: s, Unsubscribe: s, Recent: []Message{{Author: s, Text: s}}, Attachments: []Link{{s, s}},
			Rating: Rating{s, s, s}, WhatHappened: "must not appear",
		}
		for _, x := range []*Template{c, h} {
			checkOutput(t, x, v)
		}
	})
}

func checkOutput(t interface{ Fatalf(string, ...any) }, c *Template, v *Values) {
	subject, text, body := c.Render(v)
	for _, r := range subject {
		if unicode.IsControl(r) || r == '\u2028' || turns(r) {
			t.Fatalf("subject %q", subject)
		}
	}
	for _, r := range text + body {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || turns(r) {
			t.Fatalf("%q in %q, %q", r, text, body)
		}
	}
	if !utf8.ValidString(subject+text+body) || strings.Contains(subject+text+body, "must not appear") {
		t.Fatalf("%q, %q, %q", subject, text, body)
	}
	z := html.NewTokenizer(strings.NewReader(body))
	for z.Next() != html.ErrorToken {
		k := z.Token()
		if k.Type != html.StartTagToken && k.Type != html.SelfClosingTagToken {
			if k.Type == html.CommentToken || k.Type == html.DoctypeToken {
				t.Fatalf("%s in %q", k, body)
			}
			continue
		}
		if !slices.Contains([]string{"p", "br", "a"}, k.Data) {
			t.Fatalf("<%s> in %q", k.Data, body)
		}
		for _, a := range k.Attr {
			if a.Key != "href" || a.Val != "" && !webLink(a.Val) {
				t.Fatalf("%s=%q in %q", a.Key, a.Val, body)
			}
		}
	}
}

func TestBracketBeforeMask(t *testing.T) {
	c, err := Compile("x", "", "<p>a < b <#Subject#> <a>&lt;{{subject}}</a>")
	if err != nil {
		t.Fatal(err)
	}
	_, _, body := c.Render(&Values{Subject: "img src=x onerror=y"})
	const words = "&lt;img src=x onerror=y"
	if want := "<p>a &lt; b " + words + "&gt; <a>" + words + "</a>"; body != want {
		t.Errorf("%q, want %q", body, want)
	}
}

func TestLongSubject(t *testing.T) {
	c, err := Compile("#Subject#", "x", "")
	if err != nil {
		t.Fatal(err)
	}
	subject, _, _ := c.Render(&Values{Subject: "x" + strings.Repeat("ä", 1000)})
	if len(subject) != 899 || !utf8.ValidString(subject) {
		t.Errorf("%d bytes", len(subject))
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("[##TicketID#] {{subject}}", "#Body#\n\nLabel: #URL#\n", "")
	f.Add("", "", `<p style="color:red">#Body#<br><a href="#URL#">x</a> <li>a<!-- c --></p>`)
	f.Add("#RatingLinks(a)#", "{{10_recent_messages}} ##x## #CF_1#", "<table><tr><td>#Attachments#")
	f.Add("0", "0", "0<A>0<#URL#>0")
	v := values()
	f.Fuzz(func(t *testing.T, subject, text, body string) {
		c, err := Compile(subject, text, body)
		if err != nil {
			s, ok := AsSyntaxError(err)
			if !ok || s.Line < 1 || s.Column < 1 {
				t.Fatalf("%v", err)
			}
			return
		}
		out, _, written := c.Render(v)
		if strings.ContainsAny(out, "\r\n\x00") {
			t.Fatalf("subject %q", out)
		}
		// What was accepted is harmless however it is read: the sent HTML holds nothing but what is allowed.
		z := html.NewTokenizer(strings.NewReader(written))
		for z.Next() != html.ErrorToken {
			if k := z.Token(); (k.Type == html.StartTagToken || k.Type == html.SelfClosingTagToken) && !elements[k.Data] {
				t.Fatalf("<%s> in %q", k.Data, written)
			}
		}
	})
}

func BenchmarkRender(b *testing.B) {
	v := values()
	for _, n := range []string{"ticket.created/requester", "ticket.created/staff", "reply.sent/collaborator"} {
		c := Default(n)
		b.Run(n, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Render(v)
			}
		})
	}
	long := values()
	long.Body = strings.Repeat("A line of a longer letter, with https://x.test/links in it.\n", 100)
	b.Run("6 kB", func(b *testing.B) {
		c := Default("reply.sent/requester")
		b.SetBytes(int64(len(long.Body)))
		for b.Loop() {
			c.Render(long)
		}
	})
}

// TestBodyHTML: words that are HTML already stand in the HTML body as they are, and in no paragraph; the text body has the text.
func TestBodyHTML(t *testing.T) {
	c, err := Compile("s", "Before\n{{body}}\n\nOf {{originator}}: {{body}}", "")
	if err != nil {
		t.Fatal(err)
	}
	_, text, html := c.Render(&Values{Body: "a b", BodyHTML: "<p>a <b>b</b></p>", Originator: "<Bob>"})
	const want = "<p>Before</p>\n<div><p>a <b>b</b></p></div>\n<p>Of &lt;Bob&gt;: <div><p>a <b>b</b></p></div></p>\n"
	if html != want || text != "Before\na b\n\nOf <Bob>: a b\n" {
		t.Errorf("%s\n%s", html, text)
	}
}
