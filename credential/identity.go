package credential

import (
	"encoding/json"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// Identity is what a verified credential says: whose it is, in the words of
// its issuer, and which agent it is bound to if it speaks of a workload.
type Identity struct {
	Issuer    registry.IssuerName // the trusted issuer that signed it; empty for a self-issued assertion
	IssuerURL string              // its exact `iss`, or "spiffe://<trust domain>"
	Subject   string              // `sub`, byte for byte
	Tokens    registry.Tokens     // workload or user
	Agent     registry.AgentName  // workload: the agent that the binding names
	AgentID   string              // workload: its id; empty for an instance that was not known. By name alone another agent might be taken for it
	Binding   string              // workload: the name of that binding
	Audience  string              // workload: the one value of `aud`
	SPIFFEID  string              // set when the credential is an SVID

	// Instance is set when the agent is an instance: what it is made from on its
	// first use.
	Instance *registry.Candidate
	Review   Review   // whether its cluster was asked; empty = it did not have to be
	Shadow   []string // bindings in shadow mode that would admit it, "agent / credential"

	Claims   map[string]any // the claims as CEL sees them: string, bool, int64, uint64, float64, []any, map[string]any
	Expires  time.Time
	IssuedAt time.Time // zero when the credential has no `iat`
	KeyID    string    // `kid` that verified it; of a certificate its SHA-256 thumbprint, base64url
	Alg      string    // of a certificate the algorithm of its key

	Scope    []string        // of a user's token; nil when it has no `scope`
	MayAct   map[string]any  // RFC 8693, Section 4.4; nil = absent
	Txn      string          // `txn`, when present
	AuthTime json.RawMessage // copied unchanged: RFC 9068, Section 2.2.1
	ACR      string
	AMR      []string

	Checks []Check // what was checked, in order; all of them passed
}

// Review says how it was found that a Kubernetes token still lives.
type Review string

// Reviews.
const (
	Reviewed Review = "reviewed" // the API server said so
	Offline  Review = "offline"  // the API server could not be asked, and the token is young
)
