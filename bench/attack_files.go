package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
)

// smuggleFiles sends a program under names and types that hide what it is. The organisation takes none.
func (a *attack) smuggleFiles(ctx context.Context, f *findings) {
	part := func(fields string) string { return fields + "\r\n\r\nwords" }
	coded := "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00"+strings.Repeat("\x00", 100)+"This program cannot be run in DOS mode."))
	inside := "From: a@client.test\r\nContent-Type: application/x; name=a.exe\r\nContent-Disposition: attachment\r\n\r\nwords"
	for i, p := range []string{
		part("Content-Disposition: attachment; filename=invoice.pdf.exe"), part("Content-Disposition: attachment; filename=\"a.EXE\""),
		part("Content-Disposition: attachment; filename*0=\"invoice.p\"; filename*1=\"df.exe\""), part("Content-Disposition: attachment; filename*0*=utf-8''a%2E; filename*1*=%65xe"),
		part("Content-Disposition: attachment; filename*=utf-8''a%2Eexe"), part("Content-Disposition: attachment; filename=a.txt; filename*=utf-8''a.exe"),
		part("Content-Disposition: attachment; filename==?utf-8?q?a=2Eexe?="), part("Content-Disposition: attachment; filename=\"=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte("a.exe")) + "?=\""),
		part("Content-Type: application/octet-stream; name=a.exe"), part("Content-Type: application/octet-stream; name=a.exe\r\nContent-Disposition: attachment"),
		part("Content-Disposition: inline; filename=a.exe"), part("CONTENT-DISPOSITION:attachment;FILENAME=a.exe"), part("Content-Disposition: attachment;\r\n filename\r\n =\r\n \"a.exe\""),
		part("Content-Disposition: attachment; filename=\"a.exe.\""), part("Content-Disposition: attachment; filename=\"a.exe \""), part("Content-Disposition: attachment; filename=\"a.exe;.txt"),
		part("Content-Disposition: attachment; filename=\"C:\\\\x\\\\a.exe\""), part("Content-Disposition: attachment; filename=\"../../a.exe\""), part("Content-Disposition: attachment; filename=a (comment) .exe"),
		part("Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEfdp.exe"), part("Content-Disposition: attachment; filename*=utf-8''a.%65%78%65%0A"),
		part("Content-Disposition: attachment; filename*=utf-8''a.exe%E2%80%8B"), part("Content-Disposition: attachment; filename*=utf-16''%61%00%2E%00%65%00%78%00%65%00"),
		"Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf" + coded, "Content-Type: image/png" + coded, "Content-Disposition: attachment; filename=letter" + coded,
		part("Content-Type: application/x-msdownload"), part("Content-Type: Application/X-MSDownload\r\nContent-Disposition: attachment; filename=a.txt"),
		"Content-Type: message/rfc822\r\n\r\n" + inside, "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\nwords",
		"Content-Type: multipart/mixed; boundary=c; boundary=d\r\n\r\n--c\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\nwords\r\n--d\r\n\r\nx\r\n--d--\r\n--c--",
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrapped(base64.StdEncoding.EncodeToString([]byte(inside))),
	} {
		from := fmt.Sprintf("files%d@customer.test", i)
		got := a.submit(ctx, envelope{ip: customerIP, from: from, to: support, letter: a.letter(from, "A file", "--b\r\n\r\nwords\r\n--b\r\n"+p+"\r\n--b--",
			"MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b")})
		if !strings.HasPrefix(got, "55") {
			f.add("%.120q: answered %q", p, got)
		}
	}
	got := a.submit(ctx, envelope{ip: customerIP, from: customer5, to: support, letter: a.letter(customer5, "A harmless file", "--b\r\n\r\nwords\r\n--b\r\n"+part("Content-Disposition: attachment; filename=report.exe.pdf")+"\r\n--b--",
		"MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b")})
	f.want("a file that is none of these", got, "250")
	if n := a.number(ctx, f, `SELECT count(*) FROM letters WHERE mail_from LIKE 'files%'`); n > 0 {
		f.add("%d letters with forbidden files are stored", n)
	}
}
