package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/id"
	"mxdesk/internal/mailauth/dmarc"
	reports "mxdesk/internal/report"
)

// destinations asks the DNS where reports of o's kind go; none is no error. An error means that it is not known.
func (r *Reporter) destinations(ctx context.Context, o *owed) ([]reports.Destination, error) {
	if o.kind == "tls" {
		records, err := r.texts(ctx, "_smtp._tls."+o.domain)
		return reports.TLSDestinations(records), err
	}
	rua, err := r.dmarcReports(ctx, "_dmarc."+o.domain)
	if err != nil {
		return nil, err
	}
	var out []reports.Destination
	for _, d := range reports.DMARCDestinations(rua) {
		list, err := r.consenting(ctx, o.domain, d)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

func (r *Reporter) texts(ctx context.Context, name string) ([]string, error) {
	records, _, err := r.cfg.Resolver.TXT(ctx, name)
	if err != nil && !errors.Is(err, dns.ErrNotFound) {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return records, nil
}

// dmarcReports is the value of rua at a name; several DMARC records are none.
func (r *Reporter) dmarcReports(ctx context.Context, name string) (rua string, err error) {
	records, err := r.texts(ctx, name)
	found := 0
	for _, txt := range records {
		if rec, ok := dmarc.Parse(txt); ok {
			rua = rec.Reports
			found++
		}
	}
	if found != 1 {
		rua = ""
	}
	return rua, err
}

// consenting are the destinations that stand for d: d itself when it is of the same organization, else when its domain says
// that it takes reports about the other, or what that record names at the same host (RFC 7489 section 7.1). Else anybody
// could have reports sent to anybody.
func (r *Reporter) consenting(ctx context.Context, domain string, d reports.Destination) ([]reports.Destination, error) {
	host := d.Mail.Domain
	one, err := dmarc.Organization(ctx, r.cfg.Resolver, domain)
	if err != nil {
		return nil, fmt.Errorf("find the organization of %s: %w", domain, err)
	}
	other, err := dmarc.Organization(ctx, r.cfg.Resolver, host)
	if err != nil {
		return nil, fmt.Errorf("find the organization of %s: %w", host, err)
	}
	if one == other {
		return []reports.Destination{d}, nil
	}
	records, err := r.texts(ctx, domain+"._report._dmarc."+host)
	if err != nil {
		return nil, err
	}
	for _, txt := range records {
		rec, ok := dmarc.Parse(txt)
		if !ok {
			continue
		}
		var out []reports.Destination
		for _, instead := range reports.DMARCDestinations(rec.Reports) {
			if instead.Mail.Domain == host {
				out = append(out, instead)
			}
		}
		if rec.Reports != "" {
			return out, nil
		}
		return []reports.Destination{d}, nil
	}
	return nil, nil
}

// parcel is a report as it is sent.
type parcel struct {
	kind      string
	domain    string
	submitter string
	subject   string
	filename  string
	data      []byte // gzip
}

// make writes the report. The error is errUnwanted when there is nothing to tell.
func (r *Reporter) make(ctx context.Context, o *owed) (*parcel, error) {
	if d, err := address.ParseDomain(o.domain); err != nil || d != o.domain {
		return nil, errUnwanted // nobody's: it can only have come by a mistake of ours
	}
	begin, end := o.day.UTC(), o.day.UTC().Add(24*time.Hour-time.Second)
	submitter := r.cfg.From.Domain
	name := fmt.Sprintf("%s_%s", begin.Format(time.DateOnly), o.domain)
	p := &parcel{kind: o.kind, domain: o.domain, submitter: submitter}
	p.subject = fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s@%s>", o.domain, submitter, name, submitter)
	p.filename = fmt.Sprintf("%s!%s!%d!%d", submitter, o.domain, begin.Unix(), end.Unix())
	var text []byte
	var err error
	if o.kind == "tls" {
		text, err = r.tlsReport(ctx, o, &reports.TLS{
			Organization: r.cfg.Organization, Contact: r.cfg.From.String(), ID: name + "@" + submitter, Begin: begin, End: end,
		})
		p.filename += ".json.gz"
	} else {
		text, err = r.dmarcReport(ctx, o, &reports.DMARC{
			Organization: r.cfg.Organization, Email: r.cfg.From.String(), ID: name + "@" + submitter, Begin: begin, End: end,
		})
		p.filename += ".xml.gz"
	}
	if err != nil {
		return nil, err
	}
	p.data, err = reports.Pack(text)
	return p, err
}

func (r *Reporter) tlsReport(ctx context.Context, o *owed, t *reports.TLS) ([]byte, error) {
	rows, err := selectTLSResults(ctx, r.q.pool, o.day, o.domain)
	if err != nil {
		return nil, err
	}
	if t.Policies = tlsPolicies(o.domain, rows); len(t.Policies) == 0 {
		return nil, errUnwanted
	}
	return t.Marshal()
}

// tlsPolicies groups rows, which come in the order of their policies.
func tlsPolicies(domain string, rows []tlsRow) []reports.TLSPolicy {
	var out []reports.TLSPolicy
	for i, row := range rows {
		if i == 0 || row.Policy != rows[i-1].Policy || row.PolicyText != rows[i-1].PolicyText {
			out = append(out, reports.TLSPolicy{Type: row.Policy, Domain: domain, Strings: lines(row.PolicyText), MX: lines(row.PolicyMX)})
		}
		p := &out[len(out)-1]
		if row.Result == "" {
			p.Passed += row.Sessions
			continue
		}
		p.Failed += row.Sessions
		p.Failures = append(p.Failures, reports.TLSFailure{
			Result: row.Result, SendingIP: row.SendingIP, ReceivingMX: row.ReceivingMX, ReceivingIP: row.ReceivingIP,
			Sessions: row.Sessions, Reason: row.Reason,
		})
	}
	return out
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func (r *Reporter) dmarcReport(ctx context.Context, o *owed, d *reports.DMARC) ([]byte, error) {
	facts, err := selectDMARCResults(ctx, r.q.pool, o.day, o.domain)
	if err != nil {
		return nil, err
	}
	if len(facts) == 0 {
		return nil, errUnwanted
	}
	d.Policy = facts[0].Policy // the one that most letters of a kind were held against
	for _, f := range facts {
		d.Records = append(d.Records, f.Record)
	}
	return d.Marshal()
}

// body is the rest of a letter with the report (RFC 8460 section 5.3, RFC 7489 section 7.2.1.1).
func (p *parcel) body(message id.ID) []byte {
	var b bytes.Buffer
	boundary := "=_" + message.String()
	multipart, file, words := "multipart/mixed", "application/gzip", "DMARC aggregate"
	if p.kind == "tls" {
		multipart, file, words = `multipart/report; report-type="tlsrpt"`, "application/tlsrpt+gzip", "TLS"
		fmt.Fprintf(&b, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\n", p.domain, p.submitter)
	}
	fmt.Fprintf(&b, "Content-Type: %s;\r\n boundary=\"%s\"\r\n\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", multipart, boundary, boundary)
	fmt.Fprintf(&b, "This is a %s report about %s\r\nfrom %s.\r\n\r\n--%s\r\n", words, p.domain, p.submitter, boundary)
	fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"%s\"\r\n\r\n", file, p.filename)
	writeBase64(&b, p.data)
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes()
}

// post brings the report to the destinations that are URLs (RFC 8460 section 3), one after the other. Those that fail stay.
func (r *Reporter) post(ctx context.Context, o *owed, p *parcel) error {
	var failures []error
	left := []reports.Destination{}
	for i, d := range o.destinations {
		if err := r.postOne(ctx, d.URL, p.data); err != nil {
			failures, left = append(failures, err), append(left, d)
			continue
		}
		now := *o
		now.destinations = append(slices.Clone(left), o.destinations[i+1:]...)
		if err := updateOwed(ctx, r.q.pool, &now, "pending", ""); err != nil {
			return err
		}
	}
	o.destinations = left
	return errors.Join(failures...)
}

func (r *Reporter) postOne(ctx context.Context, url string, data []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("post report: %w", err)
	}
	req.Header.Set("Content-Type", "application/tlsrpt+gzip")
	req.Header.Set("User-Agent", "mxdesk")
	resp, err := r.cfg.Client.Do(req)
	if err != nil {
		return fmt.Errorf("post report: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, postedAnswer)) // what they say is no matter of ours
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("post report: status %d", resp.StatusCode)
	}
	return nil
}
