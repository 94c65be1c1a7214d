package credential_test

import (
	"strings"
	"testing"
)

// TestPurpose: what a provider writes into the payload must agree with what the
// token is declared as.
func TestPurpose(t *testing.T) {
	t.Parallel()
	w, corp, web, ci := userWorld(t)
	for _, mark := range []struct {
		name, value string
		jwt, id     string // the fault as jwt and as id_token
	}{
		{"typ", "ID", "type", ""},
		{"typ", "id", "type", ""},
		{"typ", "Bearer", "", "type"},
		{"typ", "Refresh", "type", "type"},
		{"typ", "Offline", "type", "type"},
		{"typ", "Logout", "type", "type"},
		{"typ", "DPoP", "", ""},
		{"token_use", "id", "type", ""},
		{"token_use", "access", "", "type"},
		{"token_use", "refresh", "type", "type"},
		{"token_use", "x", "", ""},
	} {
		t.Run(mark.name+"_"+mark.value, func(t *testing.T) {
			t.Parallel()
			check := func(err error, want string) {
				t.Helper()
				if want != "" {
					wantFault(t, err, want)
				} else if err != nil {
					t.Error(err)
				}
			}
			c := userClaims(corp.URL)
			c[mark.name] = mark.value
			check(second(w.Subject(t.Context(), corp.sign(t, nil, c), jwtURI)), mark.jwt)
			c = userClaims(web.URL)
			c["aud"], c[mark.name] = "console", mark.value
			check(second(w.Subject(t.Context(), web.sign(t, nil, c), idURI)), mark.id)
			check(second(w.Subject(t.Context(), web.sign(t, object{"typ": "at+jwt"}, c), jwtURI)), mark.jwt) // accepted as access token
			c = userClaims(ci.URL)
			c["sub"], c[mark.name] = "repo:acme/app", mark.value
			check(second(w.Subject(t.Context(), ci.sign(t, nil, c), jwtURI)), mark.jwt)
			check(second(w.Assertion(t.Context(), ci.sign(t, nil, c), bearerURI)), mark.jwt)
			check(second(w.Grant(t.Context(), ci.sign(t, nil, c))), mark.jwt)
		})
	}
	c := userClaims(corp.URL)
	c["typ"], c["token_use"] = 3, []string{"id"}
	if _, err := w.Subject(t.Context(), corp.sign(t, nil, c), jwtURI); err != nil {
		t.Errorf("claims of the provider's own: %v", err)
	}
}

// TestAuthorizedParties: SEC-AC-29.
func TestAuthorizedParties(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	with := func(pairs ...any) func(h, c object) {
		return func(_, c object) {
			for i := 0; i < len(pairs); i += 2 {
				c[pairs[i].(string)] = pairs[i+1]
			}
		}
	}
	rows := []row{
		{"good", with("azp", "portal"), ""},
		{"good_client_id", with("client_id", "portal"), ""},
		{"SEC-AC-29_other", with("azp", "evil"), "azp"},
		{"SEC-AC-29_case", with("azp", "Portal"), "azp"},
		{"SEC-AC-29_none", nil, "azp"},
		{"SEC-AC-29_null", with("azp", nil), "claim_type"},
		{"SEC-AC-29_empty", with("azp", ""), "azp"},
		{"SEC-AC-29_azp_before_client_id", with("azp", "evil", "client_id", "portal"), "azp"},
		{"SEC-AC-29_client_id", with("client_id", "evil"), "azp"},
		{"SEC-AC-29_array", with("azp", []string{"portal"}), "claim_type"},
		{"SEC-AC-29_client_id_array", with("client_id", []string{"portal"}), "claim_type"},
	}
	good := func() (object, object) { return object{}, userClaims("https://listed.example") }
	run(t, rows, good, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), corp.sign(t, h, c), jwtURI))
	})
	ids := []row{
		{"id_token", with("azp", "console"), ""},
		{"id_token_of_another_audience", with("azp", "portal"), "aud"}, // OpenID Connect Core 1.0, Section 3.1.3.7
		{"id_token_without", nil, "azp"},
		{"nonce", with("azp", "console", "nonce", "n-1"), ""},
		{"nonce_number", with("azp", "console", "nonce", 1), "claim_type"},
		{"hashes", with("azp", "console", "at_hash", "x", "c_hash", "x"), ""},
		{"nonce_in_the_header", func(h, c object) { h["nonce"], c["azp"] = "x", "console" }, "header_forbidden"},
	}
	run(t, ids, good, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), corp.sign(t, h, c), idURI))
	})
	// Without a list an access token of any client is accepted, and of a token
	// that is no ID token the nonce is the provider's own matter.
	c := userClaims(corp.URL)
	c["azp"], c["nonce"] = strings.Repeat("x", 300), 1
	if _, err := w.Subject(t.Context(), corp.sign(t, nil, c), jwtURI); err != nil {
		t.Error(err)
	}
}
