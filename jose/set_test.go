package jose_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/jose"
)

// TestReadSetSkips: a bad key beside a good one. The good one verifies (SEC-JP-18,
// RFC 7517, Section 5), and a token that names the bad one is told why.
func TestReadSetSkips(t *testing.T) {
	t.Parallel()
	good := jwk(t, "good", newKey(t, "ES256").Public())
	ec, ed := jwk(t, "bad", newKey(t, "ES256").Public()), jwk(t, "bad", edKey(t).Public())
	strong := rsaKey(t, 2048)
	rs := jwk(t, "bad", &strong.PublicKey)
	number := func(n *big.Int) string { return b64(n.Bytes()) }
	odd := func(bits uint) string {
		return number(new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), bits-1), 0, 1))
	}
	for _, row := range []struct {
		id   string
		key  any
		alg  string
		want jose.Fault // of a token that names it
	}{
		{"SEC-JP-08", with(ec, "use", "enc"), "ES256", jose.FaultKeyUse},
		{"x509_svid", with(ec, "use", "x509-svid"), "ES256", jose.FaultKeyUse}, // SV-07
		{"use_empty", with(ec, "use", ""), "ES256", jose.FaultKeyUse},
		{"use_array", with(ec, "use", []string{"sig"}), "ES256", jose.FaultKeyUse},
		{"SEC-JP-09_sign", with(ec, "key_ops", []string{"sign"}), "ES256", jose.FaultKeyOps},
		{"SEC-JP-09_encrypt", with(ec, "key_ops", []string{"encrypt"}), "ES256", jose.FaultKeyOps},
		{"SEC-JP-09_empty", with(ec, "key_ops", []string{}), "ES256", jose.FaultKeyOps},
		{"SEC-JP-09_string", with(ec, "key_ops", "verify"), "ES256", jose.FaultKeyOps},
		{"SEC-JP-16_1024", with(rs, "n", odd(1024)), "RS256", jose.FaultKeyWeak},
		{"SEC-JP-16_e", with(rs, "e", "AQ"), "RS256", jose.FaultKeyWeak},
		{"SEC-JP-16_even", with(rs, "n", number(new(big.Int).Add(strong.N, big.NewInt(1)))), "RS256", jose.FaultKeyWeak},
		{"SEC-JP-17", with(rs, "n", odd(16384)), "RS256", jose.FaultKeyTooLarge},
		{"SEC-JP-17_8193", with(rs, "n", odd(8193)), "RS256", jose.FaultKeyTooLarge},
		{"exponent_32", with(rs, "e", b64([]byte{1, 0, 0, 0, 1})), "RS256", jose.FaultKeyTooLarge},
		{"exponent_64", with(rs, "e", b64([]byte{1, 0, 0, 0, 0, 0, 0, 0, 3})), "RS256", jose.FaultKeyTooLarge},
		{"SEC-JP-18_off", with(ec, "x", b64(make([]byte, 32))), "ES256", jose.FaultKidUnknown},
		{"SEC-JP-18_identity", with(with(ec, "x", b64(make([]byte, 32))), "y", b64(make([]byte, 32))), "ES256", jose.FaultKidUnknown},
		{"short_x", with(ec, "x", b64(make([]byte, 31))), "ES256", jose.FaultKidUnknown}, // RFC 7518, Section 6.2.1.2
		{"x_number", with(ec, "x", 1), "ES256", jose.FaultKidUnknown},
		{"no_y", with(ec, "y", nil), "ES256", jose.FaultKidUnknown},
		{"kty_number", with(ec, "kty", 1), "ES256", jose.FaultKidUnknown},
		{"crv_null", with(rs, "crv", json.RawMessage("null")), "RS256", jose.FaultKidUnknown},
		{"no_e", with(rs, "e", nil), "RS256", jose.FaultKidUnknown},
		{"no_n", with(rs, "n", nil), "RS256", jose.FaultKidUnknown},
		{"not_base64", with(rs, "n", "!"), "RS256", jose.FaultKidUnknown},
		{"P-224", with(ec, "crv", "P-224"), "ES256", jose.FaultKeyTypeMismatch},
		{"short_ed", with(ed, "x", b64(make([]byte, 31))), "EdDSA", jose.FaultKidUnknown},
		{"SEC-JP-39_X25519", with(ed, "crv", "X25519"), "EdDSA", jose.FaultKeyTypeMismatch},
		{"oct", object{"kty": "oct", "kid": "bad", "k": "c2VjcmV0"}, "ES256", jose.FaultKidUnknown},
		{"kty_unknown", object{"kty": "AKP", "kid": "bad"}, "ES256", jose.FaultKeyTypeMismatch},
		{"kty_missing", with(ec, "kty", nil), "ES256", jose.FaultKeyTypeMismatch},
		{"private_ec", with(ec, "d", b64(make([]byte, 32))), "ES256", jose.FaultKidUnknown},
		{"private_null", object{"kty": "EC", "crv": "P-256", "kid": "bad", "x": ec["x"], "y": ec["y"], "d": json.RawMessage("null")}, "ES256", jose.FaultKidUnknown},
		{"private_rsa", with(rs, "qi", "AQ"), "RS256", jose.FaultKidUnknown},
		{"alg_empty", with(ec, "alg", ""), "ES256", jose.FaultKidUnknown},
		{"alg_null", with(ec, "alg", json.RawMessage("null")), "ES256", jose.FaultKidUnknown},
		{"kid_number", with(ec, "kid", 1), "ES256", jose.FaultKidUnknown},
		{"kid_control", with(ec, "kid", "bad\n"), "ES256", jose.FaultKidUnknown},
		{"duplicate", json.RawMessage(`{"kty":"EC","kid":"bad","kid":"bad"}`), "ES256", jose.FaultKidUnknown},
		{"no_object", 7, "ES256", jose.FaultKidUnknown},
		{"null", nil, "ES256", jose.FaultKidUnknown},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			set, skipped, err := jose.ReadSet(encode(t, object{"keys": []any{row.key, good}}))
			if err != nil || len(skipped) != 1 || set.Len() != 1 {
				t.Fatalf("%d keys, skipped %v, error %v", set.Len(), skipped, err)
			}
			if !strings.HasPrefix(skipped[0].Error(), "key 1 ") {
				t.Errorf("skipped %v", skipped[0])
			}
			_, err = set.Select("ES256", "good")
			wantFault(t, err, "")
			_, err = set.Select(row.alg, "bad")
			wantFault(t, err, row.want)
		})
	}
}

// TestReadSetTakes: what has to be let through.
func TestReadSetTakes(t *testing.T) {
	t.Parallel()
	ec := jwk(t, "k", newKey(t, "ES256").Public())
	for id, key := range map[string]object{
		"plain": ec, "sig": with(ec, "use", "sig"), "jwt-svid": with(ec, "use", "jwt-svid"),
		"key_ops": with(ec, "key_ops", []string{"sign", "verify"}), "alg": with(ec, "alg", "ES256"),
		"x5c":   with(with(ec, "x5c", []string{"AAAA"}), "x5t", "!"), // never read, so never wrong
		"P-384": jwk(t, "k", newKey(t, "ES384").Public()), "Ed25519": jwk(t, "k", edKey(t).Public()),
		"8192": with(jwk(t, "k", newKey(t, "RS256").Public()), "n", b64(bytes.Repeat([]byte{0xff}, 1024))),
	} {
		set, skipped, err := jose.ReadSet(keySet(t, key))
		if err != nil || len(skipped) > 0 || set.Len() != 1 {
			t.Errorf("%s: skipped %v, error %v", id, skipped, err)
		}
	}
	set, skipped, err := jose.ReadSet([]byte(`{"keys":[]}`)) // SB-08
	if err != nil || len(skipped) > 0 || set.Len() != 0 {
		t.Errorf("no keys: %v, %v", skipped, err)
	}
}

func TestReadSetRefuses(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"nothing": "", "text": "<html>", "array": `[]`, "string": `"keys"`, "no keys": `{}`, "case": `{"Keys":[]}`,
		"null": `{"keys":null}`, "object": `{"keys":{}}`, "twice": `{"keys":[],"keys":[]}`, "null and array": `{"keys":null,"keys":[]}`, "open": `{"keys":[]`,
		"trailing": `{"keys":[]}{}`, "text behind": `{"keys":[]}x`, "broken": `{"keys":[}`, "broken name": `{keys:[]}`,
		"101 keys":  `{"keys":[` + strings.Repeat(`{},`, 100) + `{}]}`,
		"too large": `{"keys":[],"x":"` + strings.Repeat("x", 512<<10) + `"}`,
	} {
		if _, _, err := jose.ReadSet([]byte(raw)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, skipped, err := jose.ReadSet([]byte(`{"keys":[` + strings.Repeat(`{},`, 99) + `{}]}`)); err != nil || len(skipped) != 100 {
		t.Errorf("100 keys: %d skipped, error %v", len(skipped), err)
	}
	exact := `{"keys":[],"x":"` + strings.Repeat("x", 512<<10-18) + `"}`
	if _, _, err := jose.ReadSet([]byte(exact)); err != nil || len(exact) != 512<<10 {
		t.Errorf("%d bytes: %v", len(exact), err)
	}
}

// TestReadSetHidesPrivate: an issuer that leaks its key must not find it in our
// log as well.
func TestReadSetHidesPrivate(t *testing.T) {
	t.Parallel()
	_, skipped, err := jose.ReadSet([]byte(`{"keys":[{"kty":"oct","kid":"k","k":"s3cr3t"},{"kty":"EC","d":"s3cr3t","d":"s3cr3t"}]}`))
	if err != nil || len(skipped) != 2 || strings.Contains(errors.Join(skipped...).Error(), "s3cr3t") {
		t.Errorf("skipped %v, error %v", skipped, err)
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	a, b := newKey(t, "ES256").Public(), newKey(t, "ES256").Public()
	rs := newKey(t, "RS256").Public()
	for _, row := range []struct {
		id       string
		keys     []object
		alg, kid string
		want     jose.Fault
		public   any
	}{
		{"by_kid", []object{jwk(t, "a", a), jwk(t, "b", b)}, "ES256", "b", "", b},
		{"by_case", []object{jwk(t, "a", a)}, "ES256", "A", jose.FaultKidUnknown, nil},
		{"SEC-KH-15", []object{jwk(t, "a", a)}, "ES256", "b", jose.FaultKidUnknown, nil},
		{"no_keys", nil, "ES256", "a", jose.FaultKidUnknown, nil},
		{"SEC-JP-06", []object{jwk(t, "a", rs)}, "ES256", "a", jose.FaultKeyTypeMismatch, nil},
		{"SEC-JP-07", []object{with(jwk(t, "a", rs), "alg", "PS256")}, "RS256", "a", jose.FaultKeyAlgMismatch, nil},
		{"SEC-JP-07_curve", []object{with(jwk(t, "a", a), "alg", "ES384")}, "ES256", "a", jose.FaultKeyAlgMismatch, nil},
		{"other_curve", []object{jwk(t, "a", a)}, "ES384", "a", jose.FaultKeyTypeMismatch, nil},
		{"alg_unknown", []object{jwk(t, "a", a)}, "HS256", "a", jose.FaultAlgNotAllowed, nil},
		{"SEC-KH-13", []object{jwk(t, "a", a), jwk(t, "b", b)}, "ES256", "", jose.FaultKidMissing, nil},
		{"no_kid_one_fits", []object{jwk(t, "a", a), jwk(t, "b", rs)}, "ES256", "", "", a},
		{"no_kid_none_fits", []object{jwk(t, "a", a)}, "RS256", "", jose.FaultKidMissing, nil},
		{"no_kid_no_keys", nil, "ES256", "", jose.FaultKidMissing, nil},
		{"key_without_kid", []object{with(jwk(t, "a", a), "kid", nil)}, "ES256", "a", jose.FaultKidUnknown, nil},
		{"key_without_kid_taken", []object{with(jwk(t, "a", a), "kid", nil)}, "ES256", "", "", a},
		{"SEC-KH-14_second", []object{jwk(t, "a", rs), jwk(t, "a", a)}, "ES256", "a", "", a},
		{"SEC-KH-14_alg", []object{with(jwk(t, "a", b), "alg", "ES384"), with(jwk(t, "a", a), "alg", "ES256")}, "ES256", "a", "", a},
		{"SEC-KH-14_equal", []object{jwk(t, "a", a), jwk(t, "a", b)}, "ES256", "a", jose.FaultKidAmbiguous, nil},
		{"SEC-KH-14_same", []object{jwk(t, "a", a), jwk(t, "a", a)}, "ES256", "a", jose.FaultKidAmbiguous, nil},
		{"enc_beside_sig", []object{with(jwk(t, "a", b), "use", "enc"), jwk(t, "a", a)}, "ES256", "a", "", a},
		{"enc_without_kid", []object{with(jwk(t, "a", b), "use", "enc"), jwk(t, "b", a)}, "ES256", "", "", a},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			set, _, err := jose.ReadSet(keySet(t, row.keys...))
			if row.keys == nil {
				set, err = jose.Set{}, nil
			}
			if err != nil {
				t.Fatal(err)
			}
			key, err := set.Select(row.alg, row.kid)
			wantFault(t, err, row.want)
			if want := (jose.Key{Public: row.public}); key.Thumbprint() != want.Thumbprint() {
				t.Errorf("another key was found")
			}
		})
	}
}

func TestPublicJWKS(t *testing.T) {
	t.Parallel()
	var keys []jose.Key
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		keys = append(keys, newSigner(t, "<"+alg+"&\">", alg).Key())
	}
	raw, err := jose.PublicJWKS(keys)
	if err != nil {
		t.Fatal(err)
	}
	again, err := jose.PublicJWKS(keys)
	if err != nil || !bytes.Equal(raw, again) {
		t.Error("the same keys gave other bytes")
	}
	if !bytes.Contains(raw, []byte(`"<ES256&\">"`)) || bytes.HasSuffix(raw, []byte("\n")) {
		t.Errorf("escaped: %s", raw)
	}
	var published struct{ Keys []map[string]string }
	if err := json.Unmarshal(raw, &published); err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{ // and no others: no private ones
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"RS256": {"alg", "e", "kid", "kty", "n", "use"},
		"EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
	}
	for i, key := range published.Keys {
		var names []string
		for name := range key {
			names = append(names, name)
		}
		slices.Sort(names)
		if want := members[keys[i].Alg]; !slices.Equal(names, want) || key["use"] != "sig" || key["alg"] != keys[i].Alg {
			t.Errorf("published %v", key)
		}
	}
	set, skipped, err := jose.ReadSet(raw)
	if err != nil || len(skipped) > 0 || set.Len() != len(keys) {
		t.Fatal(skipped, err)
	}
	for _, k := range keys {
		read, err := set.Select(k.Alg, k.Kid)
		if err != nil || read.Thumbprint() != k.Thumbprint() || read.Alg != k.Alg || read.Kid != k.Kid {
			t.Errorf("%s came back as %+v, %v", k.Alg, read, err)
		}
	}
	if raw, err := jose.PublicJWKS(nil); err != nil || string(raw) != `{"keys":[]}` {
		t.Errorf("no keys: %s, %v", raw, err)
	}
	for name, public := range map[string]any{"private": newKey(t, "ES256"), "nothing": nil, "bytes": []byte("k"), "weak": &rsa.PublicKey{N: big.NewInt(15), E: 3}} {
		if raw, err := jose.PublicJWKS([]jose.Key{{Kid: "k", Public: public}}); err == nil {
			t.Errorf("%s: published %s", name, raw)
		}
	}
}

func FuzzReadSet(f *testing.F) {
	for _, raw := range vectors(f).Sets {
		f.Add([]byte(raw))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"r","e":"AQAB","n":"AQAB"},{"kty":"oct","k":"AA"},1,null]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AA","x5t":1,"x5t#S256":"b","x5c":["AAAA"]},{"kty":"EC","kid":"k","kid":"l"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"r","e":"AQ","n":"AQ","use":"enc"},{"kty":"EC","crv":"P-256","kid":"p","d":null}],"keys":[]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"sig","key_ops":["verify"]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, skipped, err := jose.ReadSet(raw)
		if err != nil {
			return
		}
		if set.Len()+len(skipped) > 100 {
			t.Errorf("%d keys", set.Len()+len(skipped))
		}
		for _, alg := range []string{"ES256", "ES384", "ES512", "RS256", "PS512", "EdDSA"} {
			key, err := set.Select(alg, "")
			if err != nil {
				continue
			}
			if out, err := jose.PublicJWKS([]jose.Key{key}); err != nil {
				t.Errorf("what was read cannot be written: %v", err)
			} else if _, skipped, err := jose.ReadSet(out); err != nil || len(skipped) > 0 {
				t.Errorf("%s cannot be read: %v %v", out, skipped, err)
			}
		}
	})
}

func ExampleSet_Select() {
	set, _, _ := jose.ReadSet([]byte(`{"keys":[]}`))
	_, err := set.Select("ES256", "k1")
	fmt.Println(err)
	// Output: kid_unknown
}
