package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"mxdesk/internal/id"
	"mxdesk/ticketing"
)

type reprocessCmd struct {
	Dev          bool   `help:"The database of serve --dev."`
	All          bool   `help:"Also letters that this version of the reader has read."`
	Organisation int32  `help:"Letters of this organisation alone."`
	Letter       string `help:"This letter alone."`
	JSON         bool   `name:"json" help:"Print JSON."`
	After        string `help:"Only letters after this one: where a run with --all stopped."`
}

// Run reads stored letters again. Progress goes to standard error. When some letter could not be read again, the exit
// code is 1.
func (c reprocessCmd) Run(e *environment) error {
	letter, err := parseLetter(c.Letter)
	if err != nil {
		return fmt.Errorf("--letter: %w", err)
	}
	after, err := parseLetter(c.After)
	if err != nil {
		return fmt.Errorf("--after: %w", err)
	}
	// The log may be long: only a signal ends this, not the time that other commands have.
	return e.withDatabase(c.Dev, func(_ context.Context, d *database) error {
		if c.Organisation != 0 {
			if err := d.known(c.Organisation); err != nil {
				return err
			}
		}
		done, err := d.service.Reprocess(e.ctx, ticketing.Reprocess{
			Organisation: c.Organisation, Letter: letter, All: c.All, After: after,
			Progress: func(p ticketing.Reprocessed) {
				e.progress.set("read %d, changed %d, failed %d; last ltr_%s", p.Read, p.Changed, p.Failed, p.Last)
			},
			Failed: func(_ id.ID, err error) { fmt.Fprintln(os.Stderr, err) },
		})
		if c.JSON {
			if printErr := printJSON(e.stdout, done); err == nil {
				err = printErr
			}
		} else if _, printErr := fmt.Fprintf(e.stdout, "%d letters read again, %d of them changed, %d failed\n", done.Read, done.Changed, done.Failed); err == nil {
			err = printErr
		}
		if err != nil && c.All && !done.Last.IsZero() {
			err = fmt.Errorf("%w; it goes on with --all --after ltr_%s", err, done.Last)
		}
		if err == nil && done.Failed > 0 {
			err = fmt.Errorf("%d letters stay as they are", done.Failed)
		}
		return err
	})
}

// parseLetter reads the id of a letter; "" is the zero id.
func parseLetter(s string) (id.ID, error) {
	if s == "" {
		return id.ID{}, nil
	}
	return id.Parse(strings.TrimPrefix(s, "ltr_"))
}
