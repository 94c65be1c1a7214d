package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// SPIFFE is a trust domain as SPIRE runs one: its authorities for X.509-SVIDs
// and JWT-SVIDs, and its bundle. Workloads reach it through a WorkloadAPI, other
// domains through a BundleEndpoint.
//
// It is for tests of where keys come from, how they change, and of programs that
// know SPIFFE. A test of what is in a certificate wants an Authority in its hand,
// and publishes it with a TrustDomain.
//
// Its keys change in the steps that a real domain takes: Prepare publishes the
// next ones beside the old, Activate signs with them, Retire takes the old ones
// back.
type SPIFFE struct {
	Domain string // "prod.example"

	clock *Clock

	mu         sync.Mutex
	cas        []*Authority // published, oldest first
	keys       []partyKey   // published, oldest first
	activeCA   int          // which of cas signs
	activeKey  int
	sequence   int
	hint       int // seconds
	federation []*SPIFFE
	watchers   []*SPIFFE     // domains that federate with this one
	changed    chan struct{} // closed with the next change
}

// jwtLife is how long JWT-SVIDs live, as SPIRE has it.
const jwtLife = 5 * time.Minute

// NewSPIFFE makes a trust domain whose SVIDs are of the clock's time; nil = the
// real one.
func NewSPIFFE(t testing.TB, domain string, clock *Clock) *SPIFFE {
	t.Helper()
	if clock == nil {
		clock = &Clock{}
	}
	s := &SPIFFE{Domain: domain, clock: clock, hint: 300, changed: make(chan struct{})}
	s.Prepare(t)
	return s
}

// ID is the SPIFFE ID of a workload; path begins with a slash.
func (s *SPIFFE) ID(path string) string { return "spiffe://" + s.Domain + path }

// change makes a change and tells every Workload API, those of the domains that
// federate with this one too.
func (s *SPIFFE) change(how func()) {
	s.mu.Lock()
	how()
	s.sequence++
	watchers := s.watchers
	s.mu.Unlock()
	s.tell()
	for _, other := range watchers {
		other.tell()
	}
}

func (s *SPIFFE) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Prepare publishes new authorities beside the old. They do not sign yet.
func (s *SPIFFE) Prepare(t testing.TB) {
	t.Helper()
	root := NewAuthority(t, s.clock, s.Domain, func(c *x509.Certificate) {
		c.URIs = []*url.URL{{Scheme: "spiffe", Host: s.Domain}} // X509-SVID, Section 3.2
	})
	key := newKey(t)
	s.change(func() {
		s.cas = append(s.cas, root)
		s.keys = append(s.keys, partyKey{kid: rand.Text(), alg: "ES256", key: key})
	})
}

// Activate has the newest authorities sign.
func (s *SPIFFE) Activate() {
	s.change(func() { s.activeCA, s.activeKey = len(s.cas)-1, len(s.keys)-1 })
}

// Retire takes back every authority but those that sign.
func (s *SPIFFE) Retire() {
	s.change(func() {
		s.cas, s.keys = []*Authority{s.cas[s.activeCA]}, []partyKey{s.keys[s.activeKey]}
		s.activeCA, s.activeKey = 0, 0
	})
}

// Rotate publishes new authorities and signs with them at once. The old ones
// stay published until Retire.
func (s *SPIFFE) Rotate(t testing.TB) {
	t.Helper()
	s.Prepare(t)
	s.Activate()
}

// RefreshHint says how often the bundle wants to be fetched.
func (s *SPIFFE) RefreshHint(d time.Duration) { s.change(func() { s.hint = int(d / time.Second) }) }

// Federate has the workloads of s trust the SVIDs of other. It is one way.
func (s *SPIFFE) Federate(other *SPIFFE) {
	other.change(func() { other.watchers = append(other.watchers, s) })
	s.change(func() { s.federation = append(s.federation, other) })
}

// Unfederate takes that back.
func (s *SPIFFE) Unfederate(other *SPIFFE) {
	s.change(func() {
		s.federation = slices.DeleteFunc(s.federation, func(o *SPIFFE) bool { return o == other })
	})
}

// X509SVID mints an X.509-SVID of a workload with its key.
func (s *SPIFFE) X509SVID(t testing.TB, path string) *ClientCert {
	t.Helper()
	return s.X509SVIDWith(t, path, nil)
}

// X509SVIDWith is X509SVID with a change to the certificate before it is signed,
// to mint what a real domain would not.
func (s *SPIFFE) X509SVIDWith(t testing.TB, path string, change func(*x509.Certificate)) *ClientCert {
	t.Helper()
	s.mu.Lock()
	by := s.cas[s.activeCA]
	s.mu.Unlock()
	return by.Leaf(t, s.ID(path), change)
}

// NextX509SVID is X509SVID by the newest authority, which may not sign yet: it
// shows whether somebody knows that authority.
func (s *SPIFFE) NextX509SVID(t testing.TB, path string) *ClientCert {
	t.Helper()
	s.mu.Lock()
	by := s.cas[len(s.cas)-1]
	s.mu.Unlock()
	return by.Leaf(t, s.ID(path), nil)
}

// JWTSVID mints a JWT-SVID of a workload for audience. Claims replace the
// standard ones; a nil value removes one.
func (s *SPIFFE) JWTSVID(t testing.TB, path, audience string, change Claims) string {
	t.Helper()
	return s.mintJWT(t, s.jwtKey(false), path, []string{audience}, change)
}

// NextJWTSVID is JWTSVID by the newest key, which may not sign yet: it shows
// whether somebody knows that key.
func (s *SPIFFE) NextJWTSVID(t testing.TB, path, audience string, change Claims) string {
	t.Helper()
	return s.mintJWT(t, s.jwtKey(true), path, []string{audience}, change)
}

func (s *SPIFFE) jwtKey(newest bool) partyKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	if newest {
		return s.keys[len(s.keys)-1]
	}
	return s.keys[s.activeKey]
}

func (s *SPIFFE) mintJWT(t testing.TB, by partyKey, path string, audience []string, change Claims) string {
	t.Helper()
	now := s.clock.Now()
	claims, err := json.Marshal(merge(Claims{"sub": s.ID(path), "aud": audience, "iat": now.Unix(), "exp": now.Add(jwtLife).Unix()}, change))
	if err != nil {
		t.Fatal(err)
	}
	header, err := json.Marshal(map[string]any{"alg": by.alg, "kid": by.kid, "typ": "JWT"})
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64(header) + "." + b64(claims)
	return input + "." + b64(rawSign(t, by.key, input))
}

// Authorities are the published authorities of X.509-SVIDs, oldest first.
func (s *SPIFFE) Authorities() []*x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*x509.Certificate
	for _, ca := range s.cas {
		all = append(all, ca.Certificate)
	}
	return all
}

// Bundle is the published bundle: SPIFFE Trust Domain and Bundle, Section 4.
func (s *SPIFFE) Bundle() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.jwtKeys("jwt-svid")
	for _, ca := range s.cas {
		keys = append(keys, ca.jwk())
	}
	return map[string]any{"keys": keys, "spiffe_sequence": s.sequence, "spiffe_refresh_hint": s.hint}
}

// jwtKeys are the published JWT authorities as JWKs; s.mu is held.
func (s *SPIFFE) jwtKeys(use string) []map[string]any {
	keys := []map[string]any{}
	for _, k := range s.keys {
		jwk := publicJWK(k.key.Public())
		jwk["kid"] = k.kid
		if use != "" {
			jwk["use"] = use
		}
		keys = append(keys, jwk)
	}
	return keys
}

// rawAuthorities are Authorities in DER, one behind the other.
func (s *SPIFFE) rawAuthorities() []byte {
	var der []byte
	for _, c := range s.Authorities() {
		der = append(der, c.Raw...)
	}
	return der
}

// jwks is the JWT half of the bundle as SPIRE's agent gives it: without use.
func (s *SPIFFE) jwks() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := json.Marshal(map[string]any{"keys": s.jwtKeys("")})
	if err != nil {
		panic(err) // maps of strings
	}
	return raw
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwtAuthorities are the JWT authorities by kid.
func (s *SPIFFE) jwtAuthorities() map[string]crypto.PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]crypto.PublicKey{}
	for _, k := range s.keys {
		all[k.kid] = k.key.Public()
	}
	return all
}
