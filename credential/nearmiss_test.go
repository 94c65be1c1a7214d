package credential_test

import (
	"testing"

	"github.com/tokenry/tokenry/registry"
)

// TestWhy puts into words what eyes pass over.
func TestWhy(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t, t0), newSigner(t, "k1")
	w.put(registry.KindTrustedIssuer, "ci", &registry.TrustedIssuer{
		Type: registry.OIDC, Tokens: registry.WorkloadTokens, Issuer: "https://ci.example", Keys: registry.KeySource{JWKS: encode(t, object{"keys": []object{key.jwk(t, "sig")}})},
	})
	exact := func(s string) registry.SubjectMatch { return registry.SubjectMatch{Exact: s} }
	prefix := func(s string) registry.SubjectMatch { return registry.SubjectMatch{Prefix: s} }
	glob := func(s string) registry.SubjectMatch { return registry.SubjectMatch{Glob: s} }
	for _, c := range []struct {
		shown  string
		wanted registry.SubjectMatch
		why    string
	}{
		{"repo:a/b", exact("repo:a/b"), ""},
		{"Repo:a/b", exact("repo:a/b"), "it differs only in case"},
		{"repo:a/b/", exact("repo:a/b"), "it has a slash at its end"},
		{"repo:a/b", exact("repo:a/b/"), "it lacks the slash at the end"},
		{"repo:a/b ", exact("repo:a/b"), "it has a space at its end"},
		{"\trepo:a/b", exact("repo:a/b"), "it has a space at its beginning"},
		{"repo:a/b", exact("repo:a/b "), "it lacks the space at the end"},
		{"http://a.example/x", exact("https://a.example/x"), "it begins with http:// instead of https://"},
		{"https://a.example:443/x", exact("https://a.example/x"), "it names the port, which goes without saying"},
		{"https://a.example", exact("https://a.example:443"), "it lacks the port"},
		{"https://a.example:8443", exact("https://a.example"), `the host is "a.example:8443" instead of "a.example"`},
		{"https://a.example/x/y", exact("https://a.example/x/z"), `one segment is "y" instead of "z"`},
		{"https://a.example/token", exact("https://a.example"), "it is the token endpoint, and wanted is the issuer identifier (RFC 10070)"},
		{"repo:a/b:ref", exact("repo:a/b"), `it goes on with ":ref"`},
		{"repo:a", exact("repo:a/b"), `it ends before "/b"`},
		{"repo:a/b", exact("repo:c/d"), ""},
		{"job", exact("task"), ""},
		{"system:serviceaccount:dev:a", exact("system:serviceaccount:prod:b"), `the namespace is "dev" instead of "prod" and the service account is "a" instead of "b"`},
		{"spiffe://x.example/a", exact("spiffe://y.example/a"), `the trust domain is "x.example" instead of "y.example"`},
		{"spiffe://x.example/a/b/c", exact("spiffe://x.example/a/d/c"), `one segment is "b" instead of "d"`},
		{"spiffe://x.example/agents-x/a", prefix("spiffe://x.example/agents/"), `"/agents-x/a" does not begin with "/agents/"`},
		{"spiffe://y.example/agents/a", prefix("spiffe://x.example/agents/"), `the trust domain is "y.example" instead of "x.example"`},
		{"spiffe://x.example/Agents/a", prefix("spiffe://x.example/agents/"), "it differs only in case"},
		{"spiffe://x.example/agents/", prefix("spiffe://x.example/agents/"), "it ends where the prefix does, and something must follow"},
		{"repo:b/c", prefix("repo:a/"), `"repo:b/c" does not begin with "repo:a/"`},
		{"repo:a/b:tag:1", glob("repo:a/*:tag:v*"), `its segment "1" is not "v*"`},
		{"repo:a/b", glob("repo:a/b/*"), "it has 3 segments, and the glob 4"},
	} {
		w.agent("a", "b", registry.Credential{Issuer: "ci", Subject: c.wanted})
		// Wherever the exam ends, the credential is held against what the token says.
		r := w.Test(t.Context(), key.sign(t, nil, object{"iss": "https://ci.example", "sub": c.shown}), "")
		if len(r.Bindings) != 1 || r.Bindings[0].Why != c.why {
			t.Errorf("%q against %s\n got: %+v\nwant: %q", c.shown, c.wanted, r.Bindings, c.why)
		}
	}
}
