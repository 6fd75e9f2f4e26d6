package message

// Refusal is a reason for which a recipient or a letter is refused. Whoever decides returns one of those below, perhaps
// wrapped; smtpd knows the reply that belongs to each. Every other error means "not now" and is answered 451.
type Refusal struct {
	Reason string // its one name, in the reply, the trace, the log and the metrics
	text   string
}

// Error tells the reason in words.
func (r *Refusal) Error() string { return r.text }

// The refusals, with the codes of their replies.
var (
	ErrNoSuchRecipient = &Refusal{"no-such-recipient", "no such recipient"}                           // 550 5.1.1
	ErrNotOurDomain    = &Refusal{"relaying", "not a domain of ours"}                                 // 550 5.7.1
	ErrOnlyBounces     = &Refusal{"only-bounces", "return path takes the null sender alone"}          // 550 5.7.1
	ErrDMARC           = &Refusal{"dmarc", "DMARC policy of the From domain"}                         // 550 5.7.1
	ErrBlockedSender   = &Refusal{"blocked-sender", "sender is blocked"}                              // 550 5.7.1
	ErrBlockedNetwork  = &Refusal{"blocked-network", "network of the client is blocked"}              // 550 5.7.1
	ErrUnregistered    = &Refusal{"unregistered", "sender is not registered"}                         // 550 5.7.1
	ErrForbiddenFile   = &Refusal{"attachment-type", "a file of a type that is not taken"}            // 550 5.7.1
	ErrFileLimits      = &Refusal{"attachment-limits", "too many files, or too large ones"}           // 550 5.7.1
	ErrMassMail        = &Refusal{"mass-mail", "mass mail is not taken here"}                         // 550 5.7.1
	ErrLoop            = &Refusal{"loop", "mail loop"}                                                // 554 5.4.6
	ErrTooManyBounceTo = &Refusal{"null-sender-recipients", "null sender with several recipients"}    // 550 5.7.1
	ErrStorageFull     = &Refusal{"storage-full", "no space left"}                                    // 452 4.3.1
	ErrMalformedFrom   = &Refusal{"malformed-from", "not exactly one From address"}                   // 550 5.6.0
	ErrPolicyRefusal   = &Refusal{"policy", "refused by policy"}                                      // 550 5.7.1
	ErrSenderDNS       = &Refusal{"sender-dns", "the DNS does not say whether the sender is genuine"} // 451 4.7.1
	ErrTryLater        = &Refusal{"try-later", "not now"}                                             // 451 4.7.1
)

// ForbiddenFile is ErrForbiddenFile with the rule of the organisation that the file falls under: a type or an extension.
type ForbiddenFile struct{ Rule string }

// Error names the rule.
func (f ForbiddenFile) Error() string { return ErrForbiddenFile.text + ": " + f.Rule }

// Unwrap makes it an ErrForbiddenFile.
func (ForbiddenFile) Unwrap() error { return ErrForbiddenFile }
