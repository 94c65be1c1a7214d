package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Bounds of a key set: what a large provider publishes, many times over.
const (
	maxSet  = 512 << 10 // bytes
	maxKeys = 100
)

// ReadSet reads a JWK set (RFC 7517, Section 5) of a foreign issuer, or a SPIFFE
// bundle. A key that cannot be used is left out with an error in skipped, whose
// text says which it was; that alone spoils nothing: issuers publish keys for
// encryption, for X.509 and of types to come beside those that they sign with.
// err says that raw is no key set at all.
func ReadSet(raw []byte) (set Set, skipped []error, err error) {
	if len(raw) > maxSet {
		return Set{}, nil, errors.New("jose: the key set is larger than 512 KiB")
	}
	members, err := readMembers(raw)
	if err != nil {
		return Set{}, nil, fmt.Errorf("jose: reading the key set: %w", err)
	}
	if len(members) > maxKeys {
		return Set{}, nil, fmt.Errorf("jose: the key set has %d keys, more than %d", len(members), maxKeys)
	}
	for i, m := range members {
		key, err := readKey(m)
		if err == nil {
			set.keys = append(set.keys, key)
			continue
		}
		skipped = append(skipped, fmt.Errorf("key %d (kid %q): %w", i+1, key.Kid, err))
		var refused *Error
		if key.Kid != "" && errors.As(err, &refused) {
			set.refused = append(set.refused, refusal{key.Kid, refused.Fault})
		}
	}
	return set, skipped, nil
}

// readMembers takes a set apart without looking into its keys, so that what is
// wrong in one of them stays there. Other members of the set, such as those of a
// SPIFFE bundle, are ignored: RFC 7517, Section 5.
func readMembers(raw []byte) ([]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return nil, errors.New("no JSON object")
	}
	var keys []json.RawMessage
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errors.New("malformed JSON")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errors.New("malformed JSON")
		}
		if name != "keys" {
			continue
		}
		if keys != nil {
			return nil, errors.New(`"keys" occurs twice`)
		}
		if json.Unmarshal(value, &keys) != nil || keys == nil {
			return nil, errors.New(`"keys" is no array`)
		}
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return nil, errors.New("malformed JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data behind the JSON")
	}
	if keys == nil {
		return nil, errors.New(`there is no "keys"`)
	}
	return keys, nil
}

// ReadKey reads one JWK (RFC 7517, Section 4) as ReadSet reads each of a set.
func ReadKey(raw []byte) (Key, error) {
	if len(raw) > maxSet {
		return Key{}, errors.New("jose: the key is larger than 512 KiB")
	}
	key, err := readKey(raw)
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

// readKey reads one key. Whatever was wrong, it returns the kid if that could be
// read. An error that is an *Error is told to tokens that name the key.
func readKey(raw []byte) (Key, error) {
	o, err := ParseObject(raw)
	if err != nil {
		return Key{}, fmt.Errorf("malformed: %s", err.Error()) // a fault of the set, not of a token
	}
	return readMember(o)
}

// readMember is readKey of a key that has been parsed.
func readMember(o Object) (Key, error) {
	var key Key
	var err error
	if kid, has := o["kid"]; has {
		if s, ok := kid.(string); !ok || !isName(s) {
			return Key{}, errors.New("kid is no short printable string")
		}
		key.Kid, _ = kid.(string)
	}
	if err := purpose(o); err != nil {
		return key, err
	}
	// Unreadable ones are as good as none: no certificate is ever looked at.
	key.prints, _ = readThumbprints(o)
	if alg, has := o["alg"]; has {
		// Not to be taken for an absent one, which allows more.
		if key.Alg, _ = alg.(string); key.Alg == "" {
			return key, errors.New("alg is no string, or empty")
		}
	}
	// Whoever publishes a private key has lost it, and a symmetric one is no
	// key at all once it is published: RFC 7517, Section 9.2.
	for _, name := range PrivateMembers() {
		if _, has := o[name]; has {
			return key, errors.New("it has a private member: " + name)
		}
	}
	if key.Public, err = readPublic(o); err != nil {
		return key, err
	}
	if f := key.Flaw(); f != "" {
		return key, &Error{Fault: f}
	}
	return key, nil
}

// PrivateMembers are the members of a JWK that only its owner may know: RFC 7518,
// Sections 6.2.2, 6.3.2 and 6.4.1, and `priv` of the keys that
// draft-ietf-cose-dilithium adds. Package registry has the same list.
func PrivateMembers() []string {
	return []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}
}

// purpose checks that the key is for verifying signatures of tokens.
func purpose(o Object) error {
	if use, has := o["use"]; has {
		// RFC 7517, Section 4.2, and what JWT-SVID keys have in a SPIFFE bundle,
		// where the other keys are not for tokens.
		if use != "sig" && use != "jwt-svid" {
			return refuse(FaultKeyUse, "use is not sig")
		}
	}
	if _, has := o["key_ops"]; has {
		list, isList := o["key_ops"].([]any)
		if !isList || !slices.Contains(list, any("verify")) { // RFC 7517, Section 4.3
			return refuse(FaultKeyOps, "key_ops is not verify")
		}
	}
	return nil
}
