package ticketing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/outbound"
)

// NewOrganisation describes an organisation to be made.
type NewOrganisation struct {
	Name     string
	Address  string // its first support address; the domain becomes its first domain
	Category string // "": General

	// RelaxStaffProof lets a letter speak for staff when it came to an address that only this person was given, without
	// authentication of its sender. For trying mxdesk out: the DNS is not asked then.
	RelaxStaffProof bool
	// SignAtOnce lets its DKIM keys sign before the DNS shows them. For trials and closed networks.
	SignAtOnce bool
}

// CreateOrganisation makes an organisation with one domain and its DKIM keys, one category and one support address.
func (s *Service) CreateOrganisation(ctx context.Context, n NewOrganisation) (int32, error) {
	support, err := address.Parse(n.Address)
	if err != nil {
		return 0, fmt.Errorf("%w: the support address: %w", ErrInvalid, err)
	}
	domain := support.Domain
	if strings.ContainsRune(support.Local, '+') {
		return 0, fmt.Errorf("%w: a support address holds no '+': what follows it is for signed addresses", ErrInvalid)
	}
	if n.Category == "" {
		n.Category = "General"
	}
	key := make([]byte, address.MinKey)
	rand.Read(key) //nolint:errcheck // it never fails
	now := s.clock()
	keys, err := outbound.GenerateKeys(domain, now)
	if err != nil {
		return 0, err
	}
	var organisation int32
	err = s.setUp(ctx, func(tx pgx.Tx, revision int64) error {
		settings := "{}"
		if n.RelaxStaffProof {
			settings = `{"staff_proof": "token"}`
		}
		organisation, err = insertOrganisation(ctx, tx, n.Name, key, settings, revision)
		if err != nil {
			return err
		}
		if err := insertFirstAddress(ctx, tx, organisation, domain, n.Category, support.Key()); err != nil {
			return err
		}
		return outbound.AddKeys(ctx, tx, organisation, keys, n.SignAtOnce, now)
	})
	return organisation, err
}

// setUp runs a change of what nodes keep in memory: it takes the next revision, so that all of them notice.
func (s *Service) setUp(ctx context.Context, f func(tx pgx.Tx, revision int64) error) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		revision, err := nextRevision(ctx, tx)
		if err != nil {
			return err
		}
		return f(tx, revision)
	})
	if err != nil {
		if isConflict(err) {
			return fmt.Errorf("%w: it exists already", ErrInvalid)
		}
		return err
	}
	return s.directory.Refresh(ctx)
}

// NewStaff describes a staff member to be made.
type NewStaff struct {
	Name        string
	Address     string
	Role        string // administrator or technician
	Category    int32  // member of; 0: of every category
	Preferences []string
}

// AddStaff makes a staff member. Somebody who is a customer with this address becomes staff.
func (s *Service) AddStaff(ctx context.Context, organisation int32, n NewStaff) (id.ID, error) {
	a, err := address.Parse(n.Address)
	if err != nil {
		return id.ID{}, fmt.Errorf("%w: the address: %w", ErrInvalid, err)
	}
	if n.Role != "administrator" && n.Role != "technician" {
		return id.ID{}, fmt.Errorf("%w: the role is administrator or technician", ErrInvalid)
	}
	preferences := map[string]bool{}
	for _, p := range n.Preferences {
		preferences[p] = true
	}
	person := id.New()
	err = s.setUp(ctx, func(tx pgx.Tx, revision int64) error {
		known, err := selectPersonByAddress(ctx, tx, organisation, a.Key())
		switch {
		case err == nil:
			person = known
			err = updateToStaff(ctx, tx, organisation, person, n, preferences)
		case errors.Is(err, pgx.ErrNoRows):
			err = insertStaff(ctx, tx, organisation, person, n, a, preferences)
		}
		if err != nil {
			return err
		}
		if err := insertMember(ctx, tx, organisation, n.Category, person); err != nil {
			return err
		}
		return touchOrganisation(ctx, tx, organisation, revision)
	})
	return person, err
}

// Rights are what a token allows: each includes those before it, but operator is for the whole server.
type Rights string

// The rights.
const (
	ReadRights     Rights = "read"
	AgentRights    Rights = "agent"
	AdminRights    Rights = "admin"
	OperatorRights Rights = "operator"
)

// tokenPrefix marks our tokens, so that people and scanners know them.
const tokenPrefix = "mxd_"

// CreateToken makes an API token. It is shown once: the database keeps its hash.
func (s *Service) CreateToken(ctx context.Context, organisation int32, person id.ID, rights Rights, name string) (string, error) {
	switch rights {
	case ReadRights, AgentRights, AdminRights, OperatorRights:
	default:
		return "", fmt.Errorf("%w: the rights are read, agent, admin or operator", ErrInvalid)
	}
	token := tokenPrefix + rand.Text()
	return token, insertToken(ctx, s.pool, organisation, person, rights, name, tokenHash(token))
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Principal is whom a token speaks for.
type Principal struct {
	Token        id.ID
	Organisation int32 // 0: the whole server
	Person       id.ID // zero: a program
	Rights       Rights
	Name         string
}

// Authenticate finds whom the token speaks for; ErrDenied when it is unknown or expired.
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	if !strings.HasPrefix(token, tokenPrefix) || len(token) > 100 {
		return Principal{}, ErrDenied
	}
	p, err := selectToken(ctx, s.pool, tokenHash(token))
	if errors.Is(err, pgx.ErrNoRows) {
		return Principal{}, ErrDenied
	}
	return p, err
}

// tokenUse is how exactly the last use of a token is kept: one write a minute at most.
const tokenUse = time.Minute

// Ready tells whether the database answers.
func (s *Service) Ready(ctx context.Context) error {
	_, err := selectRevision(ctx, s.pool)
	return err
}
