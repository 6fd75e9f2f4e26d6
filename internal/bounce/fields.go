package bounce

import "strings"

// field is one header-like line, its continuation lines joined.
type field struct {
	name  string // lower case
	value string
}

// splitField reads "Name: value". A name is at most 60 letters, digits and hyphens.
func splitField(line string) (field, bool) {
	i := strings.IndexByte(line, ':')
	if i <= 0 || i > 60 {
		return field{}, false
	}
	name := strings.TrimRight(line[:i], " \t")
	for j := 0; j < len(name); j++ {
		if c := name[j]; !isAlnum(c) && c != '-' && c != '_' {
			return field{}, false
		}
	}
	return field{strings.ToLower(name), strings.TrimSpace(line[i+1:])}, true
}

// groups splits text into the blocks of fields that blank lines separate. A line that is no
// field continues the one before it, folded or not: old systems wrap diagnostics without
// indenting them.
func groups(text string) [][]field {
	var all [][]field
	var cur []field
	for _, line := range lines(text) {
		line = strings.TrimRight(line, " \t\r")
		if line == "" {
			if len(cur) > 0 {
				all, cur = append(all, cur), nil
			}
			continue
		}
		folded := line[0] == ' ' || line[0] == '\t'
		f, ok := splitField(line)
		switch {
		case ok && !folded:
			cur = append(cur, f)
		case len(cur) > 0:
			last := &cur[len(cur)-1]
			if len(last.value) < maxDiagnostic {
				last.value = strings.TrimSpace(last.value + " " + strings.TrimSpace(line))
			}
		}
	}
	if len(cur) > 0 {
		all = append(all, cur)
	}
	return all
}

// value returns the first value of the named field of a block, or "".
func value(block []field, name string) string {
	for _, f := range block {
		if f.name == name {
			return f.value
		}
	}
	return ""
}
