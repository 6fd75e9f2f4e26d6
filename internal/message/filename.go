package message

import (
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxFilename is the most bytes a file name may have on usual file systems.
const maxFilename = 255

// maxRawName is how many bytes of a name that stands in no header field are looked at.
const maxRawName = 4 << 10

func clipped(name []byte) []byte { return name[:min(len(name), maxRawName)] }

// SafeFilename makes a name that a stranger chose fit to be shown and saved: its base name, in NFC, without controls
// and characters that some system treats as special, no leading dot or dash, at most 255 bytes with its extension kept.
// It returns "" when nothing is left.
func SafeFilename(name string) string {
	name = norm.NFC.String(CleanLine(name))
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch r {
		case ':', '*', '?', '"', '<', '>', '|', utf8.RuneError:
			return '_'
		case 0x200b, 0x200e, 0x200f, 0xfeff:
			return -1
		}
		return r
	}, name)
	name = strings.Trim(name, " ")
	name = strings.TrimRight(name, ". ")
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		name = "_" + name[1:]
	}
	if strings.Trim(name, "._") == "" {
		return ""
	}
	return clipName(name)
}

// clipName shortens a name in its middle part and keeps a short extension.
func clipName(name string) string {
	if len(name) <= maxFilename {
		return name
	}
	ext := ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 && len(name)-dot <= 16 {
		ext = name[dot:]
	}
	cut := maxFilename - len(ext)
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + ext
}

// extensions of types whose name mime.ExtensionsByType leaves to the system.
var extensions = map[string]string{
	"text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics", "message/rfc822": ".eml", "message/partial": ".eml", "image/jpeg": ".jpg",
	"image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "application/pdf": ".pdf", "application/zip": ".zip",
	"application/pgp-signature": ".asc", "application/pgp-encrypted": ".asc", "application/pkcs7-signature": ".p7s", "application/x-pkcs7-signature": ".p7s",
	"application/pkcs7-mime": ".p7m", "application/x-pkcs7-mime": ".p7m", "application/ms-tnef": ".dat", "message/delivery-status": ".txt",
	"message/disposition-notification": ".txt", "message/feedback-report": ".txt", "text/rfc822-headers": ".txt", "text/csv": ".csv",
	"audio/mpeg": ".mp3", "audio/wav": ".wav", "video/mp4": ".mp4", "text/vcard": ".vcf", "text/x-vcard": ".vcf", "application/json": ".json",
}

// madeUpName names the no-th attachment of a letter after its type.
func madeUpName(ctype string, no int) string {
	ext := extensions[ctype]
	if ext == "" && !strings.HasPrefix(ctype, "application/octet") {
		if all, err := mime.ExtensionsByType(ctype); err == nil && len(all) > 0 {
			ext = all[0]
		}
	}
	if ext == "" {
		ext = ".bin"
	}
	if ctype == "message/rfc822" {
		return "message-" + strconv.Itoa(no) + ext
	}
	return "attachment-" + strconv.Itoa(no) + ext
}
