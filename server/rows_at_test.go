package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestRowsAT proves what is issued: RFC 9068. AT-12 to AT-14 are rules for the
// resource server's library and listed as not yet in docs/divergences.md.
func TestRowsAT(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		{"AT-01", func(t *testing.T, as *authtest.Server) {
			if h := authtest.Header(t, delegated(t, as)); h["typ"] != "at+jwt" {
				t.Errorf("typ %v", h["typ"])
			}
		}},
		{"AT-02", func(t *testing.T, as *authtest.Server) {
			h := authtest.Header(t, delegated(t, as))
			if h["alg"] != "ES256" || h["kid"] == nil {
				t.Errorf("header %v", h)
			}
		}},
		{"AT-03", signsRS256},
		issued("AT-04", forAlice(), func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
				if c[name] == nil {
					t.Errorf("no %s in %v", name, c)
				}
			}
		}),
		{"AT-05", func(t *testing.T, as *authtest.Server) {
			if c := authtest.WantIssued(t, as.Post(t, itself()(t, as))); c["sub"] != c["client_id"] || c["sub"] != "research-agent" {
				t.Errorf("sub %v, client_id %v", c["sub"], c["client_id"])
			}
			if c := authtest.Payload(t, delegated(t, as)); c["sub"] != "corp-idp|alice" || c["client_id"] != "research-agent" {
				t.Errorf("sub %v, client_id %v", c["sub"], c["client_id"])
			}
		}},
		{"AT-06", twoProviders},
		{"AT-07", func(t *testing.T, as *authtest.Server) {
			err := as.TryApply(t, `
apiVersion: tokenry/v1
kind: Agent
metadata: { name: "corp-idp|alice" }
spec: { blueprint: legacy, owner: x, sponsor: y }
`)
			if err == nil {
				t.Error("an agent may be called like a user")
			}
		}},
		issued("AT-08", forAlice(), func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			if c["aud"] != "https://gateway.example" {
				t.Errorf("aud %v, want the identifier as a string", c["aud"])
			}
		}),
		issued("AT-09", forAlice("scope", "memory:write llm:read llm:read"), func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			if c["scope"] != "llm:read memory:write" {
				t.Errorf("scope %v", c["scope"])
			}
		}),
		{"AT-10", func(t *testing.T, as *authtest.Server) {
			first := delegated(t, as)
			second := onward(t, as, "analysis", first)
			authtest.WantIssued(t, second)
			a, b := authtest.Payload(t, first), authtest.Payload(t, second.AccessToken)
			for _, name := range []string{"auth_time", "acr", "amr", "txn"} {
				x, _ := json.Marshal(a[name])
				y, _ := json.Marshal(b[name])
				if string(x) != string(y) || a[name] == nil {
					t.Errorf("%s changed from %s to %s", name, x, y)
				}
			}
		}},
		refused("AT-11", oauth.InvalidTarget, oauth.ReasonTargetMissing, itself("resource", "", "scope", "llm:read")),
	})
}

func signsRS256(t *testing.T, _ *authtest.Server) {
	as := authtest.StartWith(t, authtest.Options{Config: authtest.Algorithm("RS256")})
	token := delegated(t, as)
	if h := authtest.Header(t, token); h["alg"] != "RS256" {
		t.Fatalf("header %v", h)
	}
	// It verifies its own: the token can be exchanged onward.
	authtest.WantIssued(t, onward(t, as, "analysis", token))
}

// twoProviders has one `sub` at two issuers: RFC 9068, Section 5.
func twoProviders(t *testing.T, _ *authtest.Server) {
	as := authtest.Start(t)
	other := authtest.NewParty(t, false)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: other-idp }
spec: { type: oidc, issuer: "`+other.URL+`", keys: { jwksUrl: "`+other.URL+`/jwks" } }
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: others-to-research }
spec:
  subjects: { issuer: other-idp }
  actors: { blueprints: [researcher] }
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
`)
	now := as.Clock.Now()
	token := other.Sign(t, "JWT", authtest.Claims{"iss": other.URL, "sub": "alice", "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	c := authtest.WantIssued(t, as.Post(t, forAlice("subject_token", token)(t, as)))
	if c["sub"] != "other-idp|alice" {
		t.Errorf("sub %v", c["sub"])
	}
}

// TestRowsMD proves the metadata: RFC 8414. MD-08 and MD-10 are listed as not
// yet in docs/divergences.md.
func TestRowsMD(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		{"MD-01", func(t *testing.T, as *authtest.Server) { document(t, as, "/.well-known/oauth-authorization-server") }},
		{"MD-02", func(t *testing.T, as *authtest.Server) {
			if d := document(t, as, "/.well-known/oauth-authorization-server"); d["issuer"] != as.Issuer {
				t.Errorf("issuer %v, want %s", d["issuer"], as.Issuer)
			}
		}},
		{"MD-03", func(t *testing.T, as *authtest.Server) {
			for name, value := range document(t, as, "/.well-known/oauth-authorization-server") {
				if list, ok := value.([]any); ok && len(list) == 0 {
					t.Errorf("%s is empty", name)
				}
			}
		}},
		{"MD-04", func(t *testing.T, as *authtest.Server) {
			d := document(t, as, "/.well-known/oauth-authorization-server")
			want := []any{string(oauth.ClientCredentials), string(oauth.JWTBearer), string(oauth.TokenExchange)}
			if !slices.Equal(d["grant_types_supported"].([]any), want) {
				t.Errorf("grant_types_supported %v", d["grant_types_supported"])
			}
		}},
		{"MD-05", func(t *testing.T, as *authtest.Server) {
			d := document(t, as, "/.well-known/oauth-authorization-server")
			algs := d["token_endpoint_auth_signing_alg_values_supported"].([]any)
			if !slices.Contains(algs, any("ES256")) || slices.Contains(algs, any("none")) {
				t.Errorf("algorithms %v", algs)
			}
		}},
		{"MD-06", underPath},
		{"MD-07", func(t *testing.T, as *authtest.Server) {
			keys := document(t, as, "/.well-known/jwks.json")["keys"].([]any)
			seen := map[any]bool{}
			for _, k := range keys {
				jwk := k.(map[string]any)
				if seen[jwk["kid"]] || jwk["use"] != "sig" || jwk["alg"] == nil || jwk["d"] != nil {
					t.Errorf("key %v", jwk)
				}
				seen[jwk["kid"]] = true
			}
		}},
		{"MD-09", func(t *testing.T, as *authtest.Server) {
			d := document(t, as, "/.well-known/oauth-authorization-server")
			if !slices.Equal(d["code_challenge_methods_supported"].([]any), []any{"S256"}) {
				t.Errorf("code_challenge_methods_supported %v", d["code_challenge_methods_supported"])
			}
			// The endpoint that installed clients want always refuses and never redirects.
			res, err := http.Get(d["authorization_endpoint"].(string) + "?response_type=code&redirect_uri=https://evil.example")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" {
				t.Errorf("authorize: %d, Location %q", res.StatusCode, res.Header.Get("Location"))
			}
		}},
	})
}

// underPath serves an issuer with a path: both documents inserted, and the
// OpenID one appended too.
func underPath(t *testing.T, _ *authtest.Server) {
	as := authtest.StartWith(t, authtest.Options{Empty: true, Config: authtest.IssuerPath("/t1/")})
	var first string
	for _, path := range []string{"/.well-known/oauth-authorization-server/t1", "/.well-known/openid-configuration/t1", "/t1/.well-known/openid-configuration"} {
		d := document(t, as, path)
		raw, _ := json.Marshal(d)
		if first == "" {
			first = string(raw)
		}
		if string(raw) != first {
			t.Errorf("%s differs", path)
		}
		if !strings.HasSuffix(d["token_endpoint"].(string), "/t1/token") {
			t.Errorf("token_endpoint %v", d["token_endpoint"])
		}
	}
}

func document(t *testing.T, as *authtest.Server, path string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, as.PublicURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := as.Do(t, r)
	var d map[string]any
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, &d) != nil {
		t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
	if !strings.Contains(a.Header.Get("Cache-Control"), "max-age=300") {
		t.Errorf("%s: Cache-Control %q", path, a.Header.Get("Cache-Control"))
	}
	return d
}
