package server_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// bindings are agents of every kind of binding, beside the standard resources.
const bindings = `
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: matched }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  credentials:
    - { name: pods, issuer: prod-spire, subject: { glob: "spiffe://prod.example/ns/*/sa/worker" }, maxInstances: 50, labels: { who: sub } }
    - { name: fleet, issuer: prod-spire, subject: { prefix: "spiffe://prod.example/matched/" }, maxInstances: 50 }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: pinned-agent }
spec:
  blueprint: matched
  owner: a@example.com
  sponsor: b
  credentials:
    - name: k8s
      issuer: prod-cluster
      subject: { exact: "system:serviceaccount:prod:pinned" }
      claims: { "kubernetes.io/serviceaccount/uid": "8b0e6f0a-6a41-44b2-9a5d-0d2b6a6b9a01" }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: workers-agent }
spec:
  blueprint: matched
  owner: a@example.com
  sponsor: b
  credentials:
    - { name: k8s, issuer: prod-cluster, subject: { glob: "system:serviceaccount:prod:worker-*" }, condition: '!has(claims.team) || claims.team == "blue"' }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: green-agent }
spec:
  blueprint: matched
  owner: a@example.com
  sponsor: b
  credentials:
    - { name: k8s, issuer: prod-cluster, subject: { glob: "system:serviceaccount:prod:worker-*" }, condition: '!has(claims.team) || claims.team == "green"' }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: shadow-agent }
spec:
  blueprint: matched
  owner: a@example.com
  sponsor: b
  credentials:
    - { name: k8s, issuer: prod-cluster, subject: { exact: "system:serviceaccount:prod:shadow" }, mode: shadow }
`

// selfShown exchanges a workload's token by itself.
func selfShown(token func(*testing.T, *authtest.Server) string) func(*testing.T, *authtest.Server) url.Values {
	return func(t *testing.T, as *authtest.Server) url.Values {
		return authtest.ExchangeForm(token(t, as))
	}
}

func account(name string, change authtest.Claims) func(*testing.T, *authtest.Server) string {
	return func(t *testing.T, as *authtest.Server) string { return as.ServiceAccount(t, name, change) }
}

func svid(path string) func(*testing.T, *authtest.Server) string {
	return func(t *testing.T, as *authtest.Server) string { return as.SVID(t, path, nil) }
}

// sub is a check that the token is for an agent.
func sub(want string) func(*testing.T, *authtest.Answer, map[string]any) {
	return func(t *testing.T, _ *authtest.Answer, claims map[string]any) {
		if claims["sub"] != want || claims["client_id"] != want {
			t.Errorf("sub %v, client_id %v, want %s", claims["sub"], claims["client_id"], want)
		}
	}
}

// TestRowsMatching proves how a credential finds its agent: FC of the standards,
// and the cases of the abuse catalogue about subjects.
func TestRowsMatching(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, bindings)
	uid := authtest.Claims{"name": "pinned", "uid": "11111111-6a41-44b2-9a5d-0d2b6a6b9a01"}
	unbound := func(id string, token func(*testing.T, *authtest.Server) string) row {
		return refused(id, oauth.InvalidRequest, oauth.ReasonNoBinding, selfShown(token))
	}
	rows := []row{
		issued("FC-01", selfShown(svid("/ns/a/sa/worker")), sub("matched/a/sa/worker")),
		unbound("FC-01 case", svid("/ns/a/sa/Worker")),
		unbound("FC-01 space", account("research ", authtest.Claims{"kubernetes.io": authtest.Claims{"namespace": "prod", "serviceaccount": authtest.Claims{"name": "research "}}})),
		issued("FC-05", selfShown(account("worker-1", authtest.Claims{"team": "blue"})), sub("workers-agent")),
		unbound("FC-05 a literal asterisk", account("*", nil)),
		issued("FC-06", selfShown(account("pinned", nil)), sub("pinned-agent")),
		unbound("FC-06 absent", account("pinned", authtest.Claims{"kubernetes.io": authtest.Claims{"namespace": "prod", "serviceaccount": authtest.Claims{"name": "pinned"}}})),
		refused("FC-07", oauth.InvalidRequest, oauth.ReasonAmbiguous, selfShown(account("worker-1", nil))),
		refused("FC-07 as assertion", oauth.InvalidClient, oauth.TokenFault(oauth.AreaClient, "binding_ambiguous"), func(t *testing.T, as *authtest.Server) url.Values {
			return as.As(t, "worker-1", url.Values{"grant_type": {"client_credentials"}})
		}),
		{"FC-07 both in the trace", func(t *testing.T, as *authtest.Server) {
			a := as.Post(t, selfShown(account("worker-2", nil))(t, as))
			if detail := string(as.Event(t, a.DecisionID).Detail); !strings.Contains(detail, "workers-agent") || !strings.Contains(detail, "green-agent") {
				t.Errorf("the event names not both: %s", detail)
			}
		}},
		unbound("SEC-ID-22", svid("/Matched/a")),
		unbound("SEC-ID-23", svid("/matched-a/x")),
		unbound("SEC-ID-23 below an exact one", svid("/agents/research/r7/evil")),
		unbound("SEC-ID-25 extra segment", svid("/ns/a/b/sa/worker")),
		unbound("SEC-ID-25 other end", svid("/ns/a/sa/worker/x")),
		refused("SEC-ID-25 empty segment", oauth.InvalidRequest, subjectFault("spiffe_id"), selfShown(svid("/ns//sa/worker"))),
		refused("SEC-K8-04", oauth.InvalidRequest, oauth.ReasonImmutable, selfShown(account("pinned", authtest.Claims{
			"kubernetes.io": authtest.Claims{"namespace": "prod", "serviceaccount": uid}}))),
		refused("SEC-K8-04 as assertion", oauth.InvalidClient, oauth.TokenFault(oauth.AreaClient, "immutable_id_mismatch"), func(t *testing.T, as *authtest.Server) url.Values {
			form := as.As(t, "pinned", url.Values{"grant_type": {"client_credentials"}})
			form.Set("client_assertion", as.ServiceAccount(t, "pinned", authtest.Claims{"kubernetes.io": authtest.Claims{"namespace": "prod", "serviceaccount": uid}}))
			return form
		}),
		// A namespace made again has its accounts made again: other uids.
		refused("SEC-K8-05", oauth.InvalidRequest, oauth.ReasonImmutable, selfShown(account("pinned", authtest.Claims{
			"kubernetes.io": authtest.Claims{"namespace": "prod", "serviceaccount": authtest.Claims{"name": "pinned", "uid": "22222222-0000-0000-0000-000000000000"}}}))),
		{"SEC-K8-16", func(t *testing.T, as *authtest.Server) {
			wide := strings.ReplaceAll(bindings[strings.Index(bindings, "apiVersion: tokenry/v1\nkind: Agent\nmetadata: { name: shadow-agent }"):], "shadow-agent", "wide-agent")
			wide = strings.Replace(wide, `exact: "system:serviceaccount:prod:shadow"`, `glob: "system:serviceaccount:staging:*"`, 1)
			if err := as.TryApply(t, wide); err == nil || !strings.Contains(err.Error(), "admits every service account of the namespace") {
				t.Errorf("a whole namespace was taken: %v", err)
			}
			as.Apply(t, strings.Replace(wide, "mode: shadow", "allowBroad: true", 1))
		}},
		refused("shadow binding", oauth.InvalidRequest, subjectFault("shadow"), selfShown(account("shadow", nil))),
		{"instance labels", func(t *testing.T, as *authtest.Server) {
			authtest.WantIssued(t, as.Post(t, selfShown(svid("/ns/labelled/sa/worker"))(t, as)))
			o, err := as.DB.Object(t.Context(), registry.KindAgent, "matched/labelled/sa/worker")
			if err != nil || o.Labels["who"] != "spiffe://prod.example/ns/labelled/sa/worker" {
				t.Errorf("labels %v, %v", o.Labels, err)
			}
		}},
	}
	for _, r := range rows {
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			r.proof(t, as)
		})
	}
}

// FC-08: a binding in shadow, a disabled blueprint and a disabled issuer refuse
// at once, whatever instances there are already.
func TestRowsBindingDisabled(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, bindings)
	form := func() url.Values { return authtest.ExchangeForm(as.SVID(t, "/matched/a", nil)) }
	authtest.WantIssued(t, as.Post(t, form()))
	set := func(kind registry.Kind, name string, state registry.State) {
		t.Helper()
		if _, err := as.DB.SetState(t.Context(), "test", kind, name, state, ""); err != nil {
			t.Fatal(err)
		}
		if err := as.Model.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []struct {
		id     string
		kind   registry.Kind
		name   string
		code   oauth.Code
		reason oauth.Reason
	}{
		{"FC-08", registry.KindBlueprint, "matched", oauth.InvalidClient, oauth.ReasonAuthDisabled},
		{"FC-08", registry.KindTrustedIssuer, "prod-spire", oauth.InvalidRequest, subjectFault("issuer_disabled")},
		{"FC-08", registry.KindAgent, "matched/a", oauth.InvalidClient, oauth.ReasonAuthDisabled},
	} {
		set(r.kind, r.name, registry.Disabled)
		as.WantRefused(t, as.Post(t, form()), r.code, r.reason)
		set(r.kind, r.name, registry.Active)
		authtest.WantIssued(t, as.Post(t, form()))
	}
	as.Apply(t, strings.Replace(bindings, `matched/" }, maxInstances: 50 }`, `matched/" }, maxInstances: 50, mode: shadow }`, 1))
	as.WantRefused(t, as.Post(t, form()), oauth.InvalidRequest, subjectFault("shadow"))
}

// An issuer in shadow hears everything and admits nothing; the trace says whom
// it would have admitted.
func TestShadowIssuer(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, fmt.Sprintf(`
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: prod-cluster }
spec: { type: kubernetes, issuer: "%s", keys: { discovery: true }, mode: shadow }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: corp-idp }
spec: { type: oidc, issuer: "%s", keys: { discovery: true }, mode: shadow }
`, as.Cluster.URL, as.IDP.URL))
	a := as.Post(t, authtest.ExchangeForm(as.ServiceAccount(t, "research", nil)))
	as.WantRefused(t, a, oauth.InvalidRequest, subjectFault("shadow"))
	if detail := string(as.Event(t, a.DecisionID).Detail); !strings.Contains(detail, "would be admitted as research-agent") {
		t.Errorf("the trace does not say whom it would have admitted: %s", detail)
	}
	as.WantRefused(t, as.Post(t, itself()(t, as)), oauth.InvalidClient, oauth.TokenFault(oauth.AreaClient, "shadow"))
	// Still refused for what is wrong with it.
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(as.ServiceAccount(t, "nobody", nil))), oauth.InvalidRequest, oauth.ReasonNoBinding)
	as.WantRefused(t, as.Post(t, with(itself()(t, as), []string{"client_assertion", as.SVID(t, "/agents/research/r7", nil), "client_assertion_type", string(oauth.SPIFFEAssertion), "grant_type", string(oauth.TokenExchange), "subject_token", as.User(t, "alice", nil), "subject_token_type", string(oauth.JWTType)})), oauth.InvalidRequest, subjectFault("shadow"))
}
