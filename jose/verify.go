package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/hex"
)

// Verify checks that key made the signature: RFC 7515, Section 5.2. The error
// is an *Error.
func (t *Token) Verify(key Key) error {
	if f := key.misfit(t.Alg); f != "" {
		return &Error{Fault: f}
	}
	if t.prints.differ(key.prints) {
		return refuse(FaultHeaderForbidden, "x5t is of another certificate than the key's")
	}
	if !t.verifies(key) {
		return &Error{Fault: FaultSignature}
	}
	return nil
}

// verifies checks the signature with a key that fits the algorithm.
func (t *Token) verifies(key Key) bool {
	a, _ := algorithmOf(t.Alg)
	digest := a.digest([]byte(t.signed))
	switch pub := key.Public.(type) {
	case *ecdsa.PublicKey:
		return verifyECDSA(pub, digest, t.signature)
	case ed25519.PublicKey:
		return !isLowOrder(pub) && ed25519.Verify(pub, digest, t.signature) // RFC 8037, Section 3.1
	case *rsa.PublicKey:
		if a.family == pkcs1Family {
			return rsa.VerifyPKCS1v15(pub, a.hash, digest, t.signature) == nil // RFC 7518, Section 3.3
		}
		// The salt is as long as the hash and not as the signer likes: RFC 7518,
		// Section 3.5.
		options := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash}
		return rsa.VerifyPSS(pub, a.hash, digest, t.signature, &options) == nil
	}
	return false
}

// isLowOrder reports whether pub is one of the points under which anybody can
// sign: multiplied by 8 they vanish, and with them the key. RFC 8032, Section
// 5.1.7 lets a verifier take them. An encoding is the coordinate y and one bit
// for the sign of x, and those points have five y, two of them with a second,
// unreduced, spelling.
func isLowOrder(pub ed25519.PublicKey) bool {
	y := [ed25519.PublicKeySize]byte(pub)
	y[len(y)-1] &= 0x7f // the sign
	switch hex.EncodeToString(y[:]) {
	case "0000000000000000000000000000000000000000000000000000000000000000", // 0
		"0100000000000000000000000000000000000000000000000000000000000000", // 1
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // of order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // of order 8
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p-1
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": // p+1
		return true
	}
	return false
}
