package id

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestTextKeepsOrderAndValue(t *testing.T) {
	before := time.Now().Add(-time.Millisecond)
	var texts []string
	for range 1000 {
		v := New()
		back, err := Parse(v.String())
		if err != nil || back != v {
			t.Fatalf("Parse(%q) = %v, %v", v.String(), back, err)
		}
		if v.Time().Before(before.Truncate(time.Millisecond)) || v.Time().After(time.Now().Add(time.Second)) {
			t.Fatalf("time of %v is %v", v, v.Time())
		}
		texts = append(texts, v.String())
	}
	if !slices.IsSorted(texts) {
		t.Error("ids made one after the other are not in order")
	}
}

func TestParse(t *testing.T) {
	const good = "06f1k8s4m3vgpd3s2l1v1q5v5s"
	if _, err := Parse(good); err != nil {
		t.Fatal(err)
	}
	if up, err := Parse("06F1K8S4M3VGPD3S2L1V1Q5V5S"); err != nil || up.String() != good {
		t.Errorf("upper case: %v, %v", up, err)
	}
	for _, bad := range []string{"", "06f1", good + "0", "06f1k8s4m3vgpd3s2l1v1q5v5z", "06f1k8s4m3vgpd3s2l1v1q5v5t"} {
		if v, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", bad, v)
		}
	}
}

func TestJSON(t *testing.T) {
	type record struct{ Some, None ID }
	want := record{Some: New()}
	text, err := json.Marshal(want)
	if err != nil || string(text) != `{"Some":"`+want.Some.String()+`","None":""}` {
		t.Fatalf("%s, %v", text, err)
	}
	got := record{None: New()}
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("read back: %v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"Some":"no id"}`), &got); !errors.Is(err, ErrMalformed) {
		t.Errorf("no id: %v", err)
	}
}
