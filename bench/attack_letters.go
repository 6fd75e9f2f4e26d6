package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// bombLetter is one hostile letter.
type bombLetter struct {
	name, body string
	fields     []string
	to         string // "": the support address
}

func bombs() []bombLetter {
	header := func(name string, fields ...string) bombLetter {
		return bombLetter{name: name, body: "words", fields: fields}
	}
	mime := func(name, contentType, body string) bombLetter {
		return bombLetter{name: name, body: body, fields: []string{"MIME-Version: 1.0", "Content-Type: " + contentType}}
	}
	repeat := strings.Repeat
	signature := "DKIM-Signature: v=1; a=rsa-sha256; d=client.test; s=s; bh=AAAA; b=AAAA; h=from"
	return []bombLetter{
		header("10,000 fields", repeated(10000, func(i int) string { return fmt.Sprintf("X-%d: y", i) })...),
		header("a signature over 20,000 names", append(repeated(900, func(i int) string { return fmt.Sprintf("X-%d: y", i) }), signature+repeat(":\r\n x", 20000))...),
		header("200 signatures", repeated(200, func(int) string { return signature + ":to:subject" })...),
		header("a field folded 60,000 times", "X-Folded: a"+repeat("\r\n b", 60000)),
		header("a field of 240 KB", "X-Long: "+repeat(repeat("w", 900)+"\r\n ", 260)),
		header("comments within comments", "References: "+repeat("(", 30000)+repeat(")\r\n ", 10)),
		header("5,000 references", "References:"+repeat(" <a.b.c@client.test>\r\n", 5000)),
		header("encoded words", "Subject: "+repeat("=?utf-8?q?=20?=\r\n ", 9000)),
		header("60 hops", repeated(60, func(int) string { return "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000" })...),
		header("10,000 people", "Cc: "+repeat("a@client.test,\r\n ", 10000)+"b@client.test"),
		mime("1,000,000 parts", `multipart/mixed; boundary=b`, repeat("--b\r\n\r\nx\r\n", 1000000)),
		mime("10,000 levels", `multipart/mixed; boundary=b0`, levels(10000)),
		mime("2,000 letters in letters", "message/rfc822", repeat("Content-Type: message/rfc822\r\n\r\n", 2000)),
		mime("25 MB of one line end", "text/plain", repeat("\r\n", 12<<20)),
		mime("25 MB of quotes", "text/plain", repeat(">>>>>>>>> a\r\n", 2<<20)),
		mime("a million tags that are not closed", "text/html", repeat("<div><b>\r\n", 2000000)),
		mime("deep HTML", "text/html", repeat("<div>", 200)+repeat("\r\n<div>", 3000000)),
		mime("HTML of attributes", "text/html", "<a "+repeat("a=\"&lt;\r\n", 800000)),
		mime("comments in HTML", "text/html", repeat("<!-- \r\n", 3000000)),
		mime("base64 that is none", "application/zip\r\nContent-Transfer-Encoding: base64", repeat("====A=B=\r\n", 1000000)),
		mime("25 MB of base64", "application/zip\r\nContent-Transfer-Encoding: base64", wrapped(base64.StdEncoding.EncodeToString(make([]byte, 18<<20)))),
		mime("quoted-printable of soft line ends", "text/plain\r\nContent-Transfer-Encoding: quoted-printable", repeat("=\r\n", 3000000)),
		mime("a boundary of 100 KB", "multipart/mixed; boundary="+repeat("b", 90000), repeat("--"+repeat("b", 90)+"\r\n", 1000)),
		mime("pieces of a file name", "application/zip"+strings.Join(repeated(5000, func(i int) string { return fmt.Sprintf(";\r\n name*%d*=%%41", i) }), ""), "x"),
		mime("a report of many recipients", "multipart/report; report-type=delivery-status; boundary=b",
			"--b\r\nContent-Type: message/delivery-status\r\n\r\n"+repeat("Final-Recipient: rfc822; a@client.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n", 200000)+"--b--\r\n"),
		mime("forwarded headers", "text/plain", repeat("-----Original Message-----\r\nFrom: a\r\nSent: b\r\nTo: c\r\nSubject: d\r\n", 200000)),
		mime("reply lines", "text/plain", repeat("On Mon, 1 Jan 2024, a wrote\r\n", 800000)),
	}
}

func repeated(n int, make func(i int) string) (list []string) {
	for i := range n {
		list = append(list, make(i))
	}
	return list
}

func levels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	return b.String()
}

// wrapped cuts base64 into lines.
func wrapped(s string) string {
	var b strings.Builder
	for ; len(s) > 76; s = s[76:] {
		b.WriteString(s[:76] + "\r\n")
	}
	return b.String() + s
}

// reportBombs go to where the reports of other mail hosts are read, packed.
func reportBombs() []bombLetter {
	const dmarc, tls = "dmarc-reports@example.test", "tls-reports@example.test"
	file := func(name, to, contentType, filename string, data []byte) bombLetter {
		return bombLetter{name: name, to: to, body: wrapped(base64.StdEncoding.EncodeToString(data)), fields: []string{
			"MIME-Version: 1.0", "Content-Type: " + contentType + "; name=" + filename, "Content-Transfer-Encoding: base64",
			"Content-Disposition: attachment; filename=" + filename,
		}}
	}
	const xmlName, xmlFile = "application/gzip", "client.test!example.test!1700000000!1700086399.xml.gz"
	gz := func(name, content string) bombLetter {
		return file(name, dmarc, xmlName, xmlFile, gzipped(strings.NewReader(content)))
	}
	json := func(name, content string) bombLetter {
		return file(name, tls, "application/tlsrpt+gzip", "client.test!example.test!1700000000!1700086399.json.gz", gzipped(strings.NewReader(content)))
	}
	repeat := strings.Repeat
	laughs := "<!DOCTYPE l [<!ENTITY a \"ha\">"
	for i := range 20 {
		laughs += fmt.Sprintf("<!ENTITY %c \"%s\">", 'b'+i, repeat(fmt.Sprintf("&%c;", 'a'+i), 10))
	}
	return []bombLetter{
		file("gzip of 256 MB", dmarc, xmlName, xmlFile, gzipped(&zeros{left: 256 << 20})),
		file("gzip within gzip", dmarc, xmlName, xmlFile, gzipped(bytes.NewReader(gzipped(&zeros{left: 64 << 20})))),
		file("gzip of 256 MB that says it is JSON", tls, "application/tlsrpt+gzip", "a.json.gz", gzipped(&zeros{left: 256 << 20})),
		file("zip of 256 MB", dmarc, "application/zip", "a.zip", zipped(1, 256<<20)),
		file("zip of 20,000 files", dmarc, "application/zip", "a.zip", zipped(20000, 10)),
		file("gzip that is cut off", dmarc, xmlName, xmlFile, gzipped(&zeros{left: 64 << 20})[:20<<10]),
		gz("XML: a billion laughs", laughs+"]><feedback>&u;</feedback>"),
		gz("XML: an entity from a file", `<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback><report_metadata><org_name>&x;</org_name></report_metadata></feedback>`),
		gz("XML: a million levels", "<feedback>"+repeat("<record>", 1000000)),
		gz("XML: a million records", "<feedback>"+repeat("<record><row><count>1</count></row></record>", 300000)+"</feedback>"),
		gz("XML: a tag of 10 MB", "<feedback "+repeat("a='b' ", 1600000)+">"),
		gz("XML: a comment of 6 MB", "<feedback><!--"+repeat("<a>", 2<<20)+"--></feedback>"),
		gz("XML: 200,000 results", "<feedback>"+repeat("<record><auth_results>"+repeat("<dkim></dkim>", 39)+"</auth_results></record>", 4900)+"</feedback>"),
		gz("XML: 5,000 records", "<feedback>"+repeat("<record><row><source_ip>"+repeat("w", 300)+"</source_ip><count>1</count></row><identifiers><header_from>"+
			repeat("v", 300)+"</header_from><envelope_from>"+repeat("u", 300)+"</envelope_from></identifiers></record>", 5000)+"</feedback>"),
		gz("XML: one text of 12 MB", "<feedback><report_metadata><org_name>"+repeat("w", 12<<20)),
		json("JSON: a million levels", repeat("[", 1000000)),
		json("JSON: a million policies", `{"policies":[`+repeat(`{"policy":{}},`, 800000)+"{}]}"),
		json("JSON: 190,000 failures", `{"policies":[{"policy":{"policy-type":"sts","policy-domain":"example.test"},"failure-details":[`+repeat(`{"failure-reason-code":"x"},`, 190000)+"{}]}]}"),
		json("JSON: a text of 6 MB", `{"contact-info":"`+repeat("w", 6<<20)+`"}`),
		json("JSON: a million members", "{"+repeat(`"a":1,`, 1500000)+`"b":2}`),
		json("JSON: a number of a million digits", `{"policies":[{"summary":{"total-successful-session-count":`+repeat("9", 1000000)+"}}]}"),
	}
}

// zeros is that many octets of nothing.
type zeros struct{ left int }

// Read implements io.Reader.
func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

func gzipped(r io.Reader) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.Copy(w, r) //nolint:errcheck // a buffer takes all
	w.Close()     //nolint:errcheck // a buffer takes all
	return b.Bytes()
}

func zipped(files, size int) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range files {
		f, err := w.Create(fmt.Sprintf("%d.xml", i))
		if err != nil {
			panic(err) // a buffer takes all
		}
		io.Copy(f, &zeros{left: size}) //nolint:errcheck // a buffer takes all
	}
	w.Close() //nolint:errcheck // a buffer takes all
	return b.Bytes()
}
