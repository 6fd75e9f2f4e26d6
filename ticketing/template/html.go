package template

func (t *Template) compileHTML(s *source) error { return nil }

func appendHTML(dst []byte, s string, linkify bool) []byte { return append(dst, s...) }
