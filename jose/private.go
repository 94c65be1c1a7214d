package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// GenerateKey makes a private key for a Signer: P-256 for ES256, 2048 bits for
// RS256, Ed25519 for EdDSA.
func GenerateKey(alg string) (crypto.Signer, error) {
	switch alg {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		return rsa.GenerateKey(rand.Reader, minRSABits)
	case "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("jose: cannot make a key for %q, want ES256, RS256 or EdDSA", alg)
}

// MarshalKey writes a private key as PKCS #8 in DER (RFC 5958, Section 2). The
// caller should clear the bytes after use.
func MarshalKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("jose: a private key of a type that PKCS #8 cannot hold")
	}
	return der, nil
}

// ParseKey reads what MarshalKey wrote. The error says nothing of the bytes,
// for they may be those of a key.
func ParseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("jose: not a private key in PKCS #8")
	}
	signer, ok := key.(crypto.Signer)
	if !ok { // X25519 cannot sign
		return nil, errors.New("jose: a private key that cannot sign")
	}
	return signer, nil
}
