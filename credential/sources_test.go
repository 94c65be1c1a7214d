package credential_test

import (
	"errors"
	"testing"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/registry"
)

func TestKeysUnavailable(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	corp.down.Store(true)
	_, err := w.Subject(t.Context(), corp.sign(t, nil, userClaims(corp.URL)), jwtURI)
	if !errors.Is(err, credential.ErrUnavailable) {
		t.Fatalf("error = %v, want ErrUnavailable", err)
	}
	wantFault(t, err, credential.FaultUnavailable)
}

// A token cannot make the server fetch from where it pleases.
func TestUnknownIssuerIsNotFetched(t *testing.T) { // SEC-AC-09
	t.Parallel()
	w, _, _, _ := userWorld(t)
	evil := newIssuer(t, "evil-1")
	header := object{"kid": evil.URL + "/keys"}
	f := wantFault(t, second(w.Subject(t.Context(), evil.sign(t, header, userClaims(evil.URL)), jwtURI)), "issuer_unknown")
	if f.Issuer != "" || f.Tokens != "" {
		t.Errorf("laid to %q, %q", f.Issuer, f.Tokens)
	}
	if got := evil.fetches.Load(); got != 0 {
		t.Errorf("%d fetches", got)
	}
}

func TestDisabledIssuer(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	raw := corp.sign(t, nil, userClaims(corp.URL))
	if _, err := w.Subject(t.Context(), raw, jwtURI); err != nil {
		t.Fatal(err)
	}
	w.write(registry.KindTrustedIssuer, "corp", func(o *registry.Object) { o.State = registry.Disabled })
	before := corp.fetches.Load()
	f := wantFault(t, second(w.Subject(t.Context(), raw, jwtURI)), "issuer_disabled")
	if f.Issuer != "corp" || f.Tokens != registry.UserTokens {
		t.Errorf("laid to %q, %q", f.Issuer, f.Tokens)
	}
	if corp.fetches.Load() != before {
		t.Error("the keys of a disabled issuer were fetched")
	}
}

func TestShadowAdmitsNothing(t *testing.T) {
	t.Parallel()
	w, spire, _ := svidWorld(t)
	shadow := exact("prod", svidSubject)
	shadow.Mode = registry.Shadow
	w.agent("a", "researcher", shadow)
	_, claims := goodSVID()
	wantFault(t, second(w.Subject(t.Context(), spire.sign(t, nil, claims), jwtURI)), "shadow")
	w.agent("a", "researcher", exact("prod", svidSubject))
	w.put(registry.KindTrustedIssuer, "prod", &registry.TrustedIssuer{
		Type: registry.SPIFFE, TrustDomain: "td.example", Mode: registry.Shadow,
		Keys: registry.KeySource{BundleURL: spire.URL + "/bundle"},
	})
	wantFault(t, second(w.Subject(t.Context(), spire.sign(t, nil, claims), jwtURI)), "shadow")
}

// The keys of an issuer are those of its present spec: a new version brings
// its own, and a deleted issuer leaves none for the next one of its name.
func TestKeysFollowTheRegistry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t0)
	const iss = "https://idp.example"
	trust := func(key signer) {
		w.put(registry.KindTrustedIssuer, "corp", &registry.TrustedIssuer{
			Type: registry.OIDC, Issuer: iss, Keys: registry.KeySource{JWKS: encode(t, object{"keys": []object{key.jwk(t, "sig")}})},
		})
	}
	check := func(key signer, fault string) {
		t.Helper()
		err := second(w.Subject(t.Context(), key.sign(t, nil, userClaims(iss)), jwtURI))
		if fault != "" {
			wantFault(t, err, fault)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	first, next, last := newSigner(t, "k"), newSigner(t, "k"), newSigner(t, "k")
	trust(first)
	check(first, "")
	check(next, "signature")
	trust(next)
	check(next, "")
	check(first, "signature")
	w.write(registry.KindTrustedIssuer, "corp", func(o *registry.Object) { o.Deleted = true })
	check(next, "issuer_unknown")
	trust(last) // another id, and its first version
	check(last, "")
	check(next, "signature")
}

// Many tokens of one issuer cost one fetch.
func TestKeysAreFetchedOnce(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	for range 20 {
		if _, err := w.Subject(t.Context(), corp.sign(t, nil, userClaims(corp.URL)), jwtURI); err != nil {
			t.Fatal(err)
		}
	}
	if got := corp.fetches.Load(); got != 1 {
		t.Errorf("%d fetches", got)
	}
}

func TestNewIsStrict(t *testing.T) {
	t.Parallel()
	model := registry.NewModel(registry.ModelConfig{})
	client, err := outbound.New(outbound.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]credential.Config{
		"no issuer":     {Model: model, Outbound: client},
		"no model":      {Issuer: ours, Outbound: client},
		"no client":     {Issuer: ours, Model: model},
		"negative skew": {Issuer: ours, Model: model, Outbound: client, Skew: -1},
	} {
		if _, err := credential.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
