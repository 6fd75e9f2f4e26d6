package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/inspect"
	"mxdesk/internal/mailauth"
	"mxdesk/internal/message"
	"mxdesk/ticketing/command"
)

type inspectCmd struct {
	IP       string   `name:"ip" help:"Address of the client that sent the letter."`
	Helo     string   `help:"Name the client gave."`
	MailFrom *string  `help:"Envelope sender; '' is the null sender."`
	RcptTo   []string `sep:"none" help:"Envelope recipient; may be repeated."`
	DNS      string   `name:"dns" xor:"dns" type:"path" help:"Authenticate the sender with the zone data of this file (YAML)."`
	LiveDNS  bool     `name:"live-dns" xor:"dns" help:"Authenticate the sender with the DNS as it is now."`
	Now      string   `help:"Time to check signatures against (RFC 3339), in place of the clock."`
	File     string   `arg:"" help:"The letter; - for standard input."`
}

// maxInspect bounds what inspect reads.
const maxInspect = 256 << 20

// Run prints what the reader makes of a letter.
func (c inspectCmd) Run(e *environment) error {
	raw, err := c.read()
	if err != nil {
		return exitCode{2, err}
	}
	env := message.Envelope{}
	if c.MailFrom != nil {
		env.MailFrom = strings.TrimSuffix(strings.TrimPrefix(*c.MailFrom, "<"), ">")
		env.NullSender = env.MailFrom == ""
	}
	verdict, err := c.authenticate(e, mailauth.In{Helo: c.Helo, MailFrom: env.MailFrom, Raw: raw})
	if err != nil {
		return exitCode{2, err}
	}
	o := inspect.Options{Verdict: verdict, Recipients: c.RcptTo, Commands: subjectCommands}
	return inspect.New(message.Read(raw, env), o).Write(e.stdout)
}

func subjectCommands(subject string) (string, []inspect.Command) {
	rest, commands := command.Parse(subject)
	var found []inspect.Command
	for _, c := range commands {
		found = append(found, inspect.Command{Name: c.Name, Value: c.Value})
	}
	return rest, found
}

func (c inspectCmd) read() ([]byte, error) {
	in := os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, maxInspect))
}

// authenticate makes the verdict, nil without DNS. Its errors are wrong usage.
func (c inspectCmd) authenticate(e *environment, in mailauth.In) (*message.Verdict, error) {
	now := time.Now()
	var err error
	if c.IP != "" {
		if in.IP, err = netip.ParseAddr(c.IP); err != nil {
			return nil, fmt.Errorf("--ip: %q is no address", c.IP)
		}
	}
	if c.Now != "" {
		if now, err = time.Parse(time.RFC3339, c.Now); err != nil {
			return nil, fmt.Errorf("--now: %q is no time as RFC 3339 has them", c.Now)
		}
	}
	var resolver dns.Resolver
	switch {
	case c.DNS != "":
		zone, err := os.ReadFile(c.DNS)
		if err != nil {
			return nil, err
		}
		if resolver, err = dns.ParseZone(string(zone)); err != nil {
			return nil, fmt.Errorf("%s: %w", c.DNS, err)
		}
	case c.LiveDNS:
		system, err := dns.New(dns.Config{})
		if err != nil {
			return nil, err
		}
		defer system.Close()
		resolver = system
	default:
		return nil, nil
	}
	e.progress.set("asks the DNS about the sender")
	v := mailauth.Verifier{DNS: resolver, Now: func() time.Time { return now }}
	verdict := v.Verify(e.ctx, in)
	return &verdict, nil
}
