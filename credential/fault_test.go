package credential_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tokenry/tokenry/credential"
)

func TestFaultsAreListed(t *testing.T) {
	t.Parallel()
	names := credential.Faults()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("not sorted, or one twice")
	}
	for _, name := range []string{"expired", "no_binding", "signature", "not_compact_jws", "kid_ambiguous"} {
		if !slices.Contains(names, name) {
			t.Errorf("%q is missing", name)
		}
	}
	if slices.Contains(names, credential.FaultUnavailable) {
		t.Error("an issuer that is down is no fault of a token")
	}
}

// What a fault shows is for an operator's eyes, and never much, and never the
// token.
func TestFaultShowsLittle(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	claims := userClaims(corp.URL)
	claims["aud"] = strings.Repeat("é", 300)
	raw := corp.sign(t, nil, claims)
	f := wantFault(t, second(w.Subject(t.Context(), raw, jwtURI)), "aud")
	if len(f.Shown) > 256 || len(f.Shown) < 250 || !utf8.ValidString(f.Shown) {
		t.Errorf("shown: %d bytes, valid %v", len(f.Shown), utf8.ValidString(f.Shown))
	}
	if strings.Contains(f.Error(), "é") {
		t.Error("the error quotes the token")
	}
	for _, part := range strings.Split(raw, ".") {
		for _, c := range f.Checks {
			if strings.Contains(c.Shown+c.Wanted, part) {
				t.Errorf("check %q shows a part of the token", c.Name)
			}
		}
	}
}

func TestMalformedTokens(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	good := corp.sign(t, nil, userClaims(corp.URL))
	for raw, fault := range map[string]string{
		"":         "not_compact_jws",
		"a.b":      "not_compact_jws",
		good + "=": "not_compact_jws",
		corp.signParts(t, []byte(`{"alg":"none"}`), []byte(`{}`)):                                           "alg_not_allowed",
		corp.signParts(t, []byte(`{"alg":"ES256","kid":"corp-1"}`), []byte(`{"sub":"user","sub":"admin"}`)): "json_duplicate",
		corp.signParts(t, []byte(`{"alg":"ES256","kid":"corp-1"}`), []byte(`{"exp":NaN}`)):                  "json_malformed", // SEC-TM-07
	} {
		f := wantFault(t, second(w.Subject(t.Context(), raw, jwtURI)), fault)
		if len(f.Checks) != 1 || f.Checks[0].Name != credential.CheckForm || !strings.HasPrefix(f.Checks[0].Shown, fault) {
			t.Errorf("checks: %v", f.Checks)
		}
		wantFault(t, second(w.Assertion(t.Context(), raw, bearerURI)), fault)
	}
}
