package grants_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

func explained(t *testing.T, as *authtest.Server, a *authtest.Answer) api.Decision {
	t.Helper()
	as.Event(t, a.DecisionID) // it may be written behind the answer
	d, err := as.Admin.Decision(t.Context(), a.DecisionID)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func shown(d api.Decision, name string) string {
	for _, c := range d.Checks {
		if c.Name == name {
			return c.Shown
		}
	}
	return "(no such check)"
}

// TestExplainComputesAgain: an issued decision reads the same after everything
// that it stood on has changed.
func TestExplainComputesAgain(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	gateway := "https://gateway.example"
	first := as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil))))
	authtest.WantIssued(t, first)
	own := func(account string, pairs ...string) *authtest.Answer {
		form := authtest.ExchangeForm(first.AccessToken, append([]string{"subject_token_type", string(oauth.AccessTokenType)}, pairs...)...)
		return as.Post(t, as.As(t, account, form))
	}
	limited := as.User(t, "alice", authtest.Claims{"scope": "llm:read other"})
	actor := as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil),
		"actor_token", as.ServiceAccount(t, "research", nil), "actor_token_type", string(oauth.JWTType)))
	answers := map[string]struct {
		answer *authtest.Answer
		want   map[string]string // check -> shown
	}{
		"a user's token": {first, map[string]string{
			"assertion issuer": "prod-cluster", "assertion binding": "system:serviceaccount:prod:research",
			"presenter": "research-agent by federated", "subject token issuer": "corp-idp", "subject token signature": "ES256",
			"subject": "corp-idp|alice", "delegation rule": "staff-to-research", "target": "gateway", "depth": "1",
		}},
		"with its scope asked": {as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil), "scope", "llm:read"))), map[string]string{"scope": "asked llm:read"}},
		"a token with a scope": {as.Post(t, as.As(t, "research", authtest.ExchangeForm(limited))), map[string]string{"scope": "none asked"}},
		"the next agent":       {own("analysis"), map[string]string{"admitted": "an agent of resource gateway", "chain": "corp-idp|alice <- research-agent <- analysis-agent", "depth": "2"}},
		"narrowing":            {own("research", "scope", "llm:read"), map[string]string{"admitted": "the token's client_id", "chain": "corp-idp|alice <- research-agent"}},
		"bootstrap":            {as.Post(t, authtest.ExchangeForm(as.ServiceAccount(t, "research", nil))), map[string]string{"presenter": "research-agent by bootstrap", "chain": "research-agent for itself"}},
		"an actor token":       {as.Post(t, actor), map[string]string{"actor token binding": "system:serviceaccount:prod:research"}},
		"client credentials":   {as.Post(t, as.As(t, "analysis", url.Values{"grant_type": {"client_credentials"}})), map[string]string{"subject": "analysis-agent", "target": "gateway"}},
		"a secret": {as.Post(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"secret-agent"}, "client_secret": {as.Secret(t, "secret-agent")}, "resource": {gateway}}),
			map[string]string{"presenter": "secret-agent by secret"}},
		"a key": {as.Post(t, url.Values{"grant_type": {"client_credentials"}, "resource": {gateway}, "client_assertion_type": {string(oauth.JWTBearerAssertion)}, "client_assertion": {as.Assertion(t, "", nil)}}),
			map[string]string{"assertion issuer": "key-agent", "presenter": "key-agent by private_key_jwt"}},
		"a grant": {as.Post(t, url.Values{"grant_type": {string(oauth.JWTBearer)}, "assertion": {as.ServiceAccount(t, "research", nil)}, "resource": {gateway}}),
			map[string]string{"presenter": "research-agent by bootstrap", "grant assertion binding": "system:serviceaccount:prod:research", "grant assertion audience": "this server", "chain": "research-agent for itself"}},
		"a grant for another": {as.Post(t, as.As(t, "analysis", url.Values{"grant_type": {string(oauth.JWTBearer)}, "assertion": {as.ServiceAccount(t, "research", nil)}})),
			map[string]string{"assertion binding": "system:serviceaccount:prod:analysis", "grant assertion binding": "system:serviceaccount:prod:research", "subject": "research-agent", "delegation rule": "research-hands-to-analysis"}},
		"a condition": {as.Post(t, as.As(t, "writer", url.Values{"grant_type": {"client_credentials"}})), map[string]string{"assertion condition": "true", "target": "vault"}},
	}
	// The world changes: nothing of the above could be issued any more.
	as.Apply(t, `
apiVersion: tokenry/v1
kind: Resource
metadata: { name: gateway }
spec: { identifier: "https://gateway.example", scopes: [ { name: "llm:read" }, { name: "memory:write" } ], maxTtl: 30s }
`)
	for _, rule := range []string{"staff-to-research", "users-to-analysis", "research-hands-to-analysis"} {
		if _, err := as.Admin.SetState(t.Context(), registry.KindDelegationRule, rule, registry.Disabled, ""); err != nil {
			t.Fatal(err)
		}
	}
	for name, row := range answers {
		t.Run(name, func(t *testing.T) {
			authtest.WantIssued(t, row.answer)
			d := explained(t, as, row.answer)
			if d.Outcome != api.Issued || strings.Join(d.Scopes, " ") != row.answer.Scope {
				t.Errorf("outcome %s, scopes %q; the answer said %q", d.Outcome, d.Scopes, row.answer.Scope)
			}
			for _, c := range d.Checks {
				if !c.OK {
					t.Errorf("%s failed in a decision that was issued: %s, wanted %s", c.Name, c.Shown, c.Wanted)
				}
			}
			if n := len(d.Checks); n == 0 || d.Checks[n-1].Name != "record" {
				t.Errorf("the trace does not end with the record: %+v", d.Checks)
			}
			for check, want := range row.want {
				if got := shown(d, check); got != want {
					t.Errorf("%s shows %q, want %q", check, got, want)
				}
			}
		})
	}
}

// TestExplainRefusal: the stored trace of a refusal ends at what failed and says
// what would have passed.
func TestExplainRefusal(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	a := as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "mallory", authtest.Claims{"groups": []string{"guests"}}))))
	as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
	d := explained(t, as, a)
	last := d.Checks[len(d.Checks)-1]
	if last.OK || last.Name != "delegation rule" || !strings.Contains(last.Wanted, `"staff" in claims.groups`) {
		t.Errorf("the last check is %+v, want the rule that nearly fits", last)
	}
	if d.Fix == "" || d.Meaning == "" || d.ErrorCode != string(oauth.ReasonActorUnauthorized) || d.Agent != "research-agent" || d.Subject != "" && d.Subject != "corp-idp|mallory" {
		t.Errorf("decision %+v", d)
	}
	for _, c := range d.Checks {
		if strings.Contains(c.Shown+c.Wanted, "eyJ") {
			t.Errorf("%s shows a token: %s", c.Name, c.Shown)
		}
	}
}

// TestAllowedEventIsSmall: what a client sends does not make its event grow. An
// allowed event is at most 1 KB.
func TestAllowedEventIsSmall(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	user := as.User(t, strings.Repeat("u", 255), authtest.Claims{"scope": strings.Repeat("other ", 300) + "llm:read memory:write", "txn": strings.Repeat("t", 100)})
	form := as.As(t, "research", authtest.ExchangeForm(user))
	form.Set("scope", strings.TrimSpace(strings.Repeat("llm:read memory:write ", 100)))
	for range 20 {
		form.Add("resource", "https://gateway.example")
		form.Add("audience", "gateway")
	}
	first := as.Post(t, form)
	authtest.WantIssued(t, first)
	second := as.Post(t, as.As(t, "analysis", authtest.ExchangeForm(first.AccessToken, "subject_token_type", string(oauth.AccessTokenType), "scope", "llm:read")))
	authtest.WantIssued(t, second)
	for _, a := range []*authtest.Answer{first, second} {
		ev := as.Event(t, a.DecisionID)
		if n := ev.Size(); n > 1024 {
			t.Errorf("%d bytes: %+v", n, ev)
		}
		if !json.Valid(ev.Detail) {
			t.Errorf("detail %s", ev.Detail)
		}
	}
	if d := explained(t, as, second); len(d.Checks) < 10 {
		t.Errorf("the small event explains little: %+v", d.Checks)
	}
}

// TestEventsOfAdminsAreNoDecisions: an id of another kind explains nothing.
func TestEventsOfAdminsAreNoDecisions(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	if _, err := as.Admin.Decision(t.Context(), audit.NewID("dec", time.Now())); err == nil {
		t.Error("a decision that was never made is explained")
	}
}
