package smtpclient

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// Auth is how we show a smart host who we are (RFC 4954).
type Auth struct {
	Username string
	Password string // for PLAIN and LOGIN
	Token    string // an OAuth 2.0 access token, for XOAUTH2; used instead of Password when not empty
	// AllowPlaintext sends these over a connection without TLS: for a smart host on the same machine.
	AllowPlaintext bool
}

// ErrAuth is wrapped by the error for an authentication that could not be tried or did not succeed.
var ErrAuth = errors.New("authentication failed")

// authenticate logs in, if so configured. Nothing secret is put into an error.
func (c *Client) authenticate() error {
	a := c.cfg.Auth
	if a == nil {
		return nil
	}
	if c.tls == nil && !a.AllowPlaintext {
		return c.fail(&Error{Phase: PhaseAuth, Err: fmt.Errorf("%w: %w", ErrAuth, ErrTLSMissing)})
	}
	mechanism, answers := a.choose(c.ext.Auth)
	if mechanism == "" {
		return c.fail(&Error{Phase: PhaseAuth, Err: fmt.Errorf("%w: the server offers none of our mechanisms", ErrAuth)})
	}
	// The answers go out one by one, each when the server asks: a token would not fit
	// into the line of the command.
	r, _, err := c.command(PhaseAuth, c.cfg.Timeouts.Mail, "AUTH "+mechanism)
	for i := 0; err == nil && r.Code == 334 && i <= len(answers); i++ {
		answer := "" // ends the exchange when XOAUTH2 explains a failure with one more challenge
		if i < len(answers) {
			answer = base64.StdEncoding.EncodeToString([]byte(answers[i]))
		}
		r, _, err = c.command(PhaseAuth, c.cfg.Timeouts.Mail, answer)
	}
	if err != nil {
		return err
	}
	if !r.Positive() {
		return c.fail(&Error{Phase: PhaseAuth, Reply: r, Err: ErrAuth})
	}
	return nil
}

// choose takes the best mechanism that the server offers, and what to answer to its challenges.
func (a *Auth) choose(offered []string) (mechanism string, answers []string) {
	switch {
	case a.Token != "":
		if slices.Contains(offered, "XOAUTH2") {
			return "XOAUTH2", []string{"user=" + a.Username + "\x01auth=Bearer " + a.Token + "\x01\x01"}
		}
	case slices.Contains(offered, "PLAIN"):
		return "PLAIN", []string{"\x00" + a.Username + "\x00" + a.Password}
	case slices.Contains(offered, "LOGIN"):
		return "LOGIN", []string{a.Username, a.Password}
	}
	return "", nil
}
