package jose

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// member is a published key. It has no place for a private member, so that none
// can slip through.
type member struct {
	Kty string `json:"kty"` // RFC 7517, Section 4.1
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	Kid string `json:"kid,omitempty"`
	Alg string `json:"alg,omitempty"`
	Use string `json:"use,omitempty"`
}

// PublicJWKS writes keys as a set (RFC 7517, Section 5), in their order. The
// same keys give the same bytes.
func PublicJWKS(keys []Key) ([]byte, error) {
	set := struct {
		Keys []member `json:"keys"`
	}{Keys: []member{}} // present even if empty: RFC 7517, Section 5.1
	for _, k := range keys {
		m, err := k.member()
		if err != nil {
			return nil, fmt.Errorf("jose: publishing key %q: %w", k.Kid, err)
		}
		set.Keys = append(set.Keys, m)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(set); err != nil {
		return nil, fmt.Errorf("jose: publishing keys: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func (k Key) member() (member, error) {
	if f := k.Flaw(); f != "" { // a private key ends here
		return member{}, &Error{Fault: f}
	}
	raw, err := jose.JSONWebKey{Key: k.Public}.MarshalJSON()
	if err != nil {
		return member{}, err
	}
	var m member
	if err := json.Unmarshal(raw, &m); err != nil {
		return member{}, err
	}
	m.Kid, m.Alg, m.Use = k.Kid, k.Alg, "sig" // RFC 7517, Section 4.2
	return m, nil
}
