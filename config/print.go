package config

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"reflect"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

// Option is one option as `mxdesk config` shows it.
type Option struct {
	Key    string `json:"key"`
	Env    string `json:"env"`
	Value  any    `json:"value"`  // string, number, boolean or list of strings; a secret is hidden
	Source string `json:"source"` // "default", "mxdesk.toml:3:1" or "environment:MXDESK_…"
	Reload bool   `json:"reload"` // SIGHUP changes it
	Doc    string `json:"doc"`

	secret bool
}

// Describe lists every option with its effective value and where that comes from, in the order of declaration.
func (c Config) Describe() []Option {
	docs := documentation()
	var all []Option
	for _, o := range options(&c) {
		source := "default"
		if from, set := c.origins[o.key]; set {
			source = from.where
			if from.file != "" {
				source += ", read from " + from.file
			}
		}
		all = append(all, Option{
			Key: o.key, Env: o.env(), Value: o.plain(), Source: source, Reload: o.field.Tag.Get("reload") == "yes",
			Doc: docs[o.owner+"."+o.field.Name] + o.limits(), secret: o.secret(),
		})
	}
	return all
}

// limits says what the tags allow.
func (o option) limits() string {
	if words := o.field.Tag.Get("one_of"); words != "" {
		return "One of " + strings.ReplaceAll(words, ",", ", ") + ".\n"
	}
	if _, bounded := o.field.Tag.Lookup("max"); bounded {
		return "From " + o.rangeText() + ".\n"
	}
	return ""
}

// Print writes the effective configuration in the form of the file: it can be saved and loaded again, save for
// the secrets, which stand there as comments.
func (c Config) Print(w io.Writer) error {
	var b strings.Builder
	section := ""
	for _, o := range c.Describe() {
		if s, _, dotted := strings.Cut(o.Key, "."); dotted && s != section {
			fmt.Fprintf(&b, "\n[%s]\n", s)
			section = s
		}
		for line := range strings.Lines(o.Doc) {
			b.WriteString("# " + line)
		}
		reload := ""
		if o.Reload {
			reload = "; reloaded by SIGHUP"
		}
		fmt.Fprintf(&b, "# %s%s; from: %s\n", o.Env, reload, o.Source)
		line, err := toml.Marshal(map[string]any{o.Key[strings.LastIndexByte(o.Key, '.')+1:]: o.Value})
		if err != nil {
			return fmt.Errorf("write %s: %w", o.Key, err)
		}
		if o.secret && o.Value != "" {
			b.WriteString("# ")
		}
		b.Write(line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// NeedsRestart lists the keys in which next differs from c and which SIGHUP does not change.
func (c Config) NeedsRestart(next Config) []string {
	var keys []string
	now, then := options(&c), options(&next)
	for i, o := range now {
		if o.field.Tag.Get("reload") != "yes" && !reflect.DeepEqual(o.value.Interface(), then[i].value.Interface()) {
			keys = append(keys, o.key)
		}
	}
	return keys
}

//go:embed config.go
var declaration string

// documentation reads the comments of the options, by "Struct.Field". They are kept in the program, so that
// what a reader of the source and what an operator sees cannot differ.
var documentation = sync.OnceValue(func() map[string]string {
	docs := map[string]string{}
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", declaration, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return docs // cannot be: this very text was compiled
	}
	ast.Inspect(file, func(n ast.Node) bool {
		declared, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, isStruct := declared.Type.(*ast.StructType); isStruct {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					docs[declared.Name.Name+"."+name.Name] = f.Doc.Text()
				}
			}
		}
		return false
	})
	return docs
})
