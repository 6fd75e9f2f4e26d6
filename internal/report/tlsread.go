package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mxdesk/internal/address"
)

// ParseTLS reads a report, piece by piece. Texts are cleaned and clipped, and unknown result types become OtherResult. Of a report
// with very many failures the later ones are added up: they stand as one for each result, with nothing but the number. The
// error wraps ErrMalformed.
func ParseTLS(r io.ByteReader) (*TLS, error) {
	text := &paced{r: r}
	p := tlsParser{text: text, json: json.NewDecoder(text), out: &TLS{}}
	if err := p.object(p.member); err != nil {
		return nil, malformed("JSON", err)
	}
	switch _, err := p.token(); {
	case err == nil:
		return nil, fmt.Errorf("%w: several documents", ErrMalformed)
	case !errors.Is(err, io.EOF):
		return nil, malformed("JSON", err)
	}
	if err := checkMetadata(p.out.Organization, p.out.ID, p.out.Begin, p.out.End); err != nil {
		return nil, err
	}
	if len(p.out.Policies) == 0 {
		return nil, fmt.Errorf("%w: no policies", ErrMalformed)
	}
	return p.out, nil
}

// tlsParser is where reading has come to.
type tlsParser struct {
	text *paced
	json *json.Decoder
	out  *TLS

	values, failures int
}

// member reads a member of the outermost object.
func (p *tlsParser) member(name string) (err error) {
	r := p.out
	switch name {
	case "organization-name":
		return p.cleaned(&r.Organization)
	case "contact-info":
		return p.cleaned(&r.Contact)
	case "report-id":
		return p.cleaned(&r.ID)
	case "date-range":
		var span tlsRange
		err = p.value(&span)
		r.Begin, r.End = span.Start.UTC(), span.End.UTC()
		return err
	case "policies":
		return p.array(p.policy)
	}
	return p.skip()
}

// policy reads one policy with what was seen under it.
func (p *tlsParser) policy() error {
	if len(p.out.Policies) == maxPolicies {
		return fmt.Errorf("%w: more than %d policies", ErrMalformed, maxPolicies)
	}
	var w tlsPolicyWire
	failures := failureList{sums: map[string]int{}}
	err := p.object(func(name string) error {
		switch name {
		case "policy":
			return p.value(&w.Policy)
		case "summary":
			return p.value(&w.Summary)
		case "failure-details":
			return p.array(func() error { return p.failure(&failures) })
		}
		return p.skip()
	})
	if err != nil {
		return err
	}
	read, err := w.read()
	read.Failures = failures.list
	p.out.Policies = append(p.out.Policies, read)
	return err
}

// failureList are the failures under one policy; sums says where those stand that are added up.
type failureList struct {
	list []TLSFailure
	sums map[string]int
}

// failure reads one way in which sessions failed, and adds it to the list.
func (p *tlsParser) failure(to *failureList) error {
	var w tlsFailureWire
	if err := p.value(&w); err != nil {
		return err
	}
	f := TLSFailure{Result: strings.ToLower(w.Result), Sessions: count(w.Sessions)}
	if !slices.Contains(tlsResults, f.Result) {
		f.Result = OtherResult
	}
	if p.failures++; p.failures <= maxFailures {
		f.SendingIP, f.ReceivingMX, f.ReceivingIP, f.Reason = clean(w.SendingIP), clean(w.ReceivingMX), clean(w.ReceivingIP), clean(w.Reason)
	} else if i, there := to.sums[f.Result]; there {
		to.list[i].Sessions = count(to.list[i].Sessions + f.Sessions)
		return nil
	} else {
		to.sums[f.Result] = len(to.list)
	}
	to.list = append(to.list, f)
	return nil
}

func (w *tlsPolicyWire) read() (TLSPolicy, error) {
	domain, err := address.ParseDomain(w.Policy.Domain)
	if err != nil {
		return TLSPolicy{}, fmt.Errorf("%w: policy-domain: %w", ErrMalformed, err)
	}
	p := TLSPolicy{Type: strings.ToLower(w.Policy.Type), Domain: domain, Passed: count(w.Summary.Passed), Failed: count(w.Summary.Failed)}
	switch p.Type {
	case PolicyTLSA, PolicySTS, PolicyNone:
	default:
		return p, fmt.Errorf("%w: policy-type %.40q", ErrMalformed, p.Type)
	}
	p.Strings, p.MX = cleanAll(w.Policy.Strings), cleanAll(w.Policy.MX)
	return p, nil
}

// object reads an object: member must read the value of each of its members. A null is an empty one.
func (p *tlsParser) object(member func(name string) error) error {
	return p.inside('{', func() error {
		name, err := p.token()
		if err != nil {
			return err
		}
		s, _ := name.(string)
		return member(strings.ToLower(s)) // as encoding/json finds the fields of a struct
	})
}

// array reads an array: item must read each of its items. A null is an empty one.
func (p *tlsParser) array(item func() error) error { return p.inside('[', item) }

func (p *tlsParser) inside(opens json.Delim, each func() error) error {
	switch t, err := p.token(); {
	case err != nil:
		return err
	case t == nil:
		return nil
	case t != opens:
		return fmt.Errorf("%w: no %s where one should be", ErrMalformed, map[json.Delim]string{'{': "object", '[': "array"}[opens])
	}
	for p.json.More() {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := p.token()
	return err
}

// token reads what encoding/json calls one.
func (p *tlsParser) token() (json.Token, error) {
	p.text.next()
	if p.values++; p.values > maxValues {
		return nil, fmt.Errorf("%w: more than %d values", ErrMalformed, maxValues)
	}
	return p.json.Token()
}

// value reads a small value whole.
func (p *tlsParser) value(v any) error {
	p.text.next()
	if p.values++; p.values > maxValues {
		return fmt.Errorf("%w: more than %d values", ErrMalformed, maxValues)
	}
	return p.json.Decode(v)
}

func (p *tlsParser) cleaned(s *string) error {
	err := p.value(s)
	*s = clean(*s)
	return err
}

// skip reads over a value.
func (p *tlsParser) skip() error {
	for depth := 0; ; {
		t, err := p.token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		switch {
		case depth == 0:
			return nil
		case depth > maxDepth:
			return fmt.Errorf("%w: deeper than %d", ErrMalformed, maxDepth)
		}
	}
}
