package config

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Error is one thing that is wrong with the configuration.
type Error struct {
	Where   string // "mxdesk.toml:3:1", or "environment:MXDESK_SMTP_LISTEN"
	Key     string // "" when the file cannot be read as TOML
	Problem string // what is expected
}

// Error implements error: "mxdesk.toml:3:1: smtp.listen: expected …".
func (e *Error) Error() string {
	if e.Key == "" {
		return e.Where + ": " + e.Problem
	}
	return e.Where + ": " + e.Key + ": " + e.Problem
}

// origin is where a value was set.
type origin struct {
	where string
	file  string // a secret was read from this file
}

// maxFile bounds the configuration file and files with secrets.
const maxFile = 1 << 20

// Load reads the configuration: defaults, then the file at path ("" for none), then env, which is in the form of
// os.Environ. The error joins an *Error for each mistake.
func Load(path string, env []string) (Config, error) { return load(path, env, "default") }

// LoadDevelopment is Load with the defaults of `mxdesk serve --dev`: everything inside the current folder and
// on loopback, no privileges needed.
func LoadDevelopment(path string, env []string) (Config, error) { return load(path, env, "dev") }

func load(path string, env []string, defaults string) (Config, error) {
	l := newLoader(defaults)
	if path != "" {
		data, err := readFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("read the configuration: %w", err)
		}
		l.readTOML(path, data)
	}
	l.readEnvironment(env)
	l.finish()
	return l.config, errors.Join(l.problems...)
}

// newLoader starts with the defaults, "default" or "dev". They are part of the program, and tested.
func newLoader(defaults string) *loader {
	l := &loader{options: map[string]option{}, sections: map[string]bool{}}
	l.config.origins = map[string]origin{}
	for _, o := range options(&l.config) {
		l.options[o.key] = o
		l.keys = append(l.keys, o.key)
		if section, _, found := strings.Cut(o.key, "."); found {
			l.sections[section] = true
		}
		if err := setDefault(o, defaults); err != nil {
			l.problem(defaults, o.key, "%s", err)
		}
	}
	return l
}

func setDefault(o option, kind string) error {
	text, has := o.field.Tag.Lookup(kind)
	if !has {
		text = o.field.Tag.Get("default")
	}
	if text == "" && !o.list() {
		return nil
	}
	return o.setText(text)
}

// setText sets the option from one text, in which commas separate the values of a list.
func (o option) setText(text string) error {
	if !o.list() {
		return o.set([]string{text})
	}
	var texts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			texts = append(texts, part)
		}
	}
	return o.set(texts)
}

// readFile reads a file of bounded size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %s", path, Size(maxFile))
	}
	return data, err
}

// loader carries one Load.
type loader struct {
	config   Config
	options  map[string]option
	keys     []string // in the order of their declaration
	sections map[string]bool
	problems []error
}

func (l *loader) problem(where, key, format string, args ...any) {
	l.problems = append(l.problems, &Error{where, key, fmt.Sprintf(format, args...)})
}

// readTOML reads the file twice: once by the strict decoder, which knows every rule of TOML, once by the parser,
// which knows where each key stands.
func (l *loader) readTOML(name string, data []byte) {
	var all map[string]any
	if err := toml.Unmarshal(data, &all); err != nil {
		where := name
		if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, column := bad.Position()
			where = fmt.Sprintf("%s:%d:%d", name, line, column)
		}
		l.problem(where, "", "expected TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
		return
	}
	var p unstable.Parser
	p.Reset(data)
	table, known := "", true
	for p.NextExpression() {
		node := p.Expression()
		switch node.Kind {
		case unstable.KeyValue:
			if known {
				l.readKeyValue(&p, name, table, node)
			}
		case unstable.Table, unstable.ArrayTable:
			key, where := keyOf(&p, name, node)
			table, known = key+".", l.sections[key] && node.Kind == unstable.Table
			if !known {
				l.problem(where, key, "expected one of the sections %s, each once as [NAME]", l.sectionNames())
			}
		}
	}
}

// keyOf joins the parts of a key, and says where the first one stands.
func keyOf(p *unstable.Parser, name string, node *unstable.Node) (key, where string) {
	var parts []string
	for it := node.Key(); it.Next(); {
		if part := it.Node(); part.Data != nil {
			if where == "" {
				start := p.Shape(part.Raw).Start
				where = fmt.Sprintf("%s:%d:%d", name, start.Line, start.Column)
			}
			parts = append(parts, string(part.Data))
		}
	}
	return strings.Join(parts, "."), where
}

func (l *loader) readKeyValue(p *unstable.Parser, name, table string, node *unstable.Node) {
	key, where := keyOf(p, name, node)
	key = table + key
	value := node.Value()
	if value.Kind == unstable.InlineTable && l.sections[key] {
		for it := value.Children(); it.Next(); {
			l.readKeyValue(p, name, key+".", it.Node())
		}
		return
	}
	o, twin, found := l.find(key)
	if !found {
		l.problem(where, key, "%s", l.unknownKey(key))
		return
	}
	texts, err := textsOf(o, value)
	if err != nil {
		l.problem(where, key, "%s", err)
		return
	}
	l.assign(o, where, twin, func(o option) error { return o.set(texts) }, texts)
}

// find returns the option of a key; twin tells that the key is KEY_file of a secret.
func (l *loader) find(key string) (o option, twin, found bool) {
	if o, found = l.options[key]; found {
		return o, false, true
	}
	if base, isFile := strings.CutSuffix(key, "_file"); isFile {
		if o, found = l.options[base]; found && o.secret() {
			return o, true, true
		}
	}
	return option{}, false, false
}

// textsOf reads a TOML value of the kind that the option takes.
func textsOf(o option, value *unstable.Node) ([]string, error) {
	if o.list() {
		return listOf(value)
	}
	expected, good := "a text in quotes", value.Kind == unstable.String
	switch o.value.Interface().(type) {
	case bool:
		expected, good = "true or false, without quotes", value.Kind == unstable.Bool
	case int:
		expected, good = "a whole number, without quotes", value.Kind == unstable.Integer
	case Size:
		good = good || value.Kind == unstable.Integer
	}
	if !good {
		return nil, errors.New("expected " + expected)
	}
	text := string(value.Data)
	if n, err := strconv.ParseInt(text, 0, 64); err == nil && value.Kind == unstable.Integer {
		text = strconv.FormatInt(n, 10) // TOML has 1_000 and 0xff too
	}
	return []string{text}, nil
}

func listOf(value *unstable.Node) ([]string, error) {
	expected := errors.New(`expected a list of texts, such as ["…", "…"]`)
	if value.Kind != unstable.Array {
		return nil, expected
	}
	var texts []string
	for it := value.Children(); it.Next(); {
		switch element := it.Node(); element.Kind {
		case unstable.Comment:
		case unstable.String:
			texts = append(texts, string(element.Data))
		default:
			return nil, expected
		}
	}
	return texts, nil
}

// assign sets an option, or reads its secret from the file that its twin names, and remembers where that was said.
func (l *loader) assign(o option, where string, twin bool, set func(option) error, texts []string) {
	from := origin{where: where}
	if twin {
		from.file = texts[0]
		data, err := readFile(from.file)
		if err != nil {
			l.problem(where, o.key+"_file", "expected a file that can be read: %s", err)
			return
		}
		secret := strings.TrimRight(string(data), "\r\n")
		set = func(o option) error { return o.set([]string{secret}) }
	}
	before, wasSet := l.config.origins[o.key]
	if wasSet && isEnvironment(where) == isEnvironment(before.where) {
		l.problem(where, o.key, "expected either %s or %s_file, not both (the other one: %s)", o.key, o.key, before.where)
		return
	}
	if err := set(o); err != nil {
		l.problem(where, o.key, "%s", err)
		return
	}
	l.config.origins[o.key] = from
}

func isEnvironment(where string) bool { return strings.HasPrefix(where, environment) }

const environment = "environment:"

// notOptions are variables that belong to others: the file's own name, the tests, and what Kubernetes sets
// for a service that is called mxdesk.
var notOptions = regexp.MustCompile(`^MXDESK_(CONFIG|TEST_.*|(.*_)?(SERVICE_(HOST|PORT(_.*)?)|PORT(_[0-9]+_(TCP|UDP)(_.*)?)?))$`)

func (l *loader) readEnvironment(env []string) {
	byEnv := map[string]string{}
	for _, key := range l.keys {
		byEnv[envName(key)] = key
		if l.options[key].secret() {
			byEnv[envName(key+"_file")] = key + "_file"
		}
	}
	sorted := slices.Sorted(slices.Values(env))
	for _, entry := range sorted {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "MXDESK_") {
			continue
		}
		where := environment + name
		key, found := byEnv[name]
		if !found {
			if !notOptions.MatchString(name) {
				l.problem(where, "", "expected the name of an option; `mxdesk config` lists them")
			}
			continue
		}
		o, twin, _ := l.find(key)
		l.assign(o, where, twin, func(o option) error { return o.setText(text) }, []string{text})
	}
}

func (l *loader) sectionNames() string {
	names := make([]string, 0, len(l.sections))
	for _, key := range l.keys {
		if section, _, found := strings.Cut(key, "."); found && !slices.Contains(names, section) {
			names = append(names, section)
		}
	}
	return strings.Join(names, ", ")
}

// unknownKey says which keys there are beside an unknown one.
func (l *loader) unknownKey(key string) string {
	section, _, inSection := strings.Cut(key, ".")
	if inSection && !l.sections[section] || l.sections[key] {
		return fmt.Sprintf("expected one of the sections %s, each once as [NAME]", l.sectionNames())
	}
	var names []string
	for _, k := range l.keys {
		s, name, dotted := strings.Cut(k, ".")
		switch {
		case inSection && dotted && s == section:
			names = append(names, name)
		case !inSection && !dotted:
			names = append(names, k)
		}
	}
	return "no such key; expected one of " + strings.Join(names, ", ")
}

// finish fills in what depends on other options or on the machine, and checks what depends on several.
func (l *loader) finish() {
	c := &l.config
	if c.Hostname == "" {
		c.Hostname = machineName()
	}
	if absolute, err := filepath.Abs(c.DataDir); err == nil {
		c.DataDir = absolute
	}
	for key, asks := range map[string]*bool{"smtp.verify": &c.SMTP.Verify, "admission.check_sender_domain": &c.Admission.CheckSenderDomain} {
		if _, set := c.origins[key]; !set && len(c.DNS.Resolvers) > 0 {
			*asks = true // in development too
		}
	}
	if t := &c.Outbound.Transport; t.Kind == TransportMaildir && !filepath.IsAbs(t.Dir) {
		t.Dir = filepath.Join(c.DataDir, t.Dir)
	}
	l.finishWeb()
	if r := &c.Reports; (r.TLS || r.DMARC) && r.From == "" {
		l.need("reports.from", "reports.tls", "expected reports.from with reports.tls and reports.dmarc")
	} else if r.Organisation == "" {
		r.Organisation = string(c.Hostname)
	}
	if (c.TLS.CertificateFile == "") != (c.TLS.KeyFile == "") {
		l.need("tls.certificate_file", "tls.key_file", "expected tls.certificate_file and tls.key_file together")
	}
	if (c.Outbound.SmarthostUser == "") != (c.Outbound.SmarthostPassword == "") {
		l.need("outbound.smarthost_user", "outbound.smarthost_password",
			"expected outbound.smarthost_user and outbound.smarthost_password together")
	}
	if c.Outbound.SmarthostUser != "" && c.Outbound.Transport.Address == "" {
		l.need("outbound.smarthost_user", "outbound.transport", `expected an outbound.transport "smtp://…" or "smtps://…" with it`)
	}
}

// finishWeb fills in and checks what the public pages need.
func (l *loader) finishWeb() {
	w := &l.config.Web
	if len(w.MTASTSHosts) == 0 {
		w.MTASTSHosts = []Hostname{l.config.Hostname}
	}
	w.URL = WebURL(strings.TrimSuffix(string(w.URL), "/"))
	u, err := url.Parse(string(w.URL))
	if err == nil && (u.Path != "" || u.RawQuery != "" || u.Fragment != "") {
		l.need("web.url", "web.url", `expected a URL without path, such as "https://help.example.org"`)
	}
	if len(w.TLSListen) > 0 && l.config.TLS.CertificateFile == "" && !l.config.TLS.ACME {
		l.need("web.tls_listen", "tls.certificate_file", "expected tls.certificate_file or tls.acme with it")
	}
	l.finishACME(u)
}

// finishACME fills in and checks what ACME needs.
func (l *loader) finishACME(public *url.URL) {
	t, w := &l.config.TLS, &l.config.Web
	if !t.ACME {
		return
	}
	if !t.ACMEAgreeToTerms {
		l.need("tls.acme", "tls.acme_agree_to_terms", "expected tls.acme_agree_to_terms with it: read the terms of the certificate authority first")
	}
	if !strings.HasPrefix(string(t.ACMEDirectory), "https://") {
		l.need("tls.acme_directory", "tls.acme", "expected a URL that begins with https://")
	}
	if slices.Contains(l.config.Roles, RoleAPI) && len(w.Listen) == 0 && len(w.TLSListen) == 0 {
		l.need("tls.acme", "web.listen", "expected web.listen or web.tls_listen with it, where challenges are answered")
	}
	if len(t.ACMENames) == 0 {
		t.ACMENames = []Hostname{l.config.Hostname}
		var host Hostname
		if public != nil && public.Scheme == "https" && len(w.TLSListen) > 0 && host.UnmarshalText([]byte(public.Hostname())) == nil &&
			!strings.EqualFold(string(host), string(l.config.Hostname)) {
			t.ACMENames = append(t.ACMENames, host)
		}
	}
	for _, name := range t.ACMENames {
		if _, err := netip.ParseAddr(string(name)); err == nil || !strings.Contains(string(name), ".") {
			l.need("tls.acme_names", "tls.acme", fmt.Sprintf("expected fully written names, %q is none", name))
		}
	}
}

// need reports a mistake in two options, at the place where one of them was set.
func (l *loader) need(key, other, problem string) {
	if from, set := l.config.origins[key]; set {
		l.problem(from.where, key, "%s", problem)
		return
	}
	l.problem(l.config.origins[other].where, other, "%s", problem)
}

// machineName is the default of hostname.
func machineName() Hostname {
	var h Hostname
	name, err := os.Hostname()
	if err != nil || h.UnmarshalText([]byte(name)) != nil || h == "" {
		return "localhost"
	}
	return h
}
