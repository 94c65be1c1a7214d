package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of RSA keys.
const (
	minRSABits  = 2048      // RFC 7518, Section 3.3
	maxRSABits  = 8192      // verifying grows with the square of it
	maxExponent = 1<<31 - 1 // and with the length of this one; crypto/rsa has the same bound
)

// Key is a public key of an issuer.
type Key struct {
	Kid    string
	Alg    string           // the one algorithm that it is for; empty = any that fits its type
	Public crypto.PublicKey // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey

	prints thumbprints // of the certificate that its issuer published with it
}

// Thumbprint is the SHA-256 thumbprint of the key (RFC 7638, Section 3) in
// base64url; empty for a key of no known type. It depends on neither Kid nor
// Alg.
func (k Key) Thumbprint() string {
	if k.Flaw() == FaultKeyTypeMismatch {
		return "" // of a private key too: it does not belong here
	}
	sum, err := (&jose.JSONWebKey{Key: k.Public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// Flaw says why nothing may be verified with the key; empty = it is sound. It is
// FaultKeyTypeMismatch, FaultKeyWeak or FaultKeyTooLarge, and the one rule about
// keys of others, those in certificates included.
func (k Key) Flaw() Fault {
	switch pub := k.Public.(type) {
	case *ecdsa.PublicKey:
		if pub != nil && (pub.Curve == elliptic.P256() || pub.Curve == elliptic.P384() || pub.Curve == elliptic.P521()) {
			return "" // ReadSet and every use check that the point is on the curve
		}
	case ed25519.PublicKey:
		if len(pub) == ed25519.PublicKeySize {
			return ""
		}
	case *rsa.PublicKey:
		if pub != nil && pub.N != nil {
			return rsaFlaw(pub)
		}
	}
	return FaultKeyTypeMismatch
}

func rsaFlaw(pub *rsa.PublicKey) Fault {
	switch {
	case pub.N.BitLen() > maxRSABits || pub.E > maxExponent:
		return FaultKeyTooLarge
	case pub.N.BitLen() < minRSABits: // RFC 7518, Section 3.3: MUST
		return FaultKeyWeak
	case pub.N.Bit(0) == 0 || pub.E < 3 || pub.E%2 == 0: // no product of two primes, or no exponent
		return FaultKeyWeak
	case isROCA(pub.N): // its primes can be guessed
		return FaultKeyWeak
	}
	return ""
}

// misfit says why a token of alg may not be verified with the key; empty = it
// may. The key is asked and not the token: RFC 8725, Section 3.1.
func (k Key) misfit(alg string) Fault {
	if k.Alg != "" && !sameAlg(k.Alg, alg) {
		return FaultKeyAlgMismatch // RFC 7517, Section 4.4
	}
	a, known := algorithmOf(alg)
	if !known {
		return FaultAlgNotAllowed
	}
	if f := k.Flaw(); f != "" {
		return f
	}
	fits := false
	switch pub := k.Public.(type) {
	case *ecdsa.PublicKey:
		fits = a.family == ecdsaFamily && pub.Curve.Params().Name == a.curve // RFC 7518, Section 3.4
	case *rsa.PublicKey:
		fits = a.family == pkcs1Family || a.family == pssFamily
	case ed25519.PublicKey:
		fits = a.family == ed25519Family
	}
	if !fits {
		return FaultKeyTypeMismatch
	}
	return ""
}
