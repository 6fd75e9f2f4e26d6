package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mxdesk/config"
	"mxdesk/internal/id"
	"mxdesk/ticketing"
)

// The example of serve --dev.
const (
	exampleName    = "Example"
	exampleAddress = "help@example.test"
	exampleStaff   = "anna@staff.test"
)

// startTime is when the program began.
var startTime = time.Now()

// welcome makes the example organisation on the first start, and prints what to try next.
func (s *server) welcome(ctx context.Context, w io.Writer) error {
	if s.smtp != nil {
		select {
		case <-s.smtp.Ready():
		case <-ctx.Done():
			return nil
		}
	}
	token, err := s.example(ctx)
	if err != nil {
		return fmt.Errorf("make the example organisation: %w", err)
	}
	smtp, api := listenText(s.cfg.SMTP.Listen), listenText(s.cfg.API.Listen)
	host, port, _ := strings.Cut(smtp, ":")
	_, err = fmt.Fprintf(w, `
mxdesk is ready after %v. Letters to %s become tickets; mail that mxdesk sends is written to %s.

Send a letter (either line):
  swaks --server %s --port %s --from carl@customer.test --to %s --h-Subject 'Printer on fire' --body 'It burns.'
  %s send --server %s --from carl@customer.test --to %s --subject 'Printer on fire' 'It burns, still.'

List the tickets:
  curl -s -H 'Authorization: Bearer %s' http://%s/v1/tickets

Read what was sent (the acknowledgement to Carl, the notification to the agent Anna):
  ls -R %s

Answer as Anna: send a letter from %s to the Reply-To address of her notification; put #close# or #tech# in its subject.
What became of a letter:  %s trace --dev '#1'
The API, for people: http://%s/docs
Ctrl-C stops it.
`, time.Since(startTime).Round(time.Millisecond), exampleAddress, s.cfg.Outbound.Transport.Dir,
		host, port, exampleAddress, os.Args[0], smtp, exampleAddress, token, api, s.cfg.Outbound.Transport.Dir, exampleStaff, os.Args[0], api)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func listenText(list []config.Listener) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].Address
}

// example makes the organisation unless there is one, and returns a token for it, the same at every start.
func (s *server) example(ctx context.Context) (token string, err error) {
	file := filepath.Join(s.cfg.DataDir, "token")
	kept, err := os.ReadFile(file)
	if err == nil && len(s.directory.Organisations()) > 0 {
		return strings.TrimSpace(string(kept)), nil
	}
	var oid int32
	if all := s.directory.Organisations(); len(all) > 0 {
		oid = all[0].ID
	} else {
		if oid, err = s.service.CreateOrganisation(ctx, ticketing.NewOrganisation{Name: exampleName, Address: exampleAddress, RelaxStaffProof: true, SignAtOnce: true}); err != nil {
			return "", err
		}
		staff := ticketing.NewStaff{
			Name: "Anna Agent", Address: exampleStaff, Role: "administrator", Preferences: []string{"unassigned_new", "unassigned_reply"},
		}
		if _, err = s.service.AddStaff(ctx, oid, staff); err != nil {
			return "", err
		}
	}
	if token, err = s.service.CreateToken(ctx, oid, id.ID{}, ticketing.AdminRights, "development"); err != nil {
		return "", err
	}
	return token, os.WriteFile(file, []byte(token+"\n"), 0o600)
}
