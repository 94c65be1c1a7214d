package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// site is a web server of somebody else's whose answers a test replaces.
type site struct {
	URL string

	mu     sync.Mutex
	answer http.HandlerFunc
	asked  atomic.Int64
	now    atomic.Int64 // requests under way
	most   atomic.Int64 // … at once, so far
}

func newSite(t *testing.T, answer http.HandlerFunc) *site {
	t.Helper()
	s := &site{answer: answer}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// ServeHTTP counts and answers.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	answer(w, r)
}

func (s *site) put(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// page answers with a document.
func page(document any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(document)
	}
}

// trustDomainAt registers a trust domain and an agent for its workload /a. keys is the
// YAML of spec.keys, more what follows it in spec.
func trustDomainAt(t *testing.T, as *authtest.Server, domain, keys, more string) {
	t.Helper()
	if err := tryTrust(t, as, domain, keys, more); err != nil {
		t.Fatalf("registering %s: %v", domain, err)
	}
}

func tryTrust(t *testing.T, as *authtest.Server, domain, keys, more string) error {
	t.Helper()
	return as.TryApply(t, strings.NewReplacer("NAME", strings.ReplaceAll(domain, ".", "-"), "DOMAIN", domain, "KEYS", keys, "MORE", more).Replace(`
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: NAME }
spec: { type: spiffe, trustDomain: DOMAIN, keys: { KEYS }MORE }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: NAME-a }
spec:
  blueprint: researcher
  owner: carol@example.com
  sponsor: research-leads
  credentials: [ { name: svid, issuer: NAME, subject: { exact: "spiffe://DOMAIN/a" } } ]
`))
}

// bySVID is the agent of a JWT-SVID asking for itself.
func bySVID(svid string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"}, "scope": {"llm:read"},
		"client_assertion_type": {string(oauth.SPIFFEAssertion)}, "client_assertion": {svid},
	}
}

// workload is workload /a of a trust domain, with a fresh JWT-SVID.
func workload(t *testing.T, as *authtest.Server, d *authtest.SPIFFE) *authtest.Answer {
	t.Helper()
	return as.Post(t, bySVID(d.JWTSVID(t, "/a", as.Issuer, nil)))
}

// wantUnavailable: nobody knows whether the credential is good, so nothing is
// said about it.
func wantUnavailable(t *testing.T, as *authtest.Server, a *authtest.Answer) {
	t.Helper()
	as.WantRefused(t, a, oauth.TemporarilyUnavailable, oauth.ReasonIssuerUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

// wantUnknownKey: it is known that no key of the issuer made the credential.
func wantUnknownKey(t *testing.T, as *authtest.Server, a *authtest.Answer) {
	t.Helper()
	as.WantRefused(t, a, oauth.InvalidClient, clientFault("kid_unknown"))
}
