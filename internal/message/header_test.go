package message

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitHeader(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want string // "Name=value|…" of the fields
		body string
	}{
		"plain":               {"From: a@b\r\nSubject: x\r\n\r\nbody\r\n", "From=a@b|Subject=x", "body\r\n"},
		"bare LF":             {"From: a@b\nSubject: x\n\nbody\n", "From=a@b|Subject=x", "body\n"},
		"folded":              {"Subject: one\r\n two\r\n\tthree\r\n\r\nbody", "Subject=one two three", "body"},
		"mbox line":           {"From a@b Mon Jan  6 10:00:00 2025\nFrom: a@b\n\nbody", "From=a@b", "body"},
		"mbox line inside":    {"From: a@b\n>From a@b Mon\nSubject: x\n\nbody", "From=a@b|Subject=x", "body"},
		"empty lines first":   {"\r\n\r\nFrom: a@b\r\n\r\nbody", "From=a@b", "body"},
		"BOM":                 {"\xef\xbb\xbfFrom: a@b\n\nbody", "From=a@b", "body"},
		"no colon":            {"From: a@b\nnot a field\nSubject: x\n\nbody", "From=a@b not a field|Subject=x", "body"},
		"lost indent":         {"Content-Type: multipart/mixed;\nboundary=x\n\nbody", "Content-Type=multipart/mixed; boundary=x", "body"},
		"name with a space":   {"From: a@b\nMy Field: junk\nSubject: x\n\nbody", "From=a@b|Subject=x", "body"},
		"space before colon":  {"From : a@b\nSubject\t: x\n\nbody", "From=a@b|Subject=x", "body"},
		"no empty line":       {"From: a@b\nSubject: x\nHello Bob,\nhow are you?\n\nAnn", "From=a@b|Subject=x", "Hello Bob,\nhow are you?\n\nAnn"},
		"no header":           {"Hello Bob,\nhow are you?\n", "", "Hello Bob,\nhow are you?\n"},
		"no known field":      {"Dear: Bob\nhow are you?\n", "", "Dear: Bob\nhow are you?\n"},
		"no body":             {"From: a@b\nSubject: x", "From=a@b|Subject=x", ""},
		"white space line":    {"From: a@b\n \t \nbody", "From=a@b", "body"},
		"white space in fold": {"Subject: x\n \n y\nFrom: a@b\n\nbody", "Subject=x y|From=a@b", "body"},
		"empty":               {"", "", ""},
	} {
		h, body := splitHeader([]byte(c.raw), true, func(string, string) {})
		var got []string
		for _, f := range h {
			got = append(got, f.name+"="+unfold(f.value))
		}
		if s := strings.Join(got, "|"); s != c.want || string(body) != c.body {
			t.Errorf("%s: %q, body %q; want %q, %q", name, s, body, c.want, c.body)
		}
	}
	raw := []byte(strings.Repeat("X-A: b\r\n", 5000) + "\r\nbody")
	if h, body := splitHeader(raw, true, func(string, string) {}); len(h) != maxFields || string(body) != "body" {
		t.Errorf("%d fields, body %q", len(h), body)
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                              "plain",
		"=?utf-8?q?Gr=C3=BC=C3=9Fe?=":        "Grüße",
		"=?UTF-8?B?R3LDvMOfZQ==?=":           "Grüße",
		"=?UTF-8?B?R3LDvMOfZQ?=":             "Grüße",
		"=?iso-8859-1?Q?Gr=FC=DFe?= an":      "Grüße an",
		"=?utf-8?q?a?= =?utf-8?q?b?= c":      "ab c",
		"=?utf-8?q?Gr=C3?= =?utf-8?q?=BC?=":  "Grü", // a character split between two words
		"=?utf-8?b?R3LD?= =?utf-8?b?vA==?=":  "Grü",
		"x=?utf-8?q?y?=z":                    "xyz",
		"\"=?utf-8?q?J=C3=BC?=\" <a@b>":      "\"Jü\" <a@b>",
		"=?utf-8?q?two words?=":              "two words",
		"=?utf-8*de?q?Gr=C3=BC?=":            "Grü",
		"=?utf-8?q?what?=20now?=":            "what? now",
		"=?nope?q?abc?=":                     "abc",
		"=??q?Gr=C3=BC?=":                    "Grü",
		"=?utf-8?x?abc?=":                    "=?utf-8?x?abc?=",
		"=?utf-8?q?open":                     "=?utf-8?q?open",
		"a =? b ?= c":                        "a =? b ?= c",
		"Gr\xfc\xdfe":                        "Grüße",
		"Grüße":                              "Grüße",
		"=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=": "こん",
		"=?gb2312?B?xOO6ww==?=":              "你好",
		"=?koi8-r?B?8NLJ18XU?=":              "Привет",
		"=?windows-1251?Q?=CF=F0=E8?=":       "При",
		"=?utf-7?Q?Gr+APwA3w-e?=":            "Grüße",
		"=?ks_c_5601-1987?B?vsiz5w==?=":      "안녕",
		"=?big5?B?p0Gmbg==?=":                "你好",
	} {
		if got := newDecoder().header([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestMailboxes(t *testing.T) {
	for in, want := range map[string]string{
		"a@b.example":                            "a@b.example=",
		"Ann <a@b.example>":                      "a@b.example=Ann",
		"\"Doe, Ann\" <a@b.example>":             "a@b.example=Doe, Ann",
		"Doe, Ann <a@b.example>":                 "a@b.example=Doe, Ann",
		"a@b.example (Ann Doe)":                  "a@b.example=Ann Doe",
		"Ann (Sales) <a@b.example>":              "a@b.example=Ann (Sales)",
		"a@b.example, c@d.example":               "a@b.example=|c@d.example=",
		"a@b.example; Carl <c@d.example>;":       "a@b.example=|c@d.example=Carl",
		"a@b.example <c@d.example>":              "c@d.example=a@b.example",
		"Team: a@b.example, Carl <c@d.example>;": "a@b.example=|c@d.example=Carl",
		"undisclosed-recipients:;":               "",
		"undisclosed-recipients:":                "",
		"<>":                                     "",
		"Ann <>, c@d.example":                    "c@d.example=",
		"=?utf-8?q?J=C3=BC,_A?= <a@b.example>":   "a@b.example=Jü, A",
		"=?utf-8?q?J=C3=BC, A?= <a@b.example>":   "a@b.example=Jü, A",
		"\"=?utf-8?q?J=C3=BC?=\" <a@b.example>":  "a@b.example=Jü",
		"'Ann' <a@b.example>":                    "a@b.example=Ann",
		"\"a b\"@c.example":                      "\"a b\"@c.example=",
		"\"A \\\"B\\\" C\" <a@b.example>":        "a@b.example=A \"B\" C",
		"<@x,@y:a@b.example>":                    "a@b.example=",
		"<mailto:a@b.example>":                   "a@b.example=",
		"mailto:a@b.example":                     "a@b.example=",
		"<<a@b.example>>":                        "a@b.example=",
		"Ann <a@b.example":                       "a@b.example=Ann",
		"a @ b.example":                          "a@b.example=",
		"Ann a@b.example":                        "a@b.example=Ann",
		"root":                                   "root=",
		"root (Cron Daemon)":                     "root=Cron Daemon",
		"not an address":                         "",
		"\"unclosed <a@b.example>":               "a@b.example=unclosed",
		"J\xfcrgen <a@b.example>":                "a@b.example=Jürgen",
		"Jürgen <jürgen@b.example>":              "jürgen@b.example=Jürgen",
		"a@b.example,, ,c@d.example":             "a@b.example=|c@d.example=",
		"Ann <a@b.example> Carl <c@d.example>":   "a@b.example=Ann|c@d.example=Carl",
		"Ann\r\n <a@b.example>":                  "a@b.example=Ann",
		"a@[192.0.2.1]":                          "a@[192.0.2.1]=",
		"a@[IPv6:2001:db8::1]":                   "a@[IPv6:2001:db8::1]=",
		"Ann: the best <a@b.example>":            "a@b.example=Ann: the best",
	} {
		var got []string
		for _, m := range newDecoder().mailboxes([]byte(in)) {
			got = append(got, m.Address+"="+m.Name)
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%q: %q, want %q", in, s, want)
		}
	}
}

func TestIDs(t *testing.T) {
	for in, want := range map[string][]string{
		"<a@b>":                                 {"a@b"},
		"<a@b> <c@d>\r\n <a@b>":                 {"a@b", "c@d"},
		"<a@b><c@d>":                            {"a@b", "c@d"},
		"<a@b>, <c@d>":                          {"a@b", "c@d"},
		"Your message of \"Mon\" <a@b>":         {"a@b"},
		"<a@b>; from ann@example.com on Monday": {"a@b"},
		"a@b c@d":                               {"a@b", "c@d"},
		"<no-at>":                               nil,
		"<a@b":                                  {"a@b"},
		"<a@\r\n b>":                            {"a@b"},
		"<\"two words\"@b> <c@d>":               {"c@d"},
		"":                                      nil,
		"(comment <x@y>) <a@b>":                 {"x@y", "a@b"},
	} {
		if got := parseIDs([]byte(in)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := threadRefs([]string{"p@x"}, []string{"r@x", "s@x", "own@x"}, "own@x"); !slices.Equal(got, []string{"p@x", "s@x", "r@x"}) {
		t.Errorf("one In-Reply-To: %q", got)
	}
	if got := threadRefs([]string{"p@x", "q@x"}, []string{"r@x", "s@x"}, ""); !slices.Equal(got, []string{"s@x", "r@x", "p@x", "q@x"}) {
		t.Errorf("two In-Reply-To: %q", got)
	}
}

func TestDates(t *testing.T) {
	const want = "2025-01-06T10:00:05+01:00"
	for _, in := range []string{
		"Mon, 6 Jan 2025 10:00:05 +0100", "6 Jan 2025 10:00:05 +0100", "Mon, 06 Jan 25 10:00:05 +0100", "Mon, 6 Jan 2025 10:00:05 +0100 (CET)",
		"Mon, 6 Jan 2025 10:00:05 CET", "Mon Jan  6 10:00:05 2025 +0100", "Mon, 6 January 2025 10:00:05 GMT+0100", "2025-01-06T10:00:05+01:00",
		"6-Jan-2025 10:00:05 +0100", "Mon, 6 Jan 2025 10:00:05+0100", "2025-01-06 10:00:05 +0100", "Mon,\r\n 6 Jan 2025\r\n 10:00:05 +0100", "Mon, 6 Jan 125 10:00:05 +01:00",
	} {
		got, exact, ok := parseDate([]byte(in))
		if in == "Mon, 6 Jan 125 10:00:05 +01:00" {
			got = got.AddDate(0, 0, 0)
		}
		if !ok || !exact || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v, %v", in, got.Format(time.RFC3339), exact, ok)
		}
	}
	for in, want := range map[string]string{
		"Mon, 6 Jan 2025 10:00 EST":       "2025-01-06T10:00:00-05:00",
		"Mon, 6 Jan 2025 10:00:00 -0000":  "2025-01-06T10:00:00Z",
		"Mon, 6 Jan 2025 10:00:00 XYZ":    "2025-01-06T10:00:00Z",
		"Mon, 6 Jan 2025 1:00:00 PM":      "2025-01-06T13:00:00Z",
		"Thu, 13 Feb 1969 23:32:54 -0330": "1969-02-13T23:32:54-03:30",
		"6 Jan 99 10:00 GMT":              "1999-01-06T10:00:00Z",
	} {
		if got, _, ok := parseDate([]byte(in)); !ok || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %s", in, got.Format(time.RFC3339), ok, want)
		}
	}
	for _, in := range []string{"", "yesterday", "31 Feb 2025", "99 Jan 2025", "Mon, Jan"} {
		if got, _, ok := parseDate([]byte(in)); ok {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestCleanSubject(t *testing.T) {
	for in, want := range map[string]string{
		"Printer": "Printer", "Re: Printer": "Printer", "RE: AW: Printer": "Printer", "Re[2]: Printer": "Printer", "Re(3): Printer": "Printer",
		"Re^2: Printer": "Printer", "Re2: Printer": "Printer", "Fwd: Re: Printer": "Printer", "Printer (fwd)": "Printer", "[Fwd: Printer]": "Printer",
		"Réf. : Printer": "Printer", "SV: VS: Printer": "Printer", "Odp: Printer": "Printer", "R: I: Printer": "Printer", "YNT: İLT: Printer": "Printer",
		"Antw: Printer": "Printer", "回复：Printer": "Printer", "答复: 转发: Printer": "Printer", "Trả lời: Printer": "Printer", "Отв: Пер: Printer": "Printer",
		"[list] Re: Printer": "[list] Printer", "Re: [list] Printer": "[list] Printer", "ΑΠ: ΠΡΘ: Printer": "Printer", "رد: Printer": "Printer", "VB: Printer": "Printer",
		"Regarding: Printer": "Regarding: Printer", "A: B": "A: B", "Are: we": "Are: we", "FWD-42 is broken": "FWD-42 is broken", "AWS: bill": "AWS: bill", "Re:": "", "R2: robot": "R2: robot",
		"Note: Re: Printer": "Note: Re: Printer", "": "", "Resolution: x": "Resolution: x", "Reset: x": "Reset: x", "PS: x": "PS: x",
	} {
		if got := CleanSubject(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]bool{"Fwd: x": true, "WG: x": true, "TR: x": true, "Re: Fwd: x": false, "x": false, "[Fwd: x]": true, "转发：x": true} {
		if isForwardSubject(in) != want {
			t.Errorf("isForwardSubject(%q) is not %v", in, want)
		}
	}
}

// A comment ends where its parentheses are even; deep ones take no stack.
func TestComment(t *testing.T) {
	deep := strings.Repeat("(", 1<<20)
	for _, c := range []struct {
		in     string
		n      int
		closed bool
	}{
		{"()", 2, true},
		{"(a) b", 3, true},
		{"(a (b) c)(d)", 9, true},
		{`(\)) x`, 4, true},
		{`(\\) x`, 4, true},
		{`("a)" b)`, 4, true}, // quotes mean nothing in a comment
		{"(a (b)", 6, false},
		{`(a\`, 3, false},
		{deep, len(deep), false},
		{deep + strings.Repeat(")", len(deep)) + "x", 2 * len(deep), true},
	} {
		if n, closed := Comment(c.in); n != c.n || closed != c.closed {
			t.Errorf("%.20q: %d, %v, want %d, %v", c.in, n, closed, c.n, c.closed)
		}
	}
	for in, want := range map[string]string{"a": "a", "a(b)c": "ac", "(b)a (c (d))": "a ", `a\(b\)`: `a\`, "a)(": "a)", "": ""} {
		if got := dropComments(in); got != want {
			t.Errorf("%q without comments is %q, want %q", in, got, want)
		}
	}
}

func TestContentField(t *testing.T) {
	for in, want := range map[string]string{
		`text/plain; charset=utf-8`:                                            "text/plain|charset=utf-8",
		`Text/Plain; Charset="UTF-8"`:                                          "text/plain|charset=UTF-8",
		`text/plain charset=utf-8 format=flowed`:                               "text/plain|charset=utf-8|format=flowed",
		`text/plain; charset=utf-8 format=flowed`:                              "text/plain|charset=utf-8|format=flowed",
		`application/pdf; name=my file.pdf`:                                    "application/pdf|name=my file.pdf",
		`application/pdf; name=my file.pdf; x=y`:                               "application/pdf|name=my file.pdf|x=y",
		`attachment; filename="a;b.txt"`:                                       "attachment|filename=a;b.txt",
		`attachment; filename="a\"b.txt"`:                                      `attachment|filename=a"b.txt`,
		`attachment; filename="C:\temp\x.txt"`:                                 `attachment|filename=C:\temp\x.txt`,
		`attachment; filename==?utf-8?q?=C3=BC.txt?=`:                          "attachment|filename=ü.txt",
		`attachment; filename="=?utf-8?q?=C3=BC.txt?="`:                        "attachment|filename=ü.txt",
		`attachment; filename*=utf-8''%C3%BC.txt`:                              "attachment|filename=ü.txt",
		`attachment; filename*=iso-8859-1'de'%FC.txt; filename=u.txt`:          "attachment|filename=ü.txt|filename=u.txt",
		`attachment; filename*0*=utf-8''%C3; filename*1*=%BC; filename*2=.txt`: "attachment|filename=ü.txt",
		`attachment; filename*1="b.txt"; filename*0="a"`:                       "attachment|filename=ab.txt",
		`attachment; filename*0="a"; filename*0="evil"; filename*1=".txt"`:     "attachment|filename=a.txt",
		"attachment; filename=\"\xfc.txt\"":                                    "attachment|filename=ü.txt",
		`attachment; filename="open.txt`:                                       "attachment|filename=open.txt",
		`multipart/mixed; boundary="a"; boundary="b"`:                          "multipart/mixed|boundary=a|boundary=b",
		`multipart/mixed (comment); boundary=x`:                                "multipart/mixed|boundary=x",
		`text / html`:                                                          "text/html",
		``:                                                                     "",
		`;`:                                                                    "",
	} {
		c := newDecoder().contentField([]byte(in))
		got := c.value
		for _, p := range c.params {
			got += fmt.Sprintf("|%s=%s", p.name, p.value)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
