package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// plainLetter is an answer of about n bytes as people send them.
func plainLetter(n int) []byte {
	var b strings.Builder
	b.WriteString("Return-Path: <ann@example.com>\r\nReceived: from mx.example.com (mx.example.com [192.0.2.7])\r\n\tby in.example.net with ESMTPS id 4711\r\n\tfor <help@example.net>; Mon, 6 Jan 2025 10:00:01 +0000\r\n" +
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; h=from:to:subject;\r\n\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n" +
		"From: Ann Example <ann@example.com>\r\nTo: Help Desk <help@example.net>\r\nCc: \"Doe, Bob\" <bob@example.com>\r\nSubject: Re: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= and a question\r\n" +
		"Date: Mon, 06 Jan 2025 10:00:00 +0000\r\nMessage-ID: <a1@example.com>\r\nIn-Reply-To: <t1@example.net>\r\nReferences: <t0@example.net> <t1@example.net>\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nUser-Agent: Mozilla Thunderbird\r\n\r\n")
	for b.Len() < n-400 {
		b.WriteString("The printer on the second floor prints every page twice, and the paper is wet.\r\n")
	}
	b.WriteString("\r\n-- \r\nAnn Example\r\nExample Ltd.\r\n\r\nOn Sun, 5 Jan 2025 at 09:00, Help Desk <help@example.net> wrote:\r\n> What does the printer do?\r\n> Please tell us more.\r\n")
	return []byte(b.String())
}

// alternativeLetter has the same text as plain and as HTML.
func alternativeLetter(n int) []byte {
	var plain, html strings.Builder
	for plain.Len() < n/2 {
		plain.WriteString("The printer prints every page twice.\r\n\r\n")
		html.WriteString("<p style=\"color:red\">The printer <b>prints</b> every page twice.</p>\r\n")
	}
	return []byte("From: Ann <ann@example.com>\r\nTo: help@example.net\r\nSubject: Printer\r\nMessage-ID: <a2@example.com>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + plain.String() +
		"\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>" + html.String() + "</body></html>\r\n--b1--\r\n")
}

// fileLetter carries a file of n bytes.
func fileLetter(n int) []byte {
	data := bytes.Repeat([]byte("0123456789abcdef"), n/16)
	enc := base64.StdEncoding.EncodeToString(data)
	var b bytes.Buffer
	b.WriteString("From: Ann <ann@example.com>\r\nTo: help@example.net\r\nSubject: File\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n" +
		"--b1\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--b1\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=data.bin\r\n\r\n")
	for len(enc) > 76 {
		b.WriteString(enc[:76])
		b.WriteString("\r\n")
		enc = enc[76:]
	}
	b.WriteString(enc + "\r\n--b1--\r\n")
	return b.Bytes()
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name   string
		letter []byte
	}{
		{"plain-2K", plainLetter(2 << 10)},
		{"plain-10K", plainLetter(10 << 10)},
		{"alternative-10K", alternativeLetter(10 << 10)},
		{"file-100K", fileLetter(70 << 10)},
		{"file-25M", fileLetter(18 << 20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.letter)))
			for b.Loop() {
				if Read(c.letter, Envelope{}).Text == "" {
					b.Fatal("no text")
				}
			}
		})
	}
}

// BenchmarkHostile reads letters that were built to be slow.
func BenchmarkHostile(b *testing.B) {
	for _, name := range hostileNames() {
		letter := hostile[name]()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(letter)))
			for b.Loop() {
				Read(letter, Envelope{})
			}
		})
	}
}

const hostileHead = "From: a@example.com\r\nTo: b@example.net\r\nMessage-ID: <h@example.com>\r\n"

// hostile letters: each aims at one way to be slow or big.
var hostile = map[string]func() []byte{
	"nested multiparts": func() []byte {
		var b strings.Builder
		b.WriteString(hostileHead)
		for i := range 5000 {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		return []byte(b.String() + "\r\ntext\r\n")
	},
	"half a million parts": func() []byte {
		return []byte(hostileHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 500_000))
	},
	"one boundary for all depths": func() []byte {
		return []byte(hostileHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", 20_000))
	},
	"id with comments": func() []byte {
		return []byte("Message-ID: " + strings.Repeat("(", 100_000) + "\r\nReferences: " + strings.Repeat("<a@b> (", 20_000) + "\r\n" + hostileHead + "\r\ntext")
	},
	"brackets and quotes": func() []byte {
		return []byte(hostileHead + "To: " + strings.Repeat("(\"<\\", 60_000) + "\r\n\r\ntext")
	},
	"commas": func() []byte {
		return []byte(hostileHead + "Cc: " + strings.Repeat("a, ", 80_000) + "<x@y.example>\r\n\r\ntext")
	},
	"colons": func() []byte { return []byte(hostileHead + "Cc: " + strings.Repeat("a:", 100_000) + "\r\n\r\ntext") },
	"encoded words": func() []byte {
		return []byte(hostileHead + "Subject: " + strings.Repeat("=?a?q?", 40_000) + "\r\n\r\ntext")
	},
	"unknown words": func() []byte {
		return []byte(hostileHead + "Subject: " + strings.Repeat("=?nope?q?=e4=f6?= x ", 12_000) + "\r\n\r\ntext")
	},
	"raw names": func() []byte {
		return []byte(hostileHead + "Cc: " + strings.Repeat("\xe4\xf6\xfc <a@b.example>, ", 12_000) + "\r\n\r\ntext")
	},
	"parameters": func() []byte {
		return []byte(hostileHead + "Content-Type: text/plain" + strings.Repeat("; name*1*=%41", 18_000) + "\r\n\r\ntext")
	},
	"folded field": func() []byte {
		return []byte(hostileHead + "Subject: x" + strings.Repeat("\r\n y", 60_000) + "\r\n\r\ntext")
	},
	"many fields": func() []byte { return []byte(hostileHead + strings.Repeat("X: y\r\n", 200_000) + "\r\ntext") },
	"no colon": func() []byte {
		return []byte(hostileHead + strings.Repeat("junk\r\n", 200_000) + "Subject: x\r\n\r\ntext")
	},
	"open tags":  func() []byte { return htmlLetter(strings.Repeat("<blockquote><div>", 200_000)) },
	"lists":      func() []byte { return htmlLetter(strings.Repeat("<ul><li>", 200_000)) },
	"less-than":  func() []byte { return htmlLetter(strings.Repeat("<", 2_000_000)) },
	"attributes": func() []byte { return htmlLetter("<p " + strings.Repeat("a=b ", 500_000) + ">") },
	"comments":   func() []byte { return htmlLetter(strings.Repeat("<!--", 500_000)) },
	"quote marks": func() []byte {
		return []byte(hostileHead + "\r\n" + strings.Repeat(strings.Repeat(">", 2000)+"\r\n", 1000))
	},
	"introductions": func() []byte {
		return []byte(hostileHead + "\r\n" + strings.Repeat("On 2024, a@b.example wrote:\r\n", 60_000))
	},
	"rules and introductions": func() []byte {
		return []byte(hostileHead + "In-Reply-To: <a@b>\r\n\r\n" + strings.Repeat("----\r\nOn 2024, a@b.example wrote:\r\n", 24_000))
	},
	"rules and headers": func() []byte {
		return []byte(hostileHead + "In-Reply-To: <a@b>\r\n\r\n" + strings.Repeat("----\r\nFrom: a\r\nDate: b\r\n", 16_000))
	},
	"containers": func() []byte {
		return []byte(hostileHead + "In-Reply-To: <a@b>\r\nContent-Type: text/html\r\n\r\n" + strings.Repeat("<div class=gmail_quote>a<br>", 40_000))
	},
	"labels": func() []byte { return []byte(hostileHead + "\r\n" + strings.Repeat("From: a\r\n", 200_000)) },
	"footers": func() []byte {
		return []byte(hostileHead + "\r\nHello\r\n\r\n" + strings.Repeat("Sent from my iPhone\r\n\r\n", 100_000))
	},
	"rules": func() []byte {
		return []byte(hostileHead + "\r\nHello\r\n\r\n" + strings.Repeat("-- \r\n\r\nx\r\n", 200_000))
	},
	"drawn lines": func() []byte { return []byte(hostileHead + "\r\nHello\r\n" + strings.Repeat("____\r\n\r\n", 200_000)) },
	"uuencode":    func() []byte { return []byte(hostileHead + "\r\n" + strings.Repeat("begin 644 a\r\n", 200_000)) },
	"uuencode that grows": func() []byte {
		return []byte(hostileHead + "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n" + strings.Repeat("_\n", 1_000_000))
	},
	"uuencode, long name": func() []byte {
		return []byte(hostileHead + "\r\nbegin 644 " + strings.Repeat("\xff", 2_000_000) + "\r\n")
	},
	"charsets": func() []byte {
		return []byte(hostileHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: text/plain\r\n\r\n"+strings.Repeat("\xe4\xf6", 10_000)+"\r\n", 900))
	},
	"tnef": func() []byte {
		return []byte(hostileHead + "Content-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22\x01\x00" + strings.Repeat("\x02\x05\x90\x06\x00\xff\x00\x00\x00", 10_000))
	},
}

func htmlLetter(s string) []byte {
	return []byte(hostileHead + "Content-Type: text/html\r\n\r\n" + s)
}

func hostileNames() []string {
	names := make([]string, 0, len(hostile))
	for n := range hostile {
		names = append(names, n)
	}
	return names
}
