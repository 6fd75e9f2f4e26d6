package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// tokens keeps the access tokens of organisations' smart hosts, in memory alone. However many connections want one, one
// question to the token server of a relay is under way at a time, and all have its answer.
type tokens struct {
	queue  *Queue
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu sync.Mutex
	of map[int32]*tokenState
}

// tokenState is what is known of one relay's tokens.
type tokenState struct {
	user, host string
	grant      Grant // its key
	flight     *tokenFlight
	unsaved    succession
}

// succession is a refresh token that a server gave in place of another, when it could not be stored.
type succession struct{ old, next Secret }

// tokenFlight is a question; what stands below done is there when that is closed.
type tokenFlight struct {
	done  chan struct{}
	token Secret
	until time.Time
	err   error
}

// refreshTime bounds one refresh: two questions to the token server, and the database between them.
const refreshTime = 3 * tokenTime

func newTokens(queue *Queue, client *http.Client, log *slog.Logger, now func() time.Time) *tokens {
	t := &tokens{queue: queue, client: client, log: log, now: now, of: map[int32]*tokenState{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// close ends the questions and waits for them.
func (t *tokens) close() {
	t.mu.Lock()
	t.cancel()
	t.mu.Unlock()
	t.wg.Wait()
}

// get returns an access token for the relay, and whether it lay ready. A token that equals refused is not returned, but another
// one got in its place.
func (t *tokens) get(ctx context.Context, organisation int32, r Relay, refused Secret) (token Secret, ready bool, err error) {
	f, ready := t.flight(organisation, r, refused)
	select {
	case <-f.done:
	case <-ctx.Done():
		return "", false, fmt.Errorf("wait for the token server: %w", ctx.Err())
	}
	return f.token, ready, f.err
}

// flight finds the question whose answer will do, or begins one.
func (t *tokens) flight(organisation int32, r Relay, refused Secret) (f *tokenFlight, ready bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.of[organisation]
	if s == nil || s.grant != r.Grant.key() || s.user != r.Username || s.host != r.Host {
		s = &tokenState{user: r.Username, host: r.Host, grant: r.Grant.key()}
		t.of[organisation] = s
	}
	if f := s.flight; f != nil {
		select {
		case <-f.done:
			if f.err == nil && t.now().Before(f.until) && f.token != refused {
				return f, true
			}
		default:
			return f, false
		}
	}
	f = &tokenFlight{done: make(chan struct{})}
	s.flight = f
	if t.ctx.Err() != nil {
		f.err = errors.New("the server stops")
		close(f.done)
		return f, false
	}
	t.wg.Go(func() {
		defer close(f.done)
		f.token, f.until, f.err = t.refresh(organisation, s)
	})
	return f, false
}

// refresh asks for a token with the refresh token that is stored now: another node may have got a new one. When the server
// refuses, and that is just what happened meanwhile, it is asked once more.
func (t *tokens) refresh(organisation int32, s *tokenState) (token Secret, until time.Time, err error) {
	ctx, cancel := context.WithTimeout(t.ctx, refreshTime)
	defer cancel()
	var used Secret
	for range 2 {
		r, readErr := t.queue.Relay(ctx, organisation)
		switch {
		case readErr != nil:
			return "", until, readErr
		case r.Grant.key() != s.grant || r.Username != s.user || r.Host != s.host:
			return "", until, errors.New("the way of the organisation's mail was changed")
		}
		g := r.Grant
		if s.unsaved.old == g.RefreshToken && s.unsaved.next != "" {
			g.RefreshToken = s.unsaved.next
		}
		if g.RefreshToken == used {
			break
		}
		used = g.RefreshToken
		began := t.now()
		var got issued
		if got, err = g.ask(ctx, t.client); err == nil {
			t.succeed(ctx, organisation, s, r, g.RefreshToken, got.refresh)
			return got.token, began.Add(got.life - tokenSpare), nil
		}
		if !errors.Is(err, errTokenRefused) {
			break
		}
	}
	return "", until, err
}

// succeed stores the refresh token that is good from now on, if it is another than the stored one.
func (t *tokens) succeed(ctx context.Context, organisation int32, s *tokenState, r Relay, used, next Secret) {
	if next == "" {
		next = used
	}
	old := r.Grant.RefreshToken
	if next == old {
		return
	}
	after := r
	after.Grant.RefreshToken = next
	if err := t.queue.replaceSecret(ctx, organisation, r, after); err != nil {
		s.unsaved = succession{old, next} // only the one question under way touches it
		t.log.Warn("a new refresh token could not be stored yet", "organisation", organisation, "error", err)
		return
	}
	s.unsaved = succession{}
}
