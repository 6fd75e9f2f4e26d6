package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// MinimumVersion is the oldest major version of PostgreSQL that mxdesk runs on.
const MinimumVersion = 15

// ErrUnfit is wrapped by every refusal of CheckServer.
var ErrUnfit = errors.New("mxdesk cannot use this PostgreSQL")

// settings is what CheckServer looks at.
type settings struct {
	VersionNumber     int // 150004 for 15.4
	Version           string
	Fsync             string
	SynchronousCommit string
	Encoding          string // of the database
}

// CheckServer returns an error that wraps ErrUnfit when the server is too old, or is set to
// acknowledge a commit before it is safe on disk: "250" to a letter would then be a promise that a
// power failure breaks.
func CheckServer(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) error {
	const query = `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding')`
	var s settings
	err := db.QueryRow(ctx, query).Scan(&s.VersionNumber, &s.Version, &s.Fsync, &s.SynchronousCommit, &s.Encoding)
	if err != nil {
		return fmt.Errorf("read settings of PostgreSQL: %w", err)
	}
	return s.check()
}

func (s settings) check() error {
	switch {
	case s.VersionNumber < MinimumVersion*10000:
		return fmt.Errorf("%w: it is version %s, and mxdesk needs %d or newer", ErrUnfit, s.Version, MinimumVersion)
	case s.Fsync == "off":
		return fmt.Errorf("%w: fsync is off, so a power failure would lose accepted mail; set fsync = on", ErrUnfit)
	case s.SynchronousCommit == "off":
		return fmt.Errorf("%w: synchronous_commit is off, so a crash would lose accepted mail; set synchronous_commit = on", ErrUnfit)
	case s.Encoding != "UTF8":
		return fmt.Errorf("%w: the database has the encoding %s, and mxdesk needs UTF8", ErrUnfit, s.Encoding)
	}
	return nil
}
