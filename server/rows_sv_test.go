package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// svidAssertion is a request of svid-agent for itself that shows token under
// jwt-spiffe, with changes.
func svidAssertion(token string, pairs ...string) url.Values {
	return with(url.Values{
		"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"}, "scope": {"llm:read"},
		"client_assertion_type": {string(oauth.SPIFFEAssertion)}, "client_assertion": {token},
	}, pairs)
}

const r7 = "/agents/research/r7"

// refusedSVID shows token wherever an SVID can stand, and wants fault there.
func refusedSVID(t *testing.T, as *authtest.Server, token, fault string) {
	t.Helper()
	as.WantRefused(t, as.Post(t, svidAssertion(token)), oauth.InvalidClient, clientFault(fault))
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(token)), oauth.InvalidRequest, subjectFault(fault))
	as.WantRefused(t, as.Post(t, granted(token)), oauth.InvalidGrant, grantFault(fault))
}

// svidHeader is an SVID with changes of its header; nil removes a member.
func svidHeader(t *testing.T, as *authtest.Server, change map[string]any) string {
	t.Helper()
	good := as.SVID(t, r7, nil)
	header := authtest.Header(t, good)
	maps.Copy(header, change)
	maps.DeleteFunc(header, func(_ string, v any) bool { return v == nil })
	return as.SPIRE.SignHeader(t, header, authtest.Payload(t, good))
}

// TestRowsSV proves the rules of JWT-SVIDs: SPIFFE JWT-SVID and SPIFFE-ID.
func TestRowsSV(t *testing.T) {
	t.Parallel()
	prove(t, slices.Concat(svidForm(), svidClaims()))
}

func svidForm() []row {
	return []row{
		{"SV-01", func(t *testing.T, as *authtest.Server) {
			good := as.SVID(t, r7, nil)
			parts := strings.Split(good, ".")
			flattened, err := json.Marshal(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
			if err != nil {
				t.Fatal(err)
			}
			for _, token := range []string{string(flattened), good + ".x", parts[0] + "." + parts[1], parts[0] + ".." + parts[2]} {
				refusedSVID(t, as, token, "not_compact_jws")
			}
			refusedSVID(t, as, good+".x.y", "jwe_unsupported")
		}},
		{"SV-02", func(t *testing.T, as *authtest.Server) {
			for _, alg := range []string{"EdDSA", "Ed25519", "HS256", "none", "ES512"} { // the last is not among the issuer's
				fault := "alg_not_allowed"
				refusedSVID(t, as, svidHeader(t, as, map[string]any{"alg": alg}), fault)
			}
		}},
		{"SV-03", func(t *testing.T, as *authtest.Server) {
			for _, typ := range []any{nil, "JWT", "JOSE"} {
				authtest.WantIssued(t, as.Post(t, svidAssertion(svidHeader(t, as, map[string]any{"typ": typ}))))
			}
			for typ, fault := range map[string]string{"jwt": "typ", "x": "typ", "at+jwt": "type", "client-authentication+jwt": "type", "wit+jwt": "type"} {
				refusedSVID(t, as, svidHeader(t, as, map[string]any{"typ": typ}), fault)
			}
		}},
		{"SV-07", func(t *testing.T, as *authtest.Server) {
			uses := map[string]any{"jwt": "jwt-svid", "x509": "x509-svid", "wit": "wit-svid", "sig": "sig", "none": nil}
			parties, keys := map[string]*authtest.Party{}, []map[string]any{}
			for name, use := range uses {
				p := authtest.NewParty(t, true)
				p.AddKey(t, name, "ES256")
				p.RemoveKeys()
				jwk := p.JWKS()["keys"].([]map[string]any)[0]
				if jwk["use"] = use; use == nil {
					delete(jwk, "use")
				}
				parties[name], keys = p, append(keys, jwk)
			}
			bundle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys, "spiffe_sequence": 1})
			}))
			t.Cleanup(bundle.Close)
			as.Apply(t, trustDomain("uses.example", bundle.URL, "uses-agent", "spiffe://uses.example/a"))
			for name, p := range parties {
				token := svidOf(t, as, p, "spiffe://uses.example/a")
				if name == "jwt" {
					authtest.WantIssued(t, as.Post(t, svidAssertion(token)))
				} else {
					refusedSVID(t, as, token, "kid_unknown")
				}
			}
		}},
		// JWT-SVID, Section 2.2 would have us try every key; SPIRE always sets kid.
		{"SV-08", func(t *testing.T, as *authtest.Server) {
			refusedSVID(t, as, svidHeader(t, as, map[string]any{"kid": nil}), "kid_missing")
		}},
	}
}

func svidClaims() []row {
	return []row{
		{"SV-04", func(t *testing.T, as *authtest.Server) {
			for _, sub := range []any{nil, "", "svid-agent", 7, "https://prod.example" + r7} {
				token := as.SVID(t, r7, authtest.Claims{"sub": sub})
				as.WantRefused(t, as.Post(t, svidAssertion(token)), oauth.InvalidClient, clientFault("spiffe_id"))
			}
		}},
		{"SV-05", func(t *testing.T, as *authtest.Server) {
			for fault, aud := range map[string]any{"aud_missing": nil, "aud": "https://other.example", "aud_multiple": []string{as.Issuer, "https://other.example"}} {
				refusedSVID(t, as, as.SVID(t, r7, authtest.Claims{"aud": aud}), fault)
			}
		}},
		{"SV-06", func(t *testing.T, as *authtest.Server) {
			refusedSVID(t, as, as.SVID(t, r7, authtest.Claims{"exp": nil}), "exp_missing")
			refusedSVID(t, as, as.SVID(t, r7, authtest.Claims{"exp": as.Clock.Now().Add(-time.Second).Unix()}), "expired")
		}},
		{"SV-09", func(t *testing.T, as *authtest.Server) {
			token := as.SVID(t, r7, authtest.Claims{"jti": "same"})
			for range 2 { // SPIRE hands out the same one until half of its life is over
				authtest.WantIssued(t, as.Post(t, svidAssertion(token)))
				authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(token)))
			}
		}},
		{"SV-10", func(t *testing.T, as *authtest.Server) {
			const domain = "spiffe://prod.example"
			for _, sub := range []string{
				"SPIFFE://prod.example" + r7, "spiffe://PROD.example" + r7, "spiffe://prod.example:443" + r7, "spiffe://u@prod.example" + r7,
				"spiffe://" + r7, "spiffe://prod%2eexample" + r7, domain, domain + "/", domain + r7 + "/", domain + "//agents", domain + "/./agents",
				domain + "/../agents", domain + "/agents%2Fr7", domain + r7 + "?x", domain + r7 + "#x", domain + "/agents/ä", domain + "/agents/a b",
				"spiffe://" + strings.Repeat("a", 256) + "/x", domain + "/" + strings.Repeat("a", 2049-len(domain)-1),
			} {
				refusedSVID(t, as, as.SVID(t, r7, authtest.Claims{"sub": sub}), "spiffe_id")
			}
		}},
	}
}

// svidOf is a JWT-SVID of a party of its own.
func svidOf(t *testing.T, as *authtest.Server, p *authtest.Party, sub string) string {
	t.Helper()
	now := as.Clock.Now()
	return p.Sign(t, "JWT", authtest.Claims{"sub": sub, "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
}

// trustDomain is a manifest: a trust domain, and an agent with a SPIFFE ID of it.
func trustDomain(domain, bundle, agent, id string) string {
	return `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: ` + domain + ` }
spec: { type: spiffe, trustDomain: ` + domain + `, keys: { bundleUrl: "` + bundle + `" } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: ` + agent + ` }
spec:
  blueprint: researcher
  owner: carol@example.com
  sponsor: research-leads
  credentials: [ { name: svid, issuer: ` + domain + `, subject: { exact: "` + id + `" } } ]
`
}
