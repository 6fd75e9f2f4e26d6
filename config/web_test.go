package config

import (
	"reflect"
	"strings"
	"testing"
)

// acmeOn is a configuration in which ACME has all it needs.
const acmeOn = `hostname = "mx.example.org"
[web]
tls_listen = [":443"]
url = "https://Help.example.org/"
[tls]
acme = true
acme_agree_to_terms = true
`

func TestACMENames(t *testing.T) {
	for _, c := range []struct {
		file string
		want []Hostname
	}{
		{acmeOn, []Hostname{"mx.example.org", "Help.example.org"}},
		{strings.Replace(acmeOn, "Help.", "MX.", 1), []Hostname{"mx.example.org"}},
		{strings.Replace(acmeOn, "tls_listen = [\":443\"]", "listen = [\":80\"]", 1), []Hostname{"mx.example.org"}},
		{acmeOn + `acme_names = ["a.example.org"]`, []Hostname{"a.example.org"}},
	} {
		config, err := Load(writeFile(t, c.file), nil)
		if err != nil || !reflect.DeepEqual(config.TLS.ACMENames, c.want) {
			t.Errorf("%s\nnames %v, %v, want %v", c.file, config.TLS.ACMENames, err, c.want)
		}
		if config.Web.URL != "" && strings.HasSuffix(string(config.Web.URL), "/") {
			t.Errorf("web.url is %q", config.Web.URL)
		}
		if want := []Hostname{"mx.example.org"}; !reflect.DeepEqual(config.Web.MTASTSHosts, want) {
			t.Errorf("web.mta_sts_hosts is %v, want %v", config.Web.MTASTSHosts, want)
		}
	}
}

func TestMistakesOfWebAndACME(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"acme_agree_to_terms = true", "", "tls.acme: expected tls.acme_agree_to_terms with it"},
		{"tls_listen = [\":443\"]", "", "tls.acme: expected web.listen or web.tls_listen with it"},
		{"acme = true\n", "", "web.tls_listen: expected tls.certificate_file or tls.acme with it"},
		{"acme = true\n", "acme = true\nacme_directory = \"http://ca.test\"\n", "tls.acme_directory: expected a URL that begins with https://"},
		{"mx.example.org", "localhost", `tls.acme: expected fully written names, "localhost" is none`},
		{"example.org/", "example.org/path", "web.url: expected a URL without path"},
		{"example.org/", "example.org/?q", "web.url: expected a URL without path"},
	} {
		_, err := Load(writeFile(t, strings.Replace(acmeOn, c.from, c.to, 1)), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q in place of %q: %v, want %q", c.to, c.from, err, c.want)
		}
	}
}
