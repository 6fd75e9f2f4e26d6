package ticketing

import (
	"net/netip"
	"testing"

	"mxdesk/internal/message"
)

// Whose word counts: that of a listed sealer with nobody unlisted after him, and of the forwarder that brought the letter.
func TestBelieve(t *testing.T) {
	claim := func(source, by string, more ...int) message.Claim {
		c := message.Claim{Source: source, By: by, DMARC: message.DMARC{Result: message.Pass, Domain: "b.test", Record: "v=DMARC1; p=reject"}, Topmost: true}
		for i, n := range more {
			if i == 0 && source == message.ARCSealer {
				c.Instance = n
			} else if i == 0 {
				c.Received = n
			}
		}
		return c
	}
	chain := func(sealers ...string) message.ARC {
		return message.ARC{Result: message.Pass, Instances: len(sealers), Sealers: sealers}
	}
	verdict := func(arc message.ARC, claims ...message.Claim) message.Verdict {
		return message.Verdict{
			SPF:   message.SPF{Result: message.Fail},
			DMARC: message.DMARC{Result: message.Fail, Domain: "b.test", Policy: "reject", Record: "v=DMARC1; p=reject"}, ARC: arc, Claims: claims,
		}
	}
	both := AdmissionSettings{ARCSealers: []string{"list.test", "fwd.test"}}
	list := AdmissionSettings{ARCSealers: []string{"list.test"}}
	forwards := func(above int) AdmissionSettings {
		return AdmissionSettings{TrustedForwarders: []Forwarder{{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, AuthservID: "fwd.test", ReceivedAbove: above}}}
	}
	broken, slow := chain("list.test"), chain("list.test")
	broken.Result, slow.Result = message.Fail, message.TempError
	lower := claim(message.TrustedForwarder, "fwd.test", 1)
	lower.Topmost = false
	unknown, other := claim(message.ARCSealer, "list.test", 1), claim(message.ARCSealer, "list.test", 1)
	unknown.DMARC.Result, other.DMARC.Domain = message.TempError, "c.test"
	passed := verdict(chain("list.test"), claim(message.ARCSealer, "list.test", 1))
	passed.DMARC.Result = message.Pass
	for _, c := range []struct {
		name     string
		v        message.Verdict
		settings AdmissionSettings
		client   string
		by       string
		waiting  bool
	}{
		{"nobody listed", verdict(chain("list.test"), claim(message.ARCSealer, "list.test", 1)), AdmissionSettings{}, "192.0.2.1", "", false},
		{"listed sealer", verdict(chain("list.test"), claim(message.ARCSealer, "list.test", 1)), list, "192.0.2.1", "list.test", false},
		{"in other letters", verdict(chain("LIST.test"), claim(message.ARCSealer, "LIST.test", 1)), list, "192.0.2.1", "LIST.test", false},
		{"a domain below", verdict(chain("x.list.test"), claim(message.ARCSealer, "x.list.test", 1)), list, "192.0.2.1", "", false},
		{"both listed, the older one speaks", verdict(chain("list.test", "fwd.test"), claim(message.ARCSealer, "list.test", 1)), both, "192.0.2.1", "list.test", false},
		{"both listed, the newer one first", verdict(chain("list.test", "fwd.test"), claim(message.ARCSealer, "fwd.test", 2), claim(message.ARCSealer, "list.test", 1)), both, "192.0.2.1", "fwd.test", false},
		{"somebody unlisted sealed last", verdict(chain("list.test", "evil.test"), claim(message.ARCSealer, "list.test", 1)), list, "192.0.2.1", "", false},
		{"somebody unlisted between", verdict(chain("list.test", "evil.test", "list.test"), claim(message.ARCSealer, "list.test", 1)), list, "192.0.2.1", "", false},
		{"the unlisted one speaks, a listed one sealed after", verdict(chain("evil.test", "list.test"), claim(message.ARCSealer, "evil.test", 1)), list, "192.0.2.1", "", false},
		{"a claim of another instance", verdict(chain("evil.test", "list.test"), claim(message.ARCSealer, "list.test", 1)), list, "192.0.2.1", "", false},
		{"an instance that is not there", verdict(chain("list.test"), claim(message.ARCSealer, "list.test", 2)), list, "192.0.2.1", "", false},
		{"broken chain", verdict(broken, claim(message.ARCSealer, "list.test", 1)), list, "192.0.2.1", "", false},
		{"chain whose keys do not come", verdict(slow), list, "192.0.2.1", "", true},
		{"chain whose keys do not come, of somebody unlisted", verdict(slow), AdmissionSettings{}, "192.0.2.1", "", false},
		{"alignment that is not known", verdict(chain("list.test"), unknown), list, "192.0.2.1", "", true},
		{"alignment that is not known, of somebody unlisted", verdict(chain("list.test"), unknown), AdmissionSettings{}, "192.0.2.1", "", false},
		{"another From domain", verdict(chain("list.test"), other), list, "192.0.2.1", "", false},
		{"our own result is enough", passed, list, "192.0.2.1", "", false},
		{"forwarder", verdict(message.ARC{}, claim(message.TrustedForwarder, "fwd.test", 0)), forwards(0), "192.0.2.9", "fwd.test", false},
		{"forwarder over IPv4 in IPv6", verdict(message.ARC{}, claim(message.TrustedForwarder, "fwd.test", 0)), forwards(0), "::ffff:192.0.2.9", "fwd.test", false},
		{"somebody with the forwarder's name", verdict(message.ARC{}, claim(message.TrustedForwarder, "fwd.test", 0)), forwards(0), "198.51.100.9", "", false},
		{"forwarder with another name", verdict(message.ARC{}, claim(message.TrustedForwarder, "evil.test", 0)), forwards(0), "192.0.2.9", "", false},
		{"below the forwarder's own hop", verdict(message.ARC{}, claim(message.TrustedForwarder, "fwd.test", 1)), forwards(0), "192.0.2.9", "", false},
		{"below its own hop, as it is set", verdict(message.ARC{}, claim(message.TrustedForwarder, "fwd.test", 1)), forwards(1), "192.0.2.9", "fwd.test", false},
		{"below its own hop, not the topmost", verdict(message.ARC{}, lower), forwards(1), "192.0.2.9", "", false},
		{"client unknown", verdict(message.ARC{}, claim(message.TrustedForwarder, "fwd.test", 0)), forwards(0), "", "", false},
	} {
		client, _ := netip.ParseAddr(c.client)
		got := believe(c.v, "b.test", client, &c.settings)
		by := ""
		if got.claim != nil {
			by = got.claim.By
		}
		if by != c.by || got.waiting != c.waiting || got.verdict.Proves("b.test") != (c.by != "" || c.name == "our own result is enough") {
			t.Errorf("%s: by %q, waiting %v, %+v", c.name, by, got.waiting, got.verdict.DMARC)
		}
	}
}
