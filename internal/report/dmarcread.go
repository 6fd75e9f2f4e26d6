package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"mxdesk/internal/address"
)

// ParseDMARC reads a report, and gives each of its records to take, which must not keep the pointer: Records of the report stays
// empty, so that it takes little memory however long it is. A report may turn out to be wrong when records were given already. Texts
// are cleaned and clipped; elements that it does not know are passed over, namespaces are not looked at: reporters disagree
// on both. The error wraps ErrMalformed.
func ParseDMARC(r io.ByteReader, take func(*DMARCRecord)) (*DMARC, error) {
	text := &paced{r: r}
	p := dmarcParser{out: &DMARC{}, take: take}
	d := xml.NewDecoder(text)
	// What declares another encoding is ASCII in fact, else the decoder finds that it is no UTF-8.
	d.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	for n := 0; ; text.next() {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, malformed("XML", err)
		}
		switch t.(type) {
		case xml.CharData, xml.EndElement: // no more of these than of others and of octets
		default:
			n++
		}
		if n > maxValues {
			return nil, fmt.Errorf("%w: more than %d pieces of XML", ErrMalformed, maxValues)
		}
		if err := p.token(t); err != nil {
			return nil, err
		}
	}
	return p.result()
}

// dmarcParser is where reading has come to.
type dmarcParser struct {
	out    *DMARC
	take   func(*DMARCRecord)
	taken  int      // records
	path   []string // open elements
	text   []byte   // of the innermost
	done   bool     // the outermost was closed
	record DMARCRecord
	reason DMARCReason
	auth   AuthResult
}

func (p *dmarcParser) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.Directive:
		return fmt.Errorf("%w: a document type", ErrMalformed)
	case xml.StartElement:
		if len(p.path) == maxDepth || p.done || len(t.Name.Local) > maxName {
			return fmt.Errorf("%w: too deep, too long a name or several documents", ErrMalformed)
		}
		p.path, p.text = append(p.path, t.Name.Local), p.text[:0]
	case xml.CharData:
		p.text = append(p.text, t[:min(len(t), 4*maxText-min(len(p.text), 4*maxText))]...)
	case xml.EndElement:
		if len(p.path) == 0 || p.path[len(p.path)-1] != t.Name.Local {
			return fmt.Errorf("%w: tags do not match", ErrMalformed)
		}
		if err := p.end(strings.Join(p.path, "/"), clean(strings.TrimSpace(string(p.text)))); err != nil {
			return err
		}
		p.path, p.text = p.path[:len(p.path)-1], p.text[:0]
		p.done = len(p.path) == 0
	}
	return nil
}

// end takes the text of an element that ends, or what stood in it.
func (p *dmarcParser) end(path, text string) error {
	rest, ok := strings.CutPrefix(path, "feedback/")
	if !ok {
		return nil
	}
	group, field, _ := strings.Cut(rest, "/")
	switch {
	case group == "report_metadata":
		return p.metadata(field, text)
	case group == "policy_published":
		p.policy(field, text)
	case group == "record" && field == "":
		if p.taken++; p.taken > maxRecords {
			return fmt.Errorf("%w: more than %d records", ErrMalformed, maxRecords)
		}
		p.take(&p.record)
		p.record = DMARCRecord{}
	case group == "record":
		return p.recordField(field, text)
	}
	return nil
}

func (p *dmarcParser) metadata(field, text string) (err error) {
	r := p.out
	switch field {
	case "org_name":
		r.Organization = text
	case "email":
		r.Email = text
	case "report_id":
		r.ID = text
	case "date_range/begin":
		r.Begin, err = seconds(text)
	case "date_range/end":
		r.End, err = seconds(text)
	}
	return err
}

func (p *dmarcParser) policy(field, text string) {
	to := &p.out.Policy
	switch field {
	case "domain":
		to.Domain = text
	case "p":
		to.Policy = text
	case "sp":
		to.Subdomain = text
	case "np":
		to.Missing = text
	case "adkim":
		to.DKIM = text
	case "aspf":
		to.SPF = text
	case "testing":
		to.Testing = text
	}
}

func (p *dmarcParser) recordField(field, text string) (err error) {
	r := &p.record
	switch field {
	case "row/source_ip":
		r.SourceIP = text
	case "row/count":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: count %.40q", ErrMalformed, text)
		}
		r.Count = count(n)
	case "row/policy_evaluated/disposition":
		r.Disposition = disposition(text)
	case "row/policy_evaluated/dkim":
		r.DKIM = strings.EqualFold(text, "pass")
	case "row/policy_evaluated/spf":
		r.SPF = strings.EqualFold(text, "pass")
	case "row/policy_evaluated/reason/type":
		p.reason.Type = text
	case "row/policy_evaluated/reason/comment":
		p.reason.Comment = text
	case "row/policy_evaluated/reason":
		r.Reasons, p.reason = appendBounded(r.Reasons, p.reason), DMARCReason{}
	case "identifiers/header_from":
		r.HeaderFrom = strings.ToLower(text)
	case "identifiers/envelope_from":
		r.EnvelopeFrom = strings.ToLower(text)
	case "auth_results/dkim":
		r.DKIMResults, p.auth = appendBounded(r.DKIMResults, p.auth), AuthResult{}
	case "auth_results/spf":
		r.SPFResults, p.auth = appendBounded(r.SPFResults, p.auth), AuthResult{}
	default:
		p.authField(field, text)
	}
	return nil
}

func (p *dmarcParser) authField(field, text string) {
	switch field {
	case "auth_results/dkim/domain", "auth_results/spf/domain":
		p.auth.Domain = text
	case "auth_results/dkim/selector":
		p.auth.Selector = text
	case "auth_results/spf/scope":
		p.auth.Scope = text
	case "auth_results/dkim/result", "auth_results/spf/result":
		p.auth.Result = text
	}
}

func (p *dmarcParser) result() (*DMARC, error) {
	r := p.out
	if !p.done {
		return nil, fmt.Errorf("%w: it ends too early", ErrMalformed)
	}
	if err := checkMetadata(r.Organization, r.ID, r.Begin, r.End); err != nil {
		return nil, err
	}
	domain, err := address.ParseDomain(r.Policy.Domain)
	if err != nil {
		return nil, fmt.Errorf("%w: domain: %w", ErrMalformed, err)
	}
	r.Policy.Domain = domain
	return r, nil
}

func appendBounded[T any](list []T, item T) []T {
	if len(list) == maxResults {
		return list
	}
	return append(list, item)
}

func disposition(text string) string {
	switch text = strings.ToLower(text); text {
	case "none", "pass", "quarantine", "reject":
		return text
	}
	return OtherResult
}

func seconds(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 40)
	if err != nil || n < 0 {
		return time.Time{}, fmt.Errorf("%w: time %.40q", ErrMalformed, text)
	}
	return time.Unix(n, 0).UTC(), nil
}
