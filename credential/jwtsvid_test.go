package credential_test

import (
	"strings"
	"testing"

	"github.com/tokenry/tokenry/registry"
)

const svidSubject = "spiffe://td.example/agents/a"

// svidWorld trusts one trust domain and an OpenID provider.
func svidWorld(t *testing.T) (*world, *issuer, *issuer) {
	t.Helper()
	w, spire, corp := newWorld(t, t0), newIssuer(t, "spire-1"), newIssuer(t, "corp-1")
	w.put(registry.KindTrustedIssuer, "prod", &registry.TrustedIssuer{
		Type: registry.SPIFFE, TrustDomain: "td.example", Keys: registry.KeySource{BundleURL: spire.URL + "/bundle"},
		Algorithms: []string{"ES256", "EdDSA"},
	})
	w.put(registry.KindTrustedIssuer, "corp", &registry.TrustedIssuer{
		Type: registry.OIDC, Issuer: corp.URL, Keys: registry.KeySource{JWKSURL: corp.URL + "/keys"},
		TokenTypes: []string{"jwt", "id_token"},
	})
	w.put(registry.KindBlueprint, "researcher", &registry.Blueprint{})
	w.agent("a", "researcher", exact("prod", svidSubject))
	return w, spire, corp
}

func goodSVID() (object, object) {
	return object{"typ": "JWT"}, object{
		"sub": svidSubject, "aud": []string{ours}, "iat": t0.Unix() - 20, "exp": t0.Unix() + 280,
	}
}

func TestJWTSVID(t *testing.T) {
	t.Parallel()
	w, spire, corp := svidWorld(t)
	longID := "spiffe://td.example/" + strings.Repeat("a", 2049-len("spiffe://td.example/"))
	rows := []row{
		{"good", nil, ""},
		{"SV-03_absent", typ(nil), ""},
		{"SV-03_jose", typ("JOSE"), ""},
		{"SV-03_at+jwt", typ("at+jwt"), "type"},
		{"SV-03_client-authentication", typ("client-authentication+jwt"), "type"},
		{"SV-03_other", typ("x"), "typ"},
		{"SV-03_lower", typ("jwt"), "typ"},
		{"any_iss", set("iss", "https://spire.example"), ""},
		{"SV-02_EdDSA", func(h, _ object) { h["alg"] = "EdDSA" }, "alg_not_allowed"},
		{"SV-02_not_listed", func(h, _ object) { h["alg"] = "ES384" }, "alg_not_allowed"},
		{"SV-05_missing", drop("aud"), "aud_missing"},
		{"SV-05_other", set("aud", "https://other.example"), "aud"},
		{"SEC-AC-18", set("aud", []string{"https://other.example"}), "aud"},
		{"SP-02_two", set("aud", []string{ours, "https://other.example"}), "aud_multiple"},
		{"SV-06_missing", drop("exp"), "exp_missing"},
		{"SV-06_past", set("exp", t0.Unix()-1), "expired"},
		{"SV-08_SEC-KH-12", func(h, _ object) { h["kid"] = nil }, "kid_missing"},
		{"SEC-TM-15", drop("iat"), "iat_missing"},
		{"SEC-ID-16", set("sub", "SPIFFE://td.example/agents/a"), "spiffe_id"},
		{"SEC-ID-17_upper", set("sub", "spiffe://TD.example/agents/a"), "spiffe_id"},
		{"SEC-ID-17_port", set("sub", "spiffe://td.example:443/agents/a"), "spiffe_id"},
		{"SEC-ID-17_userinfo", set("sub", "spiffe://u@td.example/agents/a"), "spiffe_id"},
		{"SEC-ID-18_percent", set("sub", "spiffe://td.example/agents%2fa"), "spiffe_id"},
		{"SEC-ID-18_empty", set("sub", "spiffe://td.example/agents//a"), "spiffe_id"},
		{"SEC-ID-18_dot", set("sub", "spiffe://td.example/agents/./a"), "spiffe_id"},
		{"SEC-ID-18_dots", set("sub", "spiffe://td.example/x/../agents/a"), "spiffe_id"},
		{"SEC-ID-18_slash", set("sub", "spiffe://td.example/agents/a/"), "spiffe_id"},
		{"SEC-ID-19_query", set("sub", "spiffe://td.example/agents/a?x"), "spiffe_id"},
		{"SEC-ID-19_fragment", set("sub", "spiffe://td.example/agents/a#x"), "spiffe_id"},
		{"SEC-ID-20", set("sub", "spiffe://td.example"), "spiffe_id"},
		{"SEC-ID-21_id", set("sub", longID), "spiffe_id"},
		{"SEC-ID-21_domain", set("sub", "spiffe://"+strings.Repeat("a", 256)+"/x"), "spiffe_id"},
		{"SV-10_no_domain", set("sub", "spiffe:///agents/a"), "spiffe_id"},
		{"SV-10_no_slashes", set("sub", "spiffe:td.example/agents/a"), "spiffe_id"},
		{"SEC-ID-22", set("sub", "spiffe://td.example/agents/A"), "no_binding"},
		{"SEC-ID-23_longer", set("sub", svidSubject+"bc"), "no_binding"},
		{"SEC-ID-23_deeper", set("sub", svidSubject+"/evil"), "no_binding"},
		{"SEC-ID-24_suffix", set("sub", "spiffe://td.example.evil.com/agents/a"), "issuer_unknown"},
		{"SEC-ID-24_prefix", set("sub", "spiffe://evil-td.example/agents/a"), "issuer_unknown"},
		{"SEC-ID-24_like", set("sub", "spiffe://td_example/agents/a"), "issuer_unknown"},
		{"SEC-DL-08", set("act", object{"sub": "x"}), "act_untrusted"},
		{"cnf", set("cnf", object{"jkt": "x"}), "cnf"},
		{"SEC-ID-15_iss_of_provider", set("iss", corp.URL), "no_binding"},
		{"FC-09_our_iss", set("iss", ours), "type"},
	}
	run(t, rows, goodSVID, func(t *testing.T, h, c object) error {
		id, err := w.Subject(t.Context(), spire.sign(t, h, c), jwtURI)
		if err == nil && (id.SPIFFEID != svidSubject || id.IssuerURL != "spiffe://td.example" || id.Agent != "a" || id.Binding != "main") {
			t.Errorf("identity = %+v", id)
		}
		return err
	})
}

// An OpenID provider cannot speak for a trust domain, whatever it signs.
func TestSPIFFEIDFromAnOpenIDProvider(t *testing.T) {
	t.Parallel()
	w, _, corp := svidWorld(t)
	_, claims := goodSVID()
	claims["iss"] = corp.URL
	f := wantFault(t, second(w.Subject(t.Context(), corp.sign(t, nil, claims), jwtURI)), "no_binding") // SEC-ID-15
	if f.Tokens != registry.UserTokens || f.Issuer != "corp" {
		t.Errorf("the fault is laid to %q, %q", f.Issuer, f.Tokens)
	}
	delete(claims, "iss")
	// SP-03: the keys of the trust domain alone.
	wantFault(t, second(w.Subject(t.Context(), corp.sign(t, nil, claims), jwtURI)), "kid_unknown")
	forged := signer{"spire-1", corp.key}
	wantFault(t, second(w.Subject(t.Context(), forged.sign(t, nil, claims), jwtURI)), "signature")
	if got := corp.fetches.Load(); got != 0 {
		t.Errorf("%d fetches from the provider", got)
	}
}

func TestJWTSVIDIsNoIDToken(t *testing.T) { // SEC-AC-19
	t.Parallel()
	w, spire, _ := svidWorld(t)
	_, claims := goodSVID()
	wantFault(t, second(w.Subject(t.Context(), spire.sign(t, nil, claims), idURI)), "type")
}

func TestJWTSVIDAssertion(t *testing.T) {
	t.Parallel()
	w, spire, _ := svidWorld(t)
	rows := []row{
		{"good", nil, ""},
		{"SV-04_missing", drop("sub"), "spiffe_id"},
		{"SV-04_other", set("sub", "a"), "spiffe_id"},
		{"SV-04_number", set("sub", 1), "spiffe_id"},
		{"SP-02_endpoint", set("aud", ours+"/token"), "aud"},
		{"SEC-CA-12", set("sub", "spiffe://td.example/agents/x"), "no_binding"},
	}
	run(t, rows, goodSVID, func(t *testing.T, h, c object) error {
		return second(w.Assertion(t.Context(), spire.sign(t, h, c), spiffeURI))
	})
}

// second drops a result that a refusal must not have.
func second[T any](got *T, err error) error {
	if err != nil && got != nil {
		panic("a refused credential has an identity")
	}
	return err
}
