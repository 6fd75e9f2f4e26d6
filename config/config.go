// Package config is what a server has to know before it has a database: where to listen, its
// certificate, where PostgreSQL is, its limits. Everything an organisation decides is in the database.
//
// An option is declared once, as a field of Config. Its comment is its documentation, and
// `mxdesk config` prints it; its tags say the rest:
//
//	toml     the key in the file; the environment variable is MXDESK_SECTION_KEY
//	default  the value without file and environment; dev: the one of `mxdesk serve --dev`
//	min max  bounds, in the form in which the value itself is written
//	one_of   the words it may be
//	required "yes": not empty
//	reload   "yes": SIGHUP changes it, every other option needs a restart
//
// An option of type Secret has a twin KEY_file that names a file with the secret in it.
//
// Read in this order: config.go, types.go, option.go, load.go, print.go.
package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is the effective configuration: defaults, then the file, then the environment.
type Config struct {
	// The name of this machine in the SMTP greeting, in EHLO and in Received fields. Its A and PTR
	// records should agree. Empty: the machine's own name.
	Hostname Hostname `toml:"hostname"`
	// The folder of the private PostgreSQL, of spooled letters and of the development Maildir.
	DataDir string `toml:"data_dir" default:"/var/lib/mxdesk" dev:"data" required:"yes"`
	// What this node does: smtp (take letters), deliver (send them), api, jobs (housekeeping).
	Roles []Role `toml:"roles" default:"smtp,deliver,api,jobs" required:"yes"`
	// How long letters and requests in progress may take to end after SIGTERM.
	StopTimeout time.Duration `toml:"stop_timeout" default:"30s" min:"1s" max:"10m"`

	SMTP      SMTP      `toml:"smtp"`
	Admission Admission `toml:"admission"`
	Spam      Spam      `toml:"spam"`
	API       API       `toml:"api"`
	Web       Web       `toml:"web"`
	Metrics   Metrics   `toml:"metrics"`
	TLS       TLS       `toml:"tls"`
	Database  Database  `toml:"database"`
	DNS       DNS       `toml:"dns"`
	Outbound  Outbound  `toml:"outbound"`
	Reports   Reports   `toml:"reports"`
	Log       Log       `toml:"log"`
	Retention Retention `toml:"retention"`

	origins map[string]origin // by key; absent: the default
}

// SMTP is the server that takes letters, and its limits. Over a limit the client hears 421 or 4xx
// with the limit's name.
type SMTP struct {
	// Where letters are taken: HOST:PORT, or unix:PATH.
	Listen []Listener `toml:"listen" default:":25" dev:"127.0.0.1:2525"`
	// Where mail servers of yours may bring letters by LMTP (RFC 2033): HOST:PORT, or unix:PATH. They are trusted: limits
	// per client network, blocklists and SPF are their work. Everybody who may enter its folder can use a Unix socket.
	LMTPListen []Listener `toml:"lmtp_listen"`
	// Networks of proxies. A connection from there begins with a header of the PROXY protocol, version 1 or 2, which
	// names the client.
	ProxyNetworks []netip.Prefix `toml:"proxy_networks"`
	// Sessions at one time.
	MaxConnections int `toml:"max_connections" default:"1000" min:"1" max:"100000"`
	// Sessions at one time from one client network (IPv4 /32, IPv6 /64).
	MaxConnectionsPerNetwork int `toml:"max_connections_per_network" default:"30" min:"1" max:"100000"`
	// New sessions a minute from one client network.
	ConnectionsPerMinute int `toml:"connections_per_minute" default:"300" min:"1" max:"1000000"`
	// Networks that the two limits per client network, and the rates of [admission], spare.
	ExemptNetworks []netip.Prefix `toml:"exempt_networks" default:"127.0.0.0/8,::1/128"`
	// Letters in one session.
	MessagesPerConnection int `toml:"messages_per_connection" default:"1000" min:"1" max:"100000"`
	// Recipients of one letter; RFC 5321 section 4.5.3.1.8 asks for 100 at least.
	MaxRecipients int `toml:"max_recipients" default:"100" min:"1" max:"1000"`
	// Size of one letter; announced as SIZE.
	MaxMessageSize Size `toml:"max_message_size" default:"35MiB" min:"64KiB" max:"200MiB"`
	// Size of the header block of one letter.
	MaxHeaderSize Size `toml:"max_header_size" default:"256KiB" min:"16KiB" max:"1MiB"`
	// Length of one command line; RFC 5321 section 4.5.3.1.4 asks for 512 at least.
	MaxCommandLength Size `toml:"max_command_length" default:"2048B" min:"512B" max:"8KiB"`
	// Length of one line of a letter. RFC 5322 allows 998, but real mail has longer ones.
	MaxLineLength Size `toml:"max_line_length" default:"128KiB" min:"1000B" max:"1MiB"`
	// Size above which a letter is kept on disk, not in memory, while it arrives.
	SpoolAbove Size `toml:"spool_above" default:"1MiB" min:"4KiB" max:"200MiB"`
	// Space that must be free in the data folder; with less, letters are refused for the time being (452).
	MinFreeSpace Size `toml:"min_free_space" default:"128MiB" min:"1MiB" max:"1024GiB"`
	// Wait before the greeting: a client that speaks during it is refused. 0s looks, but does not wait.
	GreetDelay time.Duration `toml:"greet_delay" default:"0s" min:"0s" max:"30s"`
	// Longest wait for the next command.
	IdleTimeout time.Duration `toml:"idle_timeout" default:"5m" min:"1s" max:"1h"`
	// Longest time for one letter, from DATA to its last byte.
	DataTimeout time.Duration `toml:"data_timeout" default:"10m" min:"10s" max:"1h"`
	// Longest time for one session.
	SessionTimeout time.Duration `toml:"session_timeout" default:"20m" min:"10s" max:"24h"`
	// Authenticate senders: SPF, DKIM, DMARC and ARC, and the name of the client. In development it needs dns.resolvers:
	// without them nobody is asked.
	Verify bool `toml:"verify" default:"true" dev:"false"`
	// Wrong commands before the session is ended.
	MaxBadCommands int `toml:"max_bad_commands" default:"10" min:"1" max:"1000"`
}

// Admission says who is listened to, for all organisations; each has lists of its own in the database. Who is refused
// hears why. Rates are letters a minute, 0 for no limit; all nodes together keep them, and who is over one hears 451.
type Admission struct {
	// Client networks that are spared all of this section, save block_senders. Of allow_networks and block_networks the
	// longer prefix decides.
	AllowNetworks []netip.Prefix `toml:"allow_networks"`
	// Client networks that are refused before they can speak.
	BlockNetworks []netip.Prefix `toml:"block_networks"`
	// Envelope senders that need no domain that exists and are not greylisted: ADDRESS, or DOMAIN with all below it. Anybody can
	// forge them. Of allow_senders and block_senders the more exact entry decides.
	AllowSenders []Sender `toml:"allow_senders"`
	// Envelope senders that are refused.
	BlockSenders []Sender `toml:"block_senders"`
	// DNS lists of clients to ask, each ZONE or ZONE=WEIGHT; a list of good clients has a negative weight. Read their terms: most
	// want a resolver of your own, in dns.resolvers. Empty: none.
	DNSBlocklists []Blocklist `toml:"dns_blocklists"`
	// Sum of weights from which on a client is refused.
	DNSBlocklistThreshold int `toml:"dns_blocklist_threshold" default:"1" min:"1" max:"1000"`
	// Refuse senders whose domain has neither MX nor address, or a null MX (RFC 7505): nobody could answer them. A DNS that
	// fails refuses nobody. In development it needs dns.resolvers.
	CheckSenderDomain bool `toml:"check_sender_domain" default:"true" dev:"false"`
	// Make unknown senders come twice: the first time that a client network, a sender and a recipient meet is answered 451.
	// Whom we have written to, or who has passed DMARC, is taken at once.
	Greylisting bool `toml:"greylisting" default:"false"`
	// How long after the first time a greylisted sender is taken.
	GreylistDelay time.Duration `toml:"greylist_delay" default:"5m" min:"1s" max:"6h"`
	// Letters a minute from one envelope sender.
	RatePerSender int `toml:"rate_per_sender" default:"60" min:"0" max:"1000000"`
	// Letters a minute from the senders of one domain.
	RatePerSenderDomain int `toml:"rate_per_sender_domain" default:"600" min:"0" max:"1000000"`
	// Letters a minute from one client network (IPv4 /32, IPv6 /64).
	RatePerNetwork int `toml:"rate_per_network" default:"300" min:"0" max:"1000000"`
	// Letters a minute to one address of ours.
	RatePerRecipient int `toml:"rate_per_recipient" default:"600" min:"0" max:"1000000"`
}

// Spam is the content filter rspamd, which is asked about every letter. When it gives no answer, the letter is taken
// without it, and its verdict says so. A score of 0 means never.
type Spam struct {
	// URL of a normal worker of rspamd, such as "http://127.0.0.1:11333". Letters go there as they are. Empty: nobody is asked.
	RspamdURL WebURL `toml:"rspamd_url"`
	// Password of that worker. Empty: none.
	RspamdPassword Secret `toml:"rspamd_password"`
	// Longest wait for its answer.
	Timeout time.Duration `toml:"timeout" default:"10s" min:"100ms" max:"2m"`
	// Score from which on a letter is marked.
	TagScore int `toml:"tag_score" default:"6" min:"0" max:"1000"`
	// Score from which on a letter is held: stored, but no ticket until it is released.
	HoldScore int `toml:"hold_score" default:"10" min:"0" max:"1000"`
	// Score from which on a letter is refused.
	RefuseScore int `toml:"refuse_score" default:"15" min:"0" max:"1000"`
}

// API is the JSON interface.
type API struct {
	// Where the JSON API is served: HOST:PORT, or unix:PATH. Put a TLS proxy before it when others shall reach it.
	Listen []Listener `toml:"listen" default:"127.0.0.1:8025"`
}

// Web is the public pages: links in letters, policies and certificate challenges. A node with the role api serves them.
type Web struct {
	// Where plain HTTP is served: HOST:PORT, or unix:PATH. Certificates by HTTP-01 need it on port 80. Empty: nowhere.
	Listen []Listener `toml:"listen" dev:"127.0.0.1:8026"`
	// Where TLS is served, with the certificates of [tls]. MTA-STS policies and certificates by TLS-ALPN-01 need it on
	// port 443. Empty: nowhere.
	TLSListen []Listener `toml:"tls_listen"`
	// The URL by which browsers reach these pages, such as "https://help.example.org". Empty: letters carry no links.
	URL WebURL `toml:"url"`
	// The hosts that the MTA-STS policies of your domains name: all that their MX records do. Empty: hostname.
	MTASTSHosts []Hostname `toml:"mta_sts_hosts"`
	// Connections at one time.
	MaxConnections int `toml:"max_connections" default:"1000" min:"1" max:"100000"`
	// Connections at one time from one client network (IPv4 /32, IPv6 /64).
	MaxConnectionsPerNetwork int `toml:"max_connections_per_network" default:"30" min:"1" max:"100000"`
	// Networks that the limits per client network spare, of connections and of downloads.
	ExemptNetworks []netip.Prefix `toml:"exempt_networks" default:"127.0.0.0/8,::1/128"`
	// Networks of proxies in front, which must add to X-Forwarded-For who asked them: the client is then the last one there that
	// is no such proxy, and has limits of his own. With it, a Unix socket is a proxy's too. Empty: nobody's header is believed.
	ProxyNetworks []netip.Prefix `toml:"proxy_networks"`
}

// Metrics is for those who watch the server.
type Metrics struct {
	// Where /metrics, /healthz and /readyz are served, without sign-in: HOST:PORT or unix:PATH. Empty: nowhere.
	Listen []Listener `toml:"listen" default:"127.0.0.1:9025"`
	// Serve profiles under /debug/pprof/ there too.
	Pprof bool `toml:"pprof" default:"false"`
}

// TLS is the certificates, for STARTTLS and for the public pages: from files, or by ACME (RFC 8555) from a certificate
// authority, or both; then the files serve the names that they are for. Files are read again when they change. What ACME
// brings is in the database, for all nodes, and renewed in time.
type TLS struct {
	// Certificate chain, PEM. Without it and without acme STARTTLS is not offered.
	CertificateFile string `toml:"certificate_file"`
	// Private key of the certificate, PEM.
	KeyFile string `toml:"key_file"`
	// Get certificates by ACME. A node with the role api needs web.listen on port 80 or web.tls_listen on port 443 for it.
	ACME bool `toml:"acme" default:"false"`
	// You have read the terms of service of the certificate authority, and agree. ACME needs it.
	ACMEAgreeToTerms bool `toml:"acme_agree_to_terms" default:"false"`
	// URL of the certificate authority's directory.
	ACMEDirectory WebURL `toml:"acme_directory" default:"https://acme-v02.api.letsencrypt.org/directory" required:"yes"`
	// Your e-mail address, for the certificate authority. Empty: it has none.
	ACMEContact string `toml:"acme_contact"`
	// Names to get certificates for, each its own. SMTP shows the first one to who names none of them. Empty: hostname and, with
	// web.tls_listen, the host of web.url. With web.tls_listen mta-sts.DOMAIN of each domain with a policy is added.
	ACMENames []Hostname `toml:"acme_names"`
	// File with the roots, PEM, of a private certificate authority; believed for its directory only.
	ACMECAFile string `toml:"acme_ca_file"`
}

// Database is where everything is kept.
type Database struct {
	// PostgreSQL 15 or newer, as URL or in keyword form; several hosts are allowed. Empty: mxdesk runs a private
	// one in the data folder.
	URL DatabaseURL `toml:"url"`
	// Folder with the programs of the private PostgreSQL (initdb, postgres). Empty: searched for.
	BinDir string `toml:"bin_dir"`
	// Connections to PostgreSQL. More than 8 to 16 make it slower.
	PoolSize int `toml:"pool_size" default:"12" min:"4" max:"200"`
}

// DNS is whom to ask.
type DNS struct {
	// Name servers to ask, HOST:PORT. Empty: those of the system. DANE needs one that validates DNSSEC, on this machine.
	Resolvers []NameServer `toml:"resolvers"`
	// Longest wait for one answer.
	Timeout time.Duration `toml:"timeout" default:"5s" min:"100ms" max:"1m"`
}

// Outbound is how letters leave.
type Outbound struct {
	// How letters leave: "maildir:DIR" writes them into a Maildir (a relative DIR is inside the data folder),
	// "discard:" drops them, "mx" delivers to the recipients' servers, "smtp://HOST:PORT" (STARTTLS if
	// offered) and "smtps://HOST:PORT" (TLS from the start) give them to a smart host.
	Transport Transport `toml:"transport" default:"maildir:outbox"`
	// User name at the smart host. Empty: no sign-in.
	SmarthostUser string `toml:"smarthost_user"`
	// Password at the smart host. It is sent over TLS alone.
	SmarthostPassword Secret `toml:"smarthost_password"`
	// Take any certificate from the smart host. Otherwise it must be one for its name, by an authority that this machine trusts,
	// wherever there is a password or the transport is smtps: who stands between could read the password.
	SmarthostAnyCertificate bool `toml:"smarthost_any_certificate" default:"false"`
	// Connections to other servers at once. Half of them are kept for sites that took letters without trouble before: sites that
	// are new or fail may hold the others.
	Connections int `toml:"connections" default:"200" min:"2" max:"5000"`
	// Letters that may wait to leave. While there are more, new ones from outside are refused for the time being (451), so that
	// their answers do not pile up; delivery reports are taken.
	MaxWaiting int `toml:"max_waiting" default:"1000000" min:"1000" max:"100000000"`
	// Port of the recipients' servers. Other than 25 for tests alone.
	MXPort int `toml:"mx_port" default:"25" min:"1" max:"65535"`
	// Size of one letter as it leaves. Attachments that would make it larger are named instead, with a link if web.url is set.
	MaxLetterSize Size `toml:"max_letter_size" default:"10MiB" min:"64KiB" max:"100MiB"`
	// Further addresses that lead to this server, as networks such as "203.0.113.5/32". An MX host there is taken for this
	// server itself, and nothing is delivered to it. Where smtp.listen listens, and the addresses of hostname, are known.
	OwnNetworks []netip.Prefix `toml:"own_networks"`
	// Deliver to loopback and private addresses too. For tests and closed networks: otherwise anybody's MX
	// record could point mxdesk at a machine of yours.
	AllowPrivateDestinations bool `toml:"allow_private_destinations" default:"false"`
}

// Reports is what other domains are told of a day, if they ask for it in the DNS. A node with the role jobs sends them, in the
// first hours after midnight UTC. What others report about your domains is taken in any case.
type Reports struct {
	// Send TLS reports (RFC 8460): how the TLS of their mail hosts went.
	TLS bool `toml:"tls" default:"false"`
	// Send DMARC aggregate reports (RFC 9990): what came in their name, from which address, and whether it passed. It needs smtp.verify.
	DMARC bool `toml:"dmarc" default:"false"`
	// The address that reports are from, at a domain of yours, and where questions about them may go.
	From Mailbox `toml:"from"`
	// The name of the reporting organisation. Empty: hostname.
	Organisation string `toml:"organisation"`
}

// Log is what is told, on standard error.
type Log struct {
	// Least level that is told.
	Level slog.Level `toml:"level" default:"info" one_of:"debug,info,warn,error" reload:"yes"`
	// The form of a line.
	Format string `toml:"format" default:"text" one_of:"text,json"`
}

// Retention is how long the logs are kept; what is older is removed, some at a time.
type Retention struct {
	// Received letters that became part of no ticket: reports, automatic answers, what was rejected or could not be placed.
	// Held letters wait for a decision, and letters of tickets stay as long as these.
	Incoming time.Duration `toml:"incoming" default:"2160h" min:"72h" max:"87600h"`
	// Letters that were sent, and what became of each delivery.
	Outgoing time.Duration `toml:"outgoing" default:"2160h" min:"72h" max:"87600h"`
	// Every attempt to deliver, with the other server's words. They go by whole months.
	Attempts time.Duration `toml:"attempts" default:"2160h" min:"72h" max:"87600h"`
}
