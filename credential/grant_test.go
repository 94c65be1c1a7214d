package credential_test

import (
	"testing"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/registry"
)

// TestGrant: the assertion of a jwt-bearer grant (RFC 7523, Section 2.1).
func TestGrant(t *testing.T) {
	t.Parallel()
	w, corp, _, ci := userWorld(t)
	narrow := exact("ci", "repo:acme/narrow")
	narrow.Audience = "https://elsewhere.example"
	w.agent("narrow", "researcher", narrow)
	pinned := exact("ci", "repo:acme/pinned")
	pinned.Audience = endpoint
	w.agent("pinned", "researcher", pinned)
	rows := []row{
		{"good", nil, ""},
		{"JA-10_endpoint", set("aud", endpoint), ""},
		{"JA-10_list", set("aud", []string{endpoint}), ""},
		{"JA-10_both", set("aud", []string{ours, endpoint}), "aud_multiple"},
		{"JA-10_other", set("aud", "https://other.example"), "aud"},
		{"binding_of_another_audience", func(_, c object) { c["sub"], c["aud"] = "repo:acme/narrow", "https://elsewhere.example" }, "aud"},
		{"binding_of_another_audience_ours", set("sub", "repo:acme/narrow"), "aud"},
		{"binding_of_the_endpoint", func(_, c object) { c["sub"], c["aud"] = "repo:acme/pinned", endpoint }, ""},
		{"binding_of_the_endpoint_issuer", set("sub", "repo:acme/pinned"), "aud"},
		{"no_iat", drop("iat"), "iat_missing"},
		{"typ_client", typ("client-authentication+jwt"), "type"},
		{"typ_at", typ("at+jwt"), "type"},
		{"scope", set("scope", []string{"a"}), "scope_type"},
		{"user", set("iss", corp.URL), "type"},
		{"ours", set("iss", ours), "type"},
	}
	good := func() (object, object) {
		c := userClaims(ci.URL)
		c["sub"] = "repo:acme/app"
		return object{}, c
	}
	run(t, rows, good, func(t *testing.T, h, c object) error {
		id, err := w.Grant(t.Context(), ci.sign(t, h, c))
		if err == nil && (id.Tokens != registry.WorkloadTokens || id.Agent == "") {
			t.Errorf("identity = %+v", id)
		}
		return second(id, err)
	})
	// Elsewhere the token endpoint is nobody's audience: RFC 10070.
	_, c := good()
	c["aud"] = endpoint
	wantFault(t, second(w.Assertion(t.Context(), ci.sign(t, nil, c), bearerURI)), credential.FaultAudience)
	wantFault(t, second(w.Subject(t.Context(), ci.sign(t, nil, c), jwtURI)), credential.FaultAudience)
}
