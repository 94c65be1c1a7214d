package server_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/registry"
)

// near is a server with every kind of binding that can be missed by a little.
type near struct {
	*authtest.Server
	ci     *authtest.Party // trusted issuer "ci": https://ci.example/Org
	closed *authtest.Party // trusted issuer "closed", disabled
	shadow *authtest.Party // trusted issuer "watched", in shadow mode
}

func startNear(t *testing.T) *near {
	t.Helper()
	n := &near{Server: authtest.Start(t), ci: authtest.NewParty(t, false), closed: authtest.NewParty(t, false), shadow: authtest.NewParty(t, false)}
	keys := func(p *authtest.Party) string {
		data, err := json.Marshal(p.JWKS())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	n.Apply(t, strings.NewReplacer("CIKEYS", keys(n.ci), "CLOSEDKEYS", keys(n.closed), "WATCHEDKEYS", keys(n.shadow), "OURS", n.Issuer).Replace(nearManifest))
	for _, o := range []struct {
		kind registry.Kind
		name string
	}{{registry.KindTrustedIssuer, "closed"}, {registry.KindAgent, "stopped-agent"}, {registry.KindBlueprint, "stopped"}} {
		if _, err := n.Admin.SetState(t.Context(), o.kind, o.name, registry.Disabled, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Model.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

const entraIssuer = "https://login.microsoftonline.com/11111111-0000-4000-8000-000000000000/v2.0"

const nearManifest = `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: ci }
spec: { type: oidc, tokens: workload, issuer: "https://ci.example/Org", keys: { jwks: CIKEYS }, audiences: [OURS, "https://deploy.example"] }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: closed }
spec: { type: oidc, tokens: workload, issuer: "https://closed.example", keys: { jwks: CLOSEDKEYS } }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: watched }
spec: { type: oidc, tokens: workload, issuer: "https://watched.example", keys: { jwks: WATCHEDKEYS }, mode: shadow }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: listed }
spec: { type: oidc, issuer: "https://listed.example", keys: { jwks: CIKEYS }, authorizedParties: [portal, app] }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: azure }
spec: { type: oidc, preset: azure, issuer: "` + entraIssuer + `", keys: { jwks: CIKEYS } }
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: stopped }
spec: { resources: [ { name: gateway, scopes: ["llm:read"] } ] }
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: fleet }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  credentials: [ { name: pods, issuer: prod-spire, subject: { prefix: "spiffe://prod.example/fleet/" }, maxInstances: 10 } ]
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: build-agent }
spec:
  blueprint: researcher
  owner: o
  sponsor: s
  credentials:
    - { name: main, issuer: ci, subject: { exact: "repo:acme/app:ref:refs/heads/main" }, condition: 'claims.repository_owner == "acme" && claims.runner == "hosted"' }
    - { name: pinned, issuer: ci, subject: { exact: "repo:acme/lib:ref:refs/heads/main" }, claims: { repository_id: "4711" } }
    - { name: deploy, issuer: ci, subject: { exact: "repo:acme/site:ref:refs/heads/main" }, audience: "https://deploy.example" }
    - { name: typo, issuer: ci, subject: { exact: "repo:acme/typo:ref:refs/heads/main" }, condition: 'claims.repository_ownr == "acme"' }
    - { name: tags, issuer: ci, subject: { glob: "repo:acme/tool:ref:refs/tags/v*" } }
    - { name: strict, issuer: ci, subject: { exact: "repo:acme/strict:ref:refs/heads/main" }, audience: "https://deploy.example", claims: { repository_id: "1" } }
    - { name: trial, issuer: ci, subject: { exact: "repo:acme/trial:ref:refs/heads/main" }, mode: shadow }
    - { name: watched, issuer: watched, subject: { exact: "job:nightly" } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: twin-a }
spec: { blueprint: researcher, owner: o, sponsor: s, credentials: [ { name: one, issuer: ci, subject: { prefix: "repo:acme/twin:" }, condition: 'claims.runner == "hosted"' } ] }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: twin-b }
spec: { blueprint: researcher, owner: o, sponsor: s, credentials: [ { name: two, issuer: ci, subject: { prefix: "repo:acme/twin:ref:" }, condition: 'claims.repository_owner == "acme"' } ] }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: stopped-agent }
spec: { blueprint: researcher, owner: o, sponsor: s, credentials: [ { name: job, issuer: ci, subject: { exact: "job:stopped" } } ] }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: orphan-agent }
spec: { blueprint: stopped, owner: o, sponsor: s, credentials: [ { name: job, issuer: ci, subject: { exact: "job:orphan" } } ] }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: expired-agent }
spec: { blueprint: researcher, owner: o, sponsor: s, expiresAt: "2020-01-01T00:00:00Z", credentials: [ { name: job, issuer: ci, subject: { exact: "job:expired" } } ] }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: dir-agent }
spec: { blueprint: researcher, owner: o, sponsor: s, credentials: [ { name: dir, issuer: prod-spire, subject: { prefix: "spiffe://prod.example/jobs/" } } ] }
`

// job mints a token of the CI system that admits build-agent.
func (n *near) job(t *testing.T, change authtest.Claims) string {
	t.Helper()
	return n.ci.Sign(t, "JWT", n.jobClaims("https://ci.example/Org", change))
}

func (n *near) jobClaims(iss string, change authtest.Claims) authtest.Claims {
	now := n.Clock.Now()
	claims := authtest.Claims{
		"iss": iss, "sub": "repo:acme/app:ref:refs/heads/main", "aud": n.Issuer, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"repository_owner": "acme", "repository_id": 4711, "runner": "hosted",
	}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

func (n *near) test(t *testing.T, token, typ string) api.CredentialReport {
	t.Helper()
	r, err := n.Admin.TestCredential(t.Context(), api.CredentialTest{Token: token, TokenType: typ})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// nearMiss is a token with one thing wrong, and the one sentence that says it.
// OURS and CLUSTER stand for addresses of the test.
type nearMiss struct {
	name  string
	token func(*testing.T, *near) string
	fault string
	code  string
	wrong string // the sentence; … stands for what depends on the clock, or goes without saying
}
