package credential

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/tokenry/tokenry/jwks"
	"github.com/tokenry/tokenry/jwks/spiffe"
	"github.com/tokenry/tokenry/registry"
)

// sources holds one key set for each trusted issuer. They are keyed by the
// issuer's id, which is never used again, and not by anything that a token
// says: a token cannot make us fetch from anywhere (RFC 8725, Section 3.10).
type sources struct {
	open func(*registry.IssuerEntry) (*jwks.Set, error)

	mu     sync.RWMutex
	sets   map[string]source
	change int64 // of the rules at the last sweep
	closed bool
}

var errClosed = errors.New("the verifier is closed")

type source struct {
	version int // of the issuer's spec that set was made from
	set     *jwks.Set
	cluster *cluster // the API server that is asked about its tokens
}

// set returns the key set of issuer, made anew when its spec has changed.
func (s *sources) set(rules *registry.Rules, issuer *registry.IssuerEntry) (*jwks.Set, error) {
	s.mu.RLock()
	known, ok := s.sets[issuer.ID]
	swept := s.change >= rules.Change
	s.mu.RUnlock()
	// A newer set than these rules know of is taken: keys that an operator has
	// just replaced must not come back with a request that began earlier.
	if ok && known.version >= issuer.Version && swept {
		return known.set, nil
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(rules)
	if known, ok := s.sets[issuer.ID]; ok && known.version >= issuer.Version {
		return known.set, nil
	}
	if s.closed {
		return nil, errClosed
	}
	set, err := s.open(issuer)
	if err != nil {
		return nil, err
	}
	if before, ok := s.sets[issuer.ID]; ok {
		before.set.Close()
	}
	s.sets[issuer.ID] = source{version: issuer.Version, set: set, cluster: newCluster()}
	return set, nil
}

// cluster returns what is held of the API server of issuer, whose key set has
// been asked for before.
func (s *sources) cluster(issuer *registry.IssuerEntry) *cluster {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if known, ok := s.sets[issuer.ID]; ok {
		return known.cluster
	}
	return newCluster() // the issuer was deleted a moment ago
}

// sweep forgets the sets of issuers that are gone.
func (s *sources) sweep(rules *registry.Rules) {
	if s.change >= rules.Change {
		return
	}
	s.change = rules.Change
	live := make(map[string]bool, len(s.sets))
	for _, issuer := range rules.Issuers() {
		live[issuer.ID] = true
	}
	for id, gone := range s.sets {
		if !live[id] {
			gone.set.Close()
			delete(s.sets, id)
		}
	}
}

// close ends all key sets, and makes no more.
func (s *sources) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, known := range s.sets {
		known.set.Close()
	}
}

// openSet makes the key set of an issuer. It fetches nothing yet.
func (v *Verifier) openSet(issuer *registry.IssuerEntry) (*jwks.Set, error) {
	spec := issuer.Spec
	keys := spec.KeySource()
	from := jwks.Source{
		URL: keys.JWKSURL, BundleURL: keys.BundleURL, File: keys.JWKSFile,
		BundleFile: keys.BundleFile, Inline: keys.JWKS, CAFile: spec.CAFile,
	}
	if keys.Discovery {
		from.Discovery = spec.Issuer
	}
	if keys.WorkloadAPI != "" {
		domain, err := spiffeid.TrustDomainFromString(spec.TrustDomain)
		if err != nil {
			return nil, err
		}
		from.Feed = spiffe.Workload{Address: keys.WorkloadAPI, TrustDomain: domain}.Feed
	}
	if keys.BundleProfile == registry.HTTPSSPIFFE {
		endpoint, err := v.endpoint(spec)
		if err != nil {
			return nil, err
		}
		from.Endpoint, from.CAFile = endpoint.Verify, "" // which the endpoint reads
	}
	config := jwks.Config{Source: from, Client: v.config.Outbound, Now: v.config.Now}
	if v.config.Report != nil {
		name := issuer.Name
		config.Report = func(err error) { v.config.Report(name, err) }
	}
	return jwks.New(config)
}

// endpoint says how the bundle endpoint of a trust domain proves who it is.
func (v *Verifier) endpoint(spec *registry.TrustedIssuer) (spiffe.Endpoint, error) {
	id, own := spec.EndpointID()
	if id.IsZero() { // the zero id must not stand for another way to verify it
		return spiffe.Endpoint{}, errors.New("the bundle endpoint has no SPIFFE ID")
	}
	endpoint := spiffe.Endpoint{ID: id, CAFile: spec.CAFile, Now: v.config.Now}
	if !own {
		endpoint.Authorities = func(ctx context.Context) ([]*x509.Certificate, error) {
			return v.authorities(ctx, id.TrustDomain())
		}
	}
	return endpoint, nil
}

// authorities returns those of a trust domain, as it is registered now.
func (v *Verifier) authorities(ctx context.Context, domain spiffeid.TrustDomain) ([]*x509.Certificate, error) {
	rules := v.model.Rules()
	issuer := rules.IssuerByTrustDomain(domain.Name())
	if issuer == nil || !issuer.Admits() {
		return nil, errors.New("it is no trusted issuer, or a disabled one")
	}
	set, err := v.sources.set(rules, issuer)
	if err != nil {
		return nil, err
	}
	return set.Authorities(ctx)
}
