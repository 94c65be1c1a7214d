// Package token is the shape of the access tokens that we issue: their claims
// (RFC 9068), the chain of actors in them (RFC 8693, Section 4.1), writing,
// reading and verifying. What goes into a token is decided in package grants;
// signatures are made in package keys and checked in package jose.
package token

import (
	"encoding/json"
	"time"
)

// Type is the `typ` of our access tokens: RFC 9068, Section 2.1.
const Type = "at+jwt"

// ProfileAgent is the `sub_profile` of an actor that is an agent.
const ProfileAgent = "ai_agent"

// Claims of an access token. Empty fields are absent from it.
type Claims struct {
	Issuer   string // `iss`: our issuer
	Subject  string // `sub`: "<trusted issuer>|<sub>" of a user, or an agent's name
	Audience string // `aud`: the identifier of exactly one resource; written as a string, not a list
	ClientID string // `client_id`: the agent that asked
	Scope    string // `scope`: space separated
	JTI      string // `jti`
	Txn      string // `txn`: the same through all exchanges of one transaction

	ACR      string          // `acr`, `amr`, `auth_time` of the user's own authentication,
	AMR      []string        // carried unchanged through every exchange
	AuthTime json.RawMessage // (RFC 9068, Section 2.2.1); a JSON number

	IssuedAt time.Time // `iat`, whole seconds
	Expires  time.Time // `exp`, whole seconds

	Act          *Actor        // `act`: nil when the subject acts for itself
	Confirmation *Confirmation // `cnf`: nil when the token is bound to no key
	Agent        *AgentInfo    // `agent`: describes the outermost actor, or the agent `sub`
}

// AgentInfo is the `agent` claim, for a resource that wants to know more about
// an agent than its name.
type AgentInfo struct {
	Blueprint string // `blueprint`
	Version   int    // `version` of that blueprint
	SPIFFEID  string // `spiffe_id`, when the agent proved itself by an SVID
}
