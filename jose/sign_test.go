package jose_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	library "github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/oauth"
)

// TestSign: what we sign, go-jose verifies, and so do we.
func TestSign(t *testing.T) {
	t.Parallel()
	var signers []*jose.Signer
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		signers = append(signers, newSigner(t, `ké"1\`, alg))
	}
	rapid.Check(t, func(r *rapid.T) {
		signer := rapid.SampledFrom(signers).Draw(r, "signer")
		typ := rapid.SampledFrom([]string{"", "at+jwt", `a"b\c`}).Draw(r, "typ")
		payload := fmt.Appendf(nil, `{"n":%d,"s":%q}`, rapid.Int().Draw(r, "n"), rapid.StringMatching(`[a-z<>&é]{0,20}`).Draw(r, "s"))
		compact, err := signer.Sign(typ, payload)
		if err != nil {
			r.Fatal(err)
		}
		key := signer.Key()
		object, err := library.ParseSignedCompact(compact, []library.SignatureAlgorithm{library.SignatureAlgorithm(key.Alg)})
		if err != nil {
			r.Fatal(err)
		}
		if got, err := object.Verify(key.Public); err != nil || string(got) != string(payload) {
			r.Fatalf("go-jose: %s, %v", got, err)
		}
		token, err := jose.Parse(compact)
		if err != nil {
			r.Fatal(err)
		}
		if err := token.Verify(key); err != nil {
			r.Fatal(err)
		}
		if token.Alg != key.Alg || token.Kid != key.Kid || token.Typ != typ || string(token.Payload()) != string(payload) {
			r.Fatalf("read %+v", token)
		}
	})
}

// TestSignHeader holds the header to its form; what is signed is the payload
// as it is.
func TestSignHeader(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		"at+jwt": `{"alg":"ES256","kid":"k1","typ":"at+jwt"}`,
		"":       `{"alg":"ES256","kid":"k1"}`,
	} {
		compact, err := newSigner(t, "k1", "ES256").Sign(typ, []byte(`{ "a": 1 }`))
		if err != nil {
			t.Fatal(err)
		}
		header, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[0])
		if err != nil || string(header) != want {
			t.Errorf("header %s, %v", header, err)
		}
		if got := mustParse(t, compact).Payload(); string(got) != `{ "a": 1 }` {
			t.Errorf("payload %s", got)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1", "ES256")
	for _, typ := range []string{"a\n", "\xff", strings.Repeat("t", 257)} {
		if compact, err := signer.Sign(typ, []byte(`{}`)); err == nil {
			t.Errorf("typ %q: %s", typ, compact)
		}
	}
	_, err := signer.Sign("JWT", []byte(strings.Repeat("x", 13<<10))) // nobody could read it
	wantFault(t, err, jose.FaultTooLarge)
}

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	es, rs, ed := newKey(t, "ES256"), newKey(t, "RS256"), newKey(t, "EdDSA")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		kid, alg string
		key      crypto.Signer
	}{
		"no kid":        {"", "ES256", es},
		"control kid":   {"a\x00", "ES256", es},
		"no alg":        {"k", "", es},
		"alg none":      {"k", "none", es},
		"alg HS256":     {"k", "HS256", es},
		"alg PS256":     {"k", "PS256", rs},
		"no key":        {"k", "ES256", nil},
		"P-384":         {"k", "ES256", newKey(t, "ES384")},
		"RSA for ES256": {"k", "ES256", rs},
		"EC for RS256":  {"k", "RS256", es},
		"EC for EdDSA":  {"k", "EdDSA", es},
		"Ed for RS256":  {"k", "RS256", ed},
		"weak":          {"k", "RS256", weak},
	} {
		if _, err := jose.NewSigner(row.kid, row.alg, row.key); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// broken is a key that does not sign as it should, a hardware one perhaps.
type broken struct {
	crypto.Signer
	signature string
	err       error
}

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return []byte(b.signature), b.err
}

func TestSignBrokenKey(t *testing.T) {
	t.Parallel()
	key := newKey(t, "ES256")
	number := func(n int) string { return "\x02" + string(rune(n)) + strings.Repeat("\x01", n) }
	pair := func(content string) string { return "\x30" + string(rune(len(content))) + content }
	for name, b := range map[string]broken{
		"error":      {key, "", errors.New("away")},
		"empty":      {key, "", nil},
		"raw":        {key, strings.Repeat("\x01", 64), nil},
		"one number": {key, pair(number(32)), nil},
		"three":      {key, pair(number(32) + number(32) + number(1)), nil},
		"trailing":   {key, pair(number(32)+number(32)) + "\x00", nil},
		"r too long": {key, pair(number(33) + number(32)), nil},
		"s too long": {key, pair(number(32) + number(33)), nil},
		"r zero":     {key, pair("\x02\x01\x00" + number(32)), nil},
		"s zero":     {key, pair(number(32) + "\x02\x01\x00"), nil},
		"cut":        {key, pair(number(32) + number(32))[:60], nil},
		"other tag":  {key, pair("\x04" + number(32)[1:] + number(32)), nil},
		"no length":  {key, "\x30", nil},
	} {
		signer, err := jose.NewSigner("k", "ES256", b)
		if err != nil {
			t.Fatal(err)
		}
		if compact, err := signer.Sign("", []byte(`{}`)); err == nil {
			t.Errorf("%s: signed %s", name, compact)
		}
	}
	signer, err := jose.NewSigner("k", "ES256", broken{key, pair(number(32) + number(1)), nil})
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signer.Sign("", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("\x01", 32) + strings.Repeat("\x00", 31) + "\x01"
	if _, signature := cut(t, compact); string(signature) != want {
		t.Errorf("signature %x", signature)
	}
}

func TestSignerIsConcurrent(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		signer := newSigner(t, "k1", alg)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 5 {
					compact, err := signer.Sign("JWT", fmt.Appendf(nil, `{"n":%d}`, i*10+j))
					if err != nil {
						t.Error(err)
						return
					}
					token, err := jose.Parse(compact)
					if err != nil || token.Verify(signer.Key()) != nil {
						t.Errorf("%s: %v", alg, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestPrivateKeys(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		key := newKey(t, alg)
		der, err := jose.MarshalKey(key)
		if err != nil {
			t.Fatal(err)
		}
		back, err := jose.ParseKey(der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jose.NewSigner("k", alg, back); err != nil {
			t.Error(err)
		}
		if (jose.Key{Public: back.Public()}).Thumbprint() != (jose.Key{Public: key.Public()}).Thumbprint() {
			t.Errorf("%s: another key came back", alg)
		}
	}
	if key, ok := newKey(t, "ES256").(*ecdsa.PrivateKey); !ok || key.Params().BitSize != 256 {
		t.Error("ES256 is not P-256")
	}
	if key, ok := newKey(t, "RS256").(*rsa.PrivateKey); !ok || key.N.BitLen() != 2048 {
		t.Error("RS256 is not RSA of 2048 bits")
	}
	if _, ok := newKey(t, "EdDSA").(ed25519.PrivateKey); !ok {
		t.Error("EdDSA is not Ed25519")
	}
	for _, alg := range []string{"", "none", "HS256", "ES384", "ed25519"} {
		if _, err := jose.GenerateKey(alg); err == nil {
			t.Errorf("a key for %q", alg)
		}
	}
	if _, err := jose.MarshalKey(broken{}); err == nil {
		t.Error("wrote a key of an unknown type")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	noSigner, err := x509.MarshalPKCS8PrivateKey(exchange)
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"nothing": nil, "text": []byte("s3cr3t"), "X25519": noSigner} {
		if _, err := jose.ParseKey(der); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFaults: each fault has its word once, and an operator can look it up.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults := jose.Faults()
	known := map[oauth.Reason]bool{}
	for _, d := range oauth.Definitions() {
		known[d.Reason] = true
	}
	for i, f := range faults {
		if slices.Contains(faults[:i], f) {
			t.Errorf("%s occurs twice", f)
		}
		if !known[oauth.TokenFault("subject_token", string(f))] {
			t.Errorf("%s has no reason", f)
		}
	}
	cause := errors.New("cause")
	err := &jose.Error{Fault: jose.FaultTyp, Err: cause}
	if !errors.Is(err, cause) || err.Error() != "typ: cause" || (&jose.Error{Fault: jose.FaultTyp}).Error() != "typ" {
		t.Errorf("error %v", err)
	}
}
