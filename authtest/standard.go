package authtest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/oauth"
)

// Resources is the standard manifest: issuers corp-idp (users), prod-cluster
// and prod-spire (workloads); resources gateway, vault, analysis and payments;
// blueprints researcher, analyst, writer and legacy (which opts in to
// secrets); agents research-agent, analysis-agent, writer-agent, svid-agent
// (SPIFFE), key-agent (private_key_jwt) and secret-agent;
// rules for staff and for the hand-offs research -> analysis -> writer.
func Resources(s *Server) string {
	keys, err := json.Marshal(s.KeyAgent.JWKS())
	if err != nil {
		panic(err) // maps of strings
	}
	return strings.NewReplacer("IDP", s.IDP.URL, "CLUSTER", s.Cluster.URL, "SPIRE", s.SPIRE.URL, "KEYS", string(keys)).Replace(standard)
}

// User mints a token of the OpenID provider for a member of staff. Claims
// replace the standard ones; a nil value removes one.
func (s *Server) User(t testing.TB, sub string, change Claims) string {
	t.Helper()
	now := s.Clock.Now()
	return s.IDP.Sign(t, "JWT", merge(Claims{
		"iss": s.IDP.URL, "sub": sub, "aud": s.Issuer, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		"groups": []string{"staff"}, "auth_time": now.Add(-time.Minute).Unix(), "acr": "phr", "amr": []string{"hwk"},
	}, change))
}

// ServiceAccount mints the projected token of a service account in namespace
// "prod".
func (s *Server) ServiceAccount(t testing.TB, name string, change Claims) string {
	t.Helper()
	now := s.Clock.Now()
	return s.Cluster.Sign(t, "", merge(Claims{
		"iss": s.Cluster.URL, "sub": "system:serviceaccount:prod:" + name, "aud": []string{s.Issuer},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		"kubernetes.io": Claims{"namespace": "prod", "serviceaccount": Claims{"name": name, "uid": "8b0e6f0a-6a41-44b2-9a5d-0d2b6a6b9a01"}},
	}, change))
}

// SVID mints a JWT-SVID of trust domain prod.example.
func (s *Server) SVID(t testing.TB, path string, change Claims) string {
	t.Helper()
	now := s.Clock.Now()
	return s.SPIRE.Sign(t, "JWT", merge(Claims{
		"sub": "spiffe://prod.example" + path, "aud": []string{s.Issuer}, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}, change))
}

// As adds the credentials of an agent that runs under a service account.
func (s *Server) As(t testing.TB, account string, form url.Values) url.Values {
	t.Helper()
	form.Set("client_assertion", s.ServiceAccount(t, account, nil))
	form.Set("client_assertion_type", string(oauth.JWTBearerAssertion))
	return form
}

// ExchangeForm is a token exchange of subject, a JWT, for gateway. Pairs of
// name and value replace or add parameters; an empty value removes one.
func ExchangeForm(subject string, pairs ...string) url.Values {
	form := url.Values{
		"grant_type":         {string(oauth.TokenExchange)},
		"subject_token":      {subject},
		"subject_token_type": {string(oauth.JWTType)},
		"resource":           {"https://gateway.example"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			form.Del(pairs[i])
			continue
		}
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func merge(claims, change Claims) Claims {
	for name, value := range change {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}

func decode(t testing.TB, part string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const standard = `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: corp-idp }
spec: { type: oidc, issuer: "IDP", keys: { discovery: true } }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: prod-cluster }
spec: { type: kubernetes, issuer: "CLUSTER", keys: { discovery: true } }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: prod-spire }
spec: { type: spiffe, trustDomain: prod.example, keys: { bundleUrl: "SPIRE/bundle" } }
---
apiVersion: tokenry/v1
kind: Resource
metadata: { name: gateway }
spec:
  identifier: https://gateway.example
  scopes: [ { name: "llm:read", risk: low }, { name: "memory:write" } ]
  agents: [analysis-agent]
---
apiVersion: tokenry/v1
kind: Resource
metadata: { name: vault }
spec:
  identifier: https://vault.example/api
  scopes: [ { name: "llm:read", risk: low }, { name: "vault:open" } ]
  agents: [writer-agent]
  maxTtl: 2m
---
apiVersion: tokenry/v1
kind: Resource
metadata: { name: payments }
spec:
  identifier: https://payments.example
  scopes: [ { name: "payments:read" }, { name: "payments:write", risk: high } ]
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: researcher }
spec:
  resources:
    - { name: gateway, scopes: ["llm:read", "memory:write"] }
    - { name: vault, scopes: ["llm:read", "vault:open"] }
    - { name: payments, scopes: ["payments:read", "payments:write"] }
  maxTtl: 10m
  maxDelegationDepth: 3
  clientAuth: [federated, private_key_jwt]
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: analyst }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] }, { name: vault, scopes: ["llm:read"] } ]
  defaultResource: gateway
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: writer }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] }, { name: vault, scopes: ["llm:read"] } ]
  defaultResource: vault
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: legacy }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  clientAuth: [secret]
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: research-agent }
spec:
  blueprint: researcher
  owner: alice@example.com
  sponsor: research-leads
  credentials:
    - { name: k8s, issuer: prod-cluster, subject: { exact: "system:serviceaccount:prod:research" } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: analysis-agent }
spec:
  blueprint: analyst
  owner: bob@example.com
  sponsor: research-leads
  credentials:
    - { name: k8s, issuer: prod-cluster, subject: { exact: "system:serviceaccount:prod:analysis" } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: writer-agent }
spec:
  blueprint: writer
  owner: bob@example.com
  sponsor: research-leads
  credentials:
    - { name: k8s, issuer: prod-cluster, subject: { exact: "system:serviceaccount:prod:writer" }, condition: 'claims["kubernetes.io"].namespace == "prod"' }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: svid-agent }
spec:
  blueprint: researcher
  owner: carol@example.com
  sponsor: research-leads
  credentials:
    - { name: svid, issuer: prod-spire, subject: { exact: "spiffe://prod.example/agents/research/r7" } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: secret-agent }
spec: { blueprint: legacy, owner: carol@example.com, sponsor: research-leads }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: key-agent }
spec: { blueprint: researcher, owner: carol@example.com, sponsor: research-leads, jwks: KEYS }
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: staff-to-research }
spec:
  subjects: { issuer: corp-idp, condition: '"staff" in claims.groups' }
  actors: { blueprints: [researcher, legacy] }
  resources:
    - { name: gateway, scopes: ["llm:read", "memory:write"] }
    - { name: payments, scopes: ["payments:read", "payments:write"] }
  maxDepth: 2
  maxTtl: 5m
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: users-to-analysis }
spec:
  subjects: { issuer: corp-idp }
  actors: { blueprints: [analyst, writer] }
  resources: [ { name: gateway, scopes: ["llm:read"] }, { name: vault, scopes: ["llm:read"] } ]
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: research-hands-to-analysis }
spec:
  subjects: { agents: [research-agent] }
  actors: { agents: [analysis-agent] }
  resources: [ { name: gateway, scopes: ["llm:read"] }, { name: vault, scopes: ["llm:read"] } ]
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: analysis-hands-to-writer }
spec:
  subjects: { blueprints: [analyst] }
  actors: { blueprints: [writer] }
  resources: [ { name: vault, scopes: ["llm:read"] } ]
`

// Algorithm configures the algorithm of the server's signatures.
func Algorithm(alg string) func(*config.Config) {
	return func(c *config.Config) { c.Keys.Algorithm = alg }
}

// IssuerPath gives the server's issuer identifier a path.
func IssuerPath(path string) func(*config.Config) {
	return func(c *config.Config) { c.Issuer += path }
}

// Secret gives an agent, whose blueprint opts in to secrets, a new one.
func (s *Server) Secret(t testing.TB, agent string) string {
	t.Helper()
	secret, err := s.Admin.RotateSecret(context.Background(), agent)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Model.Poll(context.Background()); err != nil {
		t.Fatal(err)
	}
	return secret.Secret
}

// Assertion mints a self-signed client assertion (RFC 7523, Section 2.2) of
// agent key-agent.
func (s *Server) Assertion(t testing.TB, typ string, change Claims) string {
	t.Helper()
	now := s.Clock.Now()
	return s.KeyAgent.Sign(t, typ, merge(Claims{
		"iss": "key-agent", "sub": "key-agent", "aud": s.Issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}, change))
}

// Header decodes the header of a token.
func Header(t testing.TB, token string) map[string]any {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	var h map[string]any
	if err := json.Unmarshal(decode(t, head), &h); err != nil {
		t.Fatal(err)
	}
	return h
}
