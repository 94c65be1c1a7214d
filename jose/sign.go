package jose

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Signer signs tokens with one key. Safe for concurrent use.
type Signer struct {
	key       Key
	private   crypto.Signer
	algorithm algorithm
}

// NewSigner makes a signer. alg is ES256, RS256 or EdDSA, and key must fit it;
// kid is what verifiers find the public key by.
func NewSigner(kid, alg string, key crypto.Signer) (*Signer, error) {
	switch alg {
	case "ES256", "RS256", "EdDSA":
	default:
		return nil, fmt.Errorf("jose: cannot sign with %q, want ES256, RS256 or EdDSA", alg)
	}
	if !isName(kid) {
		return nil, errors.New("jose: kid must be printable and 1 to 256 bytes long")
	}
	if key == nil {
		return nil, errors.New("jose: no key to sign with")
	}
	s := &Signer{key: Key{Kid: kid, Alg: alg, Public: key.Public()}, private: key}
	if f := s.key.misfit(alg); f != "" {
		return nil, fmt.Errorf("jose: a signer for %s: %w", alg, &Error{Fault: f})
	}
	s.algorithm, _ = algorithmOf(alg)
	return s, nil
}

// Key is the public key that verifies what s signs.
func (s *Signer) Key() Key { return s.key }

// Sign makes a compact token (RFC 7515, Section 5.1) of payload, which is
// signed as it is. typ says what kind of token it is (RFC 8725, Section 3.11);
// empty = the header has none.
func (s *Signer) Sign(typ string, payload []byte) (compact string, err error) {
	header := make([]byte, 0, 128)
	header = append(header, `{"alg":"`...)
	header = append(header, s.key.Alg...)
	// Of printable text, Go and JSON quote the same two characters alike.
	header = strconv.AppendQuote(append(header, `","kid":`...), s.key.Kid)
	if typ != "" {
		if !isName(typ) {
			return "", errors.New("jose: typ must be printable and at most 256 bytes long")
		}
		header = strconv.AppendQuote(append(header, `,"typ":`...), typ)
	}
	return s.compact(append(header, '}'), payload)
}

// SignProof makes a proof of possession of payload (RFC 9449, Section 4.2): a
// compact token of type ProofType that names its key by the key itself.
func (s *Signer) SignProof(payload []byte) (string, error) {
	m, err := Key{Public: s.key.Public}.member()
	if err != nil {
		return "", err
	}
	m.Use = ""
	header, err := json.Marshal(struct {
		Typ string `json:"typ"`
		Alg string `json:"alg"`
		JWK member `json:"jwk"`
	}{ProofType, s.key.Alg, m})
	if err != nil {
		return "", fmt.Errorf("jose: signing a proof: %w", err)
	}
	return s.compact(header, payload)
}

// compact signs header and payload.
func (s *Signer) compact(header, payload []byte) (string, error) {
	b64 := base64.RawURLEncoding
	token := make([]byte, 0, b64.EncodedLen(len(header))+b64.EncodedLen(len(payload))+128)
	token = b64.AppendEncode(token, header)
	token = b64.AppendEncode(append(token, '.'), payload)
	signature, err := s.sign(token)
	if err != nil {
		return "", fmt.Errorf("jose: signing: %w", err)
	}
	token = b64.AppendEncode(append(token, '.'), signature)
	if len(token) > maxToken {
		return "", refuse(FaultTooLarge, "nobody of ours would read the token")
	}
	return string(token), nil
}

// sign signs message in the form of JWS.
func (s *Signer) sign(message []byte) ([]byte, error) {
	// EdDSA hashes by itself: RFC 8037, Section 3.1.
	signature, err := s.private.Sign(rand.Reader, s.algorithm.digest(message), s.algorithm.hash)
	if err != nil || s.algorithm.family != ecdsaFamily {
		return signature, err
	}
	return fromASN1(signature)
}
