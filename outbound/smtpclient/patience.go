package smtpclient

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// hurriedWait is how long a server may be silent, or not read, while others wait for the place that it takes: by the times of RFC 5321
// a few servers that hold us up could take all places for half an hour. The answer to the final dot has its ten minutes all the same,
// for to leave before it is to send the letter twice.
const hurriedWait = 30 * time.Second

// await waits for a reply to begin, as long as it may, and sets the time until which it may last.
func (c *Client) await(p Phase, until time.Time) error {
	for c.cfg.Hurried != nil && p != PhaseFinal {
		if err := c.nc.SetReadDeadline(soonest(until, hurriedWait)); err != nil {
			return err
		}
		_, err := c.br.Peek(1)
		if err == nil {
			until = time.Now().Add(c.patience(p, time.Until(until)))
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(until) {
			return err
		}
		if c.cfg.Hurried() {
			return fmt.Errorf("%w: silent for %v while others waited", err, hurriedWait)
		}
	}
	return c.nc.SetReadDeadline(until)
}

// soonest is the earlier of until and the time after wait.
func soonest(until time.Time, wait time.Duration) time.Time {
	if t := time.Now().Add(wait); t.Before(until) {
		return t
	}
	return until
}

// patience is how long a step may last whose standard time is given.
func (c *Client) patience(p Phase, standard time.Duration) time.Duration {
	if p != PhaseFinal && c.cfg.Hurried != nil && c.cfg.Hurried() {
		return min(standard, hurriedWait)
	}
	return standard
}
