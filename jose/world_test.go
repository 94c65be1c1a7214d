package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"testing"

	library "github.com/go-jose/go-jose/v4"

	"github.com/tokenry/tokenry/jose"
)

type object = map[string]any

// vectorFile is testdata/vectors.json: tokens and key sets of a fictitious
// deployment, made by another implementation.
type vectorFile struct {
	Sets   map[string]json.RawMessage
	Tokens map[string]struct {
		Compact, Set string
		Header       map[string]any
		Claims       json.RawMessage
	}
}

func vectors(t testing.TB) vectorFile {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectorFile
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func newKey(t testing.TB, alg string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ES256", "RS256", "EdDSA":
		key, err = jose.GenerateKey(alg)
	default:
		t.Fatalf("no key for %s", alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSigner(t testing.TB, kid, alg string) *jose.Signer {
	t.Helper()
	signer, err := jose.NewSigner(kid, alg, newKey(t, alg))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// parts makes a compact token of a header, a payload and a signature that
// nothing made.
func parts(header, payload string) string {
	return b64([]byte(header)) + "." + b64([]byte(payload)) + "." + b64([]byte("a signature"))
}

// signed makes a token with go-jose, which knows every algorithm.
func signed(t testing.TB, alg string, key any, payload string) string {
	t.Helper()
	signer, err := library.NewSigner(library.SigningKey{Algorithm: library.SignatureAlgorithm(alg), Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// signRaw makes an ES256 token of a header and a payload as they are.
func signRaw(t testing.TB, key *ecdsa.PrivateKey, header, payload []byte) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// jwk is a public key as an issuer publishes it.
func jwk(t testing.TB, kid string, public crypto.PublicKey) object {
	t.Helper()
	raw, err := library.JSONWebKey{Key: public, KeyID: kid}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// with is o with one more member, or another value in it; nil takes it out.
func with(o object, name string, value any) object {
	changed := object{}
	for n, v := range o {
		changed[n] = v
	}
	changed[name] = value
	if value == nil {
		delete(changed, name)
	}
	return changed
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func keySet(t testing.TB, keys ...object) []byte {
	t.Helper()
	return encode(t, object{"keys": keys})
}

func mustParse(t testing.TB, compact string) *jose.Token {
	t.Helper()
	token, err := jose.Parse(compact)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wantFault checks that err is a refusal for want; empty = no error at all.
func wantFault(t testing.TB, err error, want jose.Fault) {
	t.Helper()
	var refused *jose.Error
	switch {
	case want == "" && err != nil:
		t.Errorf("error %v, want none", err)
	case want != "" && (!errors.As(err, &refused) || refused.Fault != want):
		t.Errorf("error %v, want %s", err, want)
	}
}

// rsaKey is an RSA public key with the modulus and exponent of a test.
func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	return newKey(t, "EdDSA").(ed25519.PrivateKey)
}
