package credential

import (
	"sync"

	"github.com/tokenry/tokenry/jwks"
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
}

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
	set, err := s.open(issuer)
	if err != nil {
		return nil, err
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
	for id := range s.sets {
		if !live[id] {
			delete(s.sets, id)
		}
	}
}

// openSet makes the key set of an issuer. It fetches nothing yet.
func (c Config) openSet(issuer *registry.IssuerEntry) (*jwks.Set, error) {
	spec := issuer.Spec
	keys := spec.KeySource()
	from := jwks.Source{
		URL: keys.JWKSURL, BundleURL: keys.BundleURL, File: keys.JWKSFile,
		BundleFile: keys.BundleFile, Inline: keys.JWKS, CAFile: spec.CAFile,
	}
	if keys.Discovery {
		from.Discovery = spec.Issuer
	}
	config := jwks.Config{Source: from, Client: c.Outbound, Now: c.Now}
	if c.Report != nil {
		name := issuer.Name
		config.Report = func(err error) { c.Report(name, err) }
	}
	return jwks.New(config)
}
