package ticketing

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"mxdesk/internal/message"
)

// AttachmentRules say which files are not taken. Archives are never unpacked; letters within the letter are looked into.
type AttachmentRules struct {
	// Forbidden holds extensions (".exe"), names ("invoice*.html"), types ("application/x-msdownload", "video/*") and the
	// set "@executables". A type is compared with what the bytes are and with what the letter says they are.
	Forbidden []string `json:"forbidden"`
	Action    string   `json:"action"`         // refuse or hold; "" is refuse
	MaxFiles  int      `json:"max_files"`      // of one letter; 0: no limit
	MaxBytes  int      `json:"max_file_bytes"` // of one file; 0: no limit
}

// The actions of attachment rules.
const (
	refuseFiles = "refuse"
	holdFiles   = "hold"
)

// executables is the set of what runs when somebody opens it.
const executables = "@executables"

var (
	executableNames = strings.Fields(`.ade .adp .apk .app .appx .bat .chm .cmd .com .cpl .dll .exe .gadget .hta .inf .ins .isp .jar .js .jse .lnk
		.mde .msc .msi .msix .msp .mst .pif .ps1 .ps2 .psc1 .psm1 .reg .scf .scr .sct .sh .shb .shs .sys .url .vb .vbe .vbs .vxd .wsc .wsf .wsh .xll`)
	executableTypes = strings.Fields(`application/x-msdownload application/x-executable application/x-dosexec application/x-msdos-program
		application/vnd.microsoft.portable-executable application/x-ms-shortcut application/x-mach-binary application/x-sh application/x-bat
		application/hta application/java-archive application/java-vm text/x-script`)
)

// file is what the rules look at.
type file struct {
	name  string // in lower case
	types []string
	size  int
}

// files are all files of a letter, those of letters within it too.
type files struct {
	list []file
	// hidden tells that the letter was not read to its end: there may be files that nobody has seen.
	hidden bool
}

const (
	maxLettersDeep = 3
	maxFiles       = 2000
)

// add takes up the files of a letter, and of those in it.
func (f *files) add(c *message.Content, depth int) {
	f.hidden = f.hidden || slices.ContainsFunc(c.Warnings, func(w string) bool {
		code, _, _ := strings.Cut(w, ":")
		return slices.Contains([]string{"mime-parts", "mime-depth", "budget", "tnef", "header-too-long", "unread"}, code)
	})
	for i := range c.Attachments {
		a := &c.Attachments[i]
		if len(f.list) == maxFiles {
			f.hidden = true
			return
		}
		f.list = append(f.list, file{name: strings.ToLower(a.Filename), types: typesOf(a), size: len(a.Data)})
		if a.ContentType != "message/rfc822" && a.Declared != "message/rfc822" {
			continue
		}
		if depth == maxLettersDeep {
			f.hidden = true
			continue
		}
		f.add(message.Read(a.Data, message.Envelope{}), depth+1)
	}
}

// typesOf is what a file is: by its bytes, and as the letter says.
func typesOf(a *message.Attachment) []string {
	types := []string{a.ContentType, strings.ToLower(a.Declared)}
	for _, m := range [...]struct{ magic, ctype string }{
		{"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"},
		{"\xca\xfe\xba\xbe", "application/java-vm"}, // and Mach-O for several processors
		{"\xfe\xed\xfa\xce", "application/x-mach-binary"},
		{"\xfe\xed\xfa\xcf", "application/x-mach-binary"},
		{"\xce\xfa\xed\xfe", "application/x-mach-binary"},
		{"\xcf\xfa\xed\xfe", "application/x-mach-binary"},
	} {
		if bytes.HasPrefix(a.Data, []byte(m.magic)) {
			types = append(types, m.ctype)
		}
	}
	return types
}

// judge says what the rules make of the files. It is pure.
func (r *AttachmentRules) judge(f files) admission {
	if r.MaxFiles > 0 && len(f.list) > r.MaxFiles {
		return r.stop(message.ErrFileLimits, reasonFileLimits, fmt.Sprintf("It holds %d files; %d are allowed", len(f.list), r.MaxFiles))
	}
	for _, one := range f.list {
		if rule := r.forbids(one); rule != "" {
			return r.stop(message.ForbiddenFile{Rule: rule}, reasonFileType, "It holds a file of a forbidden type: "+rule)
		}
		if r.MaxBytes > 0 && one.size > r.MaxBytes {
			return r.stop(message.ErrFileLimits, reasonFileLimits, fmt.Sprintf("It holds a file of %d octets; %d are allowed", one.size, r.MaxBytes))
		}
	}
	if f.hidden && len(r.Forbidden) > 0 {
		return admission{reason: reasonFileHidden, hold: "It could not be read to its end, so there may be files of forbidden types in it"}
	}
	return admission{}
}

// stop refuses or holds, as the action says.
func (r *AttachmentRules) stop(refusal error, held, why string) admission {
	if r.Action == holdFiles {
		return admission{reason: held, hold: why}
	}
	return refused(refusal)
}

// forbids is the rule that the file falls under, "" if none does. Of a set it is the member.
func (r *AttachmentRules) forbids(f file) string {
	for _, rule := range r.Forbidden {
		if rule != executables {
			if f.matches(rule) {
				return rule
			}
			continue
		}
		for _, member := range executableNames {
			if f.matches(member) {
				return member
			}
		}
		for _, member := range executableTypes {
			if f.matches(member) {
				return member
			}
		}
		if strings.Contains(path.Ext(f.name), "{") { // Windows opens it with the program of that class
			return executables
		}
	}
	return ""
}

func (f *file) matches(rule string) bool {
	rule = strings.ToLower(rule)
	switch {
	case strings.ContainsRune(rule, '/'):
		return slices.ContainsFunc(f.types, func(t string) bool { ok, _ := path.Match(rule, t); return ok })
	case rule[0] == '.':
		return strings.HasSuffix(f.name, rule)
	}
	ok, _ := path.Match(rule, f.name)
	return ok
}

// attachmentRules tells whether the organisation has any.
func (o *Organisation) attachmentRules() bool {
	any := !o.Settings.Attachments.empty()
	for _, c := range o.Categories {
		any = any || !c.Settings.Attachments.empty()
	}
	for _, a := range o.Addresses {
		any = any || !a.Settings.Attachments.empty()
	}
	return any
}

func (r *AttachmentRules) empty() bool {
	return len(r.Forbidden) == 0 && r.MaxFiles == 0 && r.MaxBytes == 0
}
