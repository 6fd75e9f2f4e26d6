package ticketing

import (
	"net/netip"

	"mxdesk/internal/address"
)

// AdmissionSettings are what an organisation decides about the letters it takes, beside the lists of senders. Categories
// and addresses can have their own Attachments; all else holds for the organisation.
type AdmissionSettings struct {
	AllowedNetworks   []netip.Prefix // whose letters neither DMARC nor the spam filter holds or refuses
	BlockedNetworks   []netip.Prefix // of both lists the longer prefix decides; of the same, this one
	ARCSealers        []string       // domains of seals whose results are believed
	TrustedForwarders []Forwarder
	Attachments       AttachmentRules
}

// Forwarder is a mail server that forwards letters to us, and whose own Authentication-Results are believed.
type Forwarder struct {
	Networks   []netip.Prefix `json:"networks"`    // where it connects from
	AuthservID string         `json:"authserv_id"` // which it writes at the beginning of the field
	// ReceivedAbove is how many Received fields of its own stand above the field. 0 is safe: nobody but the server that
	// brings the letter can write above its Received field. With more, a sender can forge the field
	// unless the forwarder takes out foreign fields with its name (RFC 8601 section 5) or always writes its own above them.
	ReceivedAbove int `json:"received_above"`
}

// policyPatch is AdmissionSettings as stored.
type policyPatch struct {
	AllowedNetworks   *[]netip.Prefix  `json:"allowed_networks"`
	BlockedNetworks   *[]netip.Prefix  `json:"blocked_networks"`
	ARCSealers        *[]string        `json:"arc_sealers"`
	TrustedForwarders *[]Forwarder     `json:"trusted_forwarders"`
	Attachments       *AttachmentRules `json:"attachments"`
}

func (s AdmissionSettings) with(p policyPatch) AdmissionSettings {
	set(&s.AllowedNetworks, p.AllowedNetworks)
	set(&s.BlockedNetworks, p.BlockedNetworks)
	set(&s.ARCSealers, p.ARCSealers)
	set(&s.TrustedForwarders, p.TrustedForwarders)
	set(&s.Attachments, p.Attachments)
	return s
}

// senderKey is an entry of a list of addresses and domains as it is compared, "" if it is neither.
func senderKey(s string) string {
	if a, err := address.Parse(s); err == nil {
		return a.Key()
	}
	if d, err := address.ParseDomain(s); err == nil && d[0] != '[' {
		return d
	}
	return ""
}
