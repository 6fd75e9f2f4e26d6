package ticketing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/pace"
	"mxdesk/ticketing/notify"
	"mxdesk/ticketing/template"
)

// directoryPoll is how often a node looks whether an organisation changed: a change takes effect
// everywhere within a second.
const directoryPoll = 500 * time.Millisecond

// Directory is what a node keeps in memory of every organisation: everything that decides over a
// letter and is not a ticket, a customer or a letter. It follows the database.
type Directory struct {
	// WebURL is where browsers reach the public pages; "": mails carry no links to them. Set it before letters are taken.
	WebURL string

	pool   *pgxpool.Pool
	log    *slog.Logger
	guards *guards
	now    atomic.Pointer[snapshot]

	refreshing sync.Mutex
	looks      singleflight.Group
}

// snapshot is one state of the directory; it is never changed, only replaced.
type snapshot struct {
	revision      int64
	organisations map[int32]*Organisation
	domains       map[string]*Organisation
}

// Organisation is one tenant.
type Organisation struct {
	ID         int32
	Name       string
	Settings   Settings
	Signer     *address.Signer
	Domains    []string
	Addresses  map[string]*SupportAddress // by Key
	Categories map[int32]*Category
	Staff      map[id.ID]*Staff
	directory  *Directory // nil in tests
	policy     *notify.Policy
	templates  map[templateKey]*template.Template

	staffByAddress map[string]*Staff
	administrators []*notify.Person
	recent         int // public entries of a ticket that some mail about it shows
	recentAlways   int // the same of mails that any letter can lead to
}

type templateKey struct {
	name     string
	category int32
}

// SupportAddress is a mailbox that makes tickets.
type SupportAddress struct {
	Address     address.Address
	DisplayName string
	Category    *Category
	Settings    Settings // of the organisation, the category and this address, the last one winning
}

// Category is the department a ticket belongs to.
type Category struct {
	ID       int32
	Name     string
	Manager  id.ID
	Members  []*Staff
	Settings Settings // of the organisation and this category

	members []*notify.Person
	access  []*notify.Person // members and administrators
}

// Staff is one agent or administrator.
type Staff struct {
	ID          id.ID
	Name        string
	Role        string // administrator or technician
	State       string // active, away or inactive
	Primary     address.Address
	Addresses   []string // keys
	Preferences map[string]bool

	told notify.Person // the same, as the notification policy sees it
}

// prefMuted is the preference by which a staff member gets no notifications at all.
const prefMuted = "notifications_off"

// Settings is what an organisation decides, with the defaults filled in.
type Settings struct {
	Preset             string // notification rules to start from
	AcceptUnregistered bool   // a letter from an unknown address makes a customer
	SubscribeCc        bool   // people in To and Cc of the first letter become collaborators
	WaitingAfterReply  bool   // a staff reply sets the ticket to waiting
	ReopenDays         int    // 0: a reply to a closed ticket always opens a new one
	StaffProof         Proof  // the weakest proof by which a letter speaks for staff
	AutoPerFiveMinutes int    // automatic answers to one address
	AutoPerDay         int
	IncludeAttachments bool     // attachments travel with notifications
	AttachmentLinkDays int      // how long links to attachments work
	FromNameForAll     bool     // mails with the words of a person have the name of the support address too
	OneMailToAll       bool     // the customers of a ticket get one mail with all of them in To and Cc, not one each
	HoldDMARCReject    bool     // hold what a DMARC policy of reject asks to refuse
	DMARCExempt        []string // addresses and domains whose DMARC failure counts for nothing
	BlockedSenders     []string // addresses and domains that are refused
	LoopGuards         bool     // automatic mail that goes in a circle is stopped; off is for measuring
	SystemAddress      string   // where the program tells of itself; "": nowhere
	RequireTLS         bool     // mails leave over encrypted and verified connections, or not at all
	RefuseMassMail     bool     // letters of lists and bulk mail to a support address are refused, not made tickets
	AdmissionSettings
	MTASTS       string // mode of the MTA-STS policy of its domains: none, testing or enforce
	MTASTSMaxAge int    // seconds for which others may remember it; 0: two weeks
}

// settingsPatch is Settings as stored: what is absent is inherited.
type settingsPatch struct {
	Preset             *string   `json:"preset"`
	AcceptUnregistered *bool     `json:"accept_unregistered"`
	SubscribeCc        *bool     `json:"subscribe_cc"`
	WaitingAfterReply  *bool     `json:"waiting_after_reply"`
	ReopenDays         *int      `json:"reopen_days"`
	StaffProof         *Proof    `json:"staff_proof"`
	AutoPerFiveMinutes *int      `json:"auto_per_five_minutes"`
	AutoPerDay         *int      `json:"auto_per_day"`
	IncludeAttachments *bool     `json:"include_attachments"`
	AttachmentLinkDays *int      `json:"attachment_link_days"`
	FromNameForAll     *bool     `json:"from_name_for_all"`
	OneMailToAll       *bool     `json:"one_mail_to_all"`
	HoldDMARCReject    *bool     `json:"hold_dmarc_reject"`
	DMARCExempt        *[]string `json:"dmarc_exempt"`
	BlockedSenders     *[]string `json:"blocked_senders"`
	LoopGuards         *bool     `json:"loop_guards"`
	SystemAddress      *string   `json:"system_address"`
	RequireTLS         *bool     `json:"require_tls"`
	RefuseMassMail     *bool     `json:"refuse_mass_mail"`
	policyPatch
	MTASTS       *string `json:"mta_sts"`
	MTASTSMaxAge *int    `json:"mta_sts_max_age"`
}

func defaultSettings() Settings {
	return Settings{
		Preset:             "owner-first",
		AcceptUnregistered: true,
		SubscribeCc:        true,
		WaitingAfterReply:  true,
		ReopenDays:         30,
		StaffProof:         ProofVerified,
		AutoPerFiveMinutes: 5,
		AutoPerDay:         40,
		IncludeAttachments: true,
		MTASTS:             "none",
		AttachmentLinkDays: 30,
		LoopGuards:         true,
	}
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// with returns s with what p decides.
func (s Settings) with(p settingsPatch) Settings {
	set(&s.Preset, p.Preset)
	set(&s.AcceptUnregistered, p.AcceptUnregistered)
	set(&s.SubscribeCc, p.SubscribeCc)
	set(&s.WaitingAfterReply, p.WaitingAfterReply)
	set(&s.ReopenDays, p.ReopenDays)
	set(&s.StaffProof, p.StaffProof)
	set(&s.AutoPerFiveMinutes, p.AutoPerFiveMinutes)
	set(&s.AutoPerDay, p.AutoPerDay)
	set(&s.IncludeAttachments, p.IncludeAttachments)
	set(&s.AttachmentLinkDays, p.AttachmentLinkDays)
	set(&s.FromNameForAll, p.FromNameForAll)
	set(&s.OneMailToAll, p.OneMailToAll)
	set(&s.HoldDMARCReject, p.HoldDMARCReject)
	set(&s.DMARCExempt, p.DMARCExempt)
	set(&s.BlockedSenders, p.BlockedSenders)
	set(&s.LoopGuards, p.LoopGuards)
	set(&s.SystemAddress, p.SystemAddress)
	set(&s.RequireTLS, p.RequireTLS)
	set(&s.RefuseMassMail, p.RefuseMassMail)
	s.AdmissionSettings = s.AdmissionSettings.with(p.policyPatch)
	set(&s.MTASTS, p.MTASTS)
	set(&s.MTASTSMaxAge, p.MTASTSMaxAge)
	return s
}

// NewDirectory loads every organisation.
func NewDirectory(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*Directory, error) {
	d := &Directory{pool: pool, log: log, guards: newGuards(log)}
	d.now.Store(&snapshot{revision: -1})
	if err := d.Refresh(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// Run follows the database until ctx ends. While the database is away the last state holds.
func (d *Directory) Run(ctx context.Context) error {
	failing := false
	for range pace.Later(ctx, directoryPoll) {
		err := errors.Join(d.Refresh(ctx), d.guards.share(ctx, d.pool, time.Now()))
		if err != nil && !failing && ctx.Err() == nil {
			d.log.Warn("organisations and loop guards could not be compared with the database; the last known state holds", "error", err)
		}
		failing = err != nil
	}
	return nil
}

// Refresh loads the organisations that changed since the last time.
func (d *Directory) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	d.refreshing.Lock()
	defer d.refreshing.Unlock()
	old := d.now.Load()
	revision, err := selectRevision(ctx, d.pool)
	if err != nil || revision == old.revision {
		return err
	}
	var changed map[int32]*Organisation
	var kept map[int32]bool
	oneSnapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, d.pool, oneSnapshot, func(tx pgx.Tx) (err error) {
		if revision, err = selectRevision(ctx, tx); err == nil {
			changed, kept, err = loadOrganisations(ctx, tx, old.revision)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("load organisations: %w", err)
	}
	next := &snapshot{revision: revision, organisations: changed, domains: map[string]*Organisation{}}
	for oid, o := range old.organisations {
		if _, newer := changed[oid]; !newer && kept[oid] {
			next.organisations[oid] = o
		}
	}
	for _, o := range changed {
		o.directory = d
	}
	for _, o := range next.organisations {
		for _, domain := range o.Domains {
			next.domains[domain] = o
		}
	}
	d.now.Store(next)
	return nil
}

// latest looks whether anything changed since the last time, for who is about to say no for good. Those who ask at one time
// share one look.
func (d *Directory) latest(ctx context.Context) (changed bool, err error) {
	before := d.now.Load()
	_, err, _ = d.looks.Do("", func() (any, error) { return nil, d.Refresh(context.WithoutCancel(ctx)) })
	if err != nil {
		return false, fmt.Errorf("look for changes: %w", err)
	}
	return d.now.Load() != before, nil
}

// Serving is ByDomain for who is about to say no for good: it looks for changes before it returns nil.
func (d *Directory) Serving(ctx context.Context, domain string) (*Organisation, error) {
	if o := d.ByDomain(domain); o != nil {
		return o, nil
	}
	if _, err := d.latest(ctx); err != nil {
		return nil, err
	}
	return d.ByDomain(domain), nil
}

// Organisation returns the organisation with that id, or nil.
func (d *Directory) Organisation(organisation int32) *Organisation {
	return d.now.Load().organisations[organisation]
}

// Organisations returns all of them in the order of their ids.
func (d *Directory) Organisations() []*Organisation {
	s := d.now.Load()
	all := make([]*Organisation, 0, len(s.organisations))
	for _, o := range s.organisations {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *Organisation) int { return int(a.ID) - int(b.ID) })
	return all
}

// ByDomain returns the organisation that has this support domain, or nil.
func (d *Directory) ByDomain(domain string) *Organisation { return d.now.Load().domains[domain] }

// StaffByAddress returns the staff member with this address, or nil.
func (o *Organisation) StaffByAddress(a address.Address) *Staff { return o.staffByAddress[a.Key()] }

// DefaultAddress is where letters to postmaster and abuse go, and what a ticket without an address
// of its own is From: the first support address of the first category.
func (o *Organisation) DefaultAddress() *SupportAddress {
	return o.firstAddress(func(*SupportAddress) bool { return true })
}

// addressOf is the first support address of a category, nil if it has none.
func (o *Organisation) addressOf(category int32) *SupportAddress {
	return o.firstAddress(func(a *SupportAddress) bool { return a.Category.ID == category })
}

// firstAddress is the first of the support addresses that are wanted, in the order of their categories and then of the alphabet;
// nil if there is none.
func (o *Organisation) firstAddress(wanted func(*SupportAddress) bool) *SupportAddress {
	var first *SupportAddress
	for _, a := range o.Addresses {
		if wanted(a) && (first == nil || a.Category.ID < first.Category.ID ||
			a.Category.ID == first.Category.ID && a.Address.Key() < first.Address.Key()) {
			first = a
		}
	}
	return first
}

// ours tells whether a is an address that letters of this organisation come from.
func (o *Organisation) ours(a address.Address) bool {
	return slices.Contains(o.Domains, a.Domain) && o.StaffByAddress(a) == nil
}

// isRole tells whether a is postmaster@ or abuse@, which every domain must take (RFC 5321 section 4.5.1, RFC 2142).
func isRole(a address.Address) bool {
	return strings.EqualFold(a.Local, "postmaster") || strings.EqualFold(a.Local, "abuse")
}
