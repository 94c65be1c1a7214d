// Package registry holds the nouns that operators declare (trusted issuers,
// resources, blueprints, agents, delegation rules), the rules that they must
// keep, and the read model that every decision is made on.
//
// What a credential or a request is worth is decided elsewhere (credential,
// policy); how objects are stored in package storage; how they look on the wire
// in package api. YAML is read in cli/manifest.
package registry

import "time"

// Object is a stored noun: its spec and what the server knows about it.
// Spec is a *TrustedIssuer, *Resource, *Blueprint, *Agent or *DelegationRule.
type Object struct {
	ID      string // "iss_…", "res_…", "bp_…", "agt_…", "rul_…"; never used again
	Kind    Kind
	Name    string
	Labels  map[string]string
	State   State
	Version int   // 1 at creation, +1 at each change of spec or labels
	Change  int64 // number of the write that made it so; numbers commit in order
	Created time.Time
	Updated time.Time
	Deleted bool // a tombstone: tells replicas to forget the name
	Spec    any

	// SecretHash is the SHA-256 of an agent's client secret; nil = it has none.
	SecretHash []byte
}
