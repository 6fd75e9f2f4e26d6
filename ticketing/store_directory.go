package ticketing

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/ticketing/notify"
	"mxdesk/ticketing/template"
)

// querier is a pool, a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

const sqlSelectRevision = `SELECT revision FROM directory_revision`

func selectRevision(ctx context.Context, q querier) (int64, error) {
	var revision int64
	err := q.QueryRow(ctx, sqlSelectRevision).Scan(&revision)
	return revision, err
}

const sqlSelectOrganisations = `
SELECT organisation_id, revision, name, address_key, settings, policy
FROM organisations`

const sqlSelectDomains = `
SELECT d.organisation_id, d.domain
FROM domains d JOIN organisations o USING (organisation_id)
WHERE o.revision > $1 ORDER BY d.domain`

const sqlSelectCategories = `
SELECT c.organisation_id, c.category_id, c.name, c.manager_id, c.settings
FROM categories c JOIN organisations o USING (organisation_id)
WHERE o.revision > $1 ORDER BY c.category_id`

const sqlSelectSupportAddresses = `
SELECT s.organisation_id, s.address, s.category_id, s.display_name, s.settings
FROM support_addresses s JOIN organisations o USING (organisation_id)
WHERE o.revision > $1 ORDER BY s.address`

const sqlSelectStaff = `
SELECT p.organisation_id, p.person_id, p.name, p.role, p.state, p.preferences
FROM people p JOIN organisations o USING (organisation_id)
WHERE o.revision > $1 AND p.kind = 'staff' ORDER BY p.person_id`

const sqlSelectStaffAddresses = `
SELECT a.organisation_id, a.person_id, a.address, a.written, a.is_primary
FROM person_addresses a
JOIN people p USING (organisation_id, person_id)
JOIN organisations o USING (organisation_id)
WHERE o.revision > $1 AND p.kind = 'staff' ORDER BY a.is_primary DESC, a.address`

const sqlSelectMembers = `
SELECT m.organisation_id, m.category_id, m.person_id
FROM category_members m JOIN organisations o USING (organisation_id)
WHERE o.revision > $1 ORDER BY m.person_id`

const sqlSelectTemplates = `
SELECT t.organisation_id, t.name, t.category_id, t.subject, t.body_text, t.body_html
FROM templates t JOIN organisations o USING (organisation_id)
WHERE o.revision > $1`

// loadOrganisations loads those that changed after revision, and tells which exist at all.
func loadOrganisations(ctx context.Context, q querier, revision int64) (changed map[int32]*Organisation, exist map[int32]bool, err error) {
	changed, exist = map[int32]*Organisation{}, map[int32]bool{}
	l := directoryLoader{ctx: ctx, q: q, revision: revision, into: changed}
	var (
		oid           int32
		rev           int64
		name          string
		key           []byte
		settings, pol []byte
	)
	l.each(sqlSelectOrganisations, nil, []any{&oid, &rev, &name, &key, &settings, &pol}, func() error {
		exist[oid] = true
		if rev <= revision {
			return nil
		}
		o, err := newOrganisation(oid, name, key, settings, pol)
		changed[oid] = o
		return err
	})
	l.loadDomains()
	l.loadStaff()
	l.loadCategories()
	l.loadAddresses()
	l.loadTemplates()
	for _, o := range changed {
		o.preparePeople()
		o.prepareRecent()
	}
	return changed, exist, l.err
}

// preparePeople makes what the notification policy wants to know of staff, once for all letters.
func (o *Organisation) preparePeople() {
	for _, s := range o.Staff {
		s.told = notify.Person{
			ID: s.ID, Address: s.Primary.Key(), Staff: true, Inactive: s.State == "inactive",
			Muted: s.Preferences[prefMuted], Preferences: s.Preferences,
		}
		if s.Role == "administrator" {
			o.administrators = append(o.administrators, &s.told)
		}
	}
	for _, c := range o.Categories {
		for _, m := range c.Members {
			c.members = append(c.members, &m.told)
		}
		c.access = append(c.members[:len(c.members):len(c.members)], o.administrators...)
	}
}

func newOrganisation(oid int32, name string, key, settings, policy []byte) (*Organisation, error) {
	s, err := patched(defaultSettings(), settings)
	if err != nil {
		return nil, fmt.Errorf("settings of organisation %d: %w", oid, err)
	}
	o := &Organisation{
		ID: oid, Name: name, Settings: s, Signer: address.NewSigner(append([]byte(nil), key...)),
		Addresses: map[string]*SupportAddress{}, Categories: map[int32]*Category{}, Staff: map[id.ID]*Staff{},
		staffByAddress: map[string]*Staff{}, templates: map[templateKey]*template.Template{},
	}
	if policy != nil {
		o.policy, err = notify.Load(policy)
	} else if o.policy = notify.Preset(s.Preset); o.policy == nil {
		err = fmt.Errorf("there is no preset %q", s.Preset)
	}
	if err != nil {
		return nil, fmt.Errorf("notification policy of organisation %d: %w", oid, err)
	}
	return o, nil
}

func patched(s Settings, patch []byte) (Settings, error) {
	var p settingsPatch
	if err := json.Unmarshal(patch, &p); err != nil {
		return s, err
	}
	return s.with(p), nil
}

// directoryLoader reads the parts of the changed organisations; the first error ends it.
type directoryLoader struct {
	ctx      context.Context
	q        querier
	revision int64
	into     map[int32]*Organisation
	err      error
}

// each runs a statement and calls f with every row scanned into dest.
func (l *directoryLoader) each(sql string, args, dest []any, f func() error) {
	if l.err != nil {
		return
	}
	rows, err := l.q.Query(l.ctx, sql, args...)
	if err != nil {
		l.err = err
		return
	}
	_, l.err = pgx.ForEachRow(rows, dest, f)
}

// eachOf is each for the statements that take the revision and begin with the organisation.
func (l *directoryLoader) eachOf(sql string, dest []any, f func(*Organisation) error) {
	var oid int32
	l.each(sql, []any{l.revision}, append([]any{&oid}, dest...), func() error {
		if o := l.into[oid]; o != nil {
			return f(o)
		}
		return nil // changed since we read the organisations: the next refresh has it
	})
}

func (l *directoryLoader) loadDomains() {
	var domain string
	l.eachOf(sqlSelectDomains, []any{&domain}, func(o *Organisation) error {
		o.Domains = append(o.Domains, domain)
		return nil
	})
}

func (l *directoryLoader) loadStaff() {
	var (
		pid               id.ID
		name, role, state string
		prefs             []byte
	)
	l.eachOf(sqlSelectStaff, []any{&pid, &name, &role, &state, &prefs}, func(o *Organisation) error {
		s := &Staff{ID: pid, Name: name, Role: role, State: state}
		if err := json.Unmarshal(prefs, &s.Preferences); err != nil {
			return fmt.Errorf("preferences of %s: %w", pid, err)
		}
		o.Staff[pid] = s
		return nil
	})
	var (
		key, written string
		primary      bool
	)
	l.eachOf(sqlSelectStaffAddresses, []any{&pid, &key, &written, &primary}, func(o *Organisation) error {
		s := o.Staff[pid]
		if s == nil {
			return nil
		}
		s.Addresses = append(s.Addresses, key)
		o.staffByAddress[key] = s
		if a, err := address.Parse(written); err == nil && (primary || s.Primary.IsZero()) {
			s.Primary = a
		}
		return nil
	})
}

func (l *directoryLoader) loadCategories() {
	var (
		cid      int32
		name     string
		manager  id.ID
		settings []byte
	)
	l.eachOf(sqlSelectCategories, []any{&cid, &name, &manager, &settings}, func(o *Organisation) error {
		s, err := patched(o.Settings, settings)
		if err != nil {
			return fmt.Errorf("settings of category %d: %w", cid, err)
		}
		o.Categories[cid] = &Category{ID: cid, Name: name, Manager: manager, Settings: s}
		return nil
	})
	var pid id.ID
	l.eachOf(sqlSelectMembers, []any{&cid, &pid}, func(o *Organisation) error {
		if c, s := o.Categories[cid], o.Staff[pid]; c != nil && s != nil {
			c.Members = append(c.Members, s)
		}
		return nil
	})
}

func (l *directoryLoader) loadAddresses() {
	var (
		written, display string
		cid              int32
		settings         []byte
	)
	l.eachOf(sqlSelectSupportAddresses, []any{&written, &cid, &display, &settings}, func(o *Organisation) error {
		a, err := address.Parse(written)
		if err != nil {
			return fmt.Errorf("support address %q: %w", written, err)
		}
		c := o.Categories[cid]
		s, err := patched(c.Settings, settings)
		if err != nil {
			return fmt.Errorf("settings of %s: %w", written, err)
		}
		o.Addresses[a.Key()] = &SupportAddress{Address: a, DisplayName: display, Category: c, Settings: s}
		return nil
	})
}

func (l *directoryLoader) loadTemplates() {
	var (
		name, subject, text, html string
		cid                       int32
	)
	l.eachOf(sqlSelectTemplates, []any{&name, &cid, &subject, &text, &html}, func(o *Organisation) error {
		t, err := template.Compile(subject, text, html)
		if err != nil {
			return fmt.Errorf("template %q: %w", name, err)
		}
		o.templates[templateKey{name, cid}] = t
		return nil
	})
}
