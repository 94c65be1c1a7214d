package server_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// spoilt is a token whose signature is another one.
func spoilt(token string) string { return token[:len(token)-8] + "AAAAAAAA" }

// TestGrantProvesNoClient: without client credentials a token that no workload
// has proves nothing, which is no fault of the grant (RFC 6749, Section 5.2).
func TestGrantProvesNoClient(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	user, own := as.User(t, "alice", nil), delegated(t, as)
	for name, token := range map[string]string{"a user's": user, "a user's, expired": as.User(t, "alice", authtest.Claims{"exp": 1}), "ours": own} {
		t.Run(name, func(t *testing.T) {
			as.WantRefused(t, as.Post(t, granted(token)), oauth.InvalidClient, oauth.ReasonAuthNone)
		})
	}
	// With credentials the client is known and the grant at fault.
	for _, token := range []string{user, own} {
		as.WantRefused(t, as.Post(t, as.As(t, "research", granted(token))), oauth.InvalidGrant, grantFault("type"))
	}
	// What an agent signed itself authenticates it and is no grant.
	as.WantRefused(t, as.Post(t, granted(as.Assertion(t, "", nil))), oauth.InvalidGrant, grantFault("issuer_unknown"))
}

// TestGrantForAnotherAgent: the subject of the grant is another agent only where
// a rule says that the client may act for it, as in token exchange.
func TestGrantForAnotherAgent(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	research := as.ServiceAccount(t, "research", nil)
	claims := authtest.WantIssued(t, as.Post(t, as.As(t, "analysis", granted(research))))
	if claims["sub"] != "research-agent" || claims["client_id"] != "analysis-agent" || !slices.Equal(authtest.Actors(claims), []string{"analysis-agent"}) {
		t.Errorf("claims %v", claims)
	}
	as.WantRefused(t, as.Post(t, as.As(t, "writer", granted(research))), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
	// may_act restricts a workload's token too: RFC 8693, Section 4.4.
	for sub, ok := range map[string]bool{"writer-agent": false, "analysis-agent": true} {
		a := as.Post(t, as.As(t, "analysis", granted(as.ServiceAccount(t, "research", authtest.Claims{"may_act": authtest.Claims{"sub": sub}}))))
		if ok {
			authtest.WantIssued(t, a)
		} else {
			as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonMayAct)
		}
	}
	itself := as.ServiceAccount(t, "research", authtest.Claims{"may_act": authtest.Claims{"sub": "writer-agent"}})
	as.WantRefused(t, as.Post(t, granted(itself)), oauth.InvalidRequest, oauth.ReasonMayAct)
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(itself)), oauth.InvalidRequest, oauth.ReasonMayAct)
	// What the platform's token limits stays limited.
	narrow := as.ServiceAccount(t, "research", authtest.Claims{"scope": "memory:write"})
	as.WantRefused(t, as.Post(t, granted(narrow)), oauth.InvalidScope, oauth.ReasonScope)
	// What belongs to token exchange means nothing here.
	authtest.WantIssued(t, as.Post(t, granted(research, "actor_token", "x", "requested_actor", "writer-agent", "subject_token_type", "x")))
}

func TestGrantOfDisabled(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	set := func(kind registry.Kind, name string, state registry.State) {
		t.Helper()
		if _, err := as.Admin.SetState(t.Context(), kind, name, state, ""); err != nil {
			t.Fatal(err)
		}
		if err := as.Model.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	form := granted(as.ServiceAccount(t, "research", nil))
	other := func() url.Values { return as.As(t, "analysis", granted(form.Get("assertion"))) }
	for kind, name := range map[registry.Kind]string{registry.KindAgent: "research-agent", registry.KindBlueprint: "researcher"} {
		set(kind, name, registry.Disabled)
		as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, oauth.ReasonAuthDisabled)
		as.WantRefused(t, as.Post(t, other()), oauth.InvalidGrant, grantFault("disabled"))
		set(kind, name, registry.Active)
	}
	set(registry.KindTrustedIssuer, "prod-cluster", registry.Disabled)
	as.WantRefused(t, as.Post(t, form), oauth.InvalidGrant, grantFault("issuer_disabled"))
	set(registry.KindTrustedIssuer, "prod-cluster", registry.Active)
	authtest.WantIssued(t, as.Post(t, form))
}

// TestGrantInBlueprint: `grants` of the blueprint closes and opens it, and the
// metadata names it.
func TestGrantInBlueprint(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	writer := func(grants string) string {
		return `
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: writer }
spec: { resources: [ { name: vault, scopes: ["llm:read"] } ], defaultResource: vault, grants: [` + grants + `] }
`
	}
	form := granted(as.ServiceAccount(t, "writer", nil), "resource", "")
	authtest.WantIssued(t, as.Post(t, form)) // no list: all of them
	as.Apply(t, writer("client_credentials, token_exchange"))
	as.WantRefused(t, as.Post(t, form), oauth.UnauthorizedClient, oauth.ReasonGrantNotAllowed)
	as.Apply(t, writer("jwt_bearer"))
	authtest.WantIssued(t, as.Post(t, form))
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(form.Get("assertion"), "resource", "")), oauth.UnauthorizedClient, oauth.ReasonGrantNotAllowed)
}
