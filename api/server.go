package api

import "time"

// Key is the public view of one of our signing keys.
type Key struct {
	Kid        string     `json:"kid"`
	Alg        string     `json:"alg"`
	State      KeyState   `json:"state" enum:"published,active,retiring,retired,revoked"`
	Created    time.Time  `json:"created"`
	ActiveFrom time.Time  `json:"activeFrom" doc:"It signs from here on."`
	Retired    *time.Time `json:"retired,omitempty"`
	Revoked    *time.Time `json:"revoked,omitempty"`
}

// KeyState is what a signing key is good for.
type KeyState string

// States of a signing key.
const (
	KeyPublished KeyState = "published" // in the JWKS, signs later
	KeyActive    KeyState = "active"    // signs now
	KeyRetiring  KeyState = "retiring"  // signs no more; its tokens are still valid
	KeyRetired   KeyState = "retired"
	KeyRevoked   KeyState = "revoked"
)

// KeyList lists our signing keys, newest first.
type KeyList struct {
	Items []Key `json:"items"`
}

// ServerStatus says what is running and how fresh its view is.
type ServerStatus struct {
	Version string  `json:"version"`
	Schema  Schema  `json:"schema"`
	Replica Replica `json:"replica"`
}

// Schema is the state of the database schema.
type Schema struct {
	Version uint `json:"version" doc:"Applied."`
	Wanted  uint `json:"wanted" doc:"Known to this binary."`
}

// Replica is how fresh this replica's view of the registry is.
type Replica struct {
	Fresh    bool      `json:"fresh" doc:"false: this replica issues nothing."`
	LastRead time.Time `json:"lastRead"`
	Change   int64     `json:"change" doc:"Registry change number that it has seen."`
}
