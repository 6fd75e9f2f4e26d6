// Command mxdesk is a mail server that is a helpdesk. main.go holds the commands, serve.go wires the stages of a
// letter's way together, cmd_*.go are the commands besides serve.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"mxdesk/config"
)

// version is set when a release is built.
var version = "development"

// cli is the command line.
type cli struct {
	ConfigFile string `name:"config" env:"MXDESK_CONFIG" type:"path" help:"The configuration file (TOML). Every key is also an environment variable; mxdesk config lists them."`
	Verbose    bool   `help:"Say on standard error what takes long, also when that is no terminal."`

	Serve     serveCmd     `cmd:"" help:"Run the server."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database to this program's version and exit."`
	Config    configCmd    `cmd:"" help:"Print the effective configuration and where each value comes from."`
	Admin     adminCmd     `cmd:"" help:"Make organisations, staff and tokens."`
	DNS       dnsCmd       `cmd:"" name:"dns" help:"Print the DNS records to publish, beside what is published now."`
	Check     checkCmd     `cmd:"" help:"Look whether all is well: DNS, listeners, certificate, clock, database, queue; exit code for monitoring."`
	Queue     queueCmd     `cmd:"" help:"Look into the queue of outgoing mail and act on it."`
	Log       logCmd       `cmd:"" help:"Print what came in and what went out, newest first."`
	Trace     traceCmd     `cmd:"" help:"Tell everything about a letter, a delivery, a ticket or an address."`
	Reprocess reprocessCmd `cmd:"" help:"Read stored letters again with the present reader: words, HTML, files and kind of their entries."`
	Inspect   inspectCmd   `cmd:"" help:"Read a letter and print what mxdesk makes of it, as JSON."`
	Send      sendCmd      `cmd:"" help:"Send a short letter by SMTP, to try things out."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// environment is what a command gets of the world.
type environment struct {
	ctx      context.Context
	cli      *cli
	stdout   io.Writer
	progress *progress // nil: nobody waits
}

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser, err := kong.New(&c, kong.Name("mxdesk"), kong.Description("A mail server that is a helpdesk."), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(os.Stderr, "mxdesk:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		parser.FatalIfErrorf(err)
	}
	e := &environment{ctx: ctx, cli: &c, stdout: os.Stdout}
	if watched(c.Verbose) {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		e.progress = newProgress(os.Stderr, time.Now(), ticker.C)
	}
	err = parsed.Run(e)
	e.progress.close()
	var coded exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		fmt.Fprintln(os.Stderr, "mxdesk:", coded.err)
		return coded.code
	}
	fmt.Fprintln(os.Stderr, "mxdesk:", err)
	return 1
}

// exitCode is an error with an exit code of its own.
type exitCode struct {
	code int
	err  error
}

func (e exitCode) Error() string { return e.err.Error() }

// load reads the configuration.
func (e *environment) load(development bool) (config.Config, error) {
	if development {
		return config.LoadDevelopment(e.cli.ConfigFile, os.Environ())
	}
	return config.Load(e.cli.ConfigFile, os.Environ())
}

// logger makes the log of the configuration; the level can be changed later.
func logger(c config.Config) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(c.Log.Level)
	options := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), level
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options)), level
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e *environment) error {
	_, err := fmt.Fprintln(e.stdout, "mxdesk", version)
	return err
}

type configCmd struct {
	Dev bool `help:"With the defaults of serve --dev."`
}

// Run prints the effective configuration.
func (c configCmd) Run(e *environment) error {
	cfg, err := e.load(c.Dev)
	if err != nil {
		return err
	}
	return cfg.Print(e.stdout)
}
