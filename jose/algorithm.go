package jose

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
)

// family is a kind of signature.
type family int

const (
	ecdsaFamily family = iota + 1
	pkcs1Family
	pssFamily
	ed25519Family
)

// algorithm is what alg stands for.
type algorithm struct {
	family family
	hash   crypto.Hash // 0 = the message is signed as it is
	curve  string      // of ECDSA
}

// algorithmOf is every algorithm that this package verifies: asymmetric ones,
// RFC 7518, Sections 3.3 to 3.5, and EdDSA. A MAC is not among them, for its
// key could be our public one: RFC 8725, Section 2.1.
func algorithmOf(alg string) (algorithm, bool) {
	switch alg {
	case "ES256": // RFC 7518, Section 3.4: the hash goes with the curve
		return algorithm{ecdsaFamily, crypto.SHA256, "P-256"}, true
	case "ES384":
		return algorithm{ecdsaFamily, crypto.SHA384, "P-384"}, true
	case "ES512":
		return algorithm{ecdsaFamily, crypto.SHA512, "P-521"}, true
	case "RS256":
		return algorithm{pkcs1Family, crypto.SHA256, ""}, true
	case "RS384":
		return algorithm{pkcs1Family, crypto.SHA384, ""}, true
	case "RS512":
		return algorithm{pkcs1Family, crypto.SHA512, ""}, true
	case "PS256":
		return algorithm{pssFamily, crypto.SHA256, ""}, true
	case "PS384":
		return algorithm{pssFamily, crypto.SHA384, ""}, true
	case "PS512":
		return algorithm{pssFamily, crypto.SHA512, ""}, true
	case "EdDSA", "Ed25519": // RFC 8037, Section 3.1; RFC 9864, Section 2.2
		return algorithm{ed25519Family, 0, ""}, true
	}
	return algorithm{}, false
}

// algorithms are the names that algorithmOf knows.
func algorithms() []string {
	return []string{
		"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519",
	}
}

// sameAlg compares the algorithm of a token with that of a key. EdDSA with an
// Ed25519 key is what RFC 9864, Section 2.2 calls Ed25519.
func sameAlg(a, b string) bool {
	return a == b || a == "EdDSA" && b == "Ed25519" || a == "Ed25519" && b == "EdDSA"
}

// digest is what a signature with a is made over.
func (a algorithm) digest(message []byte) []byte {
	switch a.hash {
	case crypto.SHA256:
		sum := sha256.Sum256(message)
		return sum[:]
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512(message)
		return sum[:]
	default:
		return message
	}
}
