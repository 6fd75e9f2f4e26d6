package admin

import (
	"context"
	"errors"
	"net/netip"
	"strconv"

	"mxdesk/ticketing"
)

// Settings are read from the database, not from memory, so that their entity tag is that of what stands there.

// settings is what an organisation decides about the letters it takes.
type settings struct {
	AcceptUnregistered bool             `json:"accept_unregistered" doc:"A letter from an unknown address makes a customer"`
	RefuseMassMail     bool             `json:"refuse_mass_mail" doc:"Letters of lists and mass mail to a support address are refused"`
	StaffProof         string           `json:"staff_proof" enum:"verified,token" doc:"The weakest proof by which a letter speaks for staff"`
	HoldDMARCReject    bool             `json:"hold_dmarc_reject" doc:"Hold what a DMARC policy of reject asks to refuse"`
	DMARCExempt        []string         `json:"dmarc_exempt" doc:"Addresses and domains whose DMARC failure counts for nothing"`
	BlockedSenders     []string         `json:"blocked_senders" doc:"Addresses and domains that are refused"`
	AllowedNetworks    []string         `json:"allowed_networks" doc:"Clients whose letters neither DMARC nor the spam filter stops; they prove nobody"`
	BlockedNetworks    []string         `json:"blocked_networks" doc:"Clients that are refused; the longer prefix of both lists decides"`
	ARCSealers         []string         `json:"arc_sealers" doc:"Domains whose ARC-Authentication-Results are believed"`
	TrustedForwarders  []forwarder      `json:"trusted_forwarders" doc:"Servers whose Authentication-Results are believed"`
	Attachments        attachmentsRules `json:"attachments"`
	SystemAddress      string           `json:"system_address" doc:"Where the server tells of itself, of loops for one; empty: nowhere"`
	LoopGuards         bool             `json:"loop_guards" doc:"Automatic mail that goes in a circle is stopped; false is for measuring"`
	MTASTS             string           `json:"mta_sts" enum:"none,testing,enforce" doc:"Mode of the MTA-STS policy of its domains; none: there is none"`
	MTASTSMaxAge       int              `json:"mta_sts_max_age" doc:"Seconds for which others may remember the policy; 0: two weeks"`
	MailSettings
}

// MailSettings are about the mails that customers get. It is exported because the documentation shows no other embedded ones.
type MailSettings struct {
	IncludeAttachments bool `json:"include_attachments" doc:"Attachments and pictures travel with mails; else they are named, with a link where the server has public pages"`
	AttachmentLinkDays int  `json:"attachment_link_days" doc:"How long links to attachments work"`
	FromNameForAll     bool `json:"from_name_for_all" doc:"Mails with the words of a person have the name of the support address too, not the person's"`
	OneMailToAll       bool `json:"one_mail_to_all" doc:"The customers of a ticket get one mail with all of them in To and Cc, not one each; one whose address is not ASCII still gets his own"`
}

func wireMail(s ticketing.Settings) MailSettings {
	return MailSettings{s.IncludeAttachments, s.AttachmentLinkDays, s.FromNameForAll, s.OneMailToAll}
}

// MailSettingsPatch changes MailSettings.
type MailSettingsPatch struct {
	IncludeAttachments optional[bool] `json:"include_attachments" required:"false" nullable:"true"`
	AttachmentLinkDays optional[int]  `json:"attachment_link_days" required:"false" nullable:"true" minimum:"1" maximum:"3650"`
	FromNameForAll     optional[bool] `json:"from_name_for_all" required:"false" nullable:"true"`
	OneMailToAll       optional[bool] `json:"one_mail_to_all" required:"false" nullable:"true"`
}

func (p MailSettingsPatch) into(c ticketing.SettingsChange) {
	into(c, "include_attachments", p.IncludeAttachments)
	into(c, "attachment_link_days", p.AttachmentLinkDays)
	into(c, "from_name_for_all", p.FromNameForAll)
	into(c, "one_mail_to_all", p.OneMailToAll)
}

// forwarder is a mail server that forwards letters to us.
type forwarder struct {
	Networks      []string `json:"networks" minItems:"1" maxItems:"100" doc:"Where it connects from"`
	AuthservID    string   `json:"authserv_id" minLength:"1" maxLength:"254" doc:"The first word of its Authentication-Results"`
	ReceivedAbove int      `json:"received_above" required:"false" minimum:"0" maximum:"5" doc:"Received fields of its own above that field. More than 0 is safe only if it takes out foreign fields with its name, or always writes its own"`
}

// attachmentsRules say which files are not taken.
type attachmentsRules struct {
	Forbidden    []string `json:"forbidden" required:"false" maxItems:"1000" doc:"Extensions (.exe), names (invoice*.html), types (video/*), @executables"`
	Action       string   `json:"action" required:"false" enum:"refuse,hold" default:"refuse"`
	MaxFiles     int      `json:"max_files" required:"false" minimum:"0" doc:"Of one letter; 0: any"`
	MaxFileBytes int      `json:"max_file_bytes" required:"false" minimum:"0" doc:"Of one file; 0: any"`
}

func wireSettings(s ticketing.Settings) settings {
	out := settings{
		AcceptUnregistered: s.AcceptUnregistered, RefuseMassMail: s.RefuseMassMail, StaffProof: string(s.StaffProof), HoldDMARCReject: s.HoldDMARCReject,
		DMARCExempt: listed(s.DMARCExempt), BlockedSenders: listed(s.BlockedSenders), AllowedNetworks: wireNetworks(s.AllowedNetworks),
		BlockedNetworks: wireNetworks(s.BlockedNetworks), ARCSealers: listed(s.ARCSealers), TrustedForwarders: []forwarder{},
		Attachments: wireAttachmentRules(s.Attachments), SystemAddress: s.SystemAddress, LoopGuards: s.LoopGuards, MTASTS: s.MTASTS, MTASTSMaxAge: s.MTASTSMaxAge,
		MailSettings: wireMail(s),
	}
	for _, f := range s.TrustedForwarders {
		out.TrustedForwarders = append(out.TrustedForwarders, forwarder{wireNetworks(f.Networks), f.AuthservID, f.ReceivedAbove})
	}
	return out
}

func wireAttachmentRules(r ticketing.AttachmentRules) attachmentsRules {
	out := attachmentsRules{listed(r.Forbidden), r.Action, r.MaxFiles, r.MaxBytes}
	if out.Action == "" {
		out.Action = "refuse"
	}
	return out
}

func wireNetworks(list []netip.Prefix) []string {
	out := make([]string, 0, len(list))
	for _, p := range list {
		out = append(out, p.String())
	}
	return out
}

// settingsPatch is a JSON merge patch: what is absent stays, null is the default again.
type settingsPatch struct {
	AcceptUnregistered optional[bool]             `json:"accept_unregistered" required:"false" nullable:"true"`
	RefuseMassMail     optional[bool]             `json:"refuse_mass_mail" required:"false" nullable:"true"`
	StaffProof         optional[string]           `json:"staff_proof" required:"false" nullable:"true" enum:"verified,token"`
	HoldDMARCReject    optional[bool]             `json:"hold_dmarc_reject" required:"false" nullable:"true"`
	DMARCExempt        optional[[]string]         `json:"dmarc_exempt" required:"false" nullable:"true" maxItems:"1000"`
	BlockedSenders     optional[[]string]         `json:"blocked_senders" required:"false" nullable:"true" maxItems:"1000"`
	AllowedNetworks    optional[[]string]         `json:"allowed_networks" required:"false" nullable:"true" maxItems:"1000"`
	BlockedNetworks    optional[[]string]         `json:"blocked_networks" required:"false" nullable:"true" maxItems:"1000"`
	ARCSealers         optional[[]string]         `json:"arc_sealers" required:"false" nullable:"true" maxItems:"1000"`
	TrustedForwarders  optional[[]forwarder]      `json:"trusted_forwarders" required:"false" nullable:"true" maxItems:"100"`
	Attachments        optional[attachmentsRules] `json:"attachments" required:"false" doc:"null: as if it were never set"`
	SystemAddress      optional[string]           `json:"system_address" required:"false" nullable:"true" maxLength:"254"`
	LoopGuards         optional[bool]             `json:"loop_guards" required:"false" nullable:"true"`
	MTASTS             optional[string]           `json:"mta_sts" required:"false" nullable:"true" enum:"none,testing,enforce"`
	MTASTSMaxAge       optional[int]              `json:"mta_sts_max_age" required:"false" nullable:"true" minimum:"0" maximum:"31557600"`
	MailSettingsPatch
}

// change is the patch as the domain takes it.
func (p settingsPatch) change() ticketing.SettingsChange {
	c := ticketing.SettingsChange{}
	into(c, "accept_unregistered", p.AcceptUnregistered)
	into(c, "refuse_mass_mail", p.RefuseMassMail)
	into(c, "staff_proof", p.StaffProof)
	into(c, "hold_dmarc_reject", p.HoldDMARCReject)
	into(c, "dmarc_exempt", p.DMARCExempt)
	into(c, "blocked_senders", p.BlockedSenders)
	into(c, "allowed_networks", p.AllowedNetworks)
	into(c, "blocked_networks", p.BlockedNetworks)
	into(c, "arc_sealers", p.ARCSealers)
	into(c, "trusted_forwarders", p.TrustedForwarders)
	into(c, "attachments", p.Attachments)
	into(c, "system_address", p.SystemAddress)
	into(c, "loop_guards", p.LoopGuards)
	into(c, "mta_sts", p.MTASTS)
	into(c, "mta_sts_max_age", p.MTASTSMaxAge)
	p.MailSettingsPatch.into(c)
	return c
}

func into[T any](c ticketing.SettingsChange, name string, o optional[T]) {
	switch {
	case o.null:
		c[name] = nil
	case o.sent:
		c[name] = o.value
	}
}

// categorySettings are those that a category decides otherwise than its organisation.
type categorySettings struct {
	AcceptUnregistered bool             `json:"accept_unregistered"`
	RefuseMassMail     bool             `json:"refuse_mass_mail"`
	Attachments        attachmentsRules `json:"attachments"`
	MailSettings
}

// categorySettingsPatch is a JSON merge patch: null is what the organisation says.
type categorySettingsPatch struct {
	AcceptUnregistered optional[bool]             `json:"accept_unregistered" required:"false" nullable:"true"`
	RefuseMassMail     optional[bool]             `json:"refuse_mass_mail" required:"false" nullable:"true"`
	Attachments        optional[attachmentsRules] `json:"attachments" required:"false" doc:"null: as if it were never set"`
	MailSettingsPatch
}

type settingsChange struct {
	Scope
	IfMatch string `header:"If-Match" doc:"The ETag it must have"`
	Body    settingsPatch
}

type categoryPath struct {
	Scope
	Category categoryID `path:"category"`
}

type categorySettingsChange struct {
	Scope
	Category categoryID `path:"category"`
	IfMatch  string     `header:"If-Match" doc:"The ETag it must have"`
	Body     categorySettingsPatch
}

func (a *API) getSettings(ctx context.Context, _ *Scope) (*tagged[settings], error) {
	s, version, err := a.service.Settings(ctx, orgOf(ctx).ID, 0)
	if err != nil {
		return nil, err
	}
	return &tagged[settings]{strconv.Quote(strconv.Itoa(version)), wireSettings(s)}, nil
}

func (a *API) changeSettings(ctx context.Context, in *settingsChange) (*tagged[settings], error) {
	if err := a.storeSettings(ctx, 0, in.IfMatch, in.Body.change()); err != nil {
		return nil, err
	}
	return a.getSettings(ctx, &in.Scope)
}

func (a *API) getCategorySettings(ctx context.Context, in *categoryPath) (*tagged[categorySettings], error) {
	s, version, err := a.service.Settings(ctx, orgOf(ctx).ID, in.Category.number())
	if err != nil {
		return nil, err
	}
	return &tagged[categorySettings]{strconv.Quote(strconv.Itoa(version)), categorySettings{s.AcceptUnregistered, s.RefuseMassMail, wireAttachmentRules(s.Attachments), wireMail(s)}}, nil
}

func (a *API) changeCategorySettings(ctx context.Context, in *categorySettingsChange) (*tagged[categorySettings], error) {
	c := ticketing.SettingsChange{}
	into(c, "accept_unregistered", in.Body.AcceptUnregistered)
	into(c, "refuse_mass_mail", in.Body.RefuseMassMail)
	into(c, "attachments", in.Body.Attachments)
	in.Body.MailSettingsPatch.into(c)
	if err := a.storeSettings(ctx, in.Category.number(), in.IfMatch, c); err != nil {
		return nil, err
	}
	return a.getCategorySettings(ctx, &categoryPath{in.Scope, in.Category})
}

// storeSettings changes settings, and names the field that makes no sense.
func (a *API) storeSettings(ctx context.Context, category int32, ifMatch string, c ticketing.SettingsChange) error {
	version, err := readIfMatch(ifMatch)
	if err != nil {
		return err
	}
	err = a.service.ChangeSettings(ctx, orgOf(ctx).ID, category, version, c)
	if f, ok := errors.AsType[ticketing.SettingError](err); ok {
		return invalid{"body." + f.Path, f.Problem}
	}
	return err
}
