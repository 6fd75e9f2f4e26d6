package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// option is one field of a Config: what its declaration says, and the place of its value.
type option struct {
	key   string // "smtp.listen"
	field reflect.StructField
	owner string        // name of the struct that declares it
	value reflect.Value // settable
}

// env is the environment variable of the option.
func (o option) env() string { return envName(o.key) }

func envName(key string) string {
	return "MXDESK_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// secret tells whether the value must not be shown, and may come from a file.
func (o option) secret() bool {
	t := o.value.Type()
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[DatabaseURL]()
}

// list tells whether the option takes several values.
func (o option) list() bool { return o.value.Kind() == reflect.Slice }

// options lists the options of c in the order of their declaration.
func options(c *Config) []option {
	return appendOptions(nil, "", reflect.ValueOf(c).Elem())
}

func appendOptions(all []option, section string, v reflect.Value) []option {
	t := v.Type()
	for i := range t.NumField() {
		key, isOption := t.Field(i).Tag.Lookup("toml")
		switch {
		case !isOption:
		case section == "" && isSection(t.Field(i).Type):
			all = appendOptions(all, key+".", v.Field(i))
		default:
			all = append(all, option{section + key, t.Field(i), t.Name(), v.Field(i)})
		}
	}
	return all
}

// isSection: a struct that is no value of its own is a table in the file.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// set reads the texts, of which there is one unless the option is a list. Its error says what is expected.
func (o option) set(texts []string) error {
	if o.field.Tag.Get("required") == "yes" && strings.Join(texts, "") == "" {
		return errors.New("expected a value, it must not be empty")
	}
	target := reflect.New(o.value.Type()).Elem()
	if !o.list() {
		if err := o.parse(target, texts[0]); err != nil {
			return err
		}
		o.value.Set(target)
		return nil
	}
	for _, text := range texts {
		element := reflect.New(target.Type().Elem()).Elem()
		if err := o.parse(element, text); err != nil {
			return err
		}
		target = reflect.Append(target, element)
	}
	o.value.Set(target)
	return nil
}

// parse reads one text and checks it against the tags.
func (o option) parse(target reflect.Value, text string) error {
	if words := o.field.Tag.Get("one_of"); words != "" {
		list := strings.Split(words, ",")
		if !slices.Contains(list, text) {
			return o.wrong(strings.Join(list, ", "), text)
		}
	}
	if err := parseText(target, text); err != nil {
		return o.wrong(err.Error(), text)
	}
	for _, bound := range []string{"min", "max"} {
		limit, has := o.field.Tag.Lookup(bound)
		if !has {
			continue
		}
		edge := reflect.New(target.Type()).Elem()
		if err := parseText(edge, limit); err != nil {
			return fmt.Errorf("read the %s of %s: %w", bound, o.key, err)
		}
		if bound == "min" && target.Int() < edge.Int() || bound == "max" && target.Int() > edge.Int() {
			return o.wrong(o.rangeText(), text)
		}
	}
	return nil
}

func (o option) rangeText() string {
	return o.field.Tag.Get("min") + " to " + o.field.Tag.Get("max")
}

// wrong says what is expected, and shows the text unless it is a secret.
func (o option) wrong(expected, text string) error {
	if o.secret() {
		return fmt.Errorf("expected %s", expected)
	}
	return fmt.Errorf("expected %s, not %q", expected, text)
}

// parseText reads a text as the type of target. Its error says what is expected, and nothing else.
func parseText(target reflect.Value, text string) error {
	switch p := target.Addr().Interface().(type) {
	case *time.Duration:
		d, err := parseDuration(text)
		*p = d
		return err
	case *slog.Level:
		return p.UnmarshalText([]byte(text)) // one_of has checked it
	case *netip.Prefix:
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return errors.New(`a network such as "192.0.2.0/24" or "2001:db8::/32"`)
		}
		*p = prefix
		return nil
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	case *bool:
		if text != "true" && text != "false" {
			return errors.New("true or false")
		}
		*p = text == "true"
		return nil
	case *int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return errors.New("a whole number")
		}
		*p = int(n)
		return nil
	}
	target.SetString(text) // string and Secret
	return nil
}

// plain is the value as it stands in the file: string, int64, bool or []string. Secrets are hidden.
func (o option) plain() any {
	if o.list() {
		texts := make([]string, 0, o.value.Len())
		for i := range o.value.Len() {
			texts = append(texts, formatText(o.value.Index(i)))
		}
		return texts
	}
	switch v := o.value.Interface().(type) {
	case bool:
		return v
	case int:
		return int64(v)
	}
	return formatText(o.value)
}

func formatText(v reflect.Value) string {
	switch v := v.Interface().(type) {
	case time.Duration:
		return formatDuration(v)
	case slog.Level:
		return strings.ToLower(v.String())
	case fmt.Stringer:
		return v.String()
	}
	return v.String()
}
