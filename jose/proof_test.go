package jose_test

import (
	"crypto/ecdsa"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/jose"
)

// proofHeader is the header of a proof by key.
func proofHeader(t testing.TB, key *ecdsa.PrivateKey) object {
	t.Helper()
	member := jwk(t, "", key.Public())
	maps.DeleteFunc(member, func(name string, _ any) bool { return name == "kid" || name == "use" || name == "alg" })
	return object{"typ": "dpop+jwt", "alg": "ES256", "jwk": member}
}

// TestVerifyProof: the key that a proof brings along must have signed it.
func TestVerifyProof(t *testing.T) {
	t.Parallel()
	key := newKey(t, "ES256").(*ecdsa.PrivateKey)
	for _, typ := range []string{"dpop+jwt", "DPoP+JWT", "application/dpop+jwt"} {
		compact := signRaw(t, key, encode(t, with(proofHeader(t, key), "typ", typ)), []byte(`{"jti":"a"}`))
		token, found, err := jose.VerifyProof(compact)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		if found.Thumbprint() != (jose.Key{Public: key.Public()}).Thumbprint() || token.Claims["jti"] != "a" {
			t.Errorf("%s: key %s, claims %v", typ, found.Thumbprint(), token.Claims)
		}
	}
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		s := newSigner(t, "k", alg)
		compact, err := s.SignProof([]byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		_, found, err := jose.VerifyProof(compact)
		if err != nil || found.Thumbprint() != s.Key().Thumbprint() {
			t.Errorf("%s: %v", alg, err)
		}
		// Everywhere else a token that brings its key along is refused.
		_, err = jose.Parse(compact)
		wantFault(t, err, jose.FaultHeaderForbidden)
	}
}

// TestVerifyProofRefuses: RFC 9449, Section 4.3, checks 2 to 7.
func TestVerifyProofRefuses(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, "ES256").(*ecdsa.PrivateKey), newKey(t, "ES256").(*ecdsa.PrivateKey)
	member := func(name string, value any) object {
		h := proofHeader(t, key)
		return with(h, "jwk", with(h["jwk"].(object), name, value))
	}
	of := func(public any) object {
		m := jwk(t, "", public)
		maps.DeleteFunc(m, func(name string, _ any) bool { return name == "kid" || name == "use" || name == "alg" })
		return with(proofHeader(t, key), "jwk", m)
	}
	for name, row := range map[string]struct {
		header object
		want   jose.Fault
	}{
		"no typ":           {with(proofHeader(t, key), "typ", nil), jose.FaultTyp},
		"typ JWT":          {with(proofHeader(t, key), "typ", "JWT"), jose.FaultTyp},
		"typ at+jwt":       {with(proofHeader(t, key), "typ", "at+jwt"), jose.FaultTyp},
		"no jwk":           {with(proofHeader(t, key), "jwk", nil), jose.FaultHeaderMalformed},
		"jwk text":         {with(proofHeader(t, key), "jwk", "x"), jose.FaultHeaderMalformed},
		"jwk empty":        {with(proofHeader(t, key), "jwk", object{}), jose.FaultKeyTypeMismatch},
		"jwk private":      {member("d", "AQAB"), jose.FaultHeaderMalformed},
		"jwk with k":       {member("k", "AQAB"), jose.FaultHeaderMalformed},
		"jwk symmetric":    {with(proofHeader(t, key), "jwk", object{"kty": "oct", "k": "AQAB"}), jose.FaultHeaderMalformed},
		"jwk oct":          {with(proofHeader(t, key), "jwk", object{"kty": "oct"}), jose.FaultKeyTypeMismatch},
		"jwk off the line": {member("y", b64(make([]byte, 32))), jose.FaultHeaderMalformed},
		"jwk weak":         {of(rsaKey(t, 1024).Public()), jose.FaultKeyWeak},
		"jwk of RSA":       {of(rsaKey(t, 2048).Public()), jose.FaultKeyTypeMismatch},
		"jwk for others":   {member("alg", "ES384"), jose.FaultKeyAlgMismatch},
		"jwk for secrets":  {member("use", "enc"), jose.FaultKeyUse},
		"jwk of another":   {of(other.Public()), jose.FaultSignature},
		"alg none":         {with(proofHeader(t, key), "alg", "none"), jose.FaultAlgNotAllowed},
		"alg HS256":        {with(proofHeader(t, key), "alg", "HS256"), jose.FaultAlgNotAllowed},
		"no alg":           {with(proofHeader(t, key), "alg", nil), jose.FaultHeaderMalformed},
		"jku too":          {with(proofHeader(t, key), "jku", "https://x.example"), jose.FaultHeaderForbidden},
		"x5c too":          {with(proofHeader(t, key), "x5c", []string{"x"}), jose.FaultHeaderForbidden},
		"crit":             {with(proofHeader(t, key), "crit", []string{"jwk"}), jose.FaultCrit},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := jose.VerifyProof(signRaw(t, key, encode(t, row.header), []byte(`{}`)))
			wantFault(t, err, row.want)
			var refused *jose.Error
			if errors.As(err, &refused) && strings.Contains(refused.Error(), "AQAB") {
				t.Errorf("%v quotes a key", err)
			}
		})
	}
	compact := signRaw(t, key, encode(t, proofHeader(t, key)), []byte(`[]`))
	_, _, err := jose.VerifyProof(compact)
	wantFault(t, err, jose.FaultJSONMalformed)
	twice := strings.Replace(string(encode(t, proofHeader(t, key))), `"typ"`, `"jwk":{},"typ"`, 1)
	_, _, err = jose.VerifyProof(signRaw(t, key, []byte(twice), []byte(`{}`)))
	wantFault(t, err, jose.FaultHeaderMalformed)
}
