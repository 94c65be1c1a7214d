package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"
)

// readPublic makes a public key of the members of a JWK. go-jose could, but
// reads the certificates beside it too, takes no modulus above 4096 bits unless
// a variable of all its users is changed, and does not tell a key that is weak
// from one that is malformed.
func readPublic(o Object) (crypto.PublicKey, error) {
	kty, _, ktyErr := o.String("kty") // RFC 7517, Section 4.1: case-sensitive
	crv, _, crvErr := o.String("crv")
	if ktyErr != nil || crvErr != nil {
		return nil, errors.New("kty or crv is no string")
	}
	switch kty + " " + crv {
	case "EC P-256":
		return readEC(o, elliptic.P256())
	case "EC P-384":
		return readEC(o, elliptic.P384())
	case "EC P-521":
		return readEC(o, elliptic.P521())
	case "OKP Ed25519": // RFC 8037, Section 2
		x, err := octets(o, "x")
		if err == nil && len(x) != ed25519.PublicKeySize {
			err = errors.New("x is no point of Ed25519")
		}
		return ed25519.PublicKey(x), err
	case "RSA ":
		return readRSA(o)
	}
	return nil, refuse(FaultKeyTypeMismatch, "none of our algorithms is for this kty and crv")
}

// readEC reads a point. Each coordinate has its full length: RFC 7518, Section
// 6.2.1.2. One that is not on the curve would leak a bit of somebody's key
// elsewhere; here it is refused because no such key exists.
func readEC(o Object, curve elliptic.Curve) (crypto.PublicKey, error) {
	x, err := octets(o, "x")
	if err != nil {
		return nil, err
	}
	y, err := octets(o, "y")
	if err != nil {
		return nil, err
	}
	if size := coordinateSize(curve); len(x) != size || len(y) != size {
		return nil, errors.New("x or y has not the length of the curve")
	}
	const uncompressed = 4 // SEC 1, Section 2.3.3
	key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{uncompressed}, x...), y...))
	if err != nil {
		return nil, errors.New("x and y are no point of the curve")
	}
	return key, nil
}

// readRSA reads a modulus and an exponent: RFC 7518, Section 6.3.1. Whether they
// are any good is for Flaw to say.
func readRSA(o Object) (crypto.PublicKey, error) {
	n, err := octets(o, "n")
	if err != nil {
		return nil, err
	}
	e, err := octets(o, "e")
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 { // an int may have no more
		return nil, &Error{Fault: FaultKeyTooLarge}
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

// octets decodes a member that must be there: RFC 7518, Section 2.
func octets(o Object, name string) ([]byte, error) {
	s, _, err := o.String(name)
	if err != nil || s == "" {
		return nil, errors.New(name + " is missing or no string")
	}
	raw, err := base64url.DecodeString(s)
	if err != nil {
		return nil, errors.New(name + " is not base64url")
	}
	return raw, nil
}
