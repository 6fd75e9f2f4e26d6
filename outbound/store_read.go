package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

// DeliveryInfo is one delivery as the API and the command line show it.
type DeliveryInfo struct {
	Organisation int32
	ID           id.ID
	Message      id.ID
	Ticket       int64 // 0: about no ticket
	Participant  int
	Recipient    string
	Lane         string
	MessageID    string // of the letter, without brackets
	State        string // queued, held, leased or deferred; then its Outcome
	Reason       string
	Attempts     int
	CreatedAt    time.Time
	NextAt       *time.Time // when it is due; nil when finished, or held until released
	FinishedAt   *time.Time
	Code         int    // last SMTP reply code, 0: none
	Reply        string // last words of the remote host
}

// Both tables as one, newest first. Either is read by its own index and cut before they are joined.
const sqlDeliveries = `
SELECT * FROM (
    (SELECT organisation_id, delivery_id, message_id, coalesce(ticket_number, 0), coalesce(participant_no, 0), recipient, lane,
            rfc_message_id, state, '' AS reason, attempts, created_at, CASE WHEN isfinite(next_at) THEN next_at END AS next_at,
            NULL::timestamptz AS finished_at, coalesce(last_code, 0), coalesce(last_text, '')
       FROM deliveries
      WHERE organisation_id = $1 AND delivery_id < $2 AND delivery_id >= $7 AND ($3 = '' OR state = $3) AND ($4 = '' OR lane = $4)
        AND ($5 = 0 OR ticket_number = $5) AND ($8 = '' OR lower(recipient) = $8)
      ORDER BY delivery_id DESC LIMIT $6)
    UNION ALL
    (SELECT organisation_id, delivery_id, message_id, coalesce(ticket_number, 0), coalesce(participant_no, 0), recipient, lane,
            rfc_message_id, outcome, reason, attempts, created_at, NULL::timestamptz,
            finished_at, coalesce(last_code, 0), coalesce(last_text, '')
       FROM deliveries_done
      WHERE organisation_id = $1 AND delivery_id < $2 AND delivery_id >= $7 AND ($3 = '' OR outcome = $3) AND ($4 = '' OR lane = $4)
        AND ($5 = 0 OR ticket_number = $5) AND ($8 = '' OR lower(recipient) = $8)
      ORDER BY delivery_id DESC LIMIT $6)
) d
ORDER BY delivery_id DESC
LIMIT $6`

// Filter chooses deliveries to list. A zero field does not restrict.
type Filter struct {
	Organisation int32  // required
	State        string // a state or an Outcome
	Lane         string
	Ticket       int64
	Address      string    // of the recipient; the search reads from the newest on, whatever the case of letters
	Since        time.Time // made then or later
	Until        time.Time // made before
	Before       id.ID     // only older ones: the last id of the page before
	Limit        int       // 1 to 1000; else 100
}

const (
	defaultPage = 100
	maxPage     = 1000
)

// Deliveries lists deliveries, newest first.
func (q *Queue) Deliveries(ctx context.Context, f Filter) ([]DeliveryInfo, error) {
	if f.Before.IsZero() {
		for i := range f.Before {
			f.Before[i] = 0xff
		}
	}
	if until := id.At(f.Until); !f.Until.IsZero() && bytes.Compare(until[:], f.Before[:]) < 0 {
		f.Before = until
	}
	since := id.ID{15: 1} // the zero one is NULL
	if !f.Since.IsZero() {
		since = id.At(f.Since)
	}
	if f.Limit < 1 || f.Limit > maxPage {
		f.Limit = defaultPage
	}
	rows, err := q.pool.Query(ctx, sqlDeliveries, f.Organisation, f.Before, f.State, f.Lane, f.Ticket, f.Limit, since, strings.ToLower(f.Address))
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[DeliveryInfo])
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return list, nil
}

const sqlDelivery = `
SELECT organisation_id, delivery_id, message_id, coalesce(ticket_number, 0), coalesce(participant_no, 0), recipient, lane,
       rfc_message_id, state, '', attempts, created_at, CASE WHEN isfinite(next_at) THEN next_at END,
       NULL::timestamptz, coalesce(last_code, 0), coalesce(last_text, '')
  FROM deliveries WHERE organisation_id = $1 AND delivery_id = $2
UNION ALL
SELECT organisation_id, delivery_id, message_id, coalesce(ticket_number, 0), coalesce(participant_no, 0), recipient, lane,
       rfc_message_id, outcome, reason, attempts, created_at, NULL::timestamptz,
       finished_at, coalesce(last_code, 0), coalesce(last_text, '')
  FROM deliveries_done WHERE organisation_id = $1 AND delivery_id = $2
LIMIT 1`

const sqlAttempts = `
SELECT at, attempt, result, reason, remote_host, remote_ip, tls, tls_policy, coalesce(code, 0), enhanced, reply, took_ms
  FROM attempts
 WHERE organisation_id = $1 AND delivery_id = $2
 ORDER BY at, attempt
 LIMIT 1000`

// AttemptInfo is one line of the log of a delivery.
type AttemptInfo struct {
	At        time.Time
	Number    int
	Result    Result
	Reason    string
	Host      string
	IP        string
	TLS       string
	TLSPolicy string
	Code      int
	Enhanced  string
	Reply     string
	TookMS    int
}

// Delivery is one delivery with its attempts, oldest first. The error is ErrNoDelivery if there is none.
func (q *Queue) Delivery(ctx context.Context, organisation int32, delivery id.ID) (DeliveryInfo, []AttemptInfo, error) {
	var b pgx.Batch
	var info DeliveryInfo
	var attempts []AttemptInfo
	b.Queue(sqlDelivery, organisation, delivery).Query(func(rows pgx.Rows) (err error) {
		info, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[DeliveryInfo])
		return err
	})
	b.Queue(sqlAttempts, organisation, delivery).Query(func(rows pgx.Rows) (err error) {
		attempts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AttemptInfo])
		return err
	})
	err := q.pool.SendBatch(ctx, &b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoDelivery
	}
	if err != nil {
		return DeliveryInfo{}, nil, fmt.Errorf("read delivery: %w", err)
	}
	return info, attempts, nil
}

// LaneInfo is one lane as the API shows it.
type LaneInfo struct {
	Lane        string
	Waiting     int        // deliveries not finished
	OldestAt    *time.Time // of them
	NextAt      *time.Time // backed off until; nil: not
	Connections int
	Limit       int // of connections
	FailStreak  int
	Paused      bool
	TLS         string // as last seen
	Error       string // why it is backed off
}

const sqlLanes = `
SELECT lane, coalesce(d.waiting, 0), d.oldest, CASE WHEN l.next_at > now() THEN l.next_at END, coalesce(l.inflight, 0),
       coalesce(l.max_inflight, 2), coalesce(l.fail_streak, 0), coalesce(l.paused, false), coalesce(l.tls_seen, ''), coalesce(l.last_error, '')
  FROM (SELECT lane, count(*)::int AS waiting, min(created_at) AS oldest FROM deliveries
         WHERE $1 = 0 OR organisation_id = $1 GROUP BY lane) d
  FULL JOIN lanes l USING (lane)
 WHERE lane > $2 AND (d.waiting IS NOT NULL OR $1 = 0 AND (l.paused OR l.fail_streak > 0))
 ORDER BY lane
 LIMIT $3`

// Lanes lists the lanes that hold deliveries of the organisation, in the order of their names, behind after; for
// organisation 0 those of all, and empty ones that are paused or backed off.
func (q *Queue) Lanes(ctx context.Context, organisation int32, after string, limit int) ([]LaneInfo, error) {
	if limit < 1 || limit > maxPage {
		limit = defaultPage
	}
	rows, err := q.pool.Query(ctx, sqlLanes, organisation, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list lanes: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[LaneInfo])
	if err != nil {
		return nil, fmt.Errorf("list lanes: %w", err)
	}
	return list, nil
}

// Depth is how full the queue is.
type Depth struct {
	States         map[string]int // deliveries in each state
	Oldest         time.Duration  // age of the oldest that is due
	BusyLanes      int
	BackedOffLanes int
	PausedLanes    int
}

// sqlDepth counts at most a million rows: beyond that the exact number helps nobody.
const sqlDepth = `
SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'held'),
       count(*) FILTER (WHERE state = 'leased'), count(*) FILTER (WHERE state = 'deferred'),
       coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE state <> 'held')), 0)::float8,
       (SELECT count(*) FROM lanes WHERE inflight > 0), (SELECT count(*) FROM lanes WHERE next_at > now()),
       (SELECT count(*) FROM lanes WHERE paused)
  FROM (SELECT state, created_at FROM deliveries LIMIT 1000000) d`

func depth(ctx context.Context, db querier) (Depth, error) {
	var d Depth
	var queued, held, leased, deferred int
	var oldest float64
	err := db.QueryRow(ctx, sqlDepth).Scan(&queued, &held, &leased, &deferred, &oldest, &d.BusyLanes, &d.BackedOffLanes, &d.PausedLanes)
	if err != nil {
		return d, fmt.Errorf("measure the queue: %w", err)
	}
	d.Oldest = time.Duration(oldest * float64(time.Second))
	d.States = map[string]int{"queued": queued, "held": held, "leased": leased, "deferred": deferred}
	return d, nil
}

// sqlFull counts no further than need be.
const sqlFull = `SELECT count(*) >= $1 FROM (SELECT FROM deliveries LIMIT $1) d`

func (q *Queue) lookWhetherFull(ctx context.Context) error {
	if q.cfg.MaxWaiting <= 0 {
		return nil
	}
	var full bool
	if err := q.pool.QueryRow(ctx, sqlFull, q.cfg.MaxWaiting).Scan(&full); err != nil {
		return fmt.Errorf("measure the queue: %w", err)
	}
	q.full.Store(full)
	return nil
}

// Depth tells how full the queue is, of all organisations.
func (q *Queue) Depth(ctx context.Context) (Depth, error) { return depth(ctx, q.pool) }
