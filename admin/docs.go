package admin

import (
	"bytes"
	_ "embed"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsPolicy lets the page load its style and nothing else; it holds no script.
const docsPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var (
	//go:embed docs.css
	docsStyle []byte
	//go:embed docs.html
	docsText     string
	docsTemplate = template.Must(template.New("docs").Parse(docsText))
)

// What the page shows.
type (
	docsGroup struct {
		Name       string
		Operations []docsOperation
	}
	docsOperation struct {
		*huma.Operation
		Inputs    []*huma.Param // those that not every operation has
		Request   []docsContent
		Responses []docsContent
		Problems  []string // statuses
	}
	docsContent struct {
		Status, Description, Type string
		Schema                    docsSchema
	}
	docsSchema struct{ Text, Link string }
	docsModel  struct {
		Name   string
		Fields []docsField
	}
	docsField struct {
		Name, Description string
		Required          bool
		Schema            docsSchema
		Values            []any
	}
)

// docsPage renders the readable form of the OpenAPI document.
func docsPage(api *huma.OpenAPI) []byte {
	var out bytes.Buffer
	if err := docsTemplate.Execute(&out, map[string]any{
		"Info": api.Info, "Groups": docsGroups(api), "Models": docsModels(api.Components.Schemas.Map()),
	}); err != nil {
		panic("admin: the page of the API cannot be rendered: " + err.Error())
	}
	return out.Bytes()
}

func docsGroups(api *huma.OpenAPI) []docsGroup {
	byTag := map[string][]docsOperation{}
	for _, path := range slices.Sorted(maps.Keys(api.Paths)) {
		item := api.Paths[path]
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if o != nil {
				byTag[o.Tags[0]] = append(byTag[o.Tags[0]], docsOf(o))
			}
		}
	}
	var groups []docsGroup
	for _, tag := range api.Tags {
		groups = append(groups, docsGroup{tag.Name, byTag[tag.Name]})
	}
	return groups
}

func docsOf(o *huma.Operation) docsOperation {
	d := docsOperation{Operation: o}
	for _, p := range o.Parameters {
		if !strings.EqualFold(p.Name, "organisation") {
			d.Inputs = append(d.Inputs, p)
		}
	}
	if o.RequestBody != nil {
		d.Request = docsContents("", "", o.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		r := o.Responses[status]
		if r.Content["application/problem+json"] != nil {
			d.Problems = append(d.Problems, status)
			continue
		}
		d.Responses = append(d.Responses, docsContents(status, r.Description, r.Content)...)
	}
	return d
}

func docsContents(status, description string, content map[string]*huma.MediaType) []docsContent {
	var list []docsContent
	for _, name := range slices.Sorted(maps.Keys(content)) {
		list = append(list, docsContent{status, description, name, schemaText(content[name].Schema)})
	}
	return list
}

func docsModels(schemas map[string]*huma.Schema) []docsModel {
	var models []docsModel
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		m := docsModel{Name: name}
		s := schemas[name]
		for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[field]
			m.Fields = append(m.Fields, docsField{field, p.Description, slices.Contains(s.Required, field), schemaText(p), p.Enum})
		}
		models = append(models, m)
	}
	return models
}

// schemaText is a schema in few words.
func schemaText(s *huma.Schema) docsSchema {
	switch {
	case s == nil:
		return docsSchema{}
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return docsSchema{name, "#" + name}
	case s.Type == huma.TypeArray:
		inner := schemaText(s.Items)
		return docsSchema{"list of " + inner.Text, inner.Link}
	}
	text := s.Type
	switch {
	case s.PatternDescription != "":
		text = s.PatternDescription
	case s.Format == "date-time" || s.Format == "binary":
		text = s.Format
	}
	if s.Nullable {
		text += " or null"
	}
	return docsSchema{Text: text}
}
