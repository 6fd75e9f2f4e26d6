package certificate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// store is every statement of the package. Due times are in the time of the database.
type store struct{ pool *pgxpool.Pool }

const sqlAddNames = `INSERT INTO acme_certificates (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`

// addNames makes rows for names that have none.
func (s store) addNames(ctx context.Context, names []string) error {
	if _, err := s.pool.Exec(ctx, sqlAddNames, names); err != nil {
		return fmt.Errorf("add names of certificates: %w", err)
	}
	return nil
}

const sqlStates = `
SELECT name, attempt, failures, next_attempt_at <= now() AS due,
       coalesce(attempted_at < now() - $2::interval, true) AS rested, directory, issued
FROM acme_certificates WHERE name = ANY($1) ORDER BY array_position($1::text[], name)`

// states returns what is known of the names, in their order.
func (s store) states(ctx context.Context, names []string) ([]state, error) {
	rows, err := s.pool.Query(ctx, sqlStates, names, switchWait)
	if err != nil {
		return nil, fmt.Errorf("look at certificates: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[state])
	if err != nil {
		return nil, fmt.Errorf("look at certificates: %w", err)
	}
	return all, nil
}

// issued is a certificate with its key.
type issued struct {
	Name       string
	Issued     int64
	Chain      [][]byte
	PrivateKey []byte
}

const sqlCertificates = `SELECT name, issued, chain, private_key FROM acme_certificates WHERE name = ANY($1) AND issued > 0`

// certificates loads those of the names.
func (s store) certificates(ctx context.Context, names []string) ([]issued, error) {
	rows, err := s.pool.Query(ctx, sqlCertificates, names)
	if err != nil {
		return nil, fmt.Errorf("load certificates: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[issued])
	if err != nil {
		return nil, fmt.Errorf("load certificates: %w", err)
	}
	return all, nil
}

// sqlClaim: who counts the attempt up has it; for anybody who read the same state it is gone.
const sqlClaim = `
UPDATE acme_certificates
SET attempt = attempt + 1, attempted_at = now(), failures = failures + 1, next_attempt_at = now() + $3::interval, directory = $4
WHERE name = $1 AND attempt = $2`

// claim begins an attempt, and tells whether it is ours.
func (s store) claim(ctx context.Context, was state, wait time.Duration, directory string) (bool, error) {
	tag, err := s.pool.Exec(ctx, sqlClaim, was.Name, was.Attempt, wait, directory)
	if err != nil {
		return false, fmt.Errorf("claim an attempt: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

const sqlSucceed = `
UPDATE acme_certificates
SET failures = 0, last_error = '', next_attempt_at = $3, issued = issued + 1,
    chain = $4, private_key = $5, not_before = $6, not_after = $7
WHERE name = $1 AND attempt = $2`

// succeed ends an attempt with its certificate.
func (s store) succeed(ctx context.Context, name string, attempt int64, c *obtained) error {
	leaf := c.certificate.Leaf
	tag, err := s.pool.Exec(ctx, sqlSucceed, name, attempt, renewAt(leaf.NotBefore, leaf.NotAfter),
		c.certificate.Certificate, c.privateKey, leaf.NotBefore, leaf.NotAfter)
	if err != nil {
		return fmt.Errorf("save a certificate: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errOvertaken
	}
	return nil
}

// errOvertaken: an attempt took so long that another one began.
var errOvertaken = errors.New("another attempt began meanwhile")

const sqlFail = `UPDATE acme_certificates SET last_error = $3, next_attempt_at = attempted_at + $4::interval WHERE name = $1 AND attempt = $2`

// fail ends an attempt that brought no certificate.
func (s store) fail(ctx context.Context, name string, attempt int64, problem string, wait time.Duration) error {
	if _, err := s.pool.Exec(ctx, sqlFail, name, attempt, problem, wait); err != nil {
		return fmt.Errorf("record a failed attempt: %w", err)
	}
	return nil
}

const sqlAddAccount = `INSERT INTO acme_accounts (directory, private_key) VALUES ($1, $2) ON CONFLICT DO NOTHING`

const sqlAccount = `SELECT private_key FROM acme_accounts WHERE directory = $1`

// account returns the key of our account at a directory; proposed becomes it when there is none. Of two nodes that begin at
// once one's key stays.
func (s store) account(ctx context.Context, directory string, propose func() ([]byte, error)) (key []byte, err error) {
	err = s.pool.QueryRow(ctx, sqlAccount, directory).Scan(&key)
	if errors.Is(err, pgx.ErrNoRows) {
		if key, err = propose(); err != nil {
			return nil, err
		}
		if _, err = s.pool.Exec(ctx, sqlAddAccount, directory, key); err == nil {
			err = s.pool.QueryRow(ctx, sqlAccount, directory).Scan(&key)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find the account at the certificate authority: %w", err)
	}
	return key, nil
}

const sqlPutChallenge = `
INSERT INTO acme_challenges (name, kind, token, answer, expires_at) VALUES ($1, $2, $3, $4, now() + $5::interval)
ON CONFLICT (name) DO UPDATE
   SET kind = EXCLUDED.kind, token = EXCLUDED.token, answer = EXCLUDED.answer, expires_at = EXCLUDED.expires_at`

// putChallenge lets all nodes answer.
func (s store) putChallenge(ctx context.Context, name, kind, token string, answer []byte) error {
	if _, err := s.pool.Exec(ctx, sqlPutChallenge, name, kind, token, answer, orderTime); err != nil {
		return fmt.Errorf("save the answer to a challenge: %w", err)
	}
	return nil
}

const sqlChallenge = `SELECT token, answer FROM acme_challenges WHERE name = $1 AND kind = $2 AND expires_at > now()`

// challenge returns the answer for a name; nil when none is expected.
func (s store) challenge(ctx context.Context, name, kind string) (token string, answer []byte, err error) {
	err = s.pool.QueryRow(ctx, sqlChallenge, name, kind).Scan(&token, &answer)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("look for the answer to a challenge: %w", err)
	}
	return token, answer, nil
}

const sqlDropChallenge = `DELETE FROM acme_challenges WHERE name = $1 AND token = $2`

// dropChallenge ends the answering.
func (s store) dropChallenge(ctx context.Context, name, token string) error {
	if _, err := s.pool.Exec(ctx, sqlDropChallenge, name, token); err != nil {
		return fmt.Errorf("drop the answer to a challenge: %w", err)
	}
	return nil
}

// What ran out long ago belongs to a name that is ours no more: all others are renewed.
const sqlPruneCertificates = `DELETE FROM acme_certificates WHERE coalesce(not_after, attempted_at) < now() - interval '60 days'
    AND next_attempt_at < now() - interval '30 days'`

const sqlPruneChallenges = `DELETE FROM acme_challenges WHERE expires_at < now() - interval '1 hour'`

// prune deletes what nobody needs any more.
func (s store) prune(ctx context.Context) error {
	for _, statement := range []string{sqlPruneCertificates, sqlPruneChallenges} {
		if _, err := s.pool.Exec(ctx, statement); err != nil {
			return fmt.Errorf("delete old certificates: %w", err)
		}
	}
	return nil
}
