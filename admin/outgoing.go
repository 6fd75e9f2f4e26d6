package admin

import (
	"cmp"
	"context"
	"errors"
	"time"

	"mxdesk/internal/address"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// Period cuts a log to a time. It is exported because the library looks into embedded types only if they are.
type Period struct {
	Since time.Time `query:"since" doc:"Only from this moment on"`
	Until time.Time `query:"until" doc:"Only before this moment"`
}

// Relay is how the organisation's mail leaves. What it holds that is secret is never shown. It is exported for the reason
// that Period is.
type Relay struct {
	Kind     string `json:"kind" enum:"default,smarthost,maildir,discard" doc:"default: as that of the server; maildir needs operator rights"`
	Host     string `json:"host" required:"false" maxLength:"255"`
	Port     int    `json:"port" required:"false" minimum:"0" maximum:"65535"`
	Implicit bool   `json:"implicit_tls" required:"false" doc:"TLS from the first byte; else STARTTLS. The certificate must be valid for the host either way"`
	Auth     string `json:"auth" required:"false" enum:",password,xoauth2" doc:"password: PLAIN or LOGIN; xoauth2: an access token, which is got with a refresh token, or is the secret"`
	Username string `json:"username" required:"false" maxLength:"8192"`
	TokenURL string `json:"token_url" required:"false" maxLength:"2048" doc:"For xoauth2: who gives access tokens for a refresh token (RFC 6749 section 6)"`
	ClientID string `json:"client_id" required:"false" maxLength:"8192"`
}

func wireRelay(r outbound.Relay) Relay {
	return Relay{
		Kind: r.Kind, Host: r.Host, Port: int(r.Port), Implicit: r.Implicit, Auth: r.Auth, Username: r.Username,
		TokenURL: r.Grant.TokenURL, ClientID: r.Grant.ClientID,
	}
}

func (a *API) getRelay(ctx context.Context, _ *Scope) (*body[Relay], error) {
	r, err := a.queue.Relay(ctx, orgOf(ctx).ID)
	if errors.Is(err, outbound.ErrNoRelay) {
		return &body[Relay]{Relay{Kind: "default"}}, nil
	}
	if err != nil {
		return nil, err
	}
	return &body[Relay]{wireRelay(r)}, nil
}

type newRelay struct {
	Scope
	Body struct {
		Relay
		Secret  string `json:"secret" required:"false" maxLength:"8192" doc:"Password or access token. Secrets that are left out stay as they are, if host, port, user, token URL and client stay too"`
		Client  string `json:"client_secret" required:"false" maxLength:"8192" doc:"Empty for a client that has none"`
		Refresh string `json:"refresh_token" required:"false" maxLength:"8192" doc:"Its successors are kept when the token server gives any"`
	}
}

func (a *API) putRelay(ctx context.Context, in *newRelay) (*body[Relay], error) {
	org, b := orgOf(ctx).ID, in.Body
	if b.Kind == "default" {
		if err := a.queue.DropRelay(ctx, org); err != nil {
			return nil, err
		}
		return &body[Relay]{Relay{Kind: "default"}}, nil
	}
	if b.Kind == outbound.RelayMaildir && callerOf(ctx).Rights != ticketing.OperatorRights {
		return nil, forbidden{ticketing.OperatorRights} // it fills a disk that is not theirs
	}
	r := outbound.Relay{
		Kind: b.Kind, Host: b.Host, Port: uint16(b.Port), Implicit: b.Implicit, Auth: b.Auth, Username: b.Username, Secret: outbound.Secret(b.Secret),
		Grant: outbound.Grant{TokenURL: b.TokenURL, ClientID: b.ClientID, ClientSecret: outbound.Secret(b.Client), RefreshToken: outbound.Secret(b.Refresh)},
	}
	if r.Auth != "" && r.Secret == "" && r.Grant.RefreshToken == "" {
		old, err := a.queue.Relay(ctx, org)
		if err != nil && !errors.Is(err, outbound.ErrNoRelay) {
			return nil, err
		}
		// Whoever may write but not read must not have the secrets sent to a host of his.
		was, is := wireRelay(old), wireRelay(r)
		if was.Implicit = is.Implicit; was == is {
			r.Secret, r.Grant.RefreshToken = old.Secret, old.Grant.RefreshToken
			r.Grant.ClientSecret = cmp.Or(r.Grant.ClientSecret, old.Grant.ClientSecret)
		}
	}
	if err := a.queue.SetRelay(ctx, org, r); err != nil {
		return nil, err
	}
	return &body[Relay]{wireRelay(r)}, nil
}

// suppression is an address that failed, and whether it is written to.
type suppression struct {
	Address       string     `json:"address"`
	Reason        string     `json:"reason"`
	Active        bool       `json:"active" doc:"false: failures are only counted so far"`
	AutomaticOnly bool       `json:"automatic_only" doc:"The words of a person still go out"`
	Failures      int        `json:"failures" doc:"Hard ones of the last 14 days"`
	FirstAt       time.Time  `json:"first_at"`
	LastAt        time.Time  `json:"last_at"`
	Until         *time.Time `json:"until" doc:"When it is forgotten; null: never"`
	Detail        string     `json:"detail" doc:"The remote host's words"`
}

func wireSuppression(s outbound.Suppression) suppression {
	return suppression{
		Address: s.Address, Reason: s.Reason, Active: s.Active, AutomaticOnly: s.AutomaticOnly, Failures: s.Failures,
		FirstAt: s.FirstAt.UTC(), LastAt: s.LastAt.UTC(), Until: utc(s.Until), Detail: s.Detail,
	}
}

type suppressionQuery struct {
	Scope
	Paging
	Cursor string `query:"cursor" maxLength:"512" doc:"From next of the page before"`
	All    bool   `query:"all" doc:"Also addresses whose failures are only counted so far"`
}

func (a *API) listSuppressions(ctx context.Context, in *suppressionQuery) (*body[page[suppression]], error) {
	rows, err := a.queue.Suppressions(ctx, orgOf(ctx).ID, in.Cursor, in.Limit+1, in.All)
	if err != nil {
		return nil, err
	}
	return paged(ctx, rows, in.Limit, wireSuppression, func(s outbound.Suppression) string { return s.Address }), nil
}

type suppressionPath struct {
	Scope
	Address string `path:"address" maxLength:"512"`
}

// lifted tells what was forgotten.
type lifted struct {
	Address string `json:"address"`
}

func (a *API) liftSuppression(ctx context.Context, in *suppressionPath) (*body[lifted], error) {
	to, err := address.Parse(in.Address)
	if err != nil {
		return nil, ticketing.ErrNotFound
	}
	there, err := a.queue.Lift(ctx, orgOf(ctx).ID, to.String())
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, ticketing.ErrNotFound
	}
	return &body[lifted]{lifted{to.String()}}, nil
}

type lanePath struct {
	Scope
	Lane string `path:"lane" maxLength:"255" pattern:"^[^\\x00-\\x20]+$" patternDescription:"a domain"`
}

// laneDone names the lane that something was done to.
type laneDone struct {
	Lane string `json:"lane"`
}

// laneAct is the handler for an act on a lane, of all organisations.
func (a *API) laneAct(act func(context.Context, string) error) func(context.Context, *lanePath) (*body[laneDone], error) {
	return func(ctx context.Context, in *lanePath) (*body[laneDone], error) {
		lane, err := outbound.LaneNamed(in.Lane)
		if err != nil {
			return nil, err
		}
		if err := act(ctx, lane); err != nil {
			return nil, err
		}
		return &body[laneDone]{laneDone{lane}}, nil
	}
}

func (a *API) pauseLane(ctx context.Context, lane string) error {
	return a.queue.PauseLane(ctx, lane, true)
}

func (a *API) resumeLane(ctx context.Context, lane string) error {
	return a.queue.PauseLane(ctx, lane, false)
}

// seen tells what was not sent because it was seen.
type seen struct {
	Cancelled int `json:"cancelled" doc:"Mails to you that waited for you to see it here, and are not sent any more"`
}

func (a *API) markSeen(ctx context.Context, in *One) (*body[seen], error) {
	n, err := a.service.Seen(ctx, callerOf(ctx).by(), in.Ticket.number())
	if err != nil {
		return nil, err
	}
	return &body[seen]{seen{n}}, nil
}
