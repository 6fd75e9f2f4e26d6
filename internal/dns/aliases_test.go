package dns

import (
	"errors"
	"fmt"
	"testing"

	"github.com/miekg/dns"
)

// TestManyAliases: aliases that go round, or that we do not follow to their end, say nothing of what stands there. Else a domain
// behind eleven of them would be one that does not exist, and its letters would fail for good.
func TestManyAliases(t *testing.T) {
	for _, c := range []struct {
		aliases, modulo int
		want            error
	}{
		{maxAliases - 1, 100, nil},
		{maxAliases, 100, ErrTemp},
		{maxAliases + 2, 100, ErrTemp},
		{2, 2, ErrTemp}, // a circle
	} {
		m := new(dns.Msg)
		m.SetQuestion("a0.test.", dns.TypeMX)
		texts := []string{fmt.Sprintf("a%d.test. 300 IN MX 10 mx.test.", c.aliases)}
		for i := range c.aliases {
			texts = append(texts, fmt.Sprintf("a%d.test. 300 IN CNAME a%d.test.", i, (i+1)%c.modulo))
		}
		for _, text := range texts {
			rr, err := dns.NewRR(text)
			if err != nil {
				t.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		if r := read(m, dns.TypeMX, true); !errors.Is(r.err, c.want) || len(r.records) > 0 != (c.want == nil) || c.want != nil && (r.ttl > 0 || r.authentic) {
			t.Errorf("%d aliases: %d records for %v, authentic %v, %v; want %v", c.aliases, len(r.records), r.ttl, r.authentic, r.err, c.want)
		}
	}
}
