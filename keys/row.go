// Package keys is the ring of our own signing keys: when each one is made,
// published, used and forgotten. Private halves leave this package never, and
// lie in the store only sealed under the key-encryption key (KEK). Signing
// itself is in package jose, SQL in package storage, which reaches the ring as
// function fields.
//
// A key's state follows from its times alone, so that replicas need not agree
// on anything but the rows: published from Created, signing from ActiveFrom
// until the next key's ActiveFrom, verifying until the last token it signed has
// expired.
package keys

import (
	"errors"
	"time"
)

// Row is a signing key as it lies in the store. Only Retired and Revoked ever
// change.
type Row struct {
	Kid        string     // RFC 7638 thumbprint of the public half: never reused, not even by a restored backup
	Alg        string     // JWS algorithm
	Sealed     []byte     // private half under the KEK
	Created    time.Time  // published from here on
	ActiveFrom time.Time  // may sign from here on
	Retired    *time.Time // signs no more from here on; its tokens stay good
	Revoked    *time.Time // compromised: neither signs nor verifies from here on
}

// What the ring answers when it cannot sign.
var (
	// ErrNoKey: no key may sign now. The answer to a client is a 503.
	ErrNoKey = errors.New("no active signing key")

	// ErrRevoked: the key of a token was revoked, and the token with it.
	ErrRevoked = errors.New("the signing key was revoked")

	// ErrRaced is returned by Config.Insert when another replica was faster.
	ErrRaced = errors.New("another replica inserted a signing key")

	// ErrSealed: a key does not open with this KEK.
	ErrSealed = errors.New("the key does not open: wrong key-encryption key, or the row was altered")
)
