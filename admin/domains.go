package admin

import (
	"context"
	"slices"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/dnscheck"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// DomainDNS is what the API asks about domains: both are nil where no DNS is asked.
type DomainDNS struct {
	Resolver dns.Resolver
	// Records lists what a domain has to publish, with what it does publish.
	Records func(context.Context, *ticketing.Organisation, string) ([]dnscheck.Record, error)
}

// domainRoutes are the routes of domains, their DKIM keys and their DNS records.
func (a *API) domainRoutes() {
	const read, admin = ticketing.ReadRights, ticketing.AdminRights
	const one, key = "/v1/domains/{domain}", "/v1/domains/{domain}/keys/{selector}"

	route(a, op{"list-domains", "GET", "/v1/domains", read, "List the domains that mail is sent from"}, a.listDomains)
	route(a, op{"get-domain", "GET", one, read, "Show a domain and its DKIM keys"}, a.getDomain)
	route(a, op{"change-domain", "PATCH", one, admin, "Change how its letters are signed, by JSON merge patch"}, a.changeDomain, changes)
	route(a, op{"check-domain", "GET", one + "/dns", admin, "List the DNS records to publish, and what is published now"}, a.checkDomain)
	route(a, op{"create-keys", "POST", one + "/keys", admin, "Make an RSA and an Ed25519 key; they sign when the DNS shows them"}, a.createKeys, conflicts)
	route(a, op{"activate-key", "POST", key + "/activate", admin, "Let a key sign that the DNS shows, in place of others of its algorithm"}, a.activateKey, conflicts)
	route(a, op{"retire-key", "POST", key + "/retire", admin, "Stop a key from signing; its record stays until letters under way have arrived"}, a.retireKey, conflicts)
}

// domainView is a domain.
type domainView struct {
	Domain       string    `json:"domain"`
	RequireDKIM  bool      `json:"require_dkim" doc:"Letters wait rather than go out unsigned"`
	RotationDays int       `json:"dkim_rotation_days" doc:"How long keys sign before successors are made; 0: for ever"`
	CreatedAt    time.Time `json:"created_at"`
	Keys         []dkimKey `json:"keys,omitempty"`
}

// dkimKey is a DKIM key without its private half.
type dkimKey struct {
	Selector    string     `json:"selector"`
	Algorithm   string     `json:"algorithm" enum:"rsa,ed25519"`
	State       string     `json:"state" enum:"created,published,active,retiring,removed"`
	Lost        bool       `json:"lost" doc:"Active, but gone from the DNS: it does not sign until it is back; a retiring key that is still there does"`
	DNS         string     `json:"dns" enum:",published,missing,different,unclear" doc:"What the DNS said at the last look"`
	RecordName  string     `json:"record_name"`
	Record      string     `json:"record" doc:"The TXT record to publish there; empty when it may be removed"`
	CreatedAt   time.Time  `json:"created_at"`
	PublishedAt *time.Time `json:"published_at" doc:"When the DNS first showed it"`
	ActiveAt    *time.Time `json:"active_at"`
	RetiringAt  *time.Time `json:"retiring_at"`
	RemovedAt   *time.Time `json:"removed_at"`
	LookedAt    *time.Time `json:"looked_at"`
}

func wireDomain(d outbound.Domain) domainView {
	return domainView{Domain: d.Name, RequireDKIM: d.RequireDKIM, RotationDays: d.RotationDays, CreatedAt: d.CreatedAt.UTC()}
}

func wireKey(k outbound.Key) dkimKey {
	return dkimKey{
		Selector: k.Selector, Algorithm: k.Algorithm, State: k.State, Lost: k.Lost, DNS: string(k.Presence), RecordName: k.RecordName(),
		Record: k.Record(), CreatedAt: k.CreatedAt.UTC(), PublishedAt: utc(k.PublishedAt), ActiveAt: utc(k.ActiveAt),
		RetiringAt: utc(k.RetiringAt), RemovedAt: utc(k.RemovedAt), LookedAt: utc(k.LookedAt),
	}
}

// domainRecord is a DNS record to publish, and what is published.
type domainRecord struct {
	Name      string   `json:"name"`
	Type      string   `json:"type" enum:"MX,TXT,CNAME"`
	Value     string   `json:"value" doc:"Empty when it may be removed"`
	About     string   `json:"about" doc:"What it is for: MX, SPF, DKIM, DMARC, …"`
	Need      string   `json:"need" enum:"required,pending,wanted,obsolete"`
	Status    string   `json:"status" enum:"unchecked,ok,weak,missing,different,no_answer"`
	Published []string `json:"published"`
	Text      string   `json:"text" doc:"What is to be said of it"`
}

func wireRecord(r dnscheck.Record) domainRecord {
	return domainRecord{r.Name, r.Type, r.Value, r.About, string(r.Need), string(r.Status), listed(r.Published), r.Text}
}

// DomainPath is about one domain. It is exported because the library looks into embedded types only if they are.
type DomainPath struct {
	Scope
	Domain string `path:"domain" maxLength:"253" pattern:"^[^\\x00-\\x20/]+$" patternDescription:"a domain"`
}

type keyPath struct {
	DomainPath
	Selector string `path:"selector" maxLength:"63" pattern:"^[A-Za-z0-9._-]+$" patternDescription:"a selector"`
	Force    bool   `query:"force" doc:"Without asking the DNS"`
}

func (a *API) listDomains(ctx context.Context, _ *Scope) (*body[page[domainView]], error) {
	list, err := a.queue.Domains(ctx, orgOf(ctx).ID)
	if err != nil {
		return nil, err
	}
	out := page[domainView]{Items: []domainView{}}
	for _, d := range list {
		out.Items = append(out.Items, wireDomain(d))
	}
	return &body[page[domainView]]{out}, nil
}

func (a *API) getDomain(ctx context.Context, in *DomainPath) (*body[domainView], error) {
	return a.showDomain(ctx, in.Domain)
}

func (a *API) showDomain(ctx context.Context, domain string) (*body[domainView], error) {
	d, err := a.queue.Domain(ctx, orgOf(ctx).ID, domain)
	if err != nil {
		return nil, err
	}
	keys, err := a.queue.KeysOf(ctx, orgOf(ctx).ID, domain)
	if err != nil {
		return nil, err
	}
	out := wireDomain(d)
	for _, k := range keys {
		out.Keys = append(out.Keys, wireKey(k))
	}
	return &body[domainView]{out}, nil
}

type domainPatch struct {
	DomainPath
	Body struct {
		RequireDKIM  *bool `json:"require_dkim,omitempty"`
		RotationDays *int  `json:"dkim_rotation_days,omitempty" minimum:"0" maximum:"3650"`
	}
}

func (a *API) changeDomain(ctx context.Context, in *domainPatch) (*body[domainView], error) {
	change := outbound.DomainChange{RequireDKIM: in.Body.RequireDKIM, RotationDays: in.Body.RotationDays}
	if err := a.queue.ChangeDomain(ctx, orgOf(ctx).ID, in.Domain, change); err != nil {
		return nil, err
	}
	return a.showDomain(ctx, in.Domain)
}

func (a *API) checkDomain(ctx context.Context, in *DomainPath) (*body[page[domainRecord]], error) {
	org := orgOf(ctx)
	if a.domainDNS.Records == nil || !slices.Contains(org.Domains, in.Domain) {
		return nil, outbound.ErrNoDomain
	}
	records, err := a.domainDNS.Records(ctx, org, in.Domain)
	if err != nil {
		return nil, err
	}
	out := page[domainRecord]{Items: []domainRecord{}}
	for _, r := range records {
		out.Items = append(out.Items, wireRecord(r))
	}
	return &body[page[domainRecord]]{out}, nil
}

func (a *API) createKeys(ctx context.Context, in *DomainPath) (*body[domainView], error) {
	if _, err := a.queue.CreateKeys(ctx, orgOf(ctx).ID, in.Domain, a.clock()); err != nil {
		return nil, err
	}
	return a.showDomain(ctx, in.Domain)
}

func (a *API) activateKey(ctx context.Context, in *keyPath) (*body[domainView], error) {
	resolver := a.domainDNS.Resolver
	if in.Force {
		resolver = nil
	} else if resolver == nil {
		return nil, outbound.ErrNotPublished
	}
	if err := a.queue.ActivateKey(ctx, orgOf(ctx).ID, in.Domain, in.Selector, resolver, a.clock()); err != nil {
		return nil, err
	}
	return a.showDomain(ctx, in.Domain)
}

func (a *API) retireKey(ctx context.Context, in *keyPath) (*body[domainView], error) {
	if err := a.queue.RetireKey(ctx, orgOf(ctx).ID, in.Domain, in.Selector, a.clock()); err != nil {
		return nil, err
	}
	return a.showDomain(ctx, in.Domain)
}
