package token

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/tokenry/tokenry/jose"
)

// maxDepth bounds the walk along a chain. Policy allows far less; the JOSE
// door refuses JSON nested deeper than this anyway.
const maxDepth = 32

// Actor is one `act` object: who acts now, and who acted before.
type Actor struct {
	Subject string          // `sub`
	Issuer  string          // `iss`: who vouches for that `sub`
	Profile string          // `sub_profile`
	Act     json.RawMessage // earlier actors, byte for byte as they came; nil = none

	raw json.RawMessage // the whole object as it came; nil = made here
}

// Then is the actor that follows a: subject of issuer acts now, and a with all
// before it lies below, unchanged (RFC 8693, Section 4.1). a may be nil.
func (a *Actor) Then(issuer, subject, profile string) (*Actor, error) {
	next := &Actor{Subject: subject, Issuer: issuer, Profile: profile}
	if a != nil {
		raw, err := a.JSON()
		if err != nil {
			return nil, err
		}
		next.Act = raw
	}
	return next, nil
}

// JSON is the actor as it stands in a token. Of one that was read, exactly the
// bytes that were read, whatever was done to its fields since.
func (a *Actor) JSON() (json.RawMessage, error) {
	w := writer{}
	w.actor(a)
	return w.buf, w.err
}

// Chain lists the actors, outermost (current) first.
func (a *Actor) Chain() ([]Actor, error) {
	var chain []Actor
	for a != nil {
		if len(chain) == maxDepth {
			return nil, fmt.Errorf("more than %d actors", maxDepth)
		}
		chain = append(chain, *a)
		if a.Act == nil {
			break
		}
		next, err := ParseActor(a.Act)
		if err != nil {
			return nil, err
		}
		a = next
	}
	return chain, nil
}

// Depth is the number of actors: 0 for a nil actor. A chain that cannot be
// read counts as deeper than any limit.
func Depth(a *Actor) int {
	chain, err := a.Chain()
	if err != nil {
		return maxDepth + 1
	}
	return len(chain)
}

// ParseActor reads an `act` object and keeps its bytes. It reads the outermost
// level; Chain reads the others.
func ParseActor(raw json.RawMessage) (*Actor, error) {
	o, err := jose.ParseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("reading an actor: %w", err)
	}
	raw = bytes.Clone(raw)
	a := &Actor{raw: raw}
	r := reader{object: o}
	a.Subject = r.required("sub")
	a.Issuer = r.required("iss")
	a.Profile = r.string("sub_profile")
	// Claims about a token's validity mean nothing inside an actor, and a
	// reader might take them for the token's: RFC 8693, Section 4.1.
	r.forbid("exp", "nbf", "iat", "aud", "scope", "jti")
	if _, ok := o["act"]; ok {
		a.Act = r.raw(raw, "act")
	}
	if r.err != nil {
		return nil, fmt.Errorf("reading an actor: %w", r.err)
	}
	return a, nil
}
