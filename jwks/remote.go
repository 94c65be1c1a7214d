package jwks

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	coolDown   = 30 * time.Second // between two fetches for the sake of unknown kids
	firstWait  = 5 * time.Second  // after a failed fetch; doubled with each further one
	longestGap = time.Minute      // up to this

	// idle is how long after their time keys still serve without a wait while
	// they are fetched anew. A set that nobody has asked for longer is fetched
	// first: keys that the issuer has taken back meanwhile must not get one more
	// use.
	idle = 5 * time.Minute
)

var errRollback = errors.New("the SPIFFE bundle is older than the one held: its sequence number went back")

// remote is a set that is fetched. There is no goroutine but that of a fetch,
// and never more than one.
type remote struct {
	read     func(context.Context) (document, error)
	maxStale time.Duration
	now      func() time.Time
	report   func(error)

	mu       sync.Mutex
	held     *keys     // nil = there was none yet
	expires  time.Time // of held
	sequence int64     // the highest of a bundle

	flight   *flight   // the fetch under way
	cause    error     // of the last failure
	failures int       // since the last success
	next     time.Time // no fetch before, after a failure
	searched time.Time // last fetch for the sake of a kid

	saidCause, saidFinding string // what Report has heard
}

// flight is one fetch and those who wait for it.
type flight struct {
	started time.Time
	done    chan struct{}
}

// wait returns whether the fetch ended before ctx.
func (f *flight) wait(ctx context.Context) bool {
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// keys returns the keys that may serve now, and whether a fetch was waited for.
func (r *remote) keys(ctx context.Context) (set *keys, waited bool, err error) {
	r.mu.Lock()
	now := r.now()
	if (r.held == nil || !now.Before(r.expires)) && r.flight == nil && !now.Before(r.next) {
		r.start(now)
	}
	flight := r.flight
	needed := !r.usable(now) || (r.failures == 0 && !now.Before(r.expires.Add(idle)))
	if flight == nil || !needed {
		defer r.mu.Unlock()
		set, err = r.serve(now)
		return set, false, err
	}
	r.mu.Unlock()

	waited = flight.wait(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if set, err = r.serve(r.now()); err != nil && !waited {
		err = fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	return set, waited, err
}

// again fetches for the sake of a kid that is not in set, and returns the keys
// held thereafter. They are set itself if that has been tried just now: the time
// between two tries bounds what strangers with made-up kids can make this server
// do to an issuer, and counts failed tries too.
func (r *remote) again(ctx context.Context, set *keys) (*keys, error) {
	now := r.now()
	r.mu.Lock()
	if r.held != set { // somebody else's fetch has ended since
		defer r.mu.Unlock()
		return r.held, nil
	}
	if r.flight == nil {
		if now.Before(r.searched.Add(coolDown)) || now.Before(r.next) {
			r.mu.Unlock()
			return set, nil
		}
		r.searched = now
		r.start(now)
	}
	flight := r.flight
	r.mu.Unlock()

	if !flight.wait(ctx) {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held, nil
}

// authorities returns those of the last good bundle, however old.
func (r *remote) authorities() []*x509.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == nil {
		return nil
	}
	return r.held.roots
}

// usable reports whether the keys held may serve at now: as a stale answer does
// while its source is away, RFC 9111, Section 4.2.4.
func (r *remote) usable(now time.Time) bool {
	return r.held != nil && now.Before(r.expires.Add(r.maxStale))
}

// serve returns the keys held, or why they may not serve.
func (r *remote) serve(now time.Time) (*keys, error) {
	switch {
	case r.usable(now):
		return r.held, nil
	case r.held != nil && r.cause == nil: // they were old before they came
		return nil, ErrStale
	case r.held != nil:
		return nil, fmt.Errorf("%w: %w", ErrStale, r.cause)
	}
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, r.cause)
}

// start begins a fetch; r.mu is held. It does not end with the request that
// happened to come first: others wait for it too. What bounds it is the
// Client's timeout.
func (r *remote) start(now time.Time) {
	r.flight = &flight{started: now, done: make(chan struct{})}
	go r.run(r.flight)
}

func (r *remote) run(f *flight) {
	defer close(f.done)
	doc, err := r.read(context.Background())
	for _, said := range r.settle(f, doc, err) {
		r.report(said)
	}
}

// settle takes the outcome of a fetch and returns what is to be reported.
func (r *remote) settle(f *flight, doc document, err error) (say []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight = nil
	// A cache or a replica that lags behind must not bring back what was
	// withdrawn: SPIFFE Trust Domain and Bundle, Section 4.1.1. A domain set up
	// anew counts from the start; its issuer is then registered anew too.
	if err == nil && doc.sequence >= 0 && doc.sequence < r.sequence {
		err = errRollback
	}
	if err != nil {
		gap := longestGap
		if r.failures < 4 { // 5, 10, 20, 40 s
			gap = firstWait << r.failures
		}
		r.failures++
		r.next = r.now().Add(gap)
		r.cause = err
		return changed(&r.saidCause, err)
	}
	r.held, r.sequence = &doc.keys, max(r.sequence, doc.sequence)
	// Counted from before the fetch: a slow answer is not a younger one.
	r.expires = f.started.Add(doc.fresh)
	r.failures, r.next, r.cause = 0, time.Time{}, nil
	r.saidCause = ""
	return changed(&r.saidFinding, doc.finding)
}

// changed returns err unless it is what was said last.
func changed(said *string, err error) []error {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == *said {
		return nil
	}
	*said = text
	if err == nil {
		return nil
	}
	return []error{err}
}
