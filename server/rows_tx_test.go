package server_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// delegated is alice's token in the hands of research-agent.
func delegated(t *testing.T, as *authtest.Server, pairs ...string) string {
	t.Helper()
	a := as.Post(t, forAlice(pairs...)(t, as))
	authtest.WantIssued(t, a)
	return a.AccessToken
}

// onward is an exchange of a token of ours by the agent of a service account.
func onward(t *testing.T, as *authtest.Server, account, token string, pairs ...string) *authtest.Answer {
	t.Helper()
	form := authtest.ExchangeForm(token, "subject_token_type", string(oauth.AccessTokenType))
	return as.Post(t, with(as.As(t, account, form), pairs))
}

func subjectFault(fault string) oauth.Reason { return oauth.TokenFault(oauth.AreaSubject, fault) }

// TestRowsTX proves token exchange: RFC 8693. TX-22 and TX-42 are listed as
// not yet in docs/divergences.md.
func TestRowsTX(t *testing.T) {
	t.Parallel()
	prove(t, slices.Concat(exchangeParameters(), exchangeTargets(), exchangeTokens(), exchangeActors()))
}

func exchangeParameters() []row {
	return []row{
		{"TX-01", func(t *testing.T, as *authtest.Server) {
			for _, grant := range []string{"urn:ietf:params:oauth:grant-type:token-exchange/", "URN:ietf:params:oauth:grant-type:token-exchange", "token-exchange"} {
				as.WantRefused(t, as.Post(t, forAlice("grant_type", grant)(t, as)), oauth.UnsupportedGrantType, oauth.ReasonGrantType)
			}
			authtest.WantIssued(t, as.Post(t, forAlice()(t, as)))
		}},
		refused("TX-02", oauth.InvalidRequest, oauth.ReasonSubjectMissing, forAlice("subject_token", "")),
		refused("TX-03", oauth.InvalidRequest, oauth.ReasonSubjectTokenType, forAlice("subject_token_type", "")),
		refused("TX-04", oauth.InvalidRequest, oauth.ReasonActorTokenType, forAlice("actor_token", "x")),
		refused("TX-05", oauth.InvalidRequest, oauth.ReasonActorTokenType, forAlice("actor_token_type", string(oauth.JWTType))),
		{"TX-06", func(t *testing.T, as *authtest.Server) {
			for _, typ := range []string{"urn:ietf:params:oauth:token-type:saml1", "urn:ietf:params:oauth:token-type:saml2", string(oauth.RefreshTokenType), "URN:IETF:params:oauth:token-type:jwt", "jwt"} {
				as.WantRefused(t, as.Post(t, forAlice("subject_token_type", typ)(t, as)), oauth.InvalidRequest, oauth.ReasonSubjectTokenType)
				as.WantRefused(t, as.Post(t, forAlice("actor_token", "x", "actor_token_type", typ)(t, as)), oauth.InvalidRequest, oauth.ReasonActorTokenType)
			}
		}},
		issued("TX-20", forAlice(), func(t *testing.T, a *authtest.Answer, _ map[string]any) {
			if a.IssuedTokenType != string(oauth.AccessTokenType) {
				t.Errorf("issued_token_type %q", a.IssuedTokenType)
			}
		}),
		issued("TX-21", forAlice("requested_token_type", string(oauth.AccessTokenType)), func(t *testing.T, a *authtest.Answer, _ map[string]any) {
			if a.TokenType != "Bearer" {
				t.Errorf("token_type %q", a.TokenType)
			}
		}),
		{"TX-23", func(t *testing.T, as *authtest.Server) {
			for _, typ := range []oauth.TokenType{oauth.RefreshTokenType, oauth.IDTokenType, "urn:ietf:params:oauth:token-type:saml2"} {
				as.WantRefused(t, as.Post(t, forAlice("requested_token_type", string(typ))(t, as)), oauth.InvalidRequest, oauth.ReasonRequestedTokenType)
			}
		}},
		issued("TX-24", forAlice(), func(t *testing.T, a *authtest.Answer, _ map[string]any) {
			if a.IssuedTokenType == "" || a.TokenType == "" || a.ExpiresIn <= 0 {
				t.Errorf("body %s", a.Body)
			}
		}),
		// Every token issued is an access token, so none is N_A: RFC 8693, Section 2.2.1.
		issued("TX-25", forAlice(), func(t *testing.T, a *authtest.Answer, _ map[string]any) {
			if a.TokenType == "N_A" {
				t.Error("an access token is called N_A")
			}
		}),
		issued("TX-26", forAlice(), func(t *testing.T, a *authtest.Answer, _ map[string]any) {
			if a.RefreshToken != "" {
				t.Error("a refresh token from an exchange")
			}
		}),
	}
}

func exchangeTargets() []row {
	return []row{
		{"TX-12", func(t *testing.T, as *authtest.Server) {
			for _, target := range []string{"gateway", "/gateway", "https://gateway.example#x", "https://gateway.example#", "%zz", "https://gateway.example/?a=b"} {
				as.WantRefused(t, as.Post(t, forAlice("resource", target)(t, as)), oauth.InvalidTarget, oauth.ReasonTarget)
			}
		}},
		{"TX-13", func(t *testing.T, as *authtest.Server) {
			form := forAlice()(t, as)
			form["resource"] = []string{"https://gateway.example", "https://gateway.example"}
			authtest.WantIssued(t, as.Post(t, form))
			form["resource"] = []string{"https://gateway.example", "https://unknown.example"}
			as.WantRefused(t, as.Post(t, with(as.As(t, "research", form), nil)), oauth.InvalidTarget, oauth.ReasonTarget)
		}},
		{"TX-14", func(t *testing.T, as *authtest.Server) {
			form := forAlice("audience", "gateway")(t, as)
			c := authtest.WantIssued(t, as.Post(t, form))
			if c["aud"] != "https://gateway.example" {
				t.Errorf("aud %v", c["aud"])
			}
			form["audience"] = []string{"gateway", "https://gateway.example"}
			authtest.WantIssued(t, as.Post(t, form))
			form["audience"] = []string{"payments"}
			as.WantRefused(t, as.Post(t, form), oauth.InvalidTarget, oauth.ReasonTooManyTargets)
		}},
		{"TX-15", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, forAlice("resource", "https://unknown.example")(t, as)), oauth.InvalidTarget, oauth.ReasonTarget)
			// vault is within the blueprint, but no rule lets alice's tokens go there.
			as.WantRefused(t, as.Post(t, forAlice("resource", "https://vault.example/api")(t, as)), oauth.InvalidTarget, oauth.ReasonTarget)
			as.WantRefused(t, as.Post(t, forAlice("resource", as.Issuer)(t, as)), oauth.InvalidTarget, oauth.ReasonTarget)
		}},
		{"TX-16", func(t *testing.T, as *authtest.Server) {
			form := forAlice()(t, as)
			form["resource"] = []string{"https://gateway.example", "https://payments.example"}
			as.WantRefused(t, as.Post(t, form), oauth.InvalidTarget, oauth.ReasonTooManyTargets)
		}},
		{"TX-17", func(t *testing.T, as *authtest.Server) {
			err := as.TryApply(t, `
apiVersion: tokenry/v1
kind: Resource
metadata: { name: second-gateway }
spec: { identifier: "https://gateway.example", scopes: [ { name: "llm:read", risk: low } ] }
`)
			if err == nil {
				t.Error("two resources share an identifier")
			}
		}},
		refused("TX-18", oauth.InvalidTarget, oauth.ReasonTargetMissing, forAlice("resource", "")),
		refused("TX-19", oauth.InvalidScope, oauth.ReasonScope, forAlice("scope", "vault:open")),
		{"TX-40", func(t *testing.T, as *authtest.Server) {
			narrow := delegated(t, as, "scope", "llm:read")
			as.WantRefused(t, onward(t, as, "research", narrow, "scope", "memory:write"), oauth.InvalidScope, oauth.ReasonScope)
			wide := delegated(t, as)
			c := authtest.WantIssued(t, onward(t, as, "research", wide, "scope", "llm:read"))
			if c["scope"] != "llm:read" || len(authtest.Actors(c)) != 1 {
				t.Errorf("narrowing gave %v", c)
			}
			scoped := as.User(t, "alice", authtest.Claims{"scope": "llm:read other"})
			as.WantRefused(t, as.Post(t, forAlice("subject_token", scoped, "scope", "memory:write")(t, as)), oauth.InvalidScope, oauth.ReasonScope)
		}},
	}
}

func exchangeTokens() []row {
	return []row{
		{"TX-07", func(t *testing.T, as *authtest.Server) {
			now := as.Clock.Now()
			good := as.User(t, "alice", nil)
			for fault, token := range map[string]string{
				"expired":          as.User(t, "alice", authtest.Claims{"exp": now.Add(-time.Second).Unix()}),
				"not_yet_valid":    as.User(t, "alice", authtest.Claims{"nbf": now.Add(time.Minute).Unix()}),
				"issuer_unknown":   as.User(t, "alice", authtest.Claims{"iss": "https://unknown.example"}),
				"signature":        good[:len(good)-8] + "AAAAAAAA",
				"not_compact_jws":  "opaque",
				"alg_not_allowed":  as.IDP.SignHeader(t, map[string]any{"alg": "none", "kid": "k1"}, authtest.Claims{"iss": as.IDP.URL, "sub": "alice", "aud": as.Issuer, "exp": now.Add(time.Minute).Unix()}),
				"exp_missing":      as.User(t, "alice", authtest.Claims{"exp": nil}),
				"header_forbidden": as.IDP.SignHeader(t, map[string]any{"alg": "ES256", "kid": "k1", "jwk": map[string]any{}}, authtest.Claims{"iss": as.IDP.URL}),
			} {
				as.WantRefused(t, as.Post(t, forAlice("subject_token", token)(t, as)), oauth.InvalidRequest, subjectFault(fault))
			}
		}},
		{"TX-08", func(t *testing.T, as *authtest.Server) {
			expired := as.ServiceAccount(t, "research", authtest.Claims{"exp": as.Clock.Now().Add(-time.Second).Unix()})
			form := forAlice("actor_token", expired, "actor_token_type", string(oauth.JWTType))(t, as)
			as.WantRefused(t, as.Post(t, form), oauth.InvalidRequest, oauth.TokenFault(oauth.AreaActor, "expired"))
		}},
		{"TX-09", func(t *testing.T, as *authtest.Server) {
			outsider := as.User(t, "mallory", authtest.Claims{"groups": []string{"guests"}})
			as.WantRefused(t, as.Post(t, forAlice("subject_token", outsider)(t, as)), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
		}},
		{"TX-10", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, forAlice("subject_token_type", string(oauth.AccessTokenType))(t, as)), oauth.InvalidRequest, subjectFault("type"))
		}},
		{"TX-11", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, forAlice("subject_token_type", string(oauth.IDTokenType))(t, as)), oauth.InvalidRequest, subjectFault("type"))
			token := as.IDP.Sign(t, "at+jwt", authtest.Claims{"iss": as.IDP.URL, "sub": "alice", "aud": as.Issuer, "exp": as.Clock.Now().Add(time.Minute).Unix(), "iat": as.Clock.Now().Unix()})
			as.WantRefused(t, as.Post(t, forAlice("subject_token", token, "subject_token_type", string(oauth.IDTokenType))(t, as)), oauth.InvalidRequest, subjectFault("type"))
		}},
		{"TX-27", bootstrap},
		{"TX-28", func(t *testing.T, as *authtest.Server) {
			token := delegated(t, as)
			// writer-agent is no client, no actor, no agent of gateway, and no rule hands research's tokens to it.
			as.WantRefused(t, onward(t, as, "writer", token, "resource", "https://vault.example/api"), oauth.InvalidRequest, oauth.ReasonSubjectNotForClient)
			authtest.WantIssued(t, onward(t, as, "analysis", token))
		}},
		{"TX-29", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, forAlice("subject_token", as.User(t, "alice", authtest.Claims{"aud": "https://other.example"}))(t, as)), oauth.InvalidRequest, subjectFault("aud"))
			as.WantRefused(t, as.Post(t, forAlice("subject_token", as.User(t, "alice", authtest.Claims{"aud": nil}))(t, as)), oauth.InvalidRequest, subjectFault("aud_missing"))
			two := as.ServiceAccount(t, "research", authtest.Claims{"aud": []string{as.Issuer, "https://other.example"}})
			as.WantRefused(t, as.Post(t, authtest.ExchangeForm(two)), oauth.InvalidRequest, subjectFault("aud_multiple"))
		}},
		{"TX-30", func(t *testing.T, as *authtest.Server) {
			user := as.User(t, "alice", nil)
			first := authtest.WantIssued(t, as.Post(t, forAlice("subject_token", user)(t, as)))
			second := authtest.WantIssued(t, as.Post(t, forAlice("subject_token", user)(t, as)))
			if first["jti"] == second["jti"] {
				t.Error("two tokens share a jti")
			}
		}},
		{"TX-31", func(t *testing.T, as *authtest.Server) {
			short := as.User(t, "alice", authtest.Claims{"exp": as.Clock.Now().Add(90 * time.Second).Unix()})
			a := as.Post(t, forAlice("subject_token", short)(t, as))
			authtest.WantIssued(t, a)
			if a.ExpiresIn > 90 || a.ExpiresIn < 80 {
				t.Errorf("expires_in %d, want at most the subject token's 90", a.ExpiresIn)
			}
			soon := as.User(t, "alice", authtest.Claims{"exp": as.Clock.Now().Add(5 * time.Second).Unix()})
			as.WantRefused(t, as.Post(t, forAlice("subject_token", soon)(t, as)), oauth.InvalidRequest, oauth.ReasonLifetime)
			// The assertion expires in 20 s and does not cap.
			form := forAlice()(t, as)
			form.Set("client_assertion", as.ServiceAccount(t, "research", authtest.Claims{"exp": as.Clock.Now().Add(20 * time.Second).Unix()}))
			if a := as.Post(t, form); a.ExpiresIn != 300 {
				t.Errorf("expires_in %d, want the rule's 300: %s", a.ExpiresIn, a.Body)
			}
		}},
		issued("TX-41", func(t *testing.T, as *authtest.Server) url.Values {
			return forAlice("subject_token", as.User(t, "alice", authtest.Claims{"email": "a@example.com", "txn": "t-1", "may_act": authtest.Claims{"sub": "research-agent"}}))(t, as)
		}, func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			if c["email"] != nil || c["groups"] != nil || c["may_act"] != nil {
				t.Errorf("a claim outside the allow-list was copied: %v", c)
			}
			if c["acr"] != "phr" || c["auth_time"] == nil || c["amr"] == nil || c["txn"] != "t-1" {
				t.Errorf("auth_time, acr, amr or txn was lost: %v", c)
			}
		}),
	}
}

// bootstrap is the exception of TX-27: a workload's own credential stands for
// client authentication.
func bootstrap(t *testing.T, as *authtest.Server) {
	workload := as.ServiceAccount(t, "research", nil)
	c := authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(workload)))
	if c["sub"] != "research-agent" || c["client_id"] != "research-agent" || c["act"] != nil {
		t.Errorf("bootstrap gave %v", c)
	}
	authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(workload, "client_id", "research-agent")))
	svid := as.SVID(t, "/agents/research/r7", nil)
	c = authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(svid, "client_id", "spiffe://prod.example/agents/research/r7")))
	if c["sub"] != "svid-agent" {
		t.Errorf("bootstrap by SVID gave %v", c)
	}
	for name, form := range map[string]url.Values{
		"a user's token":        authtest.ExchangeForm(as.User(t, "alice", nil)),
		"an expired user token": authtest.ExchangeForm(as.User(t, "alice", authtest.Claims{"exp": 1})),
		"our own token":         authtest.ExchangeForm(delegated(t, as), "subject_token_type", string(oauth.AccessTokenType)),
		"our own token as jwt":  authtest.ExchangeForm(delegated(t, as)),
		"no token":              authtest.ExchangeForm("x", "subject_token", ""),
	} {
		t.Log(name)
		as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, oauth.ReasonAuthNone)
	}
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(workload, "client_id", "analysis-agent")), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(as.ServiceAccount(t, "nobody", nil))), oauth.InvalidRequest, oauth.ReasonNoBinding)
	unknown := as.Cluster.Sign(t, "", authtest.Claims{"iss": "https://unknown.example", "sub": "x", "exp": 1})
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(unknown)), oauth.InvalidRequest, subjectFault("issuer_unknown"))
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(workload, "actor_token", workload, "actor_token_type", string(oauth.JWTType))), oauth.InvalidRequest, oauth.ReasonBootstrapActor)
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(workload, "requested_actor", "analysis-agent")), oauth.InvalidRequest, oauth.ReasonBrokerNotAllowed)
}

func exchangeActors() []row {
	return []row{
		issued("TX-32", func(t *testing.T, as *authtest.Server) url.Values {
			return forAlice("actor_token", as.ServiceAccount(t, "research", nil), "actor_token_type", string(oauth.JWTType))(t, as)
		}, func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			if c["sub"] != "corp-idp|alice" || !slices.Equal(authtest.Actors(c), []string{"research-agent"}) {
				t.Errorf("sub %v, act %v", c["sub"], c["act"])
			}
		}),
		issued("TX-33", forAlice(), func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			if !slices.Equal(authtest.Actors(c), []string{"research-agent"}) {
				t.Errorf("without actor_token the presenter must be the actor: %v", c["act"])
			}
		}),
		issued("TX-34", forAlice(), func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			for name := range c["act"].(map[string]any) {
				if name != "sub" && name != "iss" && name != "sub_profile" {
					t.Errorf("act has %q", name)
				}
			}
		}),
		{"TX-35", func(t *testing.T, as *authtest.Server) {
			token := delegated(t, as)
			c := authtest.WantIssued(t, onward(t, as, "analysis", token))
			if !slices.Equal(authtest.Actors(c), []string{"analysis-agent", "research-agent"}) {
				t.Fatalf("actors %v", authtest.Actors(c))
			}
			inner, _ := json.Marshal(c["act"].(map[string]any)["act"])
			before, _ := json.Marshal(authtest.Payload(t, token)["act"])
			if string(inner) != string(before) {
				t.Errorf("the earlier actor changed from %s to %s", before, inner)
			}
		}},
		{"TX-36", func(t *testing.T, as *authtest.Server) {
			// Only the current actor counts: research-agent has handed on, and may not go on with the result.
			c := onward(t, as, "analysis", delegated(t, as))
			authtest.WantIssued(t, c)
			as.WantRefused(t, onward(t, as, "research", c.AccessToken), oauth.InvalidRequest, oauth.ReasonSubjectNotForClient)
		}},
		{"TX-37", func(t *testing.T, as *authtest.Server) {
			mayAct := func(m any) *authtest.Answer {
				return as.Post(t, forAlice("subject_token", as.User(t, "alice", authtest.Claims{"may_act": m}))(t, as))
			}
			for _, good := range []authtest.Claims{
				{"sub": "research-agent"},
				{"sub": "research-agent", "iss": as.Issuer},
				{"sub": "system:serviceaccount:prod:research", "iss": as.Cluster.URL},
			} {
				authtest.WantIssued(t, mayAct(good))
			}
			for _, wrong := range []authtest.Claims{
				{"sub": "analysis-agent"},
				{"sub": "research-agent", "iss": as.IDP.URL},
				{"sub": "system:serviceaccount:prod:research", "iss": as.Issuer},
				{"sub": "research-agent", "email": "x@example.com"},
				{"iss": as.Issuer},
			} {
				as.WantRefused(t, mayAct(wrong), oauth.InvalidRequest, oauth.ReasonMayAct)
			}
			as.WantRefused(t, mayAct("research-agent"), oauth.InvalidRequest, subjectFault("claim_type"))
		}},
		issued("TX-38", forAlice(), nil),
		issued("TX-39", func(t *testing.T, as *authtest.Server) url.Values {
			return forAlice("subject_token", as.User(t, "alice", authtest.Claims{"may_act": authtest.Claims{"sub": "research-agent", "exp": 1, "aud": "x"}}))(t, as)
		}, func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			if c["may_act"] != nil {
				t.Error("may_act was copied")
			}
		}),
	}
}
