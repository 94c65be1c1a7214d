// Package jwks holds the key sets of others: where they are, how old they may
// grow, and what happens while they cannot be had.
//
// A Set belongs to one trusted issuer. It reads its source when the first
// credential comes, and again when what it holds has grown old, when a
// credential names a key that it does not hold, or when a file has changed. A
// source that fails or turns to nonsense takes nothing away: the last good keys
// serve for MaxStale beyond their time, and then nothing does. Or its source
// pushes the keys: then they are what it said last, and MaxStale counts from the
// moment that the source went away.
//
// Which issuer's keys a credential may be checked with is decided in package
// credential, what a key looks like in package jose, and what may be connected
// to in package outbound. What only SPIFFE trust domains have is in jwks/spiffe.
// Our own keys are in package keys.
package jwks

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/outbound"
)

// ErrUnavailable is inside the error when no keys have been had yet.
var ErrUnavailable = errors.New("the keys cannot be read")

// ErrStale is inside the error when the keys are too old to be believed and no
// newer ones can be had.
var ErrStale = errors.New("the keys are too old")

// Source says where keys come from. Exactly one of the first seven is set.
type Source struct {
	URL        string          // of a JWK set: RFC 7517, Section 5
	Discovery  string          // an issuer identifier, whose metadata names the URL of its JWK set
	BundleURL  string          // of a SPIFFE bundle
	File       string          // path of a JWK set
	BundleFile string          // path of a SPIFFE bundle
	Inline     json.RawMessage // a JWK set itself
	Feed       Feed            // pushes the keys

	CAFile   string   // PEM; the only TLS roots for fetching; "" = the system's
	Endpoint Endpoint // who may serve BundleURL: profile https_spiffe; nil = whom the web's PKI vouches for, https_web
}

// Endpoint is asked before each fetch of a bundle how to verify the chain of
// the server's certificate. own are the authorities of the last good bundle,
// which the server may itself be verified with; none when there is none yet.
// See outbound.Request.VerifyServer and SPIFFE Federation, Section 5.2.2.
type Endpoint func(ctx context.Context, own []*x509.Certificate) (func(chain []*x509.Certificate) error, error)

// Config says what a Set works with.
type Config struct {
	Source Source
	Client *outbound.Client // nil is enough for files and inline keys

	// MaxStale is how long keys serve beyond the time for which they are fresh
	// while the source cannot be read; 0 = 1 h. Files never grow old.
	MaxStale time.Duration

	Now func() time.Time // nil = time.Now

	// Report hears what is wrong with the source or with single keys in it, once
	// for each change. It may be called from another goroutine. nil = nobody does.
	Report func(error)
}

// defaultMaxStale bounds how long somebody who can keep us from an issuer can
// keep a key alive that the issuer has taken back.
const defaultMaxStale = time.Hour

// Set is the key set of one issuer. It is safe for concurrent use, and is to be
// closed when it is not needed any more. One of its members is set.
type Set struct {
	remote *remote // fetched
	local  *local  // from a file, or inline
	fed    *fed    // pushed
}

// New returns a Set. It fetches nothing yet; inline keys must be good at once.
func New(c Config) (*Set, error) {
	if c.MaxStale < 0 {
		return nil, errors.New("jwks: negative MaxStale")
	}
	if c.MaxStale == 0 {
		c.MaxStale = defaultMaxStale
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	if err := c.Source.one(); err != nil {
		return nil, err
	}
	s := c.Source
	switch {
	case s.File != "":
		return &Set{local: &local{path: s.File, parse: readJWKS, now: c.Now, report: c.Report}}, nil
	case s.BundleFile != "":
		return &Set{local: &local{path: s.BundleFile, parse: readBundle, now: c.Now, report: c.Report}}, nil
	case s.Inline != nil:
		doc, err := readJWKS(s.Inline)
		if err != nil {
			return nil, fmt.Errorf("jwks: inline keys: %w", err)
		}
		if doc.finding != nil {
			c.Report(doc.finding)
		}
		return &Set{local: &local{held: &doc.keys}}, nil
	case s.Feed != nil:
		return &Set{fed: newFed(c)}, nil
	}
	r := &remote{maxStale: c.MaxStale, now: c.Now, report: c.Report}
	var err error
	if r.read, err = s.reader(c.Client, r.authorities); err != nil {
		return nil, err
	}
	return &Set{remote: r}, nil
}

// Close ends what runs for the Set. Requests that still hold it are served with
// the keys that it has.
func (s *Set) Close() {
	if s.fed != nil {
		s.fed.close()
	}
	// A fetch is ended by the Client's timeout, and nothing else runs.
}

// one checks that there is exactly one source.
func (s Source) one() error {
	n := 0
	for _, set := range []bool{s.URL != "", s.Discovery != "", s.BundleURL != "", s.File != "", s.BundleFile != "", s.Inline != nil, s.Feed != nil} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		return fmt.Errorf("jwks: %d sources of keys, want 1", n)
	case s.CAFile != "" && s.URL == "" && s.Discovery == "" && s.BundleURL == "":
		return errors.New("jwks: a CA file for keys that are not fetched")
	case s.Endpoint != nil && (s.BundleURL == "" || s.CAFile != ""):
		return errors.New("jwks: an endpoint that is verified without a bundle's URL, or with a CA file")
	}
	return nil
}

// Key returns the key named kid, for a signature by alg. A *jose.Error says
// that there is none that fits: the credential is at fault. Otherwise
// ErrUnavailable or ErrStale is inside, and nobody knows.
//
// A kid that is not held is looked for once in the source, since issuers begin
// to sign with new keys at any time. Other requests wait for a fetch only when
// there are no keys that may serve, or nobody has asked for them in a while.
func (s *Set) Key(ctx context.Context, alg, kid string) (jose.Key, error) {
	if s.remote == nil {
		set, err := s.kept(ctx, jwtHalf)
		if err != nil {
			return jose.Key{}, err
		}
		return set.Select(alg, kid)
	}
	set, waited, err := s.remote.keys(ctx)
	if err != nil {
		return jose.Key{}, err
	}
	key, err := set.Select(alg, kid)
	var fault *jose.Error
	if waited || !errors.As(err, &fault) || fault.Fault != jose.FaultKidUnknown {
		return key, err
	}
	set, err = s.remote.again(ctx, set)
	if err != nil {
		return jose.Key{}, err
	}
	return set.Select(alg, kid)
}

// Authorities returns the certificate authorities of a trust domain, which
// X.509-SVIDs of that domain are verified with and nothing else; empty when the
// source is no SPIFFE bundle or has none. ErrUnavailable or ErrStale is inside
// the error. The slice belongs to the Set.
func (s *Set) Authorities(ctx context.Context) ([]*x509.Certificate, error) {
	if s.remote == nil {
		held, err := s.kept(ctx, x509Half)
		return held.roots, err
	}
	held, _, err := s.remote.keys(ctx)
	if err != nil {
		return nil, err
	}
	return held.roots, nil
}

// kept returns the keys of a set that is not fetched.
func (s *Set) kept(ctx context.Context, half int) (keys, error) {
	if s.fed != nil {
		return s.fed.keys(ctx, half)
	}
	return s.local.keys()
}
