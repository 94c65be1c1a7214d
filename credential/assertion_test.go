package credential_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/registry"
)

// keyedWorld has an agent that signs its assertions itself.
func keyedWorld(t *testing.T) (*world, signer) {
	t.Helper()
	w, key := newWorld(t, t0), newSigner(t, "agent-1")
	w.put(registry.KindBlueprint, "keyed", &registry.Blueprint{ClientAuth: []registry.ClientAuth{registry.PrivateKeyJWTAuth}})
	w.put(registry.KindBlueprint, "researcher", &registry.Blueprint{})
	w.keyedAgent("research", "keyed", key)
	w.keyedAgent("federated", "researcher", key)
	w.put(registry.KindAgent, "keyless", &registry.Agent{Blueprint: "keyed", Owner: "o", Sponsor: "s"})
	return w, key
}

func (w *world) keyedAgent(name string, blueprint registry.BlueprintName, key signer) {
	w.t.Helper()
	w.put(registry.KindAgent, name, &registry.Agent{
		Blueprint: blueprint, Owner: "o", Sponsor: "s",
		JWKS: encode(w.t, object{"keys": []object{key.jwk(w.t, "sig")}}),
	})
}

func selfIssued() (object, object) {
	return object{"typ": "client-authentication+jwt"}, object{
		"iss": "research", "sub": "research", "aud": ours, "jti": "j-1", "iat": t0.Unix(), "exp": t0.Unix() + 60,
	}
}

func TestSelfIssuedAssertion(t *testing.T) {
	t.Parallel()
	w, key := keyedWorld(t)
	now := t0.Unix()
	named := func(name string) func(h, c object) {
		return func(_, c object) { c["iss"], c["sub"] = name, name }
	}
	rows := []row{
		{"good", nil, ""},
		{"JA-04_untyped", typ(nil), ""},
		{"JA-04_JWT", typ("JWT"), ""},
		{"JA-04_application", typ("application/client-authentication+jwt"), ""},
		{"JA-04_SEC-AC-16", typ("dpop+jwt"), "type"},
		{"JA-04_at+jwt", typ("at+jwt"), "type"},
		{"JA-04_id-jag", typ("oauth-id-jag+jwt"), "type"},
		{"JA-04_statuslist", typ("statuslist+jwt"), "type"},
		{"SEC-CA-24", typ("x"), "typ"},
		{"JA-02_array", set("aud", []string{ours}), ""},
		{"JA-02_SEC-AC-04", set("aud", ours+"/token"), "aud"},
		{"JA-02_SEC-AC-05", set("aud", "https://other.example"), "aud"},
		{"JA-02_SEC-CA-10", set("aud", []string{ours, "https://other.example"}), "aud"},
		{"JA-02_missing", drop("aud"), "aud_missing"},
		{"JA-03_SEC-CA-08", set("sub", "other"), "iss_sub"},
		{"JA-03_no_sub", drop("sub"), "sub"},
		{"JA-03_no_iss", drop("iss"), "issuer_missing"},
		{"JA-06_SEC-CA-01", named("stranger"), "unknown"},
		{"SEC-CA-22", named(strings.Repeat("é ", 1000)), "unknown"},
		{"JA-06_no_keys", named("keyless"), "kid_unknown"},
		{"JA-06_kid", func(h, _ object) { h["kid"] = "agent-2" }, "kid_unknown"},
		{"JA-07_SEC-TM-26", drop("exp"), "exp_missing"},
		{"JA-07_expired", set("exp", now), "expired"},
		{"SEC-TM-16_at_cap", set("exp", now+300), ""},
		{"SEC-TM-16", set("exp", now+301), "lifetime"},
		{"SEC-TM-17", set("exp", now+48*3600), "lifetime"},
		{"no_iat", drop("iat"), ""},
		{"no_iat_at_cap", func(_, c object) { delete(c, "iat"); c["exp"] = now + 300 }, ""},
		{"no_iat_over_cap", func(_, c object) { delete(c, "iat"); c["exp"] = now + 301 }, "lifetime"},
		{"iat_future", func(_, c object) { c["iat"], c["exp"] = now+31, now+60 }, "iat_future"},
		{"SEC-RP-06", drop("jti"), "jti_missing"},
		{"SEC-RP-07_long", set("jti", strings.Repeat("a", 257)), "jti_malformed"},
		{"SEC-RP-07_longest", set("jti", strings.Repeat("a", 256)), ""},
		{"SEC-RP-07_empty", set("jti", ""), "jti_malformed"},
		{"SEC-RP-07_number", set("jti", 1), "jti_malformed"},
		{"act", set("act", object{"sub": "x"}), "act_untrusted"},
		{"cnf", set("cnf", object{"jkt": "x"}), "cnf"},
		{"SP-01", set("sub", svidSubject), "type"},
	}
	run(t, rows, selfIssued, func(t *testing.T, h, c object) error {
		a, err := w.Assertion(t.Context(), key.sign(t, h, c), bearerURI)
		if err == nil && (a.Agent != "research" || a.Subject != "research" || a.Issuer != "" || a.Tokens != registry.WorkloadTokens) {
			t.Errorf("assertion = %+v", a)
		}
		return second(a, err)
	})
}

func TestSelfIssuedAssertionSpendsItsID(t *testing.T) {
	t.Parallel()
	w, key := keyedWorld(t)
	h, c := selfIssued()
	a, err := w.Assertion(t.Context(), key.sign(t, h, c), bearerURI)
	if err != nil {
		t.Fatal(err)
	}
	want := credential.ReplayKeyInput{
		Space: "assertion:" + w.model.Agent("research").ID, JTI: "j-1",
		Expires: t0.UTC().Add(60*time.Second + 2*30*time.Second), // SEC-RP-04
	}
	if a.Replay == nil || *a.Replay != want {
		t.Errorf("replay = %+v, want %+v", a.Replay, want)
	}
}

func TestSelfIssuedAssertionByAnotherKey(t *testing.T) {
	t.Parallel()
	w, _ := keyedWorld(t)
	h, c := selfIssued()
	wantFault(t, second(w.Assertion(t.Context(), newSigner(t, "agent-1").sign(t, h, c), bearerURI)), "signature")
}

// A key that was replaced is refused from the moment that the registry says so.
func TestReplacedAgentKey(t *testing.T) { // SEC-CA-25
	t.Parallel()
	w, old := keyedWorld(t)
	h, c := selfIssued()
	raw := old.sign(t, h, c)
	if _, err := w.Assertion(t.Context(), raw, bearerURI); err != nil {
		t.Fatal(err)
	}
	w.keyedAgent("research", "keyed", newSigner(t, "agent-2"))
	wantFault(t, second(w.Assertion(t.Context(), raw, bearerURI)), "kid_unknown")
}
