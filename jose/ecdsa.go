package jose

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
)

// crypto/ecdsa writes and reads the numbers r and s of a signature as ASN.1: a
// SEQUENCE of two INTEGERs (RFC 3279, Section 2.2.3). A JWS has them one behind
// the other, each as long as a coordinate of the curve: RFC 7518, Section 3.4.
// The way between the two is short enough to be walked by hand; through
// encoding/asn1 and math/big it costs a tenth of a verification.

const (
	tagInteger  = 0x02
	tagSequence = 0x30
)

// verifyECDSA checks a signature of JWS. What is too short, too long, or ASN.1,
// is refused by its length.
func verifyECDSA(pub *ecdsa.PublicKey, digest, signature []byte) bool {
	if len(signature) != 2*coordinateSize(pub.Curve) {
		return false
	}
	return ecdsa.VerifyASN1(pub, digest, toASN1(signature)) // refuses r and s outside of 1 to n-1
}

func coordinateSize(curve elliptic.Curve) int { return (curve.Params().BitSize + 7) / 8 }

// toASN1 rewrites the signature of a JWS.
func toASN1(signature []byte) []byte {
	size := len(signature) / 2
	pair := make([]byte, 0, len(signature)+8)
	pair = appendInteger(pair, signature[:size])
	pair = appendInteger(pair, signature[size:])
	sequence := append(make([]byte, 0, len(pair)+3), tagSequence)
	if len(pair) > 0x7f { // of P-521 alone; a length of two bytes would take 256
		sequence = append(sequence, 0x81)
	}
	return append(append(sequence, byte(len(pair))), pair...)
}

// appendInteger writes number, an unsigned one, in as few bytes as hold it with
// a sign.
func appendInteger(out, number []byte) []byte {
	number = bytes.TrimLeft(number, "\x00")
	out = append(out, tagInteger, byte(len(number)))
	if len(number) == 0 || number[0] > 0x7f {
		out[len(out)-1]++
		out = append(out, 0)
	}
	return append(out, number...)
}

// fromASN1 rewrites a signature of P-256 for a JWS.
func fromASN1(signature []byte) ([]byte, error) {
	const size = 32
	raw := make([]byte, 2*size)
	pair, rest := element(tagSequence, signature)
	r, pair := element(tagInteger, pair)
	s, end := element(tagInteger, pair)
	r, s = bytes.TrimLeft(r, "\x00"), bytes.TrimLeft(s, "\x00")
	if len(rest) > 0 || len(end) > 0 || len(r) == 0 || len(s) == 0 || len(r) > size || len(s) > size {
		return nil, errors.New("the key made no signature of P-256")
	}
	copy(raw[size-len(r):], r)
	copy(raw[2*size-len(s):], s)
	return raw, nil
}

// element takes the element of tag from the front of data; nothing, and data as
// it was, when there is none. Lengths above 127 do not occur.
func element(tag byte, data []byte) (content, rest []byte) {
	if len(data) < 2 || data[0] != tag || int(data[1]) > len(data)-2 {
		return nil, data
	}
	end := 2 + int(data[1])
	return data[2:end], data[end:]
}
