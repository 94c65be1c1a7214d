// Package jose is the strict door for everything that is signed: it parses
// tokens (Parse), verifies them (Token.Verify), signs them (Signer) and reads
// and writes sets of public keys (ReadSet, PublicJWKS). It is the only importer
// of go-jose, which writes our keys and their thumbprints, and is the other side
// in the tests. What strangers send is read by code of our own on the
// cryptography of the standard library, because a general library takes more
// than we want to know.
//
// What makes it strict:
//
//   - One form, the compact JWS of RFC 7515, Section 7.1, in its one spelling:
//     no padding, no line breaks, no stray bits. No encryption.
//   - Asymmetric algorithms alone; the key decides, not the token.
//   - Nothing in a header is followed, and no extension of it is understood.
//     VerifyProof alone reads a key there: of a DPoP proof, which proves that its
//     maker has that key and nothing more.
//   - JSON that every parser reads alike: no duplicate members, valid Unicode,
//     no NUL, names compared byte by byte, numbers kept as they were written.
//
// A signature can be changed into another valid one (ECDSA), so nothing may be
// keyed by the text of a token.
//
// What a claim must say is decided elsewhere: package credential for tokens of
// others, package token for ours. Keys are fetched by package jwks and kept by
// package keys.
package jose

// Token is a parsed token. Nothing that it says may be believed before Verify
// has returned nil.
type Token struct {
	Alg string // as in the header; one of the algorithms of this package
	Kid string // empty = the header has none
	Typ string // as in the header; empty = it has none

	Claims Object

	embedded  Key         // of a proof, as in the header
	prints    thumbprints // of a certificate, as in the header
	signed    string      // header and payload as they were signed
	payload   []byte
	signature []byte
}

// Payload is what was signed, byte for byte; Claims are the same, parsed. The
// caller must not change it.
func (t *Token) Payload() []byte { return t.payload }
