// Package audit is the record of what was decided. It owns the event, the
// ledger (group commit: many requests, one statement, one fsync) and nothing
// else: SQL stands in package storage and reaches the ledger as a function
// field, and what happened is decided in package grants or server/admin.
//
// The promise (rule 1 of the architecture): a token leaves the server only
// after the event of its issue and the replay keys of its request are durable.
package audit

import (
	"crypto/sha256"
	"encoding/json"
	"time"
)

// Kind says what an event is about.
type Kind string

// Kinds of event.
const (
	TokenIssued      Kind = "token.issued"      // the decision was "allowed" and is durable
	TokenRefused     Kind = "token.refused"     // the decision was "refused", or its keys were replayed
	TokenUndelivered Kind = "token.undelivered" // closes an issued event whose token did not leave: not signed, or recorded too late
	RefusalsSummed   Kind = "token.refusals"    // pre-authentication refusals beyond the flood limit, per second and reason
	AdminChanged     Kind = "admin.changed"     // a registry write, committed with its row
	KeyChanged       Kind = "key.changed"       // a signing key was made or retired
)

// Event is one line of the trail.
type Event struct {
	ID      string    // "dec_…" for a decision, "evt_…" for everything else; unique
	Time    time.Time // when it was decided, UTC
	Kind    Kind
	Reason  string // reason code of a refusal (package oauth), empty otherwise
	Actor   string // who: agent name of the presenter, or the admin principal
	Subject string // for whom: `sub` of the token; or the object of an admin write ("agent/research-agent")
	Target  string // resource name; empty when none was settled
	JTI     string // `jti` of the token issued
	Parent  string // `jti` of our own subject token, for lineage
	Txn     string // `txn` of the token issued
	Change  int64  // registry change number that the decision was made at
	Count   int    // RefusalsSummed: how many; else 0 or 1

	// Detail is what `explain` needs. Of an allowed event: inputs, versions and
	// ids (the whole event stays under 1 KB; its trace is recomputed). Of a
	// refusal: the stored trace. Never a token, a secret or an assertion.
	Detail json.RawMessage

	// Replay are the single-use keys that this request spends. The statement
	// that writes the event turns TokenIssued into TokenRefused, with the Reason
	// of the first that had been spent before.
	Replay []ReplayKey
}

// ReplayKey is one single-use value. Space separates kinds and owners, so that
// one client can never burn the value of another: "assertion:<client name>".
type ReplayKey struct {
	Space   string
	Hash    [sha256.Size]byte // SHA-256 of the value, never the value
	Expires time.Time         // the row may be forgotten after this
	Reason  string            // of the refusal when it was spent before (package oauth)
}

// NewReplayKey hashes value into a key of space.
func NewReplayKey(space, value string, expires time.Time, reason string) ReplayKey {
	return ReplayKey{Space: space, Hash: sha256.Sum256([]byte(value)), Expires: expires, Reason: reason}
}

// Lost says that an event of a batch is kept as a refusal, because one of its
// replay keys was spent before.
type Lost struct {
	Event  int    // its index
	Reason string // of the first such key
}

// Size is about the number of bytes that the event takes in a row: its text
// and its detail, and for each replay key the space, the hash and the time.
func (e *Event) Size() int {
	const fixed = 3 * 8 // time, change, count
	n := fixed + len(e.ID) + len(e.Kind) + len(e.Reason) + len(e.Actor) + len(e.Subject) + len(e.Target) +
		len(e.JTI) + len(e.Parent) + len(e.Txn) + len(e.Detail)
	for i := range e.Replay {
		n += len(e.Replay[i].Space) + len(e.Replay[i].Hash) + 8
	}
	return n
}
