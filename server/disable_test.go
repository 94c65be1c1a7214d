package server_test

import (
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// TestDisabledEverywhere: whatever is disabled is out of every grant, also where
// it only stands in a token of ours, on this replica at once and on others by
// their next poll.
func TestDisabledEverywhere(t *testing.T) {
	t.Parallel()
	const own = string(oauth.AccessTokenType)
	rows := []struct {
		kind registry.Kind
		name string
		want map[string]oauth.Reason // request -> why it is refused
	}{
		{registry.KindAgent, "research-agent", map[string]oauth.Reason{
			"itself": oauth.ReasonAuthDisabled, "for alice": oauth.ReasonAuthDisabled, "bootstrap": oauth.ReasonAuthDisabled,
			"onward": oauth.ReasonSubjectDisabled, "narrowing": oauth.ReasonAuthDisabled,
		}},
		{registry.KindBlueprint, "researcher", map[string]oauth.Reason{
			"itself": oauth.ReasonAuthDisabled, "for alice": oauth.ReasonAuthDisabled, "bootstrap": oauth.ReasonAuthDisabled,
			"onward": oauth.ReasonSubjectDisabled, "narrowing": oauth.ReasonAuthDisabled,
		}},
		{registry.KindTrustedIssuer, "prod-cluster", map[string]oauth.Reason{
			"itself": clientFault("issuer_disabled"), "for alice": clientFault("issuer_disabled"), "bootstrap": subjectFault("issuer_disabled"),
			"onward": clientFault("issuer_disabled"), "narrowing": clientFault("issuer_disabled"),
		}},
		{registry.KindTrustedIssuer, "corp-idp", map[string]oauth.Reason{
			"for alice": subjectFault("issuer_disabled"), "onward": oauth.ReasonSubjectDisabled, "narrowing": oauth.ReasonSubjectDisabled,
		}},
		{registry.KindResource, "gateway", map[string]oauth.Reason{
			"itself": oauth.ReasonTargetDisabled, "for alice": oauth.ReasonTargetDisabled, "bootstrap": oauth.ReasonTargetDisabled,
			"onward": oauth.ReasonSubjectDisabled, "narrowing": oauth.ReasonSubjectDisabled,
		}},
		{registry.KindDelegationRule, "staff-to-research", map[string]oauth.Reason{
			"for alice": oauth.ReasonActorUnauthorized,
			// The held token was issued under it.
			"onward": oauth.ReasonActorUnauthorized, "narrowing": oauth.ReasonActorUnauthorized,
		}},
		{registry.KindDelegationRule, "research-hands-to-analysis", map[string]oauth.Reason{"onward": oauth.ReasonActorUnauthorized}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			as := authtest.Start(t)
			held := delegated(t, as)
			requests := map[string]func() url.Values{
				"itself":    func() url.Values { return itself()(t, as) },
				"for alice": func() url.Values { return forAlice()(t, as) },
				"bootstrap": func() url.Values { return authtest.ExchangeForm(as.ServiceAccount(t, "research", nil)) },
				"onward": func() url.Values {
					return as.As(t, "analysis", authtest.ExchangeForm(held, "subject_token_type", own))
				},
				"narrowing": func() url.Values {
					return as.As(t, "research", authtest.ExchangeForm(held, "subject_token_type", own))
				},
			}
			set := func(s registry.State) {
				t.Helper()
				if _, err := as.Admin.SetState(t.Context(), row.kind, row.name, s, "test"); err != nil {
					t.Fatal(err)
				}
			}
			set(registry.Disabled)
			for name, form := range requests {
				a := as.Post(t, form())
				if reason, refused := row.want[name]; refused {
					as.WantRefused(t, a, reason.Definition().Code, reason)
				} else {
					authtest.WantIssued(t, a)
				}
			}
			set(registry.Active)
			for _, form := range requests {
				authtest.WantIssued(t, as.Post(t, form()))
			}
		})
	}
}

// TestDisableReachesReplicas: within five seconds, most of the time at once.
func TestDisableReachesReplicas(t *testing.T) {
	t.Parallel()
	first := authtest.Start(t)
	second := authtest.StartWith(t, authtest.Options{Like: first, Database: first.Database})
	authtest.WantIssued(t, second.Post(t, itself()(t, second)))
	if _, err := first.Admin.SetState(t.Context(), registry.KindAgent, "research-agent", registry.Disabled, "leaking"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	until(t, "refused by the other replica", func() bool {
		return second.Post(t, itself()(t, second)).Error == string(oauth.InvalidClient)
	})
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the other replica took %s", took)
	}
}

// TestOneAssertionOneToken: of many requests with one single-use assertion, at
// the same instant, on two replicas, exactly one gets a token. The primary key
// of tokenry.replay_keys decides.
func TestOneAssertionOneToken(t *testing.T) {
	t.Parallel()
	first := authtest.Start(t)
	second := authtest.StartWith(t, authtest.Options{Like: first, Database: first.Database})
	form := keyed(t, first, "", nil)
	var wg sync.WaitGroup
	answers := make([]*authtest.Answer, 40)
	for i := range answers {
		as := []*authtest.Server{first, second}[i%2]
		wg.Go(func() { answers[i] = as.Post(t, form) })
	}
	wg.Wait()
	issued := 0
	for _, a := range answers {
		if a.Status == 200 {
			issued++
			continue
		}
		first.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthReplay)
	}
	if issued != 1 {
		t.Errorf("%d tokens for one assertion", issued)
	}
}

// TestRefusedRequestSpendsItsAssertion: also a request that policy refuses has
// used its assertion up.
func TestRefusedRequestSpendsItsAssertion(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	form := keyed(t, as, "", nil, "scope", "nope")
	as.WantRefused(t, as.Post(t, form), oauth.InvalidScope, oauth.ReasonScope)
	form.Set("scope", "llm:read")
	as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, oauth.ReasonAuthReplay)
}

// TestDisabledInTheChain: whoever stands in a chain must still be active, in the
// middle too, and have a way left to prove itself.
func TestDisabledInTheChain(t *testing.T) { // SEC-DL-26
	t.Parallel()
	as := authtest.Start(t)
	second := onward(t, as, "analysis", delegated(t, as))
	authtest.WantIssued(t, second)
	third := func() *authtest.Answer {
		return onward(t, as, "writer", second.AccessToken, "resource", "https://vault.example/api")
	}
	authtest.WantIssued(t, third())
	set := func(k registry.Kind, name string, s registry.State) {
		t.Helper()
		if _, err := as.Admin.SetState(t.Context(), k, name, s, ""); err != nil {
			t.Fatal(err)
		}
	}
	set(registry.KindAgent, "research-agent", registry.Disabled)
	as.WantRefused(t, third(), oauth.InvalidRequest, oauth.ReasonActorDisabled)
	set(registry.KindAgent, "research-agent", registry.Active)

	set(registry.KindDelegationRule, "research-hands-to-analysis", registry.Disabled)
	as.WantRefused(t, third(), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
	set(registry.KindDelegationRule, "research-hands-to-analysis", registry.Active)
	authtest.WantIssued(t, third())

	// svid-agent has no other issuer than prod-spire.
	own := as.Post(t, url.Values{
		"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"},
		"client_assertion_type": {string(oauth.SPIFFEAssertion)}, "client_assertion": {as.SVID(t, "/agents/research/r7", nil)},
	})
	authtest.WantIssued(t, own)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: svid-to-analysis }
spec: { subjects: { agents: [svid-agent] }, actors: { agents: [analysis-agent] }, resources: [ { name: gateway, scopes: ["llm:read"] } ] }
`)
	authtest.WantIssued(t, onward(t, as, "analysis", own.AccessToken))
	set(registry.KindAgent, "svid-agent", registry.Disabled)
	as.WantRefused(t, onward(t, as, "analysis", own.AccessToken), oauth.InvalidRequest, oauth.ReasonSubjectDisabled)
	set(registry.KindAgent, "svid-agent", registry.Active)
	set(registry.KindTrustedIssuer, "prod-spire", registry.Disabled)
	as.WantRefused(t, onward(t, as, "analysis", own.AccessToken), oauth.InvalidRequest, oauth.ReasonSubjectDisabled)
}
