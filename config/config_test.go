package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// writeFile writes a configuration and returns its path.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mxdesk.toml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	c, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Listener{{"tcp", ":25"}}; !reflect.DeepEqual(c.SMTP.Listen, want) {
		t.Errorf("smtp.listen is %v, want %v", c.SMTP.Listen, want)
	}
	if c.Hostname == "" {
		t.Error("hostname is empty, want the machine's own name")
	}
	if want := (Transport{Kind: TransportMaildir, Dir: "/var/lib/mxdesk/outbox"}); c.Outbound.Transport != want {
		t.Errorf("outbound.transport is %v, want %v: nothing may leave the machine by default", c.Outbound.Transport, want)
	}
	if c.SMTP.MaxMessageSize != 35<<20 || c.SMTP.IdleTimeout != 5*time.Minute || c.Log.Level != slog.LevelInfo {
		t.Errorf("limits are %+v, log %+v", c.SMTP, c.Log)
	}
	dev, err := LoadDevelopment("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Listener{{"tcp", "127.0.0.1:2525"}}; !reflect.DeepEqual(dev.SMTP.Listen, want) {
		t.Errorf("smtp.listen is %v in development, want %v", dev.SMTP.Listen, want)
	}
	if !filepath.IsAbs(dev.DataDir) || filepath.Base(dev.DataDir) != "data" {
		t.Errorf("data_dir is %q in development, want data in the current folder", dev.DataDir)
	}
}

func TestEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	path := writeFile(t, `
hostname = "file.example.org"
roles = ["smtp", "jobs"]
[smtp]
listen = ["127.0.0.1:1", "unix:/run/x.sock"] # two of them
max_message_size = 100_000
max_recipients = 0x80
idle_timeout = "1h"
exempt_networks = ["192.0.2.0/24"]
[outbound]
transport = "smtp://[::1]:587"
allow_private_destinations = true
`)
	c, err := Load(path, []string{
		"HOME=/", "MXDESK_SMTP_LISTEN=:2, [::1]:3", "MXDESK_LOG_LEVEL=debug", "MXDESK_CONFIG=x",
		"MXDESK_SERVICE_HOST=10.0.0.1", "MXDESK_PORT_25_TCP_ADDR=10.0.0.1", "MXDESK_METRICS_LISTEN=",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		c.Hostname, c.Roles, c.SMTP.Listen, c.SMTP.MaxMessageSize, c.SMTP.MaxRecipients, c.SMTP.IdleTimeout,
		c.Outbound.Transport, c.Outbound.AllowPrivateDestinations, c.Log.Level, len(c.Metrics.Listen),
	}
	want := []any{
		Hostname("file.example.org"),
		[]Role{RoleSMTP, RoleJobs},
		[]Listener{{"tcp", ":2"}, {"tcp", "[::1]:3"}},
		Size(100000), 128, time.Hour,
		Transport{Kind: TransportSMTP, Address: "[::1]:587"},
		true, slog.LevelDebug, 0,
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("value %d is %v, want %v", i, got[i], want[i])
		}
	}
	sources := map[string]string{}
	for _, o := range c.Describe() {
		sources[o.Key] = o.Source
	}
	for key, want := range map[string]string{
		"hostname": path + ":2:1", "smtp.listen": "environment:MXDESK_SMTP_LISTEN", "smtp.max_recipients": path + ":7:1",
		"log.format": "default", "outbound.transport": path + ":11:1",
	} {
		if sources[key] != want {
			t.Errorf("%s comes from %q, want %q", key, sources[key], want)
		}
	}
}

// Every mistake is told with its place, its key and what is expected.
func TestMistakesInFile(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"no TOML", "hostname = \n", `1:12: expected TOML: `},
		{"a key twice", "[log]\nformat = 'text'\nformat = 'json'\n", `3:1: expected TOML: `},
		{"unknown key", "\n  hostnam = 'x'\n", "2:3: hostnam: no such key; expected one of hostname, data_dir, roles, stop_timeout"},
		{"unknown key in a section", "[log]\nlevell = 'x'\n", "2:1: log.levell: no such key; expected one of level, format"},
		{"unknown dotted key", "log.colour = true\n", "1:1: log.colour: no such key; expected one of level, format"},
		{"unknown section", "[smpt]\nlisten = 5\n", "1:2: smpt: expected one of the sections smtp, admission, spam, api, web, metrics, tls, database, dns, outbound, reports, log"},
		{"unknown dotted section", "smpt.listen = 5\n", "1:1: smpt.listen: expected one of the sections smtp,"},
		{"section as list", "[[smtp]]\nlisten = []\n", "1:3: smtp: expected one of the sections smtp,"},
		{"section within a section", "[smtp.limits]\nx = 1\n", "1:2: smtp.limits: expected one of the sections"},
		{"section as value", "smtp = 5\n", "1:1: smtp: expected one of the sections"},
		{"inline table", "log = { format = 'text', level = 'loud' }\n", "1:26: log.level: expected debug, info, warn, error, not \"loud\""},
		{"deep inline table", "log = { format = { a = 1 } }\n", "1:9: log.format: expected a text in quotes"},
		{"number for text", "hostname = 5\n", "1:1: hostname: expected a text in quotes"},
		{"text for number", "[smtp]\nmax_recipients = '5'\n", "2:1: smtp.max_recipients: expected a whole number, without quotes"},
		{"fraction for number", "[smtp]\nmax_recipients = 5.5\n", "2:1: smtp.max_recipients: expected a whole number"},
		{"text for bool", "[metrics]\npprof = 'true'\n", "2:1: metrics.pprof: expected true or false, without quotes"},
		{"text for list", "[smtp]\nlisten = ':25'\n", `2:1: smtp.listen: expected a list of texts, such as ["…", "…"]`},
		{"number in list", "[smtp]\nlisten = [25]\n", `2:1: smtp.listen: expected a list of texts`},
		{"too small", "[smtp]\nmax_recipients = 0\n", `2:1: smtp.max_recipients: expected 1 to 1000, not "0"`},
		{"too large", "[smtp]\nmax_message_size = '1GiB'\n", `2:1: smtp.max_message_size: expected 64KiB to 200MiB, not "1GiB"`},
		{"beyond int", "[smtp]\nmax_recipients = 9223372036854775807\n", `2:1: smtp.max_recipients: expected a whole number, not`},
		{"size", "[smtp]\nmax_message_size = '35 megs'\n", `2:1: smtp.max_message_size: expected a size such as "512KiB" or "35MiB", not "35 megs"`},
		{"overflowing size", "[smtp]\nmax_message_size = '9999999999999GiB'\n", `2:1: smtp.max_message_size: expected a size such as`},
		{"duration", "stop_timeout = '5 minutes'\n", `1:1: stop_timeout: expected a duration such as "30s", "5m" or "1h30m", not "5 minutes"`},
		{"negative duration", "stop_timeout = '-5m'\n", `1:1: stop_timeout: expected a duration`},
		{"long duration", "stop_timeout = '2d'\n", `1:1: stop_timeout: expected 1s to 10m, not "2d"`},
		{"host name", "hostname = 'a b'\n", `1:1: hostname: expected a host name such as "mail.example.org", not "a b"`},
		{"role", "roles = ['smtp', 'mail']\n", `1:1: roles: expected smtp, deliver, api or jobs, not "mail"`},
		{"no roles", "roles = []\n", `1:1: roles: expected a value, it must not be empty`},
		{"no data folder", "data_dir = ''\n", `1:1: data_dir: expected a value, it must not be empty`},
		{"address", "[smtp]\nlisten = ['127.0.0.1']\n", `2:1: smtp.listen: expected an address such as`},
		{"port", "[smtp]\nlisten = ['127.0.0.1:smtp']\n", `2:1: smtp.listen: expected an address such as`},
		{"name server without port", "[dns]\nresolvers = ['127.0.0.1']\n", `2:1: dns.resolvers: expected an address such as "127.0.0.1:53" or "[::1]:53", not "127.0.0.1"`},
		{"name server without host", "[dns]\nresolvers = [':53']\n", `2:1: dns.resolvers: expected an address such as "127.0.0.1:53"`},
		{"unix socket without path", "[api]\nlisten = ['unix:']\n", `2:1: api.listen: expected an address such as`},
		{"network", "[smtp]\nexempt_networks = ['10.0.0.1']\n", `2:1: smtp.exempt_networks: expected a network such as "192.0.2.0/24" or "2001:db8::/32", not "10.0.0.1"`},
		{"transport", "[outbound]\ntransport = 'smtp:mail'\n", `2:1: outbound.transport: expected "maildir:DIR", "discard:", "mx", "smtp://HOST:PORT" or "smtps://HOST:PORT", not "smtp:mail"`},
		{"transport without folder", "[outbound]\ntransport = 'maildir:'\n", `2:1: outbound.transport: expected "maildir:DIR"`},
		{"log format", "[log]\nformat = 'xml'\n", `2:1: log.format: expected text, json, not "xml"`},
		{"certificate without key", "[tls]\ncertificate_file = 'a'\n", "2:1: tls.certificate_file: expected tls.certificate_file and tls.key_file together"},
		{"key without certificate", "[tls]\nkey_file = 'a'\n", "2:1: tls.key_file: expected tls.certificate_file and tls.key_file together"},
		{"password without user", "[outbound]\nsmarthost_password = 'a'\n", "2:1: outbound.smarthost_password: expected outbound.smarthost_user and"},
		{"user without smart host", "[outbound]\nsmarthost_password = 'a'\nsmarthost_user = 'b'\n", "3:1: outbound.smarthost_user: expected an outbound.transport"},
		{"secret twice", "[database]\nurl_file = '/dev/null'\nurl = 'host=x'\n", "3:1: database.url: expected either database.url or database.url_file, not both (the other one: "},
		{"secret in a missing file", "[database]\nurl_file = '/does/not/exist'\n", "2:1: database.url_file: expected a file that can be read: open /does/not/exist:"},
		{"twin of what is no secret", "hostname_file = 'x'\n", "1:1: hostname_file: no such key"},
		{"database URL", "[database]\nurl = 'mysql://root:hush@db/x'\n", `2:1: database.url: expected "postgres://USER@HOST:PORT/DATABASE" or "host=HOST dbname=DATABASE user=USER"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := writeFile(t, test.file)
			_, err := Load(path, nil)
			if err == nil {
				t.Fatal("no error")
			}
			if want := path + ":" + test.want; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("error is\n\t%s\nwant\n\t%s…", err, want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows a password: %s", err)
			}
			if bad, ok := errors.AsType[*Error](err); !ok || bad.Where == "" || bad.Problem == "" {
				t.Errorf("error is %#v, want an *Error", err)
			}
		})
	}
}

func TestMistakesInEnvironment(t *testing.T) {
	for _, test := range []struct{ entry, want string }{
		{"MXDESK_SMTP_LISTNE=:25", "environment:MXDESK_SMTP_LISTNE: expected the name of an option; `mxdesk config` lists them"},
		{"MXDESK_SMTP_LISTEN=:25,x", "environment:MXDESK_SMTP_LISTEN: smtp.listen: expected an address such as"},
		{"MXDESK_ROLES=", "environment:MXDESK_ROLES: roles: expected a value"},
		{"MXDESK_METRICS_PPROF=yes", `environment:MXDESK_METRICS_PPROF: metrics.pprof: expected true or false, not "yes"`},
		{"MXDESK_DATABASE_URL_FILE=/does/not/exist", "environment:MXDESK_DATABASE_URL_FILE: database.url_file: expected a file that can be read"},
		{"MXDESK_OUTBOUND_SMARTHOST_USER=u", "environment:MXDESK_OUTBOUND_SMARTHOST_USER: outbound.smarthost_user: expected outbound.smarthost_user and"},
	} {
		if _, err := Load("", []string{test.entry}); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %s…", test.entry, err, test.want)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Load(writeFile(t, "a = 1\nb = 2\n[log]\nlevel = 'x'\n"), []string{"MXDESK_X=1"})
	if got := strings.Count(fmt.Sprint(err), "\n") + 1; got != 4 {
		t.Errorf("%d mistakes are told, want 4:\n%v", got, err)
	}
}

func TestUnreadableFile(t *testing.T) {
	for _, path := range []string{"/does/not/exist.toml", t.TempDir()} {
		if _, err := Load(path, nil); err == nil || !strings.HasPrefix(err.Error(), "read the configuration: ") {
			t.Errorf("Load(%q) = %v, want an error", path, err)
		}
	}
	large := writeFile(t, strings.Repeat("#\n", maxFile))
	if _, err := Load(large, nil); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("a file that is too large: %v", err)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	password := writeFile(t, "hush\n")
	c, err := Load("", []string{
		"MXDESK_DATABASE_URL=postgres://app:hush@a,b:5433/desk?sslpassword=hush",
		"MXDESK_OUTBOUND_SMARTHOST_USER=u", "MXDESK_OUTBOUND_SMARTHOST_PASSWORD_FILE=" + password, "MXDESK_OUTBOUND_TRANSPORT=smtps://mail:465",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Outbound.SmarthostPassword != "hush" || !strings.Contains(string(c.Database.URL), "app:hush@") {
		t.Errorf("the secrets are %q and %q", string(c.Outbound.SmarthostPassword), string(c.Database.URL))
	}
	var shown strings.Builder
	if err := c.Print(&shown); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal([]any{c, c.Describe()})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&shown, verb, c.Outbound.SmarthostPassword)
		fmt.Fprintf(&shown, verb, c.Database)
	}
	slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "password", c.Outbound.SmarthostPassword, "url", c.Database.URL)
	for _, leak := range []string{"hush", fmt.Sprintf("%x", "hush")} {
		if strings.Contains(shown.String(), leak) {
			t.Errorf("%q is shown in %s", leak, shown.String())
		}
	}
	for _, want := range []string{"# url = 'postgres://app@a,b:5433/desk'", "# smarthost_password = '(hidden)'", ", read from " + password} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("the configuration does not show %q:\n%s", want, shown.String())
		}
	}
}

func TestDatabaseURLShowsNoPassword(t *testing.T) {
	for url, want := range map[string]string{
		"":                                  "",
		"postgres://db/x":                   "postgres://db/x",
		"postgresql:///x":                   "postgresql:///x",
		"postgres://u@[::1]:1,b/x":          "postgres://u@[::1]:1,b/x",
		"postgres://u:hush@db":              "postgres://u@db",
		"postgres://u:hu?sh@db/x":           "(hidden)",
		"postgres://u:hu/sh@db/x":           "(hidden)",
		"postgres://u:hu@sh@db/x":           "(hidden)",
		"postgres://u:hu#sh@db/x":           "(hidden)",
		"postgres://db/x?password=hu@sh":    "(hidden)",
		"postgres://db/x?password=hush":     "postgres://db/x",
		"host=db password=hush":             "(hidden)",
		"host=db password=hush options=://": "(hidden)",
	} {
		if got := DatabaseURL(url).String(); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
}

// What Print writes is a configuration, and the same one.
func TestPrintedConfigurationLoads(t *testing.T) {
	c, err := Load(writeFile(t, `
data_dir = "/tmp/with 'quotes' and \"more\""
[smtp]
exempt_networks = ["2001:db8::/32", "192.0.2.0/24"]
session_timeout = "90m"
max_line_length = 1001
[api]
listen = ["unix:/run/api.sock"]
[log]
level = "warn"
`), []string{"MXDESK_DNS_TIMEOUT=1500ms"})
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	again, err := Load(writeFile(t, printed.String()), nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, printed.String())
	}
	if c.origins = nil; true {
		again.origins = nil
	}
	if !reflect.DeepEqual(c, again) {
		t.Errorf("loaded again it is\n%+v, want\n%+v", again, c)
	}
	if want := "[log]\n# Least level that is told.\n# One of debug, info, warn, error.\n# MXDESK_LOG_LEVEL; reloaded by SIGHUP; from: "; !strings.Contains(printed.String(), want) {
		t.Errorf("printed\n%s\nwant in it\n%s", printed.String(), want)
	}
}

// An option without documentation, with an unreadable default or bound, or whose name cannot be told from
// another one's, is a mistake of ours.
func TestEveryOptionIsDeclaredWhole(t *testing.T) {
	var c Config
	seen := map[string]bool{}
	docs := documentation()
	for _, o := range options(&c) {
		if docs[o.owner+"."+o.field.Name] == "" {
			t.Errorf("%s has no comment", o.key)
		}
		if seen[o.env()] {
			t.Errorf("two options are called %s", o.env())
		}
		seen[o.env()] = true
		if notOptions.MatchString(o.env()) && o.key != "outbound.mx_port" {
			t.Errorf("%s looks like a variable of Kubernetes", o.env())
		}
		for _, tag := range []string{"default", "dev"} {
			if text := o.field.Tag.Get(tag); text != "" && o.setText(text) != nil {
				t.Errorf("%s: bad %s: %v", o.key, tag, o.setText(text))
			}
		}
		_, hasMin := o.field.Tag.Lookup("min")
		_, hasMax := o.field.Tag.Lookup("max")
		switch o.value.Interface().(type) {
		case int, Size, time.Duration:
			if !hasMin || !hasMax {
				t.Errorf("%s has no min or no max", o.key)
			}
		default:
			if hasMin || hasMax {
				t.Errorf("%s has a min or max that nobody checks", o.key)
			}
		}
	}
}

func TestNeedsRestart(t *testing.T) {
	load := func(file string) Config {
		c, err := Load(writeFile(t, file), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := load("[log]\nlevel = 'info'\n")
	after := load("stop_timeout = '1m'\n[log]\nlevel = 'debug'\n[tls]\nkey_file = 'a'\ncertificate_file = 'b'\n[smtp]\nlisten = []\n")
	if got, want := before.NeedsRestart(after), []string{"stop_timeout", "smtp.listen", "tls.certificate_file", "tls.key_file"}; !reflect.DeepEqual(got, want) {
		t.Errorf("NeedsRestart = %v, want %v", got, want)
	}
	if got := before.NeedsRestart(before); got != nil {
		t.Errorf("NeedsRestart of no change = %v", got)
	}
}

func TestForms(t *testing.T) {
	for text, want := range map[string]string{"0": "0B", "1023": "1023B", "2048B": "2KiB", "35 MiB": "35MiB", "1024MiB": "1GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != want {
			t.Errorf("size %q is %v (%v), want %s", text, s, err, want)
		}
	}
	for text, want := range map[string]string{"5m": "5m", "90m": "1h30m", "3600s": "1h", "1d": "24h", "500ms": "500ms", "61s": "1m1s", "0s": "0s", "10s": "10s", "20m": "20m"} {
		d, err := parseDuration(text)
		if err != nil || formatDuration(d) != want {
			t.Errorf("duration %q is %s (%v), want %s", text, formatDuration(d), err, want)
		}
	}
	for _, text := range []string{"maildir:/a:b", "discard:", "mx", "smtp://mail:25", "smtps://[::1]:465"} {
		var tr Transport
		if err := tr.UnmarshalText([]byte(text)); err != nil || tr.String() != text {
			t.Errorf("transport %q is %v (%v)", text, tr, err)
		}
	}
}

func TestSendersAndBlocklists(t *testing.T) {
	for text, want := range map[string]string{"Spam@Example.ORG": "spam@example.org", "example.org": "example.org", "a@b": "a@b"} {
		var s Sender
		if err := s.UnmarshalText([]byte(text)); err != nil || string(s) != want {
			t.Errorf("sender %q is %q (%v), want %q", text, s, err, want)
		}
	}
	for _, text := range []string{"", "@example.org", "a@", "a b@example.org", "<a@example.org>", ".example.org", "*.example.org", "a@b@c"} {
		if err := new(Sender).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("sender %q was taken", text)
		}
	}
	for text, want := range map[string]string{"list.example": "list.example=1", "list.example=-3": "list.example=-3", "a.b=7": "a.b=7"} {
		var b Blocklist
		if err := b.UnmarshalText([]byte(text)); err != nil || b.String() != want {
			t.Errorf("list %q is %v (%v), want %q", text, b, err, want)
		}
	}
	for _, text := range []string{"", "=3", "a=", "a=x", "a=9999", "a b=1"} {
		if err := new(Blocklist).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("list %q was taken", text)
		}
	}
}

func TestWebURL(t *testing.T) {
	for text, good := range map[string]bool{
		"": true, "http://127.0.0.1:11333": true, "https://rspamd.example.org/x": true,
		"127.0.0.1:11333": false, "ftp://a": false, "http://": false, "http://user:word@a": false, "http://%zz": false,
	} {
		if err := new(WebURL).UnmarshalText([]byte(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Development asks the DNS only of servers that were named for it.
func TestDevelopmentAsksNobody(t *testing.T) {
	for _, test := range []struct {
		env  []string
		want bool
	}{
		{nil, false},
		{[]string{"MXDESK_DNS_RESOLVERS=127.0.0.1:53"}, true},
		{[]string{"MXDESK_DNS_RESOLVERS=127.0.0.1:53", "MXDESK_SMTP_VERIFY=false", "MXDESK_ADMISSION_CHECK_SENDER_DOMAIN=false"}, false},
		{[]string{"MXDESK_SMTP_VERIFY=true", "MXDESK_ADMISSION_CHECK_SENDER_DOMAIN=true"}, true},
	} {
		c, err := LoadDevelopment("", test.env)
		if err != nil || c.SMTP.Verify != test.want || c.Admission.CheckSenderDomain != test.want {
			t.Errorf("%v: verify %v, check_sender_domain %v, %v; want %v", test.env, c.SMTP.Verify, c.Admission.CheckSenderDomain, err, test.want)
		}
	}
}

// FuzzFile: no file brings the loader down, and what it accepts it can print and accept again.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{"", "hostname = 'a'", "[smtp]\nlisten = [ # x\n':1',]\n", "log = {level='info'}", "[[a]]\nb.c = 1979-05-27", "x = [[1],[2]]", "'' = 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := newLoader("default")
		l.readTOML("f", []byte(text))
		if len(l.problems) > 0 {
			return
		}
		var b strings.Builder
		if err := l.config.Print(&b); err != nil {
			t.Fatal(err)
		}
		again := newLoader("default")
		again.readTOML("f", []byte(b.String()))
		if len(again.problems) > 0 {
			t.Fatalf("%v in\n%s", again.problems, b.String())
		}
	})
}
