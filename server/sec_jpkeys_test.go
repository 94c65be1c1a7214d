package server_test

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// publicForms are the ways of writing a public key down that somebody might take
// for the secret of a MAC.
type publicForms struct{ pem, der, pkcs1, jwk []byte }

// macs makes tokens with alg HS256 whose MAC is keyed by what keys makes of the
// public key of an issuer with an RSA key.
func macs(keys func(publicForms) [][]byte) func(*testing.T, *authtest.Server) []string {
	return func(t *testing.T, as *authtest.Server) []string {
		p := newProvider(t, as, "mac-"+lower(t.Name()), "RS256", "", only(nil))
		authtest.WantIssued(t, show(t, as, p.token(t, as, nil)))
		jwk := p.JWKS()["keys"].([]map[string]any)[0]
		public := rsa.PublicKey{N: new(big.Int).SetBytes(unb64(t, jwk["n"].(string))), E: 65537}
		der, err := x509.MarshalPKIXPublicKey(&public)
		if err != nil {
			t.Fatal(err)
		}
		var tokens []string
		for _, secret := range keys(publicForms{
			pem: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), der: der,
			pkcs1: x509.MarshalPKCS1PublicKey(&public), jwk: encode(t, jwk),
		}) {
			text := b64([]byte(`{"alg":"HS256","kid":"k2"}`)) + "." + b64(encode(t, p.user(t, as)))
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(text))
			tokens = append(tokens, text+"."+b64(mac.Sum(nil)))
		}
		return tokens
	}
}

// lower makes a name of an object out of a test's.
func lower(test string) string {
	name := []byte(test)
	for i, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			name[i] = c - 'A' + 'a'
		case c == '/' || c == '_':
			name[i] = '-'
		}
	}
	return string(name)
}

// badKey is a row of one issuer with one key; its genuine tokens are refused.
func badKey(id, alg, algorithms, fault string, jwk, header object) row {
	return row{id, func(t *testing.T, as *authtest.Server) {
		p := newProvider(t, as, lower(id), alg, algorithms, beside(t, jwk))
		as.WantRefused(t, show(t, as, p.token(t, as, header)), oauth.InvalidRequest, subjectFault(fault))
	}}
}

func jpKeys() []row {
	return []row{
		badKey("SEC-JP-06", "RS256", "ES256, RS256", "key_type_mismatch", object{"alg": nil}, object{"alg": "ES256"}),
		badKey("SEC-JP-07", "RS256", "RS256, PS256", "key_alg_mismatch", object{"alg": "PS256"}, nil),
		badKey("SEC-JP-07_ES384", "ES256", "ES256, ES384", "key_alg_mismatch", object{"alg": "ES384"}, nil),
		badKey("SEC-JP-08", "ES256", "", "key_use", object{"use": "enc"}, nil),
		badKey("SEC-JP-09_sign", "ES256", "", "key_ops", object{"key_ops": []string{"sign"}}, nil),
		badKey("SEC-JP-09_encrypt", "ES256", "", "key_ops", object{"key_ops": []string{"encrypt"}}, nil),
		badKey("SEC-JP-10", "RS256", "ES256", "alg_not_allowed", nil, nil),
		// Where EdDSA is asked for, a key for key agreement is none for signatures.
		badKey("SEC-JP-39_X25519", "EdDSA", "EdDSA", "key_type_mismatch", object{"crv": "X25519"}, nil),
		{"SEC-JP-16", weakRSA},
		{"SEC-JP-17", func(t *testing.T, as *authtest.Server) {
			long := new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 16383), 0, 1)
			p := newProvider(t, as, "jp-17", "RS256", "", beside(t, object{"n": jwkNumber(long)}))
			as.WantRefused(t, show(t, as, p.token(t, as, nil)), oauth.InvalidRequest, subjectFault("key_too_large"))
		}},
		{"SEC-JP-18", func(t *testing.T, as *authtest.Server) {
			nowhere := b64(make([]byte, 32))
			p := newProvider(t, as, "jp-18", "ES256", "", func(jwk object) []any {
				return []any{
					altered(jwk, object{"kid": "off-curve", "x": nowhere}),
					altered(jwk, object{"kid": "identity", "x": nowhere, "y": nowhere}), jwk,
				}
			})
			authtest.WantIssued(t, show(t, as, p.token(t, as, nil)))
			as.WantRefused(t, show(t, as, p.token(t, as, object{"kid": "off-curve"})), oauth.InvalidRequest, subjectFault("kid_unknown"))
		}},
		{"SEC-JP-19", jpEdwards},
	}
}

// weakRSA signs with keys that anybody could break: each signature is right.
func weakRSA(t *testing.T, as *authtest.Server) {
	e, one := big.NewInt(65537), big.NewInt(1)
	inverse := func(phi *big.Int) *big.Int { return new(big.Int).ModInverse(e, phi) }
	less := func(p *big.Int) *big.Int { return new(big.Int).Sub(p, one) }
	weak := func(name string, n, d, exponent *big.Int) {
		p := newProvider(t, as, "jp-16-"+name, "RS256", "", beside(t, object{"n": jwkNumber(n), "e": jwkNumber(exponent)}))
		as.WantRefused(t, show(t, as, textbook(t, as, p, n, d)), oauth.InvalidRequest, subjectFault("key_weak"))
	}
	p, q := prime(t, 1024), prime(t, 1024)
	n := new(big.Int).Mul(p, q)
	sound := newProvider(t, as, "jp-16-sound", "RS256", "", only(object{"n": jwkNumber(n)}))
	authtest.WantIssued(t, show(t, as, textbook(t, as, sound, n, inverse(new(big.Int).Mul(less(p), less(q))))))
	p, q = prime(t, 512), prime(t, 512)
	weak("short", new(big.Int).Mul(p, q), inverse(new(big.Int).Mul(less(p), less(q))), e)
	p, q = prime(t, 1024), prime(t, 1024)
	weak("exponent", new(big.Int).Mul(p, q), one, one) // the message is its own signature
	p = prime(t, 2048)
	weak("even", new(big.Int).Lsh(p, 1), inverse(less(p)), e)
}
