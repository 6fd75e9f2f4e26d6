package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// expectation is one [path, op, value] of a case.
type expectation struct {
	path, op string
	value    any
}

func (e *expectation) UnmarshalJSON(b []byte) error {
	var raw []any
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if len(raw) != 3 {
		return fmt.Errorf("an expectation has three members, this one %d", len(raw))
	}
	path, ok1 := raw[0].(string)
	op, ok2 := raw[1].(string)
	if !ok1 || !ok2 {
		return fmt.Errorf("path and operator are strings: %s", b)
	}
	*e = expectation{path, op, raw[2]}
	return nil
}

var step = regexp.MustCompile(`^([^\[\]]*)(?:\[(\d*)\])?$`)

// resolve follows a path such as a.b, a[].b or a[0].b. What is not there is nil.
func resolve(v any, path string) any {
	if path == "" {
		return v
	}
	head, rest, _ := strings.Cut(path, ".")
	m := step.FindStringSubmatch(head)
	if m == nil {
		return nil
	}
	obj, _ := v.(map[string]any)
	v = obj[m[1]]
	if !strings.HasSuffix(head, "]") {
		return resolve(v, rest)
	}
	l, _ := v.([]any)
	if m[2] == "" {
		out := make([]any, 0, len(l))
		for _, x := range l {
			out = append(out, resolve(x, rest))
		}
		return out
	}
	i, err := strconv.Atoi(m[2])
	if err != nil || i >= len(l) {
		return nil
	}
	return resolve(l[i], rest)
}

func squash(s string) string { return strings.Join(strings.Fields(norm.NFC.String(s)), " ") }

func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, norm.NFC.String(s))
}

// text is a value as a string: null is "".
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

func texts(v any) []string {
	l, ok := v.([]any)
	if !ok {
		return []string{strings.ToLower(text(v))}
	}
	out := make([]string, 0, len(l))
	for _, x := range l {
		out = append(out, strings.ToLower(text(x)))
	}
	return out
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	}
	return false
}

func lines(s string) []string {
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if l = squash(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func unique(l []string) []string {
	l = slices.Clone(l)
	sort.Strings(l)
	return slices.Compact(l)
}

func sorted(l []string) []string {
	l = slices.Clone(l)
	sort.Strings(l)
	return l
}

// holds evaluates one expectation on the object of a letter.
func (e expectation) holds(obj map[string]any) (bool, error) {
	got := resolve(obj, e.path)
	switch e.op {
	case "eq":
		return equal(got, e.value), nil
	case "ieq":
		return strings.EqualFold(squash(text(got)), squash(text(e.value))), nil
	case "text":
		return squash(text(got)) == squash(text(e.value)), nil
	case "contains":
		return strings.Contains(squash(text(got)), squash(text(e.value))), nil
	case "lacks":
		return !strings.Contains(squash(text(got)), squash(text(e.value))), nil
	case "squeezed-contains":
		return strings.Contains(squeeze(text(got)), squeeze(text(e.value))), nil
	case "squeezed":
		return anyOf(e.value, func(v any) bool { return squeeze(text(got)) == squeeze(text(v)) }), nil
	case "in":
		return anyOf(e.value, func(v any) bool { return equal(got, v) }), nil
	case "present":
		return !empty(got), nil
	case "absent":
		return empty(got), nil
	case "lines":
		return slices.Equal(lines(text(got)), lines(text(e.value))), nil
	case "reply":
		return replyHolds(obj, e.value), nil
	case "instant":
		a, err1 := time.Parse(time.RFC3339, text(got))
		b, err2 := time.Parse(time.RFC3339, text(e.value))
		return err1 == nil && err2 == nil && a.Equal(b), nil
	}
	return e.listHolds(got)
}

// listHolds evaluates the operators on lists.
func (e expectation) listHolds(got any) (bool, error) {
	have, want := texts(got), texts(e.value)
	if got == nil {
		have = nil
	}
	in := func(l []string) func(string) bool { return func(s string) bool { return slices.Contains(l, s) } }
	switch e.op {
	case "set":
		return slices.Equal(unique(have), unique(want)), nil
	case "any-set":
		return anyOf(e.value, func(v any) bool { return slices.Equal(unique(have), unique(texts(v))) }), nil
	case "multiset":
		return slices.Equal(sorted(have), sorted(want)), nil
	case "list":
		return equal(got, e.value), nil
	case "includes":
		return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(have, s) }), nil
	case "some-in":
		return slices.ContainsFunc(have, in(want)), nil
	case "none-in":
		return !slices.ContainsFunc(have, in(want)), nil
	case "all-in":
		return len(have) > 0 && !slices.ContainsFunc(have, func(s string) bool { return !slices.Contains(want, s) }), nil
	case "count", "min-count":
		n, ok := e.value.(float64)
		if !ok {
			return false, fmt.Errorf("%s needs a number", e.op)
		}
		return len(have) == int(n) || e.op == "min-count" && len(have) > int(n), nil
	}
	return false, fmt.Errorf("unknown operator %q", e.op)
}

// replyHolds accepts the reply with or without the signature that was cut off.
func replyHolds(obj map[string]any, want any) bool {
	reply, sig := text(obj["reply_text"]), text(obj["signature"])
	return anyOf(want, func(v any) bool {
		w := lines(text(v))
		return slices.Equal(lines(reply), w) || slices.Equal(lines(reply+"\n"+sig), w)
	})
}

func anyOf(list any, f func(any) bool) bool {
	l, ok := list.([]any)
	if !ok {
		return f(list)
	}
	return slices.ContainsFunc(l, f)
}

func equal(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}
