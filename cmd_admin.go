package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/id"
	"mxdesk/internal/postgres"
	"mxdesk/internal/selfcheck"
	"mxdesk/migrations"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// database is what commands beside a running server work on.
type database struct {
	pool      *pgxpool.Pool
	directory *ticketing.Directory
	queue     *outbound.Queue
	service   *ticketing.Service
}

// commandTime is how long a command may take, unless it says otherwise.
const commandTime = time.Minute

// withDatabase runs f on the configured database: that of database.url, or the private PostgreSQL of a server that runs
// on this machine.
func (e *environment) withDatabase(dev bool, f func(context.Context, *database) error) error {
	cfg, err := e.load(dev)
	if err != nil {
		return err
	}
	url := string(cfg.Database.URL)
	if url == "" {
		if url, err = postgres.Attach(privateDir(cfg)); err != nil {
			return fmt.Errorf("%w; start mxdesk serve first, or set database.url", err)
		}
	}
	e.progress.set("waits for the database")
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, cancel := context.WithTimeout(e.ctx, commandTime)
	defer cancel()
	d := &database{}
	if d.pool, err = postgres.Pool(ctx, url, 4); err != nil {
		return err
	}
	defer d.pool.Close()
	if err := sameSchema(ctx, d.pool); err != nil {
		return err
	}
	if d.directory, err = ticketing.NewDirectory(ctx, d.pool, log); err != nil {
		return err
	}
	d.queue = outbound.NewQueue(d.pool, outbound.QueueConfig{})
	if d.service, err = ticketing.NewService(d.pool, d.directory, d.queue, nil); err != nil {
		return err
	}
	return f(ctx, d)
}

// sameSchema looks whether the database answers, and is one that this program can work on.
func sameSchema(ctx context.Context, pool *pgxpool.Pool) error {
	version, err := migrations.Version(ctx, pool)
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("the database does not answer; look whether mxdesk serve and PostgreSQL run: %w", err)
	}
	if err != nil {
		return err
	}
	for _, line := range selfcheck.Schema(version, migrations.Latest()) {
		if line.Level != selfcheck.OK {
			return fmt.Errorf("%s: %s", line.Text, line.Do)
		}
	}
	return nil
}

// known tells whether an organisation has the number that somebody typed.
func (d *database) known(organisation int32) error {
	if d.directory.Organisation(organisation) == nil {
		return fmt.Errorf("there is no organisation %d; mxdesk dns --offline shows the numbers", organisation)
	}
	return nil
}

type migrateCmd struct{}

// Run migrates the database that the configuration names.
func (migrateCmd) Run(e *environment) error {
	cfg, err := e.load(false)
	if err != nil {
		return err
	}
	if cfg.Database.URL == "" {
		return fmt.Errorf("database.url is not set: the private PostgreSQL is migrated when mxdesk serve starts")
	}
	e.progress.set("waits for the database")
	pool, err := postgres.Pool(e.ctx, string(cfg.Database.URL), 4)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrations.CheckServer(e.ctx, pool); err != nil {
		return err
	}
	return migrations.ApplyTelling(e.ctx, pool, func(s migrations.Step) {
		e.progress.set("migration %s, %d of %d", s.Name, s.Number, s.Of)
	})
}

type adminCmd struct {
	Dev          bool            `help:"The database of serve --dev."`
	Organisation organisationCmd `cmd:"" help:"Make an organisation with its first domain and support address."`
	Staff        staffCmd        `cmd:"" help:"Make a staff member."`
	Token        tokenCmd        `cmd:"" help:"Make an API token; it is printed once."`
}

type organisationCmd struct {
	Name    string `arg:"" help:"Its name."`
	Address string `arg:"" help:"Its first support address, help@example.com; the domain becomes its first domain."`

	SignAtOnce bool `help:"Sign with its DKIM keys before the DNS shows them. For trials and closed networks."`
}

// Run makes an organisation.
func (c organisationCmd) Run(e *environment) error {
	return e.withDatabase(e.cli.Admin.Dev, func(ctx context.Context, d *database) error {
		oid, err := d.service.CreateOrganisation(ctx, ticketing.NewOrganisation{Name: c.Name, Address: c.Address, SignAtOnce: c.SignAtOnce})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "organisation %d\n", oid)
		return err
	})
}

type staffCmd struct {
	Organisation int32    `arg:"" help:"Number of the organisation."`
	Name         string   `arg:"" help:"Full name."`
	Address      string   `arg:"" help:"Mail address."`
	Role         string   `enum:"technician,administrator" default:"technician" help:"technician or administrator."`
	Prefer       []string `help:"Notifications that are wanted." default:"unassigned_new,unassigned_reply"`
}

// Run makes a staff member.
func (c staffCmd) Run(e *environment) error {
	return e.withDatabase(e.cli.Admin.Dev, func(ctx context.Context, d *database) error {
		if err := d.known(c.Organisation); err != nil {
			return err
		}
		person, err := d.service.AddStaff(ctx, c.Organisation, ticketing.NewStaff{Name: c.Name, Address: c.Address, Role: c.Role, Preferences: c.Prefer})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "per_%s\n", person)
		return err
	})
}

type tokenCmd struct {
	Organisation int32  `arg:"" help:"Number of the organisation; 0: the whole server."`
	Rights       string `enum:"read,agent,admin,operator" default:"admin" help:"read, agent, admin or operator."`
	Name         string `help:"What it is for."`
}

// Run makes a token.
func (c tokenCmd) Run(e *environment) error {
	rights := ticketing.Rights(c.Rights)
	if (c.Organisation == 0) != (rights == ticketing.OperatorRights) {
		return errors.New("a token of the whole server is made with 0 and --rights operator, one of an organisation with its number and other rights")
	}
	return e.withDatabase(e.cli.Admin.Dev, func(ctx context.Context, d *database) error {
		if c.Organisation != 0 {
			if err := d.known(c.Organisation); err != nil {
				return err
			}
		}
		token, err := d.service.CreateToken(ctx, c.Organisation, id.ID{}, rights, c.Name)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.stdout, token)
		return err
	})
}
