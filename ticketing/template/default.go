package template

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// A file of defaults/ is named for an event, or another cause of a mail, and an audience. Its first line is the
// subject, after "Subject: "; the text follows a blank line.
//
//go:embed defaults
var defaultFiles embed.FS

// Source is a template as its author writes it.
type Source struct {
	Subject string
	Text    string
	HTML    string
}

type defaultTemplate struct {
	source   Source
	compiled *Template
}

var defaults = func() map[string]defaultTemplate {
	m := make(map[string]defaultTemplate)
	err := fs.WalkDir(defaultFiles, "defaults", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := defaultFiles.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "defaults/"), ".txt")
		subject, text, ok := strings.Cut(strings.TrimPrefix(string(data), "Subject: "), "\n\n")
		if !ok {
			return fmt.Errorf("%s: no text", path)
		}
		t, err := CompileFor(name, subject, text, "")
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		m[name] = defaultTemplate{Source{Subject: subject, Text: text}, t}
		return nil
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return m
}()

// defaultName finds the template of ours that is used for a name: its own; for a collaborator the requester's; else a general
// one, which tells what happened.
func defaultName(name string) string {
	if _, ok := defaults[name]; ok {
		return name
	}
	cause, audience, _ := strings.Cut(name, "/")
	if audience == "collaborator" {
		if _, ok := defaults[cause+"/requester"]; ok {
			return cause + "/requester"
		}
	}
	if audience == "staff" || audience == "collaborator" {
		return "general/" + audience
	}
	return "general/requester"
}

// Default is our own template for that name, such as "ticket.created/requester". Every name has one.
func Default(name string) *Template { return defaults[defaultName(name)].compiled }

// DefaultSource is Default as it was written, for an organisation to begin with.
func DefaultSource(name string) Source { return defaults[defaultName(name)].source }

// DefaultNames are the names of our own templates, in order.
func DefaultNames() []string { return slices.Sorted(maps.Keys(defaults)) }
