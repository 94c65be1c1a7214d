package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/jose"
)

func fault(t testing.TB, err error) jose.Fault {
	t.Helper()
	var refused *jose.Error
	if !errors.As(err, &refused) {
		t.Fatalf("%v is no *jose.Error", err)
	}
	return refused.Fault
}

// cut takes the signature off a token.
func cut(t testing.TB, compact string) (message string, signature []byte) {
	t.Helper()
	i := strings.LastIndexByte(compact, '.')
	signature, err := base64.RawURLEncoding.DecodeString(compact[i+1:])
	if err != nil {
		t.Fatal(err)
	}
	return compact[:i], signature
}

// negateS replaces s of an ES256 signature by n-s, which is as valid.
func negateS(t testing.TB, compact string, key *ecdsa.PrivateKey) string {
	t.Helper()
	message, signature := cut(t, compact)
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(key.Params().N, s).FillBytes(signature[32:])
	return message + "." + b64(signature)
}

// TestVerifyVectors: tokens that another implementation made.
func TestVerifyVectors(t *testing.T) {
	t.Parallel()
	v := vectors(t)
	for name, vector := range v.Tokens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := jose.Parse(vector.Compact)
			if vector.Set == "" { // F1, a proof of possession that brings its own key
				wantFault(t, err, jose.FaultHeaderForbidden)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			typ, _ := vector.Header["typ"].(string)
			if token.Alg != vector.Header["alg"] || token.Kid != vector.Header["kid"] || token.Typ != typ {
				t.Errorf("header %s %s %s", token.Alg, token.Kid, token.Typ)
			}
			want, err := jose.ParseObject(vector.Claims)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(encode(t, token.Claims), encode(t, want)) {
				t.Errorf("claims %v, want %v", token.Claims, want)
			}
			for name, raw := range v.Sets {
				set, skipped, err := jose.ReadSet(raw)
				if err != nil || len(skipped) > 0 || set.Len() != 1 {
					t.Fatal(skipped, err)
				}
				key, err := set.Select(token.Alg, token.Kid)
				if name != vector.Set {
					wantFault(t, err, jose.FaultKidUnknown) // SEC-KH-15
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				wantFault(t, token.Verify(key), "")
			}
		})
	}
}

// TestVerifyAlgorithms: every algorithm with the key that it is for, with keys of
// all other kinds, and with another key of the same kind.
func TestVerifyAlgorithms(t *testing.T) {
	t.Parallel()
	keys := map[string][2]crypto.Signer{}
	for _, kind := range []string{"ES256", "ES384", "ES512", "RS256", "EdDSA"} {
		keys[kind] = [2]crypto.Signer{newKey(t, kind), newKey(t, kind)}
	}
	for _, alg := range []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"} {
		kind := alg
		if strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS") {
			kind = "RS256"
		}
		compact := signed(t, alg, keys[kind][0], `{"sub":"a"}`)
		token := mustParse(t, compact)
		wantFault(t, token.Verify(jose.Key{Public: keys[kind][0].Public()}), "")
		wantFault(t, token.Verify(jose.Key{Alg: alg, Public: keys[kind][0].Public()}), "")
		wantFault(t, token.Verify(jose.Key{Alg: alg, Public: keys[kind][1].Public()}), jose.FaultSignature)
		for other, pair := range keys { // SEC-JP-06
			if other != kind {
				wantFault(t, token.Verify(jose.Key{Public: pair[0].Public()}), jose.FaultKeyTypeMismatch)
			}
		}
		for _, other := range []string{"ES256", "RS256", "PS256", "HS256", "none"} { // SEC-JP-07
			if other != alg {
				wantFault(t, token.Verify(jose.Key{Alg: other, Public: keys[kind][0].Public()}), jose.FaultKeyAlgMismatch)
			}
		}
		message, signature := cut(t, compact)
		last := len(signature) - 1
		for name, changed := range map[string][]byte{ // SEC-JP-15
			"shorter":    signature[:last],
			"longer":     append(bytes.Clone(signature), 0),
			"zero_ahead": append([]byte{0}, signature...),
			"bit":        append(bytes.Clone(signature[:last]), signature[last]^1),
			"zeros":      make([]byte, len(signature)), // SEC-JP-12
			"both_ahead": slices.Concat([]byte{0}, signature[:len(signature)/2], []byte{0}, signature[len(signature)/2:]),
		} {
			if err := mustParse(t, message+"."+b64(changed)).Verify(jose.Key{Public: keys[kind][0].Public()}); err == nil || fault(t, err) != jose.FaultSignature {
				t.Errorf("%s %s: %v", alg, name, err)
			}
		}
	}
}

// TestVerifyEd25519Name: RFC 9864 gives EdDSA with Ed25519 a name of its own.
func TestVerifyEd25519Name(t *testing.T) {
	t.Parallel()
	key := edKey(t)
	message := b64([]byte(`{"alg":"Ed25519"}`)) + "." + b64([]byte(`{"sub":"a"}`))
	token := mustParse(t, message+"."+b64(ed25519.Sign(key, []byte(message))))
	for _, alg := range []string{"", "EdDSA", "Ed25519"} {
		wantFault(t, token.Verify(jose.Key{Alg: alg, Public: key.Public()}), "")
	}
	wantFault(t, token.Verify(jose.Key{Alg: "ES256", Public: key.Public()}), jose.FaultKeyAlgMismatch)
	old := mustParse(t, signed(t, "EdDSA", key, `{}`))
	wantFault(t, old.Verify(jose.Key{Alg: "Ed25519", Public: key.Public()}), "")
}

// TestVerifyECDSA: numbers outside of their range (SEC-JP-12), ASN.1
// (SEC-JP-14), and values with zeros ahead, which take another form on the way.
func TestVerifyECDSA(t *testing.T) {
	t.Parallel()
	key := newKey(t, "ES256").(*ecdsa.PrivateKey)
	public := jose.Key{Public: &key.PublicKey}
	message, good := cut(t, signed(t, "ES256", key, `{"sub":"a"}`))
	verify := func(signature []byte) error { return mustParse(t, message+"."+b64(signature)).Verify(public) }
	order := key.Params().N.FillBytes(make([]byte, 32))
	above := bytes.Repeat([]byte{0xff}, 32)
	zero := make([]byte, 32)
	for name, signature := range map[string][]byte{
		"r=0": append(bytes.Clone(zero), good[32:]...), "s=0": append(bytes.Clone(good[:32]), zero...),
		"r=n": append(bytes.Clone(order), good[32:]...), "s=n": append(bytes.Clone(good[:32]), order...),
		"r>n": append(bytes.Clone(above), good[32:]...), "s>n": append(bytes.Clone(good[:32]), above...),
	} {
		if err := verify(signature); err == nil || fault(t, err) != jose.FaultSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
	sum := sha256.Sum256([]byte(message))
	der, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, verify(der), jose.FaultSignature)

	// One in 128 has a zero ahead in r or s: that many tokens have some.
	for i := range 600 {
		wantFault(t, mustParse(t, signed(t, "ES256", key, fmt.Sprintf(`{"i":%d}`, i))).Verify(public), "")
	}
	long := newKey(t, "ES512").(*ecdsa.PrivateKey)
	for i := range 40 {
		wantFault(t, mustParse(t, signed(t, "ES512", long, fmt.Sprintf(`{"i":%d}`, i))).Verify(jose.Key{Public: &long.PublicKey}), "")
	}
}

// TestVerifyPSSSalt: the salt is as long as the hash, RFC 7518, Section 3.5.
func TestVerifyPSSSalt(t *testing.T) {
	t.Parallel()
	key := rsaKey(t, 2048)
	message := b64([]byte(`{"alg":"PS256"}`)) + "." + b64([]byte(`{"sub":"a"}`))
	sum := sha256.Sum256([]byte(message))
	for length, want := range map[int]jose.Fault{32: "", 20: jose.FaultSignature, 64: jose.FaultSignature} {
		signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: length})
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, mustParse(t, message+"."+b64(signature)).Verify(jose.Key{Public: &key.PublicKey}), want)
	}
}

// TestVerifyLowOrder: SEC-JP-19. Under a point of low order the signature of
// identity and zero is valid for one message in eight, whoever wrote it. Each
// point is first shown to be one.
func TestVerifyLowOrder(t *testing.T) {
	t.Parallel()
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1 // R is the identity, S is 0
	for _, point := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		raw, err := hex.DecodeString(point)
		if err != nil {
			t.Fatal(err)
		}
		forged := ""
		for i := 0; forged == "" && i < 1000; i++ {
			message := b64([]byte(`{"alg":"EdDSA"}`)) + "." + b64(fmt.Appendf(nil, `{"i":%d}`, i))
			if ed25519.Verify(raw, []byte(message), signature) {
				forged = message + "." + b64(signature)
			}
		}
		if forged == "" {
			t.Fatalf("%s is not of low order", point)
		}
		wantFault(t, mustParse(t, forged).Verify(jose.Key{Public: ed25519.PublicKey(raw)}), jose.FaultSignature)
	}
}

// TestVerifyNonCanonicalS: SEC-JP-19, the other half. S plus the order of the
// group is the same number and another signature.
func TestVerifyNonCanonicalS(t *testing.T) {
	t.Parallel()
	key := edKey(t)
	message, signature := cut(t, signed(t, "EdDSA", key, `{}`))
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	little := func(b []byte) []byte {
		turned := bytes.Clone(b)
		for i := range b {
			turned[len(b)-1-i] = b[i]
		}
		return turned
	}
	s := new(big.Int).SetBytes(little(signature[32:]))
	s.Add(s, order)
	twin := append(bytes.Clone(signature[:32]), little(s.FillBytes(make([]byte, 32)))...)
	wantFault(t, mustParse(t, message+"."+b64(twin)).Verify(jose.Key{Public: key.Public()}), jose.FaultSignature)
}

// TestVerifyKeys: keys that never verify, whoever hands them in.
func TestVerifyKeys(t *testing.T) {
	t.Parallel()
	rs := mustParse(t, parts(`{"alg":"RS256"}`, `{}`))
	strong := rsaKey(t, 2048)
	even := new(big.Int).Add(strong.N, big.NewInt(1))
	long := func(bits uint) *big.Int { return new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), bits-1), 0, 1) }
	for name, row := range map[string]struct {
		key  any
		want jose.Fault
	}{
		"nothing":            {nil, jose.FaultKeyTypeMismatch},
		"a private key":      {strong, jose.FaultKeyTypeMismatch},
		"no RSA key":         {(*rsa.PublicKey)(nil), jose.FaultKeyTypeMismatch},
		"no modulus":         {&rsa.PublicKey{E: 65537}, jose.FaultKeyTypeMismatch},
		"bytes":              {[]byte("secret"), jose.FaultKeyTypeMismatch},
		"SEC-JP-16 1024":     {&rsa.PublicKey{N: long(1024), E: 65537}, jose.FaultKeyWeak},
		"SEC-JP-16 2047":     {&rsa.PublicKey{N: long(2047), E: 65537}, jose.FaultKeyWeak},
		"SEC-JP-16 e=1":      {&rsa.PublicKey{N: strong.N, E: 1}, jose.FaultKeyWeak},
		"SEC-JP-16 even e":   {&rsa.PublicKey{N: strong.N, E: 65536}, jose.FaultKeyWeak},
		"SEC-JP-16 even n":   {&rsa.PublicKey{N: even, E: 65537}, jose.FaultKeyWeak},
		"CVE-2017-15361":     {&rsa.PublicKey{N: new(big.Int).Exp(big.NewInt(65537), big.NewInt(130), nil), E: 65537}, jose.FaultKeyWeak},
		"P-224":              {&ecdsa.PublicKey{Curve: elliptic.P224()}, jose.FaultKeyTypeMismatch},
		"SEC-JP-17 8193":     {&rsa.PublicKey{N: long(8193), E: 65537}, jose.FaultKeyTooLarge},
		"a long exponent":    {&rsa.PublicKey{N: strong.N, E: 1<<31 + 1}, jose.FaultKeyTooLarge},
		"8192":               {&rsa.PublicKey{N: long(8192), E: 65537}, jose.FaultSignature},
		"sound":              {&strong.PublicKey, jose.FaultSignature},
		"an Ed25519 key cut": {ed25519.PublicKey("short"), jose.FaultKeyTypeMismatch},
		"no ECDSA key":       {(*ecdsa.PublicKey)(nil), jose.FaultKeyTypeMismatch},
		"no curve":           {&ecdsa.PublicKey{}, jose.FaultKeyTypeMismatch},
	} {
		if err := rs.Verify(jose.Key{Public: row.key}); fault(t, err) != row.want {
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
	wantFault(t, mustParse(t, parts(`{"alg":"EdDSA"}`, `{}`)).Verify(jose.Key{Public: ed25519.PublicKey("short")}), jose.FaultKeyTypeMismatch)
	var zero jose.Token
	wantFault(t, zero.Verify(jose.Key{Public: &strong.PublicKey}), jose.FaultAlgNotAllowed)
}

// TestVerifyBits: SEC-JP-32 and SEC-JP-33.
func TestVerifyBits(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1", "ES256")
	sign := func(payload string) string {
		compact, err := signer.Sign("JWT", []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	compact := sign(`{"sub":"alice"}`)
	for i := range 8 * len(compact) {
		changed := []byte(compact)
		changed[i/8] ^= 1 << (i % 8)
		if token, err := jose.Parse(string(changed)); err == nil && token.Verify(signer.Key()) == nil {
			t.Fatalf("bit %d may be flipped", i)
		}
	}
	x, _ := cut(t, compact)
	_, y := cut(t, sign(`{"sub":"mallory"}`))
	wantFault(t, mustParse(t, x+"."+b64(y)).Verify(signer.Key()), jose.FaultSignature)
}

func TestThumbprint(t *testing.T) {
	t.Parallel()
	// The example of RFC 7638, Section 3.1.
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	set, _, err := jose.ReadSet([]byte(`{"keys":[{"kty":"RSA","kid":"2011-04-29","alg":"RS256","e":"AQAB","n":"` + n + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	key, err := set.Select("RS256", "2011-04-29")
	if err != nil {
		t.Fatal(err)
	}
	if got := key.Thumbprint(); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("thumbprint %q", got)
	}
	private := newKey(t, "ES256")
	for name, key := range map[string]jose.Key{"none": {}, "a private key": {Public: private}, "bytes": {Public: []byte("k")}} {
		if got := key.Thumbprint(); got != "" {
			t.Errorf("%s has a thumbprint", name)
		}
	}
	want, err := json.Marshal(jose.Key{Public: private.Public()}.Thumbprint())
	if err != nil || len(want) != 45 {
		t.Errorf("thumbprint %s, want 43 characters", want)
	}
}
