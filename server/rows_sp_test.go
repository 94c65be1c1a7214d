package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// TestRowsSP proves client authentication by JWT-SVID:
// draft-ietf-oauth-spiffe-client-auth. What is about X.509-SVIDs and WIT-SVIDs
// is listed as not yet in docs/divergences.md.
func TestRowsSP(t *testing.T) {
	t.Parallel()
	prove(t, slices.Concat(spiffeClients(), spiffeKeys()))
}

func spiffeClients() []row {
	return []row{
		{"SP-01", func(t *testing.T, as *authtest.Server) {
			token := as.SVID(t, r7, nil)
			authtest.WantIssued(t, as.Post(t, svidAssertion(token)))
			as.WantRefused(t, as.Post(t, svidAssertion(token, "client_assertion_type", string(oauth.JWTBearerAssertion))), oauth.InvalidClient, clientFault("type"))
			// And nothing but a JWT-SVID under jwt-spiffe.
			as.WantRefused(t, as.Post(t, svidAssertion(as.ServiceAccount(t, "research", nil))), oauth.InvalidClient, clientFault("spiffe_id"))
			as.WantRefused(t, as.Post(t, svidAssertion(as.Assertion(t, "", nil))), oauth.InvalidClient, clientFault("spiffe_id"))
		}},
		{"SP-02", func(t *testing.T, as *authtest.Server) {
			for fault, change := range map[string]authtest.Claims{
				"spiffe_id": {"sub": nil}, "aud_missing": {"aud": nil}, "exp_missing": {"exp": nil},
				"aud_multiple": {"aud": []string{as.Issuer, "https://other.example"}}, "aud": {"aud": as.Issuer + "/token"},
			} {
				as.WantRefused(t, as.Post(t, svidAssertion(as.SVID(t, r7, change))), oauth.InvalidClient, clientFault(fault))
			}
			for _, aud := range []any{as.Issuer, []string{as.Issuer}} {
				authtest.WantIssued(t, as.Post(t, svidAssertion(as.SVID(t, r7, authtest.Claims{"aud": aud}))))
			}
		}},
		{"SP-03", func(t *testing.T, as *authtest.Server) {
			other := authtest.NewParty(t, true)
			as.Apply(t, trustDomain("other.example", other.URL+"/bundle", "other-agent", "spiffe://other.example/a"))
			authtest.WantIssued(t, as.Post(t, svidAssertion(svidOf(t, as, other, "spiffe://other.example/a"))))
			// Both domains call their first key alike, so it is the key that differs.
			for _, token := range []string{svidOf(t, as, other, "spiffe://prod.example"+r7), svidOf(t, as, as.SPIRE, "spiffe://other.example/a")} {
				as.WantRefused(t, as.Post(t, svidAssertion(token)), oauth.InvalidClient, clientFault("signature"))
			}
		}},
		// Of exact subjects; prefixes are rows of the bindings.
		{"SP-04", func(t *testing.T, as *authtest.Server) {
			for _, path := range []string{r7 + "x", r7 + "/x", "/agents/research", "/agents/research/R7", "/agents/research/r"} {
				as.WantRefused(t, as.Post(t, svidAssertion(as.SVID(t, path, nil))), oauth.InvalidClient, clientFault("no_binding"))
			}
		}},
		{"SP-05", func(t *testing.T, as *authtest.Server) {
			token := as.SVID(t, r7, nil)
			for _, id := range []string{"svid-agent", "spiffe://prod.example" + r7} {
				authtest.WantIssued(t, as.Post(t, svidAssertion(token, "client_id", id)))
			}
			for _, id := range []string{"research-agent", "spiffe://prod.example/agents/research/r8", "spiffe://prod.example" + r7 + "/"} {
				as.WantRefused(t, as.Post(t, svidAssertion(token, "client_id", id)), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
			}
		}},
		{"SP-12", func(t *testing.T, as *authtest.Server) {
			found := 0
			for name, value := range document(t, as, "/.well-known/oauth-authorization-server") {
				if !strings.HasSuffix(name, "_auth_methods_supported") {
					continue
				}
				found++
				if methods := value.([]any); !slices.Contains(methods, any("spiffe_jwt")) || slices.Contains(methods, any("spiffe_wit")) {
					t.Errorf("%s: %v", name, methods)
				}
			}
			if found == 0 {
				t.Error("no methods at all")
			}
		}},
	}
}

func spiffeKeys() []row {
	return []row{
		{"SP-08", func(t *testing.T, as *authtest.Server) {
			evil := authtest.NewParty(t, true)
			token := svidOf(t, as, evil, "spiffe://prod.example"+r7)
			a := as.Post(t, svidAssertion(token, "spiffe_bundle_endpoint", evil.URL+"/bundle"))
			if a.Status != http.StatusUnauthorized || evil.Fetches() != 0 {
				t.Errorf("status %d, %d fetches: %s", a.Status, evil.Fetches(), a.Body)
			}
			agent := trustDomain("evil.example", evil.URL+"/bundle", "evil-agent", "spiffe://evil.example/a")
			err := as.TryApply(t, strings.Replace(agent, "  sponsor:", "  spiffe_bundle_endpoint: "+evil.URL+"\n  sponsor:", 1))
			if err == nil || !strings.Contains(err.Error(), "is not a field") {
				t.Errorf("an agent may name its bundle: %v", err)
			}
		}},
		{"SP-09", func(t *testing.T, _ *authtest.Server) {
			as := authtest.Start(t) // its keys change
			err := as.TryApply(t, strings.Replace(trustDomain("second", as.SPIRE.URL+"/bundle", "x-agent", "spiffe://prod.example/x"), "trustDomain: second", "trustDomain: prod.example", 1))
			if err == nil {
				t.Error("a trust domain has two bundles")
			}
			old := as.SVID(t, r7, authtest.Claims{"exp": as.Clock.Now().Add(50 * time.Minute).Unix()})
			authtest.WantIssued(t, as.Post(t, svidAssertion(old)))
			if n := as.SPIRE.Fetches(); n != 1 {
				t.Errorf("%d fetches for one trust domain", n)
			}
			as.SPIRE.AddKey(t, "next", "ES256")
			as.SPIRE.RemoveKeys()
			as.Advance(t, 301*time.Second) // spiffe_refresh_hint: 300
			authtest.WantIssued(t, as.Post(t, svidAssertion(as.SVID(t, r7, nil))))
			as.WantRefused(t, as.Post(t, svidAssertion(old)), oauth.InvalidClient, clientFault("kid_unknown"))
		}},
		{"SP-10", func(t *testing.T, as *authtest.Server) {
			evil := authtest.NewParty(t, false)
			now := as.Clock.Now()
			for iss, want := range map[string]string{evil.URL: "", as.IDP.URL: "no_binding"} {
				token := evil.Sign(t, "JWT", authtest.Claims{
					"iss": iss, "sub": "spiffe://prod.example" + r7, "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
				})
				a := as.Post(t, svidAssertion(token))
				if a.Status != http.StatusUnauthorized || want != "" && as.Event(t, a.DecisionID).Reason != string(clientFault(want)) {
					t.Errorf("iss %s: status %d: %s", iss, a.Status, a.Body)
				}
			}
			if evil.Fetches() != 0 {
				t.Errorf("%d fetches from the iss of a token", evil.Fetches())
			}
		}},
	}
}

// TestWITNeverAuthenticates: a WIT-SVID, SP-11, is not supported in this
// version. Wherever it is sent it proves nothing.
func TestWITNeverAuthenticates(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	now := as.Clock.Now()
	key := authtest.NewParty(t, false).JWKS()["keys"].([]map[string]any)[0]
	wit := as.SPIRE.Sign(t, "wit+jwt", authtest.Claims{
		"sub": "spiffe://prod.example" + r7, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "cnf": map[string]any{"jwk": key},
	})
	for name, headers := range map[string]map[string]string{
		"attestation alone": {"OAuth-Client-Attestation": wit},
		"with its proof":    {"OAuth-Client-Attestation": wit, "OAuth-Client-Attestation-PoP": wit},
		"as bearer token":   {"Authorization": "Bearer " + wit},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, as.PublicURL+"/token", strings.NewReader("grant_type=client_credentials&client_id=svid-agent&resource=https://gateway.example"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", formType)
			want := oauth.ReasonAuthNone
			for header, value := range headers {
				r.Header.Set(header, value)
				if header == "Authorization" {
					want = oauth.ReasonAuthMalformed
				}
			}
			as.WantRefused(t, as.Do(t, r), oauth.InvalidClient, want)
		})
	}
	refusedSVID(t, as, wit, "type")
	if i := as.Model.Rules().IssuerByTrustDomain("prod.example"); i == nil || i.State != registry.Active {
		t.Fatal("the trust domain itself is not there, so nothing was proven")
	}
}
