package credential_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/registry"
)

// userWorld trusts a provider of users (corp), one whose ID and access tokens
// are taken (web), and one of workloads (ci).
func userWorld(t *testing.T) (w *world, corp, web, ci *issuer) {
	t.Helper()
	w, corp, web, ci = newWorld(t, t0), newIssuer(t, "corp-1"), newIssuer(t, "web-1"), newIssuer(t, "ci-1")
	trust := func(name string, i *issuer, change func(*registry.TrustedIssuer)) {
		spec := &registry.TrustedIssuer{Type: registry.OIDC, Issuer: i.URL, Keys: registry.KeySource{JWKSURL: i.URL + "/keys"}}
		change(spec)
		w.put(registry.KindTrustedIssuer, name, spec)
	}
	trust("corp", corp, func(*registry.TrustedIssuer) {})
	trust("web", web, func(s *registry.TrustedIssuer) {
		s.TokenTypes, s.Audiences = []string{"id_token", "access_token"}, []string{"console"}
	})
	w.put(registry.KindTrustedIssuer, "listed", &registry.TrustedIssuer{
		Type: registry.OIDC, Issuer: "https://listed.example", Keys: registry.KeySource{JWKS: encode(t, object{"keys": []object{corp.jwk(t, "sig")}})},
		TokenTypes: []string{"jwt", "id_token", "access_token"}, Audiences: []string{ours, "console"}, AuthorizedParties: []string{"console", "portal"},
	})
	trust("ci", ci, func(s *registry.TrustedIssuer) {
		s.Tokens, s.TokenTypes = registry.WorkloadTokens, []string{"jwt", "id_token"}
	})
	w.put(registry.KindBlueprint, "researcher", &registry.Blueprint{})
	w.agent("job", "researcher", exact("ci", "repo:acme/app"))
	return w, corp, web, ci
}

func userClaims(iss string) object {
	return object{
		"iss": iss, "sub": "u-1", "aud": ours, "iat": t0.Unix() - 60, "exp": t0.Unix() + 540,
	}
}

func TestUserToken(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	rows := []row{
		{"good", nil, ""},
		{"typ_JWT", typ("JWT"), ""},
		{"typ_application", typ("application/jwt"), ""},
		{"typ_other", typ("x"), "typ"},
		{"no_kid_one_key", func(h, _ object) { h["kid"] = nil }, ""},
		{"no_iat", drop("iat"), ""},
		{"SEC-JS-04", set("Sub", "admin"), ""},
		{"SEC-AC-01", drop("aud"), "aud_missing"},
		{"SEC-AC-01_null", set("aud", nil), "aud_missing"},
		{"SEC-AC-02", set("aud", []string{"other-app"}), "aud"},
		{"SEC-AC-06_prefix", set("aud", "https://as"), "aud"},
		{"SEC-AC-06_suffix", set("aud", ours+".evil.example"), "aud"},
		{"SEC-AC-06_case", set("aud", "https://AS.example"), "aud"},
		{"SEC-AC-06_slash", set("aud", ours+"/"), "aud"},
		{"SEC-AC-07", set("aud", "other-app"), "aud"},
		{"aud_contains_ours", set("aud", []string{"other-app", ours}), ""},
		{"SEC-JS-17_object", set("aud", object{"a": ours}), "aud"},
		{"SEC-JS-17_number", set("aud", 1), "aud"},
		{"SEC-JS-17_nested", set("aud", []any{[]string{ours}}), "aud"},
		{"SEC-JS-17_empty_list", set("aud", []string{}), "aud"},
		{"SEC-JS-17_empty_member", set("aud", []string{"", ours}), "aud"},
		{"SEC-JS-17_empty", set("aud", ""), "aud"},
		{"SEC-JS-15", set("employee", json.Number("12345678901234567890")), ""},
		{"SEC-JS-15_beyond", set("employee", json.Number("123456789012345678901")), "claim_type"},
		{"SEC-JS-16_huge", set("level", json.Number("1e400")), "claim_type"},
		{"SEC-JS-16_minus_zero", set("level", json.Number("-0")), "claim_type"},
		{"SEC-JS-16_exponent", set("level", json.Number("0.1e1")), "claim_type"},
		{"SEC-JS-18_array", set("scope", []string{"a"}), "scope_type"},
		{"SEC-JS-18_scp_string", set("scp", "a"), "scope_type"},
		{"SEC-JS-18_scp_numbers", set("scp", []any{1}), "scope_type"},
		{"SEC-JS-18_both", func(_, c object) { c["scope"], c["scp"] = "a b", []string{"a"} }, "scope_type"},
		{"both_alike", func(_, c object) { c["scope"], c["scp"] = "a b", []string{"b", "a"} }, ""},
		{"SEC-JS-19_number", set("sub", 1), "sub"},
		{"SEC-JS-19_boolean", set("sub", true), "sub"},
		{"SEC-JS-19_object", set("sub", object{}), "sub"},
		{"SEC-JS-19_empty", set("sub", ""), "sub"},
		{"SEC-JS-19_missing", drop("sub"), "sub"},
		{"sub_too_long", set("sub", strings.Repeat("a", 256)), "sub"},
		{"txn_too_long", set("txn", strings.Repeat("a", 256)), "claim_type"},
		{"acr_too_long", set("acr", strings.Repeat("a", 256)), "claim_type"},
		{"amr_too_many", set("amr", strings.Split(strings.Repeat("pwd ", 16)+"otp", " ")), "claim_type"},
		{"amr_too_long", set("amr", []string{strings.Repeat("a", 256)}), "claim_type"},
		{"SEC-JS-20_cnf", set("cnf", "x"), "claim_type"},
		{"SEC-JS-20_act", set("act", []any{}), "claim_type"},
		{"SEC-DL-07_string", set("may_act", "x"), "claim_type"},
		{"SEC-DL-07_array", set("may_act", []any{object{"sub": "x"}}), "claim_type"},
		{"SEC-DL-07_empty", set("may_act", object{}), "claim_type"},
		{"SEC-DL-07_null", set("may_act", nil), "claim_type"},
		{"SEC-DL-07_member", set("may_act", object{"sub": 1}), "claim_type"},
		{"SEC-DL-08", set("act", object{"sub": "x", "iss": ours}), "act_untrusted"},
		{"SEC-DL-09_no_sub", set("act", object{"iss": ours}), "claim_type"},
		{"SEC-DL-09_null", set("act", nil), "claim_type"},
		{"SEC-DL-34", set("cnf", object{"jkt": "x"}), "cnf"},
		{"cnf_null", set("cnf", nil), "claim_type"},
		{"acr", set("acr", 1), "claim_type"},
		{"amr", set("amr", object{}), "claim_type"},
		{"auth_time", set("auth_time", "now"), "claim_type"},
		{"txn", set("txn", 1), "claim_type"},
		{"SEC-AC-09", set("iss", "https://evil.example"), "issuer_unknown"},
		{"SEC-AC-11", drop("iss"), "issuer_missing"},
		{"iss_number", set("iss", 1), "claim_type"},
		{"SEC-AC-14", set("iss", ours), "type"},
		{"SEC-AC-15_logout", typ("logout+jwt"), "type"},
		{"SEC-AC-15_secevent", typ("secevent+jwt"), "type"},
		{"SEC-AC-15_events", set("events", object{"http://schemas.openid.net/event/backchannel-logout": object{}}), "type"},
		{"SEC-AC-16", typ("client-authentication+jwt"), "type"},
		{"SEC-AC-17", typ("token-introspection+jwt"), "type"},
		{"dpop", typ("dpop+jwt"), "type"},
		{"statuslist", typ("statuslist+jwt"), "type"},
		{"id-jag", typ("oauth-id-jag+jwt"), "type"},
		{"at+jwt_not_listed", typ("at+jwt"), "type"},
		{"at+jwt_not_listed_application", typ("application/AT+JWT"), "type"},
		{"SEC-ID-14", set("sub", accountSubject), "no_binding"},
		{"SEC-ID-15", set("sub", svidSubject), "no_binding"},
		{"SEC-JP-10", func(h, _ object) { h["alg"] = "ES384" }, "alg_not_allowed"},
	}
	good := func() (object, object) { return object{}, userClaims(corp.URL) }
	run(t, rows, good, func(t *testing.T, h, c object) error {
		id, err := w.Subject(t.Context(), corp.sign(t, h, c), jwtURI)
		if err == nil && (id.Subject != "u-1" || id.Tokens != registry.UserTokens || id.Agent != "") {
			t.Errorf("identity = %+v", id)
		}
		return second(id, err)
	})
}

// `iss` is compared byte for byte, and an unknown one is never fetched.
func TestIssuerIsExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t0)
	key := newSigner(t, "corp-1")
	const iss = "https://idp.example/realms/a"
	w.put(registry.KindTrustedIssuer, "corp", &registry.TrustedIssuer{
		Type: registry.OIDC, Issuer: iss, Keys: registry.KeySource{JWKS: encode(t, object{"keys": []object{key.jwk(t, "sig")}})},
	})
	rows := []row{{"good", nil, ""}}
	for id, other := range map[string]string{
		"SEC-ID-01": iss + "/", "SEC-ID-02": "https://IDP.example/realms/a", "SEC-ID-03": "https://idp.example:443/realms/a",
		"SEC-ID-03_zero": "https://idp.example:0443/realms/a", "SEC-ID-04": "https://idp.example./realms/a",
		"SEC-ID-05": "https://idp.example@evil.example/realms/a", "SEC-ID-06_query": iss + "?x", "SEC-ID-06_fragment": iss + "#f",
		"SEC-ID-07_dots": "https://idp.example/realms/b/../a", "SEC-ID-07_percent": "https://idp.example/%72ealms/a",
		"SEC-ID-07_slashes": "https://idp.example//realms/a", "SEC-ID-08": "http://idp.example/realms/a",
		"SEC-ID-09": "https://іdp.example/realms/a", "SEC-ID-10_space": iss + " ", "SEC-ID-10_tab": iss + "\t",
		"SEC-ID-10_joiner": iss + "\u200d",
	} {
		rows = append(rows, row{id, set("iss", other), "issuer_unknown"})
	}
	good := func() (object, object) { return object{}, userClaims(iss) }
	run(t, rows, good, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), key.sign(t, h, c), jwtURI))
	})
}

func TestTokenTypes(t *testing.T) {
	t.Parallel()
	w, corp, web, ci := userWorld(t)
	job := func() object {
		c := userClaims(ci.URL)
		c["sub"] = "repo:acme/app"
		return c
	}
	console := func() object {
		c := userClaims(web.URL)
		c["aud"] = []string{"console"}
		return c
	}
	for _, r := range []struct {
		name   string
		by     *issuer
		typ    any
		uri    string
		claims object
		want   string
	}{
		{"jwt", corp, nil, jwtURI, userClaims(corp.URL), ""},
		{"SEC-AC-12", corp, nil, "urn:ietf:params:oauth:token-type:access_token", userClaims(corp.URL), "type"},
		{"TX-10_refresh_token", corp, nil, "urn:ietf:params:oauth:token-type:refresh_token", userClaims(corp.URL), "type"},
		{"SEC-AC-21_case", corp, nil, strings.ToUpper(jwtURI), userClaims(corp.URL), "type"},
		{"TX-11_not_listed", corp, "JWT", idURI, userClaims(corp.URL), "type"},
		{"TX-11_id_token", web, "JWT", idURI, console(), ""},
		{"TX-11_untyped", web, nil, idURI, console(), ""},
		{"SEC-AC-13", web, "at+jwt", idURI, console(), "type"},
		{"access_token_listed", web, "at+jwt", jwtURI, console(), ""},
		{"access_token_application", web, "application/at+jwt", jwtURI, console(), ""},
		{"jwt_not_listed", web, "JWT", jwtURI, console(), "type"},
		{"workload_jwt", ci, "JWT", jwtURI, job(), ""},
		{"workload_id_token", ci, "JWT", idURI, job(), "type"},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			err := second(w.Subject(t.Context(), r.by.sign(t, object{"typ": r.typ}, r.claims), r.uri))
			if r.want != "" {
				wantFault(t, err, r.want)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestWorkloadOfAnOpenIDProvider(t *testing.T) {
	t.Parallel()
	w, _, _, ci := userWorld(t)
	guarded := exact("ci", "repo:acme/guarded")
	guarded.Claims = map[string]string{"repository_id": "42", "run_id": "12345678901234567890"}
	guarded.Condition = "claims.run > 7"
	w.agent("guarded", "researcher", guarded)
	rows := []row{
		{"good", nil, ""},
		{"SEC-ID-13", set("sub", "Repo:acme/app"), "no_binding"},
		{"SEC-ID-12", set("sub", "repo:аcme/app"), "no_binding"},
		{"SEC-ID-11", set("sub", "repo:acme/a\u0301pp"), "no_binding"},
		{"FC-05", set("sub", "repo:acme/*"), "no_binding"},
		{"two_audiences", set("aud", []string{ours, "x"}), "aud_multiple"},
		{"SEC-TM-15", drop("iat"), "iat_missing"},
		{"condition", func(_, c object) {
			c["sub"], c["repository_id"], c["run"], c["run_id"] = "repo:acme/guarded", "42", 8, json.Number("12345678901234567890")
		}, ""},
		{"SEC-AC-28", func(_, c object) {
			c["sub"], c["repository_id"], c["run"] = "repo:acme/guarded", "43", 8
		}, "immutable_id_mismatch"},
		{"SEC-JS-15", func(_, c object) { // the same float64, another number
			c["sub"], c["repository_id"], c["run"], c["run_id"] = "repo:acme/guarded", "42", 8, json.Number("12345678901234567891")
		}, "immutable_id_mismatch"},
		{"FC-06_absent", set("sub", "repo:acme/guarded"), "no_binding"},
		{"SEC-JS-18_workload", set("scope", []string{"a"}), "scope_type"},
	}
	good := func() (object, object) {
		c := userClaims(ci.URL)
		c["sub"] = "repo:acme/app"
		return object{}, c
	}
	run(t, rows, good, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), ci.sign(t, h, c), jwtURI))
	})
}

func TestUserIdentity(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	claims := userClaims(corp.URL)
	claims["scope"] = "read write\u00a0all"
	claims["may_act"] = object{"sub": "research"}
	claims["txn"] = "tx-1"
	claims["auth_time"] = rawJSON("1795168200.50")
	claims["acr"] = "phr"
	claims["amr"] = []string{"hwk", "pin"}
	claims["groups"] = []any{"staff", 7}
	id, err := w.Subject(t.Context(), corp.sign(t, nil, claims), jwtURI)
	if err != nil {
		t.Fatal(err)
	}
	if id.Issuer != "corp" || id.IssuerURL != corp.URL || id.KeyID != "corp-1" || id.Alg != "ES256" {
		t.Errorf("issuer and key: %+v", id)
	}
	if !id.Expires.Equal(t0.Add(540e9)) || !id.IssuedAt.Equal(t0.Add(-60e9)) {
		t.Errorf("times: %v, %v", id.Expires, id.IssuedAt)
	}
	if diff := cmp.Diff([]string{"read", "write\u00a0all"}, id.Scope); diff != "" { // the space alone parts two scopes
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"sub": "research"}, id.MayAct); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(json.RawMessage("1795168200.50"), id.AuthTime); diff != "" { // byte for byte
		t.Error(diff)
	}
	if id.Txn != "tx-1" || id.ACR != "phr" || len(id.AMR) != 2 {
		t.Errorf("txn, acr, amr: %+v", id)
	}
	if diff := cmp.Diff([]any{"staff", int64(7)}, id.Claims["groups"]); diff != "" { // CEL knows int64
		t.Error(diff)
	}
	var names []string
	for _, c := range id.Checks {
		if !c.OK {
			t.Errorf("check %q failed", c.Name)
		}
		names = append(names, c.Name)
	}
	if diff := cmp.Diff("form issuer type signature audience times claims", strings.Join(names, " ")); diff != "" {
		t.Error(diff)
	}
}

func TestScopeAbsentOrEmpty(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	claims := userClaims(corp.URL)
	id, err := w.Subject(t.Context(), corp.sign(t, nil, claims), jwtURI)
	if err != nil || id.Scope != nil {
		t.Errorf("absent: %v, %v", id, err)
	}
	for _, name := range []string{"scope", "scp"} {
		claims := userClaims(corp.URL)
		claims[name] = map[string]any{"scope": "", "scp": []string{}}[name]
		id, err := w.Subject(t.Context(), corp.sign(t, nil, claims), jwtURI)
		if err != nil || id.Scope == nil || len(id.Scope) != 0 { // no scope at all is not "no limit"
			t.Errorf("empty %s: %v, %v", name, id, err)
		}
	}
}
