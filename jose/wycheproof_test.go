package jose_test

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	library "github.com/go-jose/go-jose/v4"

	"github.com/tokenry/tokenry/jose"
)

// The vectors of project Wycheproof, which collects how libraries were broken.

const wycheproof = "github.com/c2sp/wycheproof"

type vectorGroup struct {
	Comment         string
	Public, Private json.RawMessage
	PublicKeyJWK    json.RawMessage `json:"publicKeyJwk"`
	PublicKeyDER    string          `json:"publicKeyDer"`
	Tests           []struct {
		ID              int `json:"tcId"`
		Comment, Result string
		JWS, JWE        serialized
		Msg, Sig        string
	}
}

// serialized is a token in compact form, or the text of one in another form,
// which stands in the vectors as the JSON that it is.
type serialized string

func (s *serialized) UnmarshalJSON(raw []byte) error {
	var compact string
	if json.Unmarshal(raw, &compact) != nil {
		compact = string(raw)
	}
	*s = serialized(compact)
	return nil
}

// strict says which valid vectors are refused, and why that is meant.
func strict() map[string]jose.Fault {
	refused := map[string]jose.Fault{}
	add := func(file string, why jose.Fault, ids ...int) {
		for _, id := range ids {
			refused[fmt.Sprintf("%s %d", file, id)] = why
		}
	}
	const jws, jwk, both = "json_web_signature", "json_web_key", "json_web_crypto"
	// A MAC: whoever can check it can make it, and its key could be our public
	// one (RFC 8725, Section 2.1).
	add(jws, jose.FaultAlgNotAllowed, 1, 348, 352, 357, 358, 359, 376, 377)
	add(jwk, jose.FaultAlgNotAllowed, 2, 13, 14, 15)
	add(both, jose.FaultAlgNotAllowed, 1, 48)
	// A character outside of base64url: valid for some, in the vectors' words.
	add(jws, jose.FaultNotCompactJWS, 372, 373)
	// An empty payload, which is how a detached one looks (RFC 7515, Appendix
	// F); no claims are empty.
	add(jws, jose.FaultNotCompactJWS, 259, 264, 268, 272, 320, 325)
	// Signed with PS384 by a key that is for PS256, and with ES512 by one for
	// "ES521": the key decides (RFC 8725, Section 3.1; RFC 7517, Section 4.4).
	add(jws, jose.FaultKeyAlgMismatch, 346, 347, 350, 351)
	// Encrypted: nothing is decrypted here.
	add(both, jose.FaultJWEUnsupported, 50, 67)
	return refused
}

// groupSet is the key set of a group, read as an issuer's is. A group of MACs
// has its secret alone.
func groupSet(t *testing.T, g vectorGroup) jose.Set {
	t.Helper()
	published := g.Public
	if published == nil {
		published = g.Private
	}
	var whole struct{ Keys []json.RawMessage }
	if json.Unmarshal(published, &whole) != nil || whole.Keys == nil {
		published = encode(t, object{"keys": []json.RawMessage{published}})
	}
	set, _, err := jose.ReadSet(published)
	if err != nil {
		t.Fatalf("%s: %v", g.Comment, err)
	}
	return set
}

// through passes compact through the door; parse is one half of it.
func through(parse func(string) (*jose.Token, error), set jose.Set, compact string) error {
	token, err := parse(compact)
	if err != nil {
		return err
	}
	key, err := set.Select(token.Alg, token.Kid)
	if err != nil {
		return err
	}
	return token.Verify(key)
}

// TestWycheproofTokens: nothing invalid passes, and what is valid does, unless
// it is listed. The vectors sign texts that are no claims, so what passes is
// then refused for its payload alone; a token with the same key and claims is
// not.
func TestWycheproofTokens(t *testing.T) {
	t.Parallel()
	files, refused := suite(t, wycheproof), strict()
	counts := map[string]int{"json_web_signature": 401, "json_web_key": 26, "json_web_crypto": 83}
	for file, count := range counts {
		var doc struct{ TestGroups []vectorGroup }
		suiteFile(t, files, "testvectors_v1/"+file+"_test.json", &doc)
		passed := 0
		for _, g := range doc.TestGroups {
			set := groupSet(t, g)
			good := jose.Fault("none is valid")
			for _, v := range g.Tests {
				count--
				id := fmt.Sprintf("%s %d", file, v.ID)
				token := string(v.JWS + v.JWE)
				err := through(jose.ParseForm, set, token)
				whole := through(jose.Parse, set, token)
				switch {
				case v.Result != "valid":
					if err == nil || whole == nil {
						t.Errorf("%s %s: accepted", id, v.Comment)
					}
					continue
				case refused[id] == "" && err == nil:
					passed++
					wantFault(t, whole, jose.FaultJSONMalformed)
				}
				good = refused[id]
				if delete(refused, id); !isFault(err, good) {
					t.Errorf("%s %s (%s): %v, want %q", id, v.Comment, g.Comment, err, good)
				}
			}
			claimed(t, g, set, good)
		}
		if count != 0 {
			t.Errorf("%s has %d vectors fewer than it had", file, count)
		}
		if passed == 0 {
			t.Errorf("%s: no valid vector passed", file)
		}
	}
	for id := range refused {
		t.Errorf("%s is listed and not refused, or is no more", id)
	}
}

// claimed signs claims as the valid vectors of the group sign texts, and passes
// them through the whole door.
func claimed(t *testing.T, g vectorGroup, set jose.Set, want jose.Fault) {
	t.Helper()
	var private library.JSONWebKey
	if want != "" || g.Private == nil || json.Unmarshal(g.Private, &private) != nil || private.Algorithm == "" {
		return
	}
	signer, err := library.NewSigner(library.SigningKey{Algorithm: library.SignatureAlgorithm(private.Algorithm), Key: private}, nil)
	if err != nil {
		t.Fatalf("%s: %v", g.Comment, err)
	}
	signed, err := signer.Sign([]byte(`{"sub":"foo"}`))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if err := through(jose.Parse, set, compact); err != nil {
		t.Errorf("%s: claims with the key of valid vectors: %v", g.Comment, err)
	}
}

func isFault(err error, want jose.Fault) bool {
	var refused *jose.Error
	if want == "" {
		return err == nil
	}
	return errors.As(err, &refused) && refused.Fault == want
}

// TestWycheproofSignatures: the vectors of bare signatures, for each algorithm
// that we verify.
func TestWycheproofSignatures(t *testing.T) {
	t.Parallel()
	files := suite(t, wycheproof)
	for file, alg := range map[string]string{
		"ecdsa_secp256r1_sha256_p1363": "ES256", "ecdsa_secp384r1_sha384_p1363": "ES384", "ecdsa_secp521r1_sha512_p1363": "ES512",
		"ed25519":                   "EdDSA",
		"rsa_signature_2048_sha256": "RS256", "rsa_signature_2048_sha384": "RS384", "rsa_signature_2048_sha512": "RS512",
		"rsa_signature_3072_sha256": "RS256", "rsa_signature_3072_sha384": "RS384", "rsa_signature_3072_sha512": "RS512",
		"rsa_signature_4096_sha256": "RS256", "rsa_signature_4096_sha384": "RS384", "rsa_signature_4096_sha512": "RS512",
		"rsa_signature_8192_sha256": "RS256", "rsa_signature_8192_sha384": "RS384", "rsa_signature_8192_sha512": "RS512",
		"rsa_pss_2048_sha256_mgf1_32": "PS256", "rsa_pss_3072_sha256_mgf1_32": "PS256", "rsa_pss_4096_sha256_mgf1_32": "PS256",
		"rsa_pss_2048_sha384_mgf1_48": "PS384", "rsa_pss_4096_sha384_mgf1_48": "PS384", "rsa_pss_4096_sha512_mgf1_64": "PS512",
		// Salts that are not as long as the hash: RFC 7518, Section 3.5. What is
		// invalid there may have the right one.
		"rsa_pss_2048_sha256_mgf1_0": "salt PS256", "rsa_pss_4096_sha512_mgf1_32": "salt PS512",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var doc struct{ TestGroups []vectorGroup }
			suiteFile(t, files, "testvectors_v1/"+file+"_test.json", &doc)
			want := jose.Fault("")
			if len(alg) > 5 {
				alg, want = alg[len("salt "):], jose.FaultSignature
			}
			valid := 0
			for _, g := range doc.TestGroups {
				key := groupKey(t, g)
				for _, v := range g.Tests {
					err := jose.Signed(alg, fromHex(t, v.Msg), fromHex(t, v.Sig)).Verify(key)
					switch {
					case v.Result == "valid":
						if valid++; !isFault(err, want) {
							t.Errorf("%d %s: %v, want %q", v.ID, v.Comment, err, want)
						}
					case v.Result == "invalid" && want == "" && err == nil:
						t.Errorf("%d %s: accepted", v.ID, v.Comment)
					}
				}
			}
			if valid == 0 {
				t.Error("no vector is valid")
			}
		})
	}
}

// groupKey reads the key of a group of bare signatures, as a JWK where there is
// one.
func groupKey(t *testing.T, g vectorGroup) jose.Key {
	t.Helper()
	if g.PublicKeyJWK != nil {
		set, skipped, err := jose.ReadSet(encode(t, object{"keys": []json.RawMessage{g.PublicKeyJWK}}))
		if err != nil || len(skipped) > 0 {
			t.Fatal(skipped, err)
		}
		for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
			if key, err := set.Select(alg, ""); err == nil {
				return key
			}
		}
	}
	public, err := x509.ParsePKIXPublicKey(fromHex(t, g.PublicKeyDER))
	if err != nil {
		t.Fatal(err)
	}
	return jose.Key{Public: crypto.PublicKey(public)}
}

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
