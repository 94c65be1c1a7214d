package jose

import (
	"errors"
	"strings"
)

// ProofType is the `typ` of a DPoP proof (RFC 9449, Section 4.2), the one kind of
// token that may bring its own key along.
const ProofType = "dpop+jwt"

// VerifyProof reads a token that brings its key along in `jwk` and checks that
// this key made its signature. That proves that whoever made it has the key, and
// says nothing about who that is: to be trusted, the key must be known from
// elsewhere. What the claims say is for the caller to check.
//
// The token is as strict as any other, its typ must be ProofType, and its key is
// one that ReadKey takes: public, asymmetric and sound. The error is an *Error.
func VerifyProof(compact string) (*Token, Key, error) {
	t, err := parseForm(compact, true)
	if err != nil {
		return nil, Key{}, err
	}
	if t.Claims, err = ParseObject(t.payload); err != nil {
		return nil, Key{}, err
	}
	if err := t.Verify(t.embedded); err != nil {
		return nil, Key{}, err
	}
	return t, t.embedded, nil
}

// readEmbedded takes the key out of the header of a proof, and out of no other:
// elsewhere the member stays and is refused with those that are never followed
// (RFC 8725, Section 3.10).
func (t *Token) readEmbedded(header Object, proof bool) error {
	if !proof {
		return nil
	}
	// RFC 7515, Section 4.1.9: case-insensitive, and "application/" may be left out.
	typ, _ := header["typ"].(string)
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != ProofType {
		return refuse(FaultTyp, "typ is not "+ProofType) // RFC 9449, Section 4.3, check 4
	}
	members, ok, err := header.Object("jwk")
	if err != nil || !ok {
		return refuse(FaultHeaderMalformed, "jwk is missing or no object")
	}
	t.embedded, err = readMember(members)
	var flaw *Error
	switch {
	case errors.As(err, &flaw): // of another type than ours, weak, not for signatures
		return flaw
	case err != nil: // with a private member, among others: RFC 9449, Section 4.3, check 7
		return &Error{Fault: FaultHeaderMalformed, Err: err}
	}
	delete(header, "jwk")
	return nil
}
