package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// keyedAt is a manifest of an agent whose keys are at a URL.
func keyedAt(agent, at string) string {
	return "---\napiVersion: tokenry/v1\nkind: Agent\nmetadata: { name: " + agent + " }\n" +
		`spec: { blueprint: researcher, owner: carol@example.com, sponsor: research-leads, jwksUrl: "` + at + "\" }\n"
}

// signedBy is an agent asking for itself by an assertion that p signed for it.
func signedBy(t *testing.T, as *authtest.Server, p *authtest.Party, agent string, change authtest.Claims) url.Values {
	t.Helper()
	now := as.Clock.Now()
	claims := authtest.Claims{"iss": agent, "sub": agent, "aud": as.Issuer, "jti": agent + now.String(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for k, v := range change {
		claims[k] = v
	}
	return url.Values{
		"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"},
		"client_assertion_type": {string(oauth.JWTBearerAssertion)}, "client_assertion": {p.Sign(t, "JWT", claims)},
	}
}

// TestAgentKeysByURL: an agent's keys may be fetched, as those of issuers are:
// when they are first needed, again for a new kid, and never for made-up ones
// more than once in a while.
func TestAgentKeysByURL(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	p, stranger := authtest.NewParty(t, false), authtest.NewParty(t, false)
	as.Apply(t, keyedAt("remote-agent", p.URL+"/jwks"))
	if p.Fetches() != 0 {
		t.Errorf("%d fetches before anybody came", p.Fetches())
	}
	for range 3 {
		c := authtest.WantIssued(t, as.Post(t, signedBy(t, as, p, "remote-agent", nil)))
		if c["client_id"] != "remote-agent" {
			t.Errorf("client_id %v", c["client_id"])
		}
	}
	if p.Fetches() != 1 {
		t.Errorf("%d fetches for three assertions, want 1", p.Fetches())
	}
	used := signedBy(t, as, p, "remote-agent", nil)
	authtest.WantIssued(t, as.Post(t, used))
	as.WantRefused(t, as.Post(t, used), oauth.InvalidClient, oauth.ReasonAuthReplay)
	as.WantRefused(t, as.Post(t, signedBy(t, as, stranger, "remote-agent", nil)), oauth.InvalidClient, clientFault("signature"))

	p.AddKey(t, "k2", "EdDSA")
	authtest.WantIssued(t, as.Post(t, signedBy(t, as, p, "remote-agent", nil)))
	if p.Fetches() != 2 {
		t.Errorf("%d fetches after a new key, want 2", p.Fetches())
	}
	stranger.AddKey(t, "made-up", "ES256")
	for range 3 {
		as.WantRefused(t, as.Post(t, signedBy(t, as, stranger, "remote-agent", nil)), oauth.InvalidClient, clientFault("kid_unknown"))
	}
	if p.Fetches() != 2 {
		t.Errorf("%d fetches for made-up kids within the cool-down, want none", p.Fetches()-2)
	}

	// Another URL is another key set, at once; keys in the spec are fetched from nowhere.
	moved := authtest.NewParty(t, false)
	as.Apply(t, keyedAt("remote-agent", moved.URL+"/jwks"))
	authtest.WantIssued(t, as.Post(t, signedBy(t, as, moved, "remote-agent", nil)))
	as.WantRefused(t, as.Post(t, signedBy(t, as, p, "remote-agent", nil)), oauth.InvalidClient, clientFault("kid_unknown"))
}

// TestAgentKeysUnavailable: keys that cannot be had make the request unanswered,
// not wrong; those that were had serve on for a while.
func TestAgentKeysUnavailable(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	p := authtest.NewParty(t, false)
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(down.Close)
	as.Apply(t, keyedAt("down-agent", down.URL))
	a := as.Post(t, signedBy(t, as, p, "down-agent", nil))
	as.WantRefused(t, a, oauth.TemporarilyUnavailable, oauth.ReasonIssuerUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, p.URL+"/jwks", http.StatusFound) // works for no fetch: SEC-SF-10
	}))
	t.Cleanup(gone.Close)
	as.Apply(t, keyedAt("moved-agent", gone.URL))
	as.WantRefused(t, as.Post(t, signedBy(t, as, p, "moved-agent", nil)), oauth.TemporarilyUnavailable, oauth.ReasonIssuerUnavailable)
}

// TestEdDSAAssertions: an agent may sign with Ed25519, by either name of the
// algorithm (RFC 8037, Section 3.1; RFC 9864, Section 2.2).
func TestEdDSAAssertions(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	p := authtest.NewParty(t, false)
	p.AddKey(t, "ed", "EdDSA")
	p.RemoveKeys()
	as.Apply(t, keyedAt("ed-agent", p.URL+"/jwks"))
	authtest.WantIssued(t, as.Post(t, signedBy(t, as, p, "ed-agent", nil)))
	for claim, row := range map[string]struct {
		value any
		fault string
	}{
		"aud": {as.Issuer + "/token", "aud"}, "exp": {as.Clock.Now().Add(6 * time.Minute).Unix(), "lifetime"}, "jti": {nil, "jti_missing"},
	} {
		as.WantRefused(t, as.Post(t, signedBy(t, as, p, "ed-agent", authtest.Claims{claim: row.value})), oauth.InvalidClient, clientFault(row.fault))
	}
	used := signedBy(t, as, p, "ed-agent", nil)
	authtest.WantIssued(t, as.Post(t, used))
	as.WantRefused(t, as.Post(t, used), oauth.InvalidClient, oauth.ReasonAuthReplay)
	named := signedBy(t, as, p, "ed-agent", nil)
	named.Set("client_assertion", p.SignHeader(t, map[string]any{"alg": "Ed25519", "kid": "ed"}, authtest.Payload(t, named.Get("client_assertion"))))
	authtest.WantIssued(t, as.Post(t, named))
	broken := signedBy(t, as, p, "ed-agent", nil)
	token := broken.Get("client_assertion")
	broken.Set("client_assertion", token[:len(token)-8]+"AAAAAAAA")
	as.WantRefused(t, as.Post(t, broken), oauth.InvalidClient, clientFault("signature"))
}
