package enmime

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jhillyerd/enmime/v2"

	"mxdesk/internal/message"
)

const head = "Return-Path: <ann@example.com>\r\nReceived: from mx.example.com (mx.example.com [192.0.2.7])\r\n\tby in.example.net with ESMTPS id 4711\r\n\tfor <help@example.net>; Mon, 6 Jan 2025 10:00:01 +0000\r\n" +
	"From: Ann Example <ann@example.com>\r\nTo: Help Desk <help@example.net>\r\nCc: \"Doe, Bob\" <bob@example.com>\r\nSubject: Re: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= and a question\r\n" +
	"Date: Mon, 06 Jan 2025 10:00:00 +0000\r\nMessage-ID: <a1@example.com>\r\nIn-Reply-To: <t1@example.net>\r\nReferences: <t0@example.net> <t1@example.net>\r\nMIME-Version: 1.0\r\n"

var sentences = []string{
	"The printer on the second floor prints every page twice, and the paper is wet.",
	"I have turned it off and on again, as you asked, without any change.",
	"Could somebody come and look at it before Thursday? We have visitors.",
	"My colleague in room 214 – the one with the red chair – sees the same.",
}

const quote = "On Sun, 5 Jan 2025 at 09:00, Help Desk <help@example.net> wrote:\r\n> What does the printer do?\r\n> Please tell us more.\r\n"

// plain is a letter of about n bytes in plain text.
func plain(n int) []byte {
	var b strings.Builder
	b.WriteString(head + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	for i := 0; b.Len() < n-200; i++ {
		b.WriteString(sentences[i%len(sentences)] + "\r\n")
	}
	return []byte(b.String() + "\r\n-- \r\nAnn\r\n\r\n" + quote)
}

// both is a letter of about n bytes with its text in plain and in HTML, as browsers' mail programs write it.
func both(n int) []byte {
	var text, page strings.Builder
	for i := 0; text.Len()+page.Len() < n-1200; i++ {
		s := sentences[i%len(sentences)]
		text.WriteString(s + "\r\n\r\n")
		fmt.Fprintf(&page, "<div style=\"font-family:Arial,sans-serif\">%s <b>%d</b></div><div><br></div>\r\n", s, i)
	}
	return []byte(head + "Content-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text.String() + quote +
		"\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<div dir=\"ltr\">" + page.String() +
		"</div><br><div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\">On Sun, 5 Jan 2025 at 09:00, Help Desk &lt;<a href=\"mailto:help@example.net\">help@example.net</a>&gt; wrote:<br></div>" +
		"<blockquote class=\"gmail_quote\" style=\"margin:0px 0px 0px 0.8ex\">What does the printer do?<br>Please tell us more.</blockquote></div>\r\n--b1--\r\n")
}

// page is a letter of about n bytes in HTML alone.
func page(n int) []byte {
	_, part, _ := bytes.Cut(both(2*n), []byte("--b1\r\nContent-Type: text/html"))
	return []byte(head + "Content-Type: text/html" + strings.TrimSuffix(string(part), "--b1--\r\n"))
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name   string
		letter []byte
	}{{"plain", plain(10 << 10)}, {"html", both(10 << 10)}, {"only-html", page(10 << 10)}} {
		for _, reader := range []struct {
			name string
			read func([]byte) error
		}{
			{"mxdesk", func(raw []byte) error {
				if message.Read(raw, message.Envelope{}).ReplyText == "" {
					return fmt.Errorf("no text")
				}
				return nil
			}},
			{"enmime", func(raw []byte) error {
				e, err := enmime.ReadEnvelope(bytes.NewReader(raw))
				if err == nil && e.Text == "" {
					err = fmt.Errorf("no text")
				}
				return err
			}},
		} {
			b.Run(c.name+"/"+reader.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(c.letter)))
				for b.Loop() {
					if err := reader.read(c.letter); err != nil {
						b.Fatal(err)
					}
				}
				allocs := testing.AllocsPerRun(20, func() { reader.read(c.letter) }) //nolint:errcheck // it worked above
				b.ReportMetric(allocs/(float64(len(c.letter))/1024), "allocs/KB")
			})
		}
	}
}
