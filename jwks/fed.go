package jwks

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// Feed is a source that pushes the keys of one trust domain for as long as ctx
// lives, such as a SPIFFE Workload API. It hands each half of the bundle to a
// function of its own, whole, with every change: the JWT authorities as a JWK
// set, the authorities of X.509-SVIDs as DER, one behind the other. No bytes say
// that the source does not know the trust domain, or not any more. An error says
// that the half cannot be had at the moment.
type Feed func(ctx context.Context, jwt, x509 func(raw []byte, err error))

// firstNews is how long the first request waits for a source to say anything.
const firstNews = 5 * time.Second

// The halves of a bundle. Each comes, grows old and goes by itself, since a
// source may have only one of them.
const (
	jwtHalf = iota
	x509Half
	halves
)

var errSilent = errors.New("the source of the keys has said nothing yet")

// fed is a set that is pushed to us. The feed begins with the first request.
type fed struct {
	start    func()
	end      context.CancelFunc
	maxStale time.Duration
	now      func() time.Time
	report   func(error)

	mu        sync.Mutex
	halves    [halves]half
	saidEmpty bool // Report has heard that there are no keys at all
}

// half is one half of a bundle.
type half struct {
	parse func([]byte) (keys, error, error)
	first chan struct{} // closed once there is news, or there should have been
	held  *keys         // nil = there was none yet
	lost  time.Time     // since when the source is away; zero = it is there
	cause error         // why it is

	saidCause, saidFinding string // what Report has heard
}

func newFed(c Config) *fed {
	f := &fed{maxStale: c.MaxStale, now: c.Now, report: c.Report}
	for i, parse := range [halves]func([]byte) (keys, error, error){jwtHalf: readFedJWT, x509Half: readFedX509} {
		f.halves[i] = half{parse: parse, first: make(chan struct{}), cause: errSilent}
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.end = cancel
	f.start = sync.OnceFunc(func() { go c.Source.Feed(ctx, f.hear(ctx, jwtHalf), f.hear(ctx, x509Half)) })
	return f
}

// close ends the feed, and the waiting for it.
func (f *fed) close() {
	f.end()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.halves {
		f.halves[i].speak()
	}
}

// keys returns the half of the bundle that may serve now. A key that is not
// held is not waited for: the source pushes it before anybody signs with it.
func (f *fed) keys(ctx context.Context, which int) (keys, error) {
	f.start()
	h := &f.halves[which]
	if !h.wait(ctx) {
		return keys{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h.speak()
	switch {
	case h.held == nil:
		return keys{}, fmt.Errorf("%w: %w", ErrUnavailable, h.cause)
	case !h.lost.IsZero() && !f.now().Before(h.lost.Add(f.maxStale)):
		return keys{}, fmt.Errorf("%w: %w", ErrStale, h.cause)
	}
	return *h.held, nil
}

// wait waits for the first news, and returns whether it came before ctx ended.
// Where there was some, also one that has ended already learns of it: that is how
// somebody asks who only wants what is at hand.
func (h *half) wait(ctx context.Context) bool {
	select {
	case <-h.first:
		return true
	default:
	}
	timer := time.NewTimer(firstNews)
	defer timer.Stop()
	select {
	case <-h.first:
	case <-timer.C: // later requests do not wait
	case <-ctx.Done():
		return false
	}
	return true
}

// speak ends the waiting for the first news.
func (h *half) speak() {
	select {
	case <-h.first:
	default:
		close(h.first)
	}
}

// hear returns what the feed tells its news of a half to.
func (f *fed) hear(ctx context.Context, which int) func([]byte, error) {
	return func(raw []byte, err error) {
		if ctx.Err() != nil {
			return // the end is no news
		}
		for _, said := range f.take(&f.halves[which], raw, err) {
			f.report(said)
		}
	}
}

// take puts news into force and returns what is to be reported.
func (f *fed) take(h *half, raw []byte, err error) (say []error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer h.speak()
	var got keys
	var finding error
	if err == nil {
		got, finding, err = h.parse(raw)
	}
	if err != nil {
		if h.lost.IsZero() {
			h.lost = f.now()
		}
		h.cause = err
		return changed(&h.saidCause, err)
	}
	// What is not in it any more is withdrawn: SPIFFE Workload API, Section 4.4.
	h.held, h.lost, h.cause, h.saidCause = &got, time.Time{}, nil, ""
	say = changed(&h.saidFinding, finding)
	j, x := f.halves[jwtHalf].held, f.halves[x509Half].held
	if empty := j != nil && x != nil && j.Len() == 0 && len(x.roots) == 0; empty != f.saidEmpty {
		if f.saidEmpty = empty; empty {
			say = append(say, errNoKeys)
		}
	}
	return say
}

// readFedJWT reads JWT authorities. A set without keys is taken at its word, as
// a bundle is.
func readFedJWT(raw []byte) (got keys, finding, err error) {
	if len(raw) == 0 {
		return keys{}, nil, nil
	}
	set, skipped, err := jose.ReadSet(raw)
	if err != nil {
		return keys{}, nil, notKeys("a JWK set", err)
	}
	return keys{Set: set}, errors.Join(skipped...), nil
}

// readFedX509 reads authorities of X.509-SVIDs.
func readFedX509(raw []byte) (got keys, finding, err error) {
	all, err := x509.ParseCertificates(raw)
	if err != nil {
		return keys{}, nil, errors.New("the authorities of X.509-SVIDs are no certificates")
	}
	if len(all) > maxKeys {
		return keys{}, nil, fmt.Errorf("there are %d authorities of X.509-SVIDs, more than %d", len(all), maxKeys)
	}
	var bad []error
	for i, root := range all {
		if err := checkAuthority(root); err != nil {
			bad = append(bad, fmt.Errorf("authority %d of X.509-SVIDs: %w", i+1, err))
			continue
		}
		got.roots = append(got.roots, root)
	}
	return got, errors.Join(bad...), nil
}
