package message

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// TNEF is what Outlook packs into winmail.dat ([MS-OXTNEF]): a run of attributes, each with level, id, length,
// data and checksum, in little-endian order; some hold MAPI properties.
const (
	tnefSignature = 0x223e9f78

	attAttachRendData = 0x00069002 // starts a new attachment
	attAttachTitle    = 0x00018010
	attAttachData     = 0x0006800f
	attAttachment     = 0x00069005 // MAPI properties of an attachment
	attMAPIProps      = 0x00069003 // of the letter
	attBody           = 0x0002800c

	mapiAttachLongName = 0x3707
	mapiAttachMIME     = 0x370e
	mapiAttachID       = 0x3712
	mapiAttachData     = 0x3701
	mapiBody           = 0x1000
	mapiBodyHTML       = 0x1013

	maxTNEFFiles = 200
	maxProps     = 2000
)

// isTNEF tells whether an attachment is TNEF, by its first bytes.
func isTNEF(ctype string, data []byte) bool {
	return len(data) > 6 && binary.LittleEndian.Uint32(data) == tnefSignature
}

// tnefContent is what a TNEF attachment holds.
type tnefContent struct {
	files []Attachment
	plain string
	html  string
}

// unpackTNEF adds the files in a winmail.dat, and its text when the letter has none.
func (w *walker) unpackTNEF(b *body, data []byte) {
	c, whole := parseTNEF(data)
	if !whole {
		w.warn("tnef", "winmail.dat is damaged")
	}
	for _, f := range c.files {
		if w.budget -= len(f.Data); w.budget < 0 {
			w.warn("budget", "too much to unpack")
			return
		}
		b.add(f)
	}
	for i := range b.sections {
		if strings.TrimSpace(b.sections[i].plain+b.sections[i].html) != "" {
			return
		}
	}
	if c.plain != "" || c.html != "" {
		b.sections = append(b.sections, section{plain: CleanText(c.plain), html: CleanText(c.html)})
	}
}

// parseTNEF reads the attributes; whole is false when the data end in the middle of one.
func parseTNEF(data []byte) (c tnefContent, whole bool) {
	data = data[6:] // signature and key
	var file *Attachment
	for len(data) >= 9 {
		id, size := binary.LittleEndian.Uint32(data[1:]), int(binary.LittleEndian.Uint32(data[5:]))
		if size < 0 || size > len(data)-9 {
			return c, false
		}
		value := data[9 : 9+size]
		data = data[min(9+size+2, len(data)):]
		switch id {
		case attAttachRendData:
			if len(c.files) >= maxTNEFFiles {
				return c, false
			}
			c.files = append(c.files, Attachment{Declared: "application/octet-stream", Disposition: "attachment"})
			file = &c.files[len(c.files)-1]
		case attAttachTitle:
			if file != nil && file.Filename == "" {
				file.Filename = cString(clipped(value))
			}
		case attAttachData:
			if file != nil {
				file.Data = value
			}
		case attAttachment:
			if file != nil {
				eachProp(value, func(id, typ uint16, v []byte) { fileProp(file, id, typ, v) })
			}
		case attBody:
			c.plain = cString(value)
		case attMAPIProps:
			eachProp(value, func(id, typ uint16, v []byte) {
				switch id {
				case mapiBody:
					c.plain = mapiString(typ, v)
				case mapiBodyHTML:
					c.html = mapiString(typ, v)
				}
			})
		}
	}
	return c, true
}

func fileProp(file *Attachment, id, typ uint16, v []byte) {
	switch id {
	case mapiAttachLongName:
		if name := mapiString(typ, clipped(v)); name != "" {
			file.Filename = name
		}
	case mapiAttachMIME:
		file.Declared = strings.ToLower(mapiString(typ, clipped(v)))
	case mapiAttachID:
		file.ContentID = mapiString(typ, clipped(v))
	case mapiAttachData:
		if len(file.Data) == 0 && typ == 0x0102 {
			file.Data = v
		}
	}
}

// eachProp calls f for every property with one value of variable size, and with the first of several.
func eachProp(b []byte, f func(id, typ uint16, v []byte)) {
	r := tnefReader{b: b}
	count := min(int(r.u32()), maxProps)
	for range count {
		typ, id := r.u16(), r.u16()
		if id >= 0x8000 {
			r.skipName()
		}
		values := 1
		if typ&0x1000 != 0 || isVariable(typ) {
			values = min(int(r.u32()), maxProps)
		}
		for i := range values {
			v := r.value(typ &^ 0x1000)
			if r.bad {
				return
			}
			if i == 0 {
				f(id, typ&^0x1000, v)
			}
		}
	}
}

type tnefReader struct {
	b   []byte
	bad bool
}

func (r *tnefReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *tnefReader) u16() uint16 {
	if v := r.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (r *tnefReader) u32() uint32 {
	if v := r.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

// skipName skips the name of a named property: a GUID, and a number or a string.
func (r *tnefReader) skipName() {
	r.take(16)
	if r.u32() == 0 {
		r.u32()
		return
	}
	r.padded(int(r.u32()))
}

// padded takes n bytes and the padding to a multiple of four.
func (r *tnefReader) padded(n int) []byte {
	v := r.take(n)
	if pad := (4 - n%4) % 4; pad > 0 && !r.bad {
		r.take(min(pad, len(r.b)))
	}
	return v
}

func (r *tnefReader) value(typ uint16) []byte {
	switch typ {
	case 0x0002, 0x0003, 0x0004, 0x000a, 0x000b:
		return r.take(4)
	case 0x0005, 0x0006, 0x0007, 0x0014, 0x0040:
		return r.take(8)
	case 0x0048:
		return r.take(16)
	}
	if isVariable(typ) {
		return r.padded(int(r.u32()))
	}
	r.bad = true
	return nil
}

// isVariable tells whether values of the type carry their length: strings, binary, objects.
func isVariable(typ uint16) bool {
	return typ == 0x001e || typ == 0x001f || typ == 0x0102 || typ == 0x000d
}

func mapiString(typ uint16, v []byte) string {
	if typ != 0x001f {
		return cString(v)
	}
	units := make([]uint16, 0, len(v)/2)
	for i := 0; i+1 < len(v); i += 2 {
		u := binary.LittleEndian.Uint16(v[i:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

// cString is the text up to the first NUL.
func cString(v []byte) string {
	if i := bytes.IndexByte(v, 0); i >= 0 {
		v = v[:i]
	}
	return newDecoder().guess(v)
}
