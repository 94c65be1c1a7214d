package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestSecurityAC: tokens that are meant for somebody else, come from somebody
// else, or are something else.
func TestSecurityAC(t *testing.T) {
	t.Parallel()
	prove(t, slices.Concat(audienceCases(), purposeCases(), providerCases(), conditionCases()))
}

// guest is a user whom no standard rule knows.
func guest(t *testing.T, as *authtest.Server, sub string, change authtest.Claims) string {
	t.Helper()
	claims := authtest.Claims{"groups": []string{}}
	for name, value := range change {
		claims[name] = value
	}
	return as.User(t, sub, claims)
}

// forUser is research-agent exchanging a user's token.
func forUser(t *testing.T, as *authtest.Server, token string, pairs ...string) *authtest.Answer {
	t.Helper()
	return as.Post(t, with(as.As(t, "research", authtest.ExchangeForm(token)), pairs))
}

// usersRule is a manifest: the researchers may act for users of an issuer.
func usersRule(name, issuer, condition string) string {
	return fmt.Sprintf(`
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: %s }
spec:
  subjects: { issuer: %s, condition: '%s' }
  actors: { blueprints: [researcher] }
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
`, name, issuer, condition)
}

// inline is the key set of a party, for a manifest.
func inline(t *testing.T, p *authtest.Party) string {
	t.Helper()
	set, err := json.Marshal(p.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	return string(set)
}

func audienceCases() []row {
	return []row{
		// DESIGN: a workload's token holds exactly one value; a user's must hold
		// ours and may hold others.
		{"SEC-AC-03", func(t *testing.T, as *authtest.Server) {
			two := []string{as.Issuer, "https://evil.example"}
			token := as.ServiceAccount(t, "research", authtest.Claims{"aud": two})
			as.WantRefused(t, as.Post(t, authtest.ExchangeForm(token)), oauth.InvalidRequest, subjectFault("aud_multiple"))
			as.WantRefused(t, as.Post(t, granted(token)), oauth.InvalidGrant, grantFault("aud_multiple"))
			as.WantRefused(t, as.Post(t, itself("client_assertion", token)(t, as)), oauth.InvalidClient, clientFault("aud_multiple"))
			authtest.WantIssued(t, forUser(t, as, as.User(t, "alice", authtest.Claims{"aud": two})))
		}},
		{"SEC-AC-06", func(t *testing.T, as *authtest.Server) {
			for _, aud := range []string{as.Issuer[:len(as.Issuer)-1], as.Issuer + ".evil.example", strings.ToUpper(as.Issuer), as.Issuer + "/", " " + as.Issuer} {
				as.WantRefused(t, forUser(t, as, as.User(t, "alice", authtest.Claims{"aud": aud})), oauth.InvalidRequest, subjectFault("aud"))
				token := as.ServiceAccount(t, "research", authtest.Claims{"aud": aud})
				as.WantRefused(t, as.Post(t, authtest.ExchangeForm(token)), oauth.InvalidRequest, subjectFault("aud"))
				as.WantRefused(t, as.Post(t, granted(token)), oauth.InvalidGrant, grantFault("aud"))
			}
		}},
		// A server is one tenant. What another one trusts is unknown here, and
		// reads like what nobody trusts (SEC-AC-09).
		{"SEC-AC-10", func(t *testing.T, as *authtest.Server) {
			theirs := authtest.NewParty(t, false)
			now := as.Clock.Now()
			var texts []string
			for _, iss := range []string{theirs.URL, "https://nobody.example"} {
				token := theirs.Sign(t, "JWT", authtest.Claims{"iss": iss, "sub": "alice", "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
				a := forUser(t, as, token)
				as.WantRefused(t, a, oauth.InvalidRequest, subjectFault("issuer_unknown"))
				as.WantRefused(t, as.Post(t, granted(token)), oauth.InvalidGrant, grantFault("issuer_unknown"))
				texts = append(texts, a.Description)
			}
			if texts[0] != texts[1] || theirs.Fetches() != 0 {
				t.Errorf("texts %q, %d fetches", texts, theirs.Fetches())
			}
		}},
	}
}

func purposeCases() []row {
	return []row{
		// A cluster's token through a door that does not know its rules.
		{"SEC-AC-20", func(t *testing.T, as *authtest.Server) {
			p := authtest.NewParty(t, false)
			as.Apply(t, fmt.Sprintf(`
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: disguised }
spec: { type: oidc, tokens: workload, issuer: "%s", keys: { discovery: true } }
`, p.URL))
			claims := authtest.Payload(t, as.ServiceAccount(t, "research", authtest.Claims{"iss": p.URL}))
			as.WantRefused(t, as.Post(t, authtest.ExchangeForm(p.Sign(t, "JWT", claims))), oauth.InvalidRequest, subjectFault("type"))
			delete(claims, "kubernetes.io") // what is left of it still says what it is
			as.WantRefused(t, as.Post(t, authtest.ExchangeForm(p.Sign(t, "JWT", claims))), oauth.InvalidRequest, oauth.ReasonNoBinding)
		}},
		{"SEC-AC-15", func(t *testing.T, as *authtest.Server) {
			user := authtest.Payload(t, as.User(t, "alice", nil))
			for _, typ := range []string{"logout+jwt", "secevent+jwt", "oauth-authz-resp+jwt", "application/secevent+jwt"} {
				as.WantRefused(t, forUser(t, as, as.IDP.Sign(t, typ, user)), oauth.InvalidRequest, subjectFault("type"))
			}
			for name, value := range map[string]any{
				"events": authtest.Claims{"http://schemas.openid.net/event/backchannel-logout": authtest.Claims{}}, "typ": "Logout", "token_use": "id",
			} {
				as.WantRefused(t, forUser(t, as, as.User(t, "alice", authtest.Claims{name: value})), oauth.InvalidRequest, subjectFault("type"))
			}
			// A response of JARM names no subject.
			as.WantRefused(t, forUser(t, as, as.User(t, "alice", authtest.Claims{"sub": nil, "code": "x", "state": "y"})), oauth.InvalidRequest, subjectFault("sub"))
		}},
		{"SEC-AC-22", func(t *testing.T, as *authtest.Server) {
			for _, pair := range [][]string{{"actor_token", as.ServiceAccount(t, "research", nil)}, {"actor_token_type", string(oauth.JWTType)}} {
				as.WantRefused(t, as.Post(t, forAlice(pair...)(t, as)), oauth.InvalidRequest, oauth.ReasonActorTokenType)
			}
		}},
		{"SEC-AC-23", func(t *testing.T, as *authtest.Server) {
			for _, typ := range []string{string(oauth.IDTokenType), string(oauth.RefreshTokenType), "urn:ietf:params:oauth:token-type:saml2"} {
				as.WantRefused(t, as.Post(t, forAlice("requested_token_type", typ)(t, as)), oauth.InvalidRequest, oauth.ReasonRequestedTokenType)
			}
		}},
	}
}

func providerCases() []row {
	const tenant, other = "0a1b2c3d-0000-4000-8000-00000000abcd", "0a1b2c3d-0000-4000-8000-00000000abce"
	const entra, github = "https://login.microsoftonline.com/" + tenant + "/v2.0", "https://token.actions.githubusercontent.com"
	job := func(t *testing.T, as *authtest.Server, p *authtest.Party, claims authtest.Claims) string {
		t.Helper()
		now := as.Clock.Now()
		claims["aud"], claims["iat"], claims["exp"] = as.Issuer, now.Unix(), now.Add(time.Minute).Unix()
		return p.Sign(t, "JWT", claims)
	}
	return []row{
		{"SEC-AC-27", func(t *testing.T, as *authtest.Server) {
			p := authtest.NewParty(t, false)
			as.Apply(t, platform(t, "azure", entra, p, other, ""))
			send := func(tid any) string {
				claims := authtest.Claims{"iss": entra, "sub": other}
				if tid != nil {
					claims["tid"] = tid
				}
				return job(t, as, p, claims)
			}
			authtest.WantIssued(t, as.Post(t, granted(send(tenant))))
			for _, tid := range []any{other, nil} {
				as.WantRefused(t, as.Post(t, authtest.ExchangeForm(send(tid))), oauth.InvalidRequest, subjectFault("issuer_tenant"))
				as.WantRefused(t, as.Post(t, granted(send(tid))), oauth.InvalidGrant, grantFault("issuer_tenant"))
				as.WantRefused(t, as.Post(t, itself("client_assertion", send(tid))(t, as)), oauth.InvalidClient, clientFault("issuer_tenant"))
			}
		}},
		{"SEC-AC-29", func(t *testing.T, as *authtest.Server) {
			p := authtest.NewParty(t, false)
			as.Apply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: listed }
spec: { type: oidc, issuer: "`+p.URL+`", keys: { discovery: true }, authorizedParties: [portal] }
---`+usersRule("for-listed", "listed", `true`))
			send := func(claims authtest.Claims) *authtest.Answer {
				claims["iss"], claims["sub"] = p.URL, "alice"
				return forUser(t, as, job(t, as, p, claims))
			}
			authtest.WantIssued(t, send(authtest.Claims{"azp": "portal"}))
			authtest.WantIssued(t, send(authtest.Claims{"client_id": "portal"}))
			for _, claims := range []authtest.Claims{{"azp": "evil"}, {"client_id": "evil"}, {"azp": "evil", "client_id": "portal"}, {}} {
				as.WantRefused(t, send(claims), oauth.InvalidRequest, subjectFault("azp"))
			}
		}},
		// The issuer's keys are not taken, so its tokens get 503: they are neither
		// good nor bad.
		{"SEC-AC-31", func(t *testing.T, as *authtest.Server) {
			p := authtest.NewParty(t, false)
			var lying *httptest.Server
			lying = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]any{"issuer": lying.URL + "/other", "jwks_uri": lying.URL + "/jwks", "keys": p.JWKS()["keys"]})
			}))
			t.Cleanup(lying.Close)
			as.Apply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: lying }
spec: { type: oidc, issuer: "`+lying.URL+`", keys: { discovery: true } }
---`+usersRule("for-lying", "lying", `true`))
			as.WantRefused(t, forUser(t, as, job(t, as, p, authtest.Claims{"iss": lying.URL, "sub": "alice"})), oauth.TemporarilyUnavailable, oauth.ReasonIssuerUnavailable)
		}},
		{"SEC-AC-32", func(t *testing.T, as *authtest.Server) {
			p := authtest.NewParty(t, false)
			const old = "repo:acme/app:ref:refs/heads/main"
			as.Apply(t, platform(t, "github-actions", github, p, old, `, claims: { repository_id: "42" }`))
			send := func(sub string) *authtest.Answer {
				return as.Post(t, authtest.ExchangeForm(job(t, as, p, authtest.Claims{"iss": github, "sub": sub, "repository_id": "42", "repository_owner_id": "7"})))
			}
			authtest.WantIssued(t, send(old))
			a := send("repo:acme@7/app@42:ref:refs/heads/main")
			as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonNoBinding)
			if detail := string(as.Event(t, a.DecisionID).Detail); !strings.Contains(detail, "immutable form") {
				t.Errorf("the trace does not name the new format: %s", detail)
			}
		}},
	}
}

// platform is a manifest: an issuer with a preset whose keys are those of p, and
// an agent with a subject of it.
func platform(t *testing.T, preset, issuer string, p *authtest.Party, subject, more string) string {
	t.Helper()
	return `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: ` + preset + ` }
spec: { type: oidc, preset: ` + preset + `, issuer: "` + issuer + `", algorithms: [ES256], keys: { jwks: ` + inline(t, p) + ` } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: ` + preset + `-agent }
spec:
  blueprint: researcher
  owner: carol@example.com
  sponsor: research-leads
  credentials: [ { name: job, issuer: ` + preset + `, subject: { exact: "` + subject + `" }` + more + ` } ]
`
}

func conditionCases() []row {
	return []row{
		// The binding is a rule here: people are bound by rules.
		{"SEC-AC-24", func(t *testing.T, as *authtest.Server) {
			as.Apply(t, usersRule("verified", "corp-idp", `claims.email.endsWith("@good.example") && claims.email_verified == true`))
			send := func(verified any) *authtest.Answer {
				return forUser(t, as, guest(t, as, "eve", authtest.Claims{"email": "eve@good.example", "email_verified": verified}), "scope", "llm:read")
			}
			authtest.WantIssued(t, send(true))
			for _, verified := range []any{nil, false, "true", 1, []bool{true}} {
				as.WantRefused(t, send(verified), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
			}
			err := as.TryApply(t, usersRule("unverified", "corp-idp", `claims.email.endsWith("@good.example")`))
			if err == nil || !strings.Contains(err.Error(), "email_verified") {
				t.Errorf("a rule believes any address: %v", err)
			}
		}},
		// The floor is a rule's condition on acr and amr, of the user's token and
		// of ours on later hops. How long ago auth_time was, no condition can ask:
		// it has no clock.
		{"SEC-AC-30", func(t *testing.T, as *authtest.Server) {
			as.Apply(t, usersRule("assured", "corp-idp", `claims.acr == "phrh" && "hwk" in claims.amr && claims.auth_time > 0`))
			send := func(change authtest.Claims) *authtest.Answer {
				return forUser(t, as, guest(t, as, "finn", change), "scope", "llm:read")
			}
			authtest.WantIssued(t, send(authtest.Claims{"acr": "phrh"}))
			for _, change := range []authtest.Claims{{"acr": "phr"}, {"acr": nil}, {"acr": "phrh", "amr": []string{"pwd"}}, {"acr": "phrh", "amr": nil}, {"acr": "phrh", "auth_time": nil}} {
				as.WantRefused(t, send(change), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
			}
		}},
	}
}
