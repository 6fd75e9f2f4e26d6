package mtasts

import (
	"strings"
	"testing"
	"time"
)

func TestOwn(t *testing.T) {
	hosts := []string{"MX.example.com", "mx2.example.com"}
	own, published := Own(Enforce, hosts, 0)
	if want := "version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmx: mx2.example.com\r\nmax_age: 1209600\r\n"; !published || own.Text != want {
		t.Errorf("%v %q, want %q", published, own.Text, want)
	}
	// What we publish is what we understand.
	p, err := ParsePolicy(own.Text)
	if err != nil || !p.Enforced() || !p.Matches("mx2.example.com") || p.MaxAge != 14*24*time.Hour {
		t.Errorf("read back: %+v, %v", p, err)
	}
	if id, ok := ParseRecord([]string{own.Record()}); !ok || id != own.ID {
		t.Errorf("record %q is read as %q, %v", own.Record(), id, ok)
	}
	again, _ := Own(Enforce, hosts, 0)
	testing, _ := Own(Testing, hosts, 0)
	fewer, _ := Own(Enforce, hosts[:1], 0)
	if again != own || testing.ID == own.ID || fewer.ID == own.ID {
		t.Errorf("ids %s %s %s %s: the same text has the same id, another one has another", own.ID, again.ID, testing.ID, fewer.ID)
	}
	for seconds, want := range map[int]string{1: "3600", -5: "3600", 1 << 40: "31557600", 86400: "86400"} {
		if own, _ := Own(Testing, hosts, seconds); !strings.HasSuffix(own.Text, "max_age: "+want+"\r\n") {
			t.Errorf("%d seconds: %q", seconds, own.Text)
		}
	}
	for _, c := range []struct {
		mode  Mode
		hosts []string
	}{{None, hosts}, {"", hosts}, {"ENFORCE\r\nmx: *", hosts}, {Enforce, nil}, {Enforce, make([]string, maxHosts+1)}} {
		if own, published := Own(c.mode, c.hosts, 0); published {
			t.Errorf("mode %q with %d hosts is published: %q", c.mode, len(c.hosts), own.Text)
		}
	}
}
