package ticketing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mxdesk/internal/message"
)

// attached is a letter with files: "name|type|content".
func attached(list ...string) string {
	var b strings.Builder
	b.WriteString("From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nSee below.\r\n")
	for _, one := range list {
		part := strings.SplitN(one, "|", 3)
		fmt.Fprintf(&b, "--x\r\nContent-Type: %s\r\nContent-Disposition: attachment; %s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n",
			part[1], part[0], base64.StdEncoding.EncodeToString([]byte(part[2])))
	}
	return b.String() + "--x--\r\n"
}

var program = "MZ" + strings.Repeat("\x00", 80)

func TestAttachmentRules(t *testing.T) {
	deep := attached("filename=tool.exe|application/octet-stream|" + program)
	for range maxLettersDeep + 1 {
		deep = attached("filename=letter.eml|message/rfc822|" + deep)
	}
	parts := strings.Repeat("--x\r\n\r\nx\r\n", 1100)
	flood := strings.Replace(attached(), "--x\r\n\r\nSee", parts+"--x\r\n\r\nSee", 1)
	for _, c := range []struct {
		name, letter string
		rules        AttachmentRules
		rule         string // named in the refusal
		refuse       error
		held         string
	}{
		{"no rules", attached("filename=tool.exe|application/x-msdownload|" + program), AttachmentRules{}, "", nil, ""},
		{"by name", attached("filename=TOOL.EXE|application/pdf|text"), AttachmentRules{Forbidden: []string{"@executables"}}, ".exe", message.ErrForbiddenFile, ""},
		{"by a name in pieces", attached("filename*0=\"tool.\"; filename*1=\"exe\"|application/pdf|text"), AttachmentRules{Forbidden: []string{".exe"}}, ".exe", message.ErrForbiddenFile, ""},
		{"by a name in another charset", attached("filename*=utf-8''tool%2Eexe|application/pdf|text"), AttachmentRules{Forbidden: []string{".exe"}}, ".exe", message.ErrForbiddenFile, ""},
		{"by a name that ends in dots", attached("filename=\"tool.exe. .\"|application/pdf|text"), AttachmentRules{Forbidden: []string{".exe"}}, ".exe", message.ErrForbiddenFile, ""},
		{"by a name turned round", attached("filename*=utf-8''photo%E2%80%AEgpj.exe|image/jpeg|text"), AttachmentRules{Forbidden: []string{".exe"}}, ".exe", message.ErrForbiddenFile, ""},
		{"by its bytes", attached("filename=photo.jpg|image/jpeg|" + program), AttachmentRules{Forbidden: []string{"@executables"}}, "application/x-msdownload", message.ErrForbiddenFile, ""},
		{"by bytes of a shortcut", attached("filename=photo.jpg|image/jpeg|L\x00\x00\x00\x01\x14\x02\x00"), AttachmentRules{Forbidden: []string{"@executables"}}, "application/x-ms-shortcut", message.ErrForbiddenFile, ""},
		{"by what it says", attached("filename=photo.jpg|application/x-msdownload|text"), AttachmentRules{Forbidden: []string{"application/x-ms*"}}, "application/x-ms*", message.ErrForbiddenFile, ""},
		{"by class", attached("filename=\"x.{00020D75-0000}\"|application/pdf|text"), AttachmentRules{Forbidden: []string{"@executables"}}, "@executables", message.ErrForbiddenFile, ""},
		{"by pattern", attached("filename=invoice-7.html|text/html|<p>x"), AttachmentRules{Forbidden: []string{"invoice*.html"}}, "invoice*.html", message.ErrForbiddenFile, ""},
		{"held", attached("filename=tool.exe|application/pdf|text"), AttachmentRules{Forbidden: []string{".exe"}, Action: "hold"}, "", nil, reasonFileType},
		{"harmless", attached("filename=photo.jpg|image/jpeg|\xff\xd8\xff\xe0", "filename=exe.txt|text/plain|text"), AttachmentRules{Forbidden: []string{"@executables"}}, "", nil, ""},
		{"in a letter within", attached("filename=x.eml|message/rfc822|" + attached("filename=tool.exe|application/pdf|text")), AttachmentRules{Forbidden: []string{".exe"}}, ".exe", message.ErrForbiddenFile, ""},
		{"in letters too deep", deep, AttachmentRules{Forbidden: []string{".exe"}}, "", nil, reasonFileHidden},
		{"behind too many parts", flood, AttachmentRules{Forbidden: []string{".exe"}}, "", nil, reasonFileHidden},
		{"an archive is not unpacked", attached("filename=tool.zip|application/zip|PK\x03\x04tool.exe"), AttachmentRules{Forbidden: []string{"@executables"}}, "", nil, ""},
		{"too many", attached("filename=a|a/b|x", "filename=b|a/b|x"), AttachmentRules{MaxFiles: 1}, "", message.ErrFileLimits, ""},
		{"as many as may be", attached("filename=a|a/b|x", "filename=b|a/b|x"), AttachmentRules{MaxFiles: 2}, "", nil, ""},
		{"too large, held", attached("filename=a|a/b|xxxx"), AttachmentRules{MaxBytes: 3, Action: "hold"}, "", nil, reasonFileLimits},
	} {
		var f files
		f.add(message.Read([]byte(c.letter), message.Envelope{}), 0)
		got := c.rules.judge(f)
		forbidden, _ := errors.AsType[message.ForbiddenFile](got.refuse)
		if !errors.Is(got.refuse, c.refuse) || forbidden.Rule != c.rule || (got.hold != "") != (c.held != "") || c.held != "" && got.reason != c.held {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// Rules of a category stand in the place of its organisation's, for letters to its addresses and to its tickets.
func TestAttachmentRulesOfCategories(t *testing.T) {
	d := newDesk(t)
	withProgram := mail{
		from: "carl@client.test", to: []string{"help@example.test"}, subject: "Tool", header: "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
		text: "--b\n\nSee below.\n--b\nContent-Type: text/plain; name=\"run.cmd\"\nContent-Disposition: attachment\n\necho\n--b--",
	}
	d.must(withProgram)
	change := func(category int32, rules any) {
		t.Helper()
		if err := d.service.ChangeSettings(t.Context(), d.org.ID, category, 0, SettingsChange{"attachments": rules}); err != nil {
			t.Fatal(err)
		}
	}
	change(0, AttachmentRules{Forbidden: []string{"@executables"}})
	d.refused(withProgram, message.ErrForbiddenFile)
	var category int32
	for category = range d.org.Categories {
	}
	change(category, AttachmentRules{})
	d.must(withProgram)
	change(category, AttachmentRules{Forbidden: []string{".cmd"}, Action: "hold"})
	held := d.must(withProgram)
	if l, err := d.service.Letter(t.Context(), d.org.ID, held); err != nil || l.Outcome != HeldLetter || !strings.Contains(string(l.Trace), "held: attachment-type") {
		t.Errorf("letter %+v, %v", l, err)
	}
	change(category, nil)
	d.refused(withProgram, message.ErrForbiddenFile)
}
