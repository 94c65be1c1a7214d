package credential_test

import (
	"strings"
	"testing"

	"github.com/tokenry/tokenry/registry"
)

const (
	tenantID = "0a1b2c3d-0000-4000-8000-00000000abcd"
	otherID  = "0a1b2c3d-0000-4000-8000-00000000abce"
)

// platformWorld trusts issuers of platforms, all with the key of one signer.
func platformWorld(t *testing.T) (*world, signer) {
	t.Helper()
	w, key := newWorld(t, t0), newSigner(t, "k-1")
	trust := func(name, issuer string, change func(*registry.TrustedIssuer)) {
		spec := &registry.TrustedIssuer{
			Type: registry.OIDC, Issuer: issuer, Algorithms: []string{"ES256"},
			Keys: registry.KeySource{JWKS: encode(t, object{"keys": []object{key.jwk(t, "sig")}})},
		}
		change(spec)
		w.put(registry.KindTrustedIssuer, name, spec)
	}
	preset := func(name string) func(*registry.TrustedIssuer) {
		return func(s *registry.TrustedIssuer) { s.Preset = name }
	}
	trust("azure", entra, preset("azure"))
	trust("azure-v1", "https://sts.windows.net/"+tenantID+"/", preset("azure"))
	trust("people", "https://login.microsoftonline.com/"+otherID+"/v2.0", func(s *registry.TrustedIssuer) {})
	trust("github", github, preset("github-actions"))
	w.put(registry.KindBlueprint, "researcher", &registry.Blueprint{})
	w.agent("identity", "researcher", exact("azure", otherID))
	w.agent("identity-v1", "researcher", exact("azure-v1", otherID))
	old := exact("github", "repo:acme/app:ref:refs/heads/main")
	old.Claims = map[string]string{"repository_id": "42"}
	w.agent("job", "researcher", old)
	return w, key
}

const (
	entra  = "https://login.microsoftonline.com/" + tenantID + "/v2.0"
	github = "https://token.actions.githubusercontent.com"
)

// TestTenant: SEC-AC-27. All tenants of Entra have the same keys, so what tells
// them apart must not differ within a token.
func TestTenant(t *testing.T) {
	t.Parallel()
	w, key := platformWorld(t)
	rows := []row{
		{"good", nil, ""},
		{"good_v1", set("iss", "https://sts.windows.net/"+tenantID+"/"), ""},
		{"SEC-AC-27_other", set("tid", otherID), "issuer_tenant"},
		{"SEC-AC-27_case", set("tid", strings.ToUpper(tenantID)), "issuer_tenant"},
		{"SEC-AC-27_missing", drop("tid"), "issuer_tenant"},
		{"SEC-AC-27_empty", set("tid", ""), "issuer_tenant"},
		{"SEC-AC-27_number", set("tid", 1), "claim_type"},
		{"SEC-AC-27_unknown_tenant", set("iss", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"), "issuer_unknown"},
		{"SEC-AC-27_template", set("iss", "https://login.microsoftonline.com/{tenantid}/v2.0"), "issuer_unknown"},
	}
	good := func() (object, object) {
		c := userClaims(entra)
		c["sub"], c["tid"] = otherID, tenantID
		return object{}, c
	}
	run(t, rows, good, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), key.sign(t, h, c), jwtURI))
	})
	people := func() (object, object) {
		return object{}, userClaims("https://login.microsoftonline.com/" + otherID + "/v2.0")
	}
	run(t, []row{
		{"user_without", nil, ""}, // an ID token asked for without scope profile
		{"user", set("tid", otherID), ""},
		{"SEC-AC-27_user", set("tid", tenantID), "issuer_tenant"},
	}, people, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), key.sign(t, h, c), jwtURI))
	})
}

// TestImmutableSubject: SEC-AC-32. GitHub's newer form of sub matches no binding
// that holds the older one, and the refusal says why.
func TestImmutableSubject(t *testing.T) {
	t.Parallel()
	w, key := platformWorld(t)
	c := userClaims(github)
	c["sub"], c["repository_id"], c["repository_owner_id"] = "repo:acme/app:ref:refs/heads/main", "42", "7"
	if _, err := w.Subject(t.Context(), key.sign(t, nil, c), jwtURI); err != nil {
		t.Fatal(err)
	}
	for sub, hinted := range map[string]bool{"repo:acme@7/app@42:ref:refs/heads/main": true, "repo:acme/other:ref:refs/heads/main": false} {
		c["sub"] = sub
		f := wantFault(t, second(w.Subject(t.Context(), key.sign(t, nil, c), jwtURI)), "no_binding")
		last := f.Checks[len(f.Checks)-1]
		if strings.Contains(last.Wanted, "immutable form") != hinted || f.Wanted != last.Wanted {
			t.Errorf("%s: wanted %q, %q", sub, f.Wanted, last.Wanted)
		}
	}
}

// TestPresetAlgorithms: without a list only what the platform signs with.
func TestPresetAlgorithms(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t, t0), newSigner(t, "k-1")
	w.put(registry.KindTrustedIssuer, "github", &registry.TrustedIssuer{
		Type: registry.OIDC, Issuer: github, Preset: "github-actions",
		Keys: registry.KeySource{JWKS: encode(t, object{"keys": []object{key.jwk(t, "sig")}})},
	})
	f := wantFault(t, second(w.Subject(t.Context(), key.sign(t, nil, userClaims(github)), jwtURI)), "alg_not_allowed")
	if f.Wanted != "RS256" || f.Tokens != registry.WorkloadTokens {
		t.Errorf("wanted %q of %ss", f.Wanted, f.Tokens)
	}
}
