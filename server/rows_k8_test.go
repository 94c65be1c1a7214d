package server_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// boundTo is a manifest of an agent that one service account of an issuer stands
// for, under a condition if there is one.
func boundTo(agent, issuer, account, condition string) string {
	credential := `{ name: k8s, issuer: ` + issuer + `, subject: { exact: "system:serviceaccount:` + strings.Replace(account, "/", ":", 1) + `" }`
	if condition != "" {
		credential += `, condition: '` + condition + `'`
	}
	return "---\napiVersion: tokenry/v1\nkind: Agent\nmetadata: { name: " + agent + " }\n" +
		"spec: { blueprint: researcher, owner: carol@example.com, sponsor: research-leads, credentials: [ " + credential + " } ] }\n"
}

// cluster starts a cluster, trusts it under name, and binds its account
// prod/runner to the agent "<name>-agent".
func cluster(t *testing.T, as *authtest.Server, name string, review bool, more ...string) *authtest.APIServer {
	t.Helper()
	c := authtest.NewAPIServer(t, as.Clock)
	as.Apply(t, c.Manifest(name, review, more...)+boundTo(name+"-agent", name, "prod/runner", ""))
	return c
}

// bootstrapped shows a workload's token alone.
func bootstrapped(t *testing.T, as *authtest.Server, token string) *authtest.Answer {
	t.Helper()
	return as.Post(t, authtest.ExchangeForm(token))
}

// asserted shows a workload's token as client assertion.
func asserted(t *testing.T, as *authtest.Server, token string) *authtest.Answer {
	t.Helper()
	return as.Post(t, url.Values{
		"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"}, "client_assertion": {token},
		"client_assertion_type": {string(oauth.JWTBearerAssertion)},
	})
}

// kubernetesIO replaces members of the kubernetes.io claim of account
// prod/<name>; nil removes one.
func kubernetesIO(name string, change authtest.Claims) authtest.Claims {
	claims := authtest.Claims{"namespace": "prod", "serviceaccount": authtest.Claims{"name": name, "uid": "u-1"}}
	for k, v := range change {
		claims[k] = v
		if v == nil {
			delete(claims, k)
		}
	}
	return authtest.Claims{"kubernetes.io": claims}
}

// TestRowsK8 proves Kubernetes service-account tokens. That a condition can pin
// the uid of an account is K8-05; pins that are named as such, without CEL, are
// tested with the matching of credentials.
func TestRowsK8(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		{"K8-01", clustersSideBySide},
		{"K8-02", func(t *testing.T, as *authtest.Server) {
			authtest.WantIssued(t, bootstrapped(t, as, as.ServiceAccount(t, "research", authtest.Claims{"aud": as.Issuer})))
			two := as.ServiceAccount(t, "research", authtest.Claims{"aud": []string{as.Issuer, "https://other.example"}})
			as.WantRefused(t, bootstrapped(t, as, two), oauth.InvalidRequest, subjectFault("aud_multiple"))
			as.WantRefused(t, asserted(t, as, two), oauth.InvalidClient, clientFault("aud_multiple"))
			other := as.ServiceAccount(t, "research", authtest.Claims{"aud": []string{"https://other.example"}})
			as.WantRefused(t, bootstrapped(t, as, other), oauth.InvalidRequest, subjectFault("aud"))
		}},
		{"K8-03", func(t *testing.T, as *authtest.Server) {
			for _, aud := range []string{"https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local", as.Cluster.URL} {
				both := as.ServiceAccount(t, "research", authtest.Claims{"aud": []string{as.Issuer, aud}})
				as.WantRefused(t, bootstrapped(t, as, both), oauth.InvalidRequest, subjectFault("aud"))
				as.WantRefused(t, asserted(t, as, both), oauth.InvalidClient, clientFault("aud"))
			}
		}},
		{"K8-04", func(t *testing.T, as *authtest.Server) {
			for _, sub := range []string{"research", "system:serviceaccount:prod", "system:serviceaccount:prod:research:x", "System:serviceaccount:prod:research", "system:serviceaccount::research"} {
				odd := as.ServiceAccount(t, "research", authtest.Claims{"sub": sub})
				as.WantRefused(t, bootstrapped(t, as, odd), oauth.InvalidRequest, subjectFault("sub"))
			}
			for _, change := range []authtest.Claims{{"namespace": "dev"}, {"serviceaccount": authtest.Claims{"name": "writer", "uid": "u-1"}}} {
				mixed := as.ServiceAccount(t, "research", kubernetesIO("research", change))
				as.WantRefused(t, bootstrapped(t, as, mixed), oauth.InvalidRequest, subjectFault("claim_conflict"))
			}
		}},
		{"K8-05", func(t *testing.T, as *authtest.Server) {
			as.Apply(t, boundTo("one-account", "prod-cluster", "prod/pinned", `claims["kubernetes.io"].serviceaccount.uid == "u-1"`))
			authtest.WantIssued(t, bootstrapped(t, as, as.ServiceAccount(t, "pinned", kubernetesIO("pinned", nil))))
			again := kubernetesIO("pinned", authtest.Claims{"serviceaccount": authtest.Claims{"name": "pinned", "uid": "u-2"}})
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "pinned", again)), oauth.InvalidRequest, oauth.ReasonNoBinding)
		}},
		{"K8-06", func(t *testing.T, as *authtest.Server) {
			as.Apply(t, boundTo("pods-only", "prod-cluster", "prod/podded", `has(claims["kubernetes.io"].pod)`))
			pod := kubernetesIO("podded", authtest.Claims{"pod": authtest.Claims{"name": "podded-0", "uid": "p-1"}})
			authtest.WantIssued(t, bootstrapped(t, as, as.ServiceAccount(t, "podded", pod)))
			authtest.WantIssued(t, asserted(t, as, as.ServiceAccount(t, "podded", pod)))
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "podded", kubernetesIO("podded", nil))), oauth.InvalidRequest, oauth.ReasonNoBinding)
			as.WantRefused(t, asserted(t, as, as.ServiceAccount(t, "podded", kubernetesIO("podded", nil))), oauth.InvalidClient, clientFault("no_binding"))
		}},
		{"K8-07", func(t *testing.T, as *authtest.Server) {
			secret := authtest.Claims{
				"exp": nil, "iat": nil, "nbf": nil, "aud": nil, "kubernetes.io": nil, "kubernetes.io/serviceaccount/namespace": "prod",
				"kubernetes.io/serviceaccount/secret.name": "research-token-x7x2p", "kubernetes.io/serviceaccount/service-account.name": "research",
			}
			secret["iss"] = "kubernetes/serviceaccount"
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", secret)), oauth.InvalidRequest, subjectFault("issuer_unknown"))
			secret["iss"] = as.Cluster.URL // some clusters are told to write this one
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", secret)), oauth.InvalidRequest, subjectFault("aud_missing"))
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", authtest.Claims{"exp": nil})), oauth.InvalidRequest, subjectFault("exp_missing"))
		}},
		{"K8-08", func(t *testing.T, as *authtest.Server) {
			now := as.Clock.Now()
			authtest.WantIssued(t, bootstrapped(t, as, as.ServiceAccount(t, "research", authtest.Claims{"exp": now.Unix() + 3600})))
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", authtest.Claims{"exp": now.Unix() + 3607})), oauth.InvalidRequest, subjectFault("lifetime"))
			extended := as.ServiceAccount(t, "research", kubernetesIO("research", authtest.Claims{"warnafter": now.Unix() + 3607}))
			as.WantRefused(t, bootstrapped(t, as, extended), oauth.InvalidRequest, subjectFault("lifetime"))
			as.WantRefused(t, asserted(t, as, extended), oauth.InvalidClient, clientFault("lifetime"))
		}},
		{"K8-09", func(t *testing.T, as *authtest.Server) {
			offline, asked := cluster(t, as, "k8-09-offline", false), cluster(t, as, "k8-09-asked", true)
			for _, gone := range []string{"pod/prod/runner-0", "serviceaccount/prod/runner", "namespace/prod"} {
				known, dead := offline.Token(t, as.Issuer, "prod/runner", nil), asked.Token(t, as.Issuer, "prod/runner", nil)
				authtest.WantIssued(t, bootstrapped(t, as, dead))
				offline.Delete(gone)
				asked.Delete(gone)
				authtest.WantIssued(t, bootstrapped(t, as, known)) // good until it expires
				as.WantRefused(t, bootstrapped(t, as, dead), oauth.InvalidRequest, subjectFault("inactive"))
				as.WantRefused(t, asserted(t, as, dead), oauth.InvalidClient, clientFault("inactive"))
			}
			authtest.WantIssued(t, asserted(t, as, asked.Token(t, as.Issuer, "prod/runner", nil)))
			if offline.Reviews() != 0 {
				t.Errorf("a cluster without tokenReview was asked %d times", offline.Reviews())
			}
		}},
		{"K8-10", func(t *testing.T, as *authtest.Server) {
			// sub is no client_id, so this is the federated mode: docs/divergences.md.
			c := authtest.WantIssued(t, asserted(t, as, as.ServiceAccount(t, "research", nil)))
			if c["client_id"] != "research-agent" || c["sub"] != "research-agent" {
				t.Errorf("client_id %v, sub %v", c["client_id"], c["sub"])
			}
			as.WantRefused(t, asserted(t, as, as.ServiceAccount(t, "stranger", nil)), oauth.InvalidClient, clientFault("no_binding"))
		}},
	})
}

// clustersSideBySide: several clusters, whose keys come from their metadata, a
// URL, a file or the manifest; each vouches for its own accounts alone.
func clustersSideBySide(t *testing.T, as *authtest.Server) {
	discovered := cluster(t, as, "k8-01-discovered", false)
	inline, file := authtest.NewParty(t, false), authtest.NewParty(t, false)
	keys := func(p *authtest.Party) string {
		raw, err := json.Marshal(p.JWKS())
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(keys(file)), 0o600); err != nil {
		t.Fatal(err)
	}
	private := func(name, issuer, keys string) string {
		return "---\napiVersion: tokenry/v1\nkind: TrustedIssuer\nmetadata: { name: " + name + " }\n" +
			`spec: { type: kubernetes, issuer: "` + issuer + `", keys: { ` + keys + " } }\n" + boundTo(name+"-agent", name, "prod/runner", "")
	}
	as.Apply(t, private("k8-01-inline", "https://inline.example", "jwks: "+keys(inline))+private("k8-01-file", "https://file.example", `jwksFile: "`+path+`"`))

	now := as.Clock.Now()
	mint := func(p *authtest.Party, iss string) string {
		return p.Sign(t, "", authtest.Claims{
			"iss": iss, "sub": "system:serviceaccount:prod:runner", "aud": []string{as.Issuer}, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
			"kubernetes.io": authtest.Claims{"namespace": "prod", "serviceaccount": authtest.Claims{"name": "runner", "uid": "u-1"}},
		})
	}
	for token, agent := range map[string]string{
		discovered.Token(t, as.Issuer, "prod/runner", nil): "k8-01-discovered-agent",
		mint(inline, "https://inline.example"):             "k8-01-inline-agent",
		mint(file, "https://file.example"):                 "k8-01-file-agent",
	} {
		if c := authtest.WantIssued(t, bootstrapped(t, as, token)); c["sub"] != agent {
			t.Errorf("sub %v, want %s", c["sub"], agent)
		}
	}
	as.WantRefused(t, bootstrapped(t, as, mint(inline, "https://file.example")), oauth.InvalidRequest, subjectFault("signature"))
	as.WantRefused(t, bootstrapped(t, as, mint(inline, "https://nobody.example")), oauth.InvalidRequest, subjectFault("issuer_unknown"))
	as.WantRefused(t, asserted(t, as, mint(inline, "https://nobody.example")), oauth.InvalidClient, clientFault("issuer_unknown"))
	// Under the roots of the system its certificate is nobody's.
	untrusted := authtest.NewAPIServer(t, as.Clock)
	as.Apply(t, strings.Replace(untrusted.Manifest("k8-01-untrusted", false), `, caFile: "`+untrusted.CAFile+`"`, "", 1))
	as.WantRefused(t, bootstrapped(t, as, untrusted.Token(t, as.Issuer, "prod/runner", nil)), oauth.TemporarilyUnavailable, oauth.ReasonIssuerUnavailable)
}
