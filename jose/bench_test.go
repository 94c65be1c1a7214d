package jose_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/tokenry/tokenry/jose"
)

func BenchmarkParse(b *testing.B) {
	compact := vectors(b).Tokens["C1"].Compact
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jose.Parse(compact); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyES256(b *testing.B) { benchmarkVerify(b, "ES256") }
func BenchmarkVerifyRS256(b *testing.B) { benchmarkVerify(b, "RS256") }
func BenchmarkVerifyEdDSA(b *testing.B) { benchmarkVerify(b, "EdDSA") }
func BenchmarkSignES256(b *testing.B)   { benchmarkSign(b, "ES256") }
func BenchmarkSignEdDSA(b *testing.B)   { benchmarkSign(b, "EdDSA") }

func benchmarkVerify(b *testing.B, alg string) {
	signer := newSigner(b, "k1", alg)
	compact, err := signer.Sign("at+jwt", benchmarkPayload(b))
	if err != nil {
		b.Fatal(err)
	}
	key := signer.Key()
	b.ReportAllocs()
	for b.Loop() {
		t, err := jose.Parse(compact)
		if err != nil {
			b.Fatal(err)
		}
		if err := t.Verify(key); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkSign(b *testing.B, alg string) {
	signer, payload := newSigner(b, "k1", alg), benchmarkPayload(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := signer.Sign("at+jwt", payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareES256 is what the two above cannot go below.
func BenchmarkBareES256(b *testing.B) {
	key := newKey(b, "ES256").(*ecdsa.PrivateKey)
	sum := sha256.Sum256(benchmarkPayload(b))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) {
				b.Fatal("no signature")
			}
		}
	})
	b.Run("sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ecdsa.SignASN1(rand.Reader, key, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkPayload(b *testing.B) []byte {
	b.Helper()
	t, err := jose.Parse(vectors(b).Tokens["C1"].Compact)
	if err != nil {
		b.Fatal(err)
	}
	return t.Payload()
}
