package ticketing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
	"mxdesk/outbound"
)

// The same letter is taken for the same one sent again, so long. One without Message-ID comes from a script, which may say the same
// every day and mean it, and whose mail server, if it lost our reply, tries again soon.
const (
	dedupeWindow   = 7 * 24 * time.Hour
	namelessWindow = time.Hour
)

// A large letter takes several times its size in memory while it is read and stored. Those above largeLetter octets
// therefore wait for each other, in files and not in memory, when they are more than largeInWork together.
const (
	largeLetter = 1 << 20
	largeInWork = 32 << 20
)

// Intake turns letters into tickets. It satisfies smtpd.Backend.
type Intake struct {
	pool      *pgxpool.Pool
	directory *Directory
	queue     *outbound.Queue
	numbers   *numbers
	log       *slog.Logger
	metrics   *intakeMetrics
	clock     func() time.Time
	writers   int
	hostname  string

	large      *semaphore.Weighted // octets of large letters in work
	letters    chan *job           // without a buffer: a letter is with its session or with a writer
	newReports chan struct{}       // there may be reports to read
	onDMARC    func(outbound.DMARCFact)
	zstd       *zstd.Encoder
	unzip      func([]byte) ([]byte, error)
}

// IntakeConfig is what an Intake needs.
type IntakeConfig struct {
	Pool      *pgxpool.Pool
	Directory *Directory
	Queue     *outbound.Queue
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Clock     func() time.Time // nil: time.Now
	Writers   int              // transactions at once; 0: 2
	Hostname  string           // our own name; letters to postmaster and abuse there are the first organisation's

	OnDMARC func(outbound.DMARCFact) // told of each letter that DMARC had a word on, after it was decided; nil: nobody is
}

// NewIntake makes an Intake; letters are taken while its Run runs.
func NewIntake(c IntakeConfig) (*Intake, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	dec, err := newDecoder()
	if err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Writers == 0 {
		c.Writers = 2
	}
	return &Intake{
		pool: c.Pool, directory: c.Directory, queue: c.Queue, log: c.Log, clock: c.Clock, writers: c.Writers, hostname: c.Hostname,
		numbers: newNumbers(c.Pool, c.Log), metrics: newIntakeMetrics(c.Metrics, c.Directory.guards.stopped), zstd: enc,
		large: semaphore.NewWeighted(largeInWork), letters: make(chan *job), newReports: make(chan struct{}, 1), onDMARC: c.OnDMARC,
		unzip: func(data []byte) ([]byte, error) { return dec.DecodeAll(data, nil) },
	}, nil
}

// job is one letter on its way through the intake.
type job struct {
	ctx     context.Context
	letter  *message.Letter
	content *message.Content
	problem string    // why the letter could not be read; content is then empty
	files   files     // those of the content; empty when no organisation has rules about them
	parcels []*parcel // one for each organisation it goes to
	raw     []byte    // compressed
	coding  string
	done    chan error
}

// CheckRecipient says whether a letter from sender may go to recipient. Support addresses and signatures are
// checked in memory; a right signature costs a question to the database, and so does a no: the address may have been made a
// moment ago.
func (in *Intake) CheckRecipient(ctx context.Context, sender, recipient address.Address) error {
	no := in.checkRecipient(ctx, sender, recipient)
	if !errors.Is(no, message.ErrNotOurDomain) && !errors.Is(no, message.ErrNoSuchRecipient) {
		return no
	}
	if changed, err := in.directory.latest(ctx); err != nil || !changed {
		return cmp.Or(err, no)
	}
	return in.checkRecipient(ctx, sender, recipient)
}

func (in *Intake) checkRecipient(ctx context.Context, sender, recipient address.Address) error {
	org := in.serving(recipient)
	if org == nil {
		return message.ErrNotOurDomain
	}
	if isReportAddress(recipient) {
		return nil
	}
	if org.Addresses[recipient.Key()] != nil {
		return nil
	}
	if isRole(recipient) && org.DefaultAddress() != nil {
		return nil
	}
	if _, ok := org.Signer.ParseReturnPath(recipient); ok {
		if !sender.IsZero() {
			return message.ErrOnlyBounces
		}
		return nil
	}
	if held, ok := org.Signer.ParseConfirm(recipient); ok {
		exists, err := selectIsHeld(ctx, in.pool, org.ID, held)
		if err != nil {
			return fmt.Errorf("look up held letter: %w", err)
		}
		if exists {
			return nil
		}
	}
	if ref, ok := org.Signer.ParseTicket(recipient); ok {
		exists, err := selectParticipantExists(ctx, in.pool, org.ID, ref)
		if err != nil {
			return fmt.Errorf("look up participant: %w", err)
		}
		if exists {
			return nil
		}
	}
	return message.ErrNoSuchRecipient
}

// serving is the organisation that an address is for, or nil. Who runs this server can be reached at its own name too (RFC 5321
// section 4.5.1), which need be no support domain: that is the first organisation with a support address.
func (in *Intake) serving(recipient address.Address) *Organisation {
	if org := in.directory.ByDomain(recipient.Domain); org != nil {
		return org
	}
	if !isRole(recipient) || !strings.EqualFold(recipient.Domain, in.hostname) {
		return nil
	}
	for _, org := range in.directory.Organisations() {
		if org.DefaultAddress() != nil {
			return org
		}
	}
	return nil
}

// Deliver stores the letter with everything it causes. When it returns nil, that is committed.
func (in *Intake) Deliver(ctx context.Context, letter *message.Letter) (message.Taken, error) {
	if weight := min(int64(len(letter.Raw)), largeInWork); weight >= largeLetter {
		if err := in.large.Acquire(ctx, weight); err != nil {
			return message.Taken{}, fmt.Errorf("wait for other large letters: %w", err)
		}
		defer in.large.Release(weight)
	}
	j, err := in.prepare(ctx, letter)
	if err != nil {
		return message.Taken{}, err
	}
	if err := in.submit(ctx, j); err != nil {
		return message.Taken{}, err
	}
	return j.receipt()
}

// receipt is what the sender is told: the id of the letter, or of the same letter taken before, or why no
// organisation took it. It is held when every organisation that took it holds it.
func (j *job) receipt() (message.Taken, error) {
	var known, held message.Taken
	for _, p := range j.parcels {
		switch {
		case p.refused != nil || p.release != nil: // what it confirms is another letter
		case !p.known.IsZero():
			known.ID = p.known
		case p.heldFor == "":
			return message.Taken{ID: j.letter.ID}, nil
		default:
			held = message.Taken{ID: j.letter.ID, Held: p.summary.reason}
		}
	}
	switch {
	case !held.ID.IsZero():
		return held, nil
	case !known.ID.IsZero():
		return known, nil
	}
	return message.Taken{}, j.parcels[0].refused
}

// prepare does all that needs no transaction: reads the letter, compresses it, sorts its recipients.
func (in *Intake) prepare(ctx context.Context, letter *message.Letter) (*job, error) {
	j := &job{ctx: ctx, letter: letter, done: make(chan error, 1)}
	for _, r := range letter.Recipients {
		org := in.serving(r)
		if org == nil {
			return nil, fmt.Errorf("the domain of a recipient is no longer served: %w", message.ErrNotOurDomain)
		}
		j.parcel(org).recipients = append(j.parcel(org).recipients, r)
	}
	if len(j.parcels) == 0 {
		return nil, errors.New("a letter without recipients")
	}
	in.read(j)
	j.lookAtFiles()
	if err := in.admit(j); err != nil {
		return nil, err
	}
	for _, p := range j.parcels {
		p.dedupe = dedupeHash(letter, j.content, p.recipients)
		p.sort()
	}
	if err := in.addConfirmed(ctx, j); err != nil {
		return nil, err
	}
	j.raw, j.coding = in.compress(letter.Raw)
	return j, nil
}

// addConfirmed adds the held letters that this one confirms, so that both are done in one transaction. Only a
// person confirms: an automatic answer to our question does not.
func (in *Intake) addConfirmed(ctx context.Context, j *job) error {
	for _, p := range j.parcels {
		if p.confirm.IsZero() || j.content.Kind != message.Human {
			continue
		}
		held, err := in.heldParcel(ctx, p.tenant.ID, p.confirm, release{confirmed: p})
		if errors.Is(err, ErrNotFound) {
			continue // confirmed before: decide says so
		}
		if err != nil {
			return err
		}
		if p.confirmFault = confirmFault(p, held, p.tenant.Signer.ConfirmCode(p.confirm)); p.confirmFault != "" {
			p.unconfirmed = held
			continue
		}
		j.parcels = append(j.parcels, held)
		return nil
	}
	return nil
}

func (j *job) parcel(org *Organisation) *parcel {
	for _, p := range j.parcels {
		if p.tenant.ID == org.ID {
			return p
		}
	}
	p := &parcel{job: j, tenant: org}
	j.parcels = append(j.parcels, p)
	return p
}

// read reads the letter. A letter that cannot be read still becomes a ticket.
func (in *Intake) read(j *job) {
	defer func() {
		if r := recover(); r != nil {
			in.log.Error("panic while reading a letter; it is stored and becomes a ticket unread",
				"letter", j.letter.ID.String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			in.metrics.unread.Inc()
			j.problem = "the letter could not be read; it is attached as it came"
			j.content = &message.Content{Kind: message.Human, Warnings: []string{"unread: the reader failed"}}
		}
	}()
	j.content = message.Read(j.letter.Raw, message.Envelope{
		NullSender: j.letter.MailFrom.IsZero(),
		MailFrom:   j.letter.MailFrom.String(),
	})
}

// lookAtFiles gathers the files of the letter, when somebody has rules about them.
func (j *job) lookAtFiles() {
	for _, p := range j.parcels {
		if p.tenant.attachmentRules() {
			j.files.add(j.content, 0)
			return
		}
	}
}

// admit refuses what only reading could tell.
func (in *Intake) admit(j *job) error {
	for _, p := range j.parcels {
		if _, _, ours := p.tenant.Signer.ParseMessageID(j.content.MessageID); ours {
			p.refused, p.summary.decisions = message.ErrLoop, []string{"admission: refused: " + message.ErrLoop.Reason}
			in.record([]*job{{letter: j.letter, content: j.content, parcels: []*parcel{p}}})
			return fmt.Errorf("%w: one of our own letters came back", message.ErrLoop)
		}
	}
	return nil
}

// dedupeHash is the same for two letters exactly when one is the other sent again: envelope,
// Message-ID and content are equal.
func dedupeHash(l *message.Letter, c *message.Content, recipients []address.Address) hash16 {
	h := sha256.New()
	field := func(s string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	field(l.MailFrom.Key())
	field(c.MessageID)
	for _, r := range recipients {
		field(r.Key())
	}
	h.Write(l.Raw)
	return hash16(h.Sum(nil)[:16])
}

// compressFrom is the size from which compression pays.
const compressFrom = 512

func (in *Intake) compress(raw []byte) (data []byte, coding string) {
	if len(raw) < compressFrom {
		return raw, "identity"
	}
	room := len(raw) / 2
	if len(raw) >= largeLetter {
		room = len(raw) // base64 compresses to three quarters; growing would copy it all
	}
	data = in.zstd.EncodeAll(raw, make([]byte, 0, room))
	if len(data) >= len(raw) {
		return raw, "identity"
	}
	return data, "zstd"
}

// threadHash is the key of a Message-ID.
func threadHash(organisation int32, messageID string) threadKey {
	sum := sha256.Sum256([]byte(strings.TrimSpace(messageID)))
	return threadKey{organisation, hash16(sum[:16])}
}
