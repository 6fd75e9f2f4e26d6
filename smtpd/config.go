package smtpd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/dns"
)

// Config says how a Server listens and what it bears. Hostname is the one field that must be
// set; every other zero value means the default of DefaultConfig.
type Config struct {
	// Hostname is our name in the banner, in the reply to EHLO and in the Received field.
	Hostname string
	// DefaultDomain completes "RCPT TO:<postmaster>" (RFC 5321 section 4.5.1); default Hostname.
	DefaultDomain string
	// Listen holds TCP addresses such as ":25".
	Listen []string
	// Listeners were opened by somebody else (socket activation); Run closes them.
	Listeners []net.Listener
	// LMTPListeners are for mail servers of ours, which have dealt with the client: limits per network, blocklists
	// and SPF are not for them. Run closes them.
	LMTPListeners []net.Listener
	// ProxyNetworks are where proxies connect from, whose connections begin with a PROXY header.
	ProxyNetworks []netip.Prefix
	// GetCertificate answers for STARTTLS; nil means that STARTTLS is not offered.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// SpoolDir is where letters above SpoolAbove lie while they arrive; default os.TempDir().
	SpoolDir string
	// Resolver is asked for the name of a client and for the domain of a sender; nil means that nothing is asked.
	Resolver dns.Resolver
	// Verifier authenticates the sender of a letter; nil means that nobody does.
	Verifier Verifier

	// Filter judges the content of letters; nil means that nobody does. Spam says what its scores lead to.
	Filter Filter
	Spam   SpamScores
	// Admission says who is listened to.
	Admission Admission
	// Rates limit letters; those in Exempt are spared.
	Rates Rates
	// SharedRates makes the rates hold for all nodes together; nil: each for itself.
	SharedRates SharedRates

	// QueueFull tells that so many letters wait to leave that none may come in which could add to them; reports of their fate
	// may. nil: never.
	QueueFull func() bool

	Log     *slog.Logger          // default slog.Default()
	Metrics prometheus.Registerer // nil: metrics are counted but not published
	Now     func() time.Time      // default time.Now

	MaxConnections  int            // open at one time, in all; 1000
	MaxPerNetwork   int            // open at one time from one network (/32, /64); 30
	MaxNewPerMinute int            // new ones in a minute from one network; 300
	Exempt          []netip.Prefix // networks that the limits per network and the rates spare; nil means loopback

	MaxMessages          int   // letters of one connection; 1000
	MaxRecipients        int   // of one letter; 100
	MaxRefusedRecipients int   // of one connection, before it is hung up; 50
	MaxSize              int64 // octets of one letter, as announced by SIZE; 35 MiB
	MaxCommandLine       int   // octets of a command with its CRLF; 2048
	MaxCommands          int   // commands since the connection began or its last letter was taken; 1000
	MaxBadCommands       int   // commands answered 500 to 504, before the connection is hung up; 10
	MaxTextLine          int   // octets of one line of a letter; 128 KiB
	MaxHeader            int   // octets of the header of a letter; 256 KiB
	MaxReceived          int   // Received fields, above which a letter loops; 50

	SpoolAbove int   // octets above which a letter moves from memory to SpoolDir; 1 MiB
	MinFree    int64 // octets that must be free in SpoolDir for a letter to be taken; 128 MiB

	GreetDelay        time.Duration // wait for early talkers before the banner; 0: look, but do not wait
	IdleTimeout       time.Duration // from one reply to the end of the next command; 5 min
	HandshakeTimeout  time.Duration // of TLS; 30 s
	WriteTimeout      time.Duration // for the client to take a reply; 1 min
	DataIdle          time.Duration // between two blocks of a letter; 3 min
	DataTimeout       time.Duration // for a whole letter to arrive; 10 min
	MinDataRate       int           // octets a second, averaged over a letter; 500
	DataGrace         time.Duration // from the begin of a letter, before MinDataRate counts; 1 min
	SessionTimeout    time.Duration // for a connection, letters in progress excepted; 20 min
	CheckTimeout      time.Duration // for Backend.CheckRecipient; 30 s
	ProcessingTimeout time.Duration // from end of data to the commit; 9 min (clients wait for 10, RFC 5321 section 4.5.3.2.6)
	StopTimeout       time.Duration // for letters in progress when the server is stopped; 30 s
}

// DefaultConfig returns the defaults, for a server without a name.
func DefaultConfig() Config {
	return Config{
		SpoolDir: os.TempDir(),
		Log:      slog.Default(),
		Now:      time.Now,

		MaxConnections:  1000,
		MaxPerNetwork:   30,
		MaxNewPerMinute: 300,
		Exempt:          []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},

		MaxMessages:          1000,
		MaxRecipients:        100,
		MaxRefusedRecipients: 50,
		MaxSize:              35 << 20,
		MaxCommandLine:       2048,
		MaxCommands:          1000,
		MaxBadCommands:       10,
		MaxTextLine:          128 << 10,
		MaxHeader:            256 << 10,
		MaxReceived:          50,

		SpoolAbove: 1 << 20,
		MinFree:    128 << 20,

		IdleTimeout:       5 * time.Minute,
		HandshakeTimeout:  30 * time.Second,
		WriteTimeout:      time.Minute,
		DataIdle:          3 * time.Minute,
		DataTimeout:       10 * time.Minute,
		MinDataRate:       500,
		DataGrace:         time.Minute,
		SessionTimeout:    20 * time.Minute,
		CheckTimeout:      30 * time.Second,
		ProcessingTimeout: 9 * time.Minute,
		StopTimeout:       30 * time.Second,
	}
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	set(&c.DefaultDomain, c.Hostname)
	set(&c.SpoolDir, d.SpoolDir)
	set(&c.Log, d.Log)
	if c.Now == nil {
		c.Now = d.Now
	}
	if c.Exempt == nil {
		c.Exempt = d.Exempt
	}
	set(&c.MaxConnections, d.MaxConnections)
	set(&c.MaxPerNetwork, d.MaxPerNetwork)
	set(&c.MaxNewPerMinute, d.MaxNewPerMinute)
	set(&c.MaxMessages, d.MaxMessages)
	set(&c.MaxRecipients, d.MaxRecipients)
	set(&c.MaxRefusedRecipients, d.MaxRefusedRecipients)
	set(&c.MaxSize, d.MaxSize)
	set(&c.MaxCommandLine, d.MaxCommandLine)
	set(&c.MaxCommands, d.MaxCommands)
	set(&c.MaxBadCommands, d.MaxBadCommands)
	set(&c.MaxTextLine, d.MaxTextLine)
	set(&c.MaxHeader, d.MaxHeader)
	set(&c.MaxReceived, d.MaxReceived)
	set(&c.SpoolAbove, d.SpoolAbove)
	set(&c.MinFree, d.MinFree)
	set(&c.IdleTimeout, d.IdleTimeout)
	set(&c.HandshakeTimeout, d.HandshakeTimeout)
	set(&c.WriteTimeout, d.WriteTimeout)
	set(&c.DataIdle, d.DataIdle)
	set(&c.DataTimeout, d.DataTimeout)
	set(&c.MinDataRate, d.MinDataRate)
	set(&c.DataGrace, d.DataGrace)
	set(&c.SessionTimeout, d.SessionTimeout)
	set(&c.CheckTimeout, d.CheckTimeout)
	set(&c.ProcessingTimeout, d.ProcessingTimeout)
	set(&c.StopTimeout, d.StopTimeout)
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// maxBlocklists bounds the questions that one connection costs.
const maxBlocklists = 20

// inBuffer is the size of a connection's read buffer; a command must fit into it.
const inBuffer = 16 << 10

func (c Config) validate() error {
	switch {
	case c.Hostname == "":
		return errors.New("smtpd: no host name")
	case len(c.Listen)+len(c.Listeners)+len(c.LMTPListeners) == 0:
		return errors.New("smtpd: no address to listen on")
	case c.MaxCommandLine < 512 || c.MaxCommandLine > inBuffer/2:
		return errors.New("smtpd: the limit of a command line must be 512 to 8192 octets")
	case c.MaxTextLine < 1000:
		return errors.New("smtpd: the limit of a text line must be 1000 octets or more")
	case c.MaxSize < 64<<10 || c.MaxSize > 1<<30:
		return errors.New("smtpd: the size limit of a letter must be 64 KiB to 1 GiB")
	case len(c.Admission.Blocklists) > maxBlocklists:
		return fmt.Errorf("smtpd: more than %d DNS blocklists", maxBlocklists)
	}
	return nil
}
