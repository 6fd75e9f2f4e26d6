package template

// Render puts the values into t. The subject is one line; the text has LF line ends.
func (t *Template) Render(v *Values) (subject, text, html string) { return "", "", "" }
