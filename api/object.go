// Package api holds the words of the admin API: what its requests and answers
// look like on the wire, the committed openapi.yaml, and a client. The routes
// are served by server/admin; what an object means is in package registry.
package api

import (
	"encoding/json"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// Version is the apiVersion of every object.
const Version = "tokenry/v1"

// Prefix is the path under which the admin listener serves the API.
const Prefix = "/api/v1"

// Object is one declared noun, as in a manifest, and what the server adds.
type Object struct {
	APIVersion string          `json:"apiVersion,omitempty" doc:"Always tokenry/v1; may be left out in requests."`
	Kind       registry.Kind   `json:"kind,omitempty" doc:"May be left out where the path already says it."`
	Metadata   Metadata        `json:"metadata"`
	Spec       json.RawMessage `json:"spec"`
	Status     *Status         `json:"status,omitempty" readOnly:"true" doc:"Set by the server; refused in requests."`
}

// Metadata names an object.
type Metadata struct {
	Name   string            `json:"name" maxLength:"264" doc:"Unique within the kind and never changed; at most 63 characters, of an instance (BLUEPRINT/SUFFIX) 264."`
	Labels map[string]string `json:"labels,omitempty" doc:"Free text for people and tools; no decision reads it."`
}

// Status is what the server knows about an object. No request can set it.
type Status struct {
	ID      string         `json:"id" doc:"Never used again, not even for an object of the same name."`
	State   registry.State `json:"state" enum:"active,disabled,quarantined"`
	Version int            `json:"version" doc:"1 at creation, one more at each change of spec or labels."`
	Created time.Time      `json:"created"`
	Updated time.Time      `json:"updated"`
	Secret  bool           `json:"secret,omitempty" doc:"The agent has a client secret. It is never shown again."`

	Instance *Instance `json:"instance,omitempty" doc:"Only of an instance: what it was made from."`
}

// Instance says what an instance was made from, and when it last asked for a
// token. It belongs for ever to this issuer and subject.
type Instance struct {
	Credential string    `json:"credential" doc:"Of its blueprint."`
	Issuer     string    `json:"issuer"`
	Subject    string    `json:"subject"`
	LastUsed   time.Time `json:"lastUsed" doc:"To within a few minutes."`
}

// Instances says what a list of agents does with instances.
type Instances string

// What a list of agents does with instances.
const (
	IncludeInstances Instances = "include"
	ExcludeInstances Instances = "exclude"
	OnlyInstances    Instances = "only"
)

// ObjectList is one page of objects in the order of their names.
type ObjectList struct {
	Items      []Object `json:"items"`
	NextCursor string   `json:"next_cursor,omitempty" doc:"Give it as cursor to read on; absent on the last page."`
}

// kinds holds the kinds and their place in URLs, in the order in which they
// are applied.
var kinds = [...]struct {
	kind       registry.Kind
	collection string
}{
	{registry.KindTrustedIssuer, "trusted-issuers"},
	{registry.KindResource, "resources"},
	{registry.KindBlueprint, "blueprints"},
	{registry.KindAgent, "agents"},
	{registry.KindDelegationRule, "delegation-rules"},
}

// Kinds lists the kinds in the order in which they are applied.
func Kinds() []registry.Kind {
	list := make([]registry.Kind, len(kinds))
	for i, k := range kinds {
		list[i] = k.kind
	}
	return list
}

// Collection is the plural noun of kind in URLs, "trusted-issuers"; empty when
// there is no such kind.
func Collection(kind registry.Kind) string {
	for _, k := range kinds {
		if k.kind == kind {
			return k.collection
		}
	}
	return ""
}

// StateChange is the body of the actions :disable and :enable; it may be left
// out.
type StateChange struct {
	Reason string `json:"reason,omitempty" maxLength:"256" doc:"For the audit trail."`
}

// Secret is the answer of :rotate-secret, the only time that a secret is seen.
type Secret struct {
	ClientID string `json:"clientId"`
	Secret   string `json:"secret,omitempty" doc:"256 random bits, base64url. Only its SHA-256 is kept. Absent in a dry run."`
}

// FederatedCredential is one binding: an agent's, or a blueprint's pattern.
type FederatedCredential struct {
	Agent     string                `json:"agent,omitempty" doc:"Whom it stands for; absent when it is a blueprint's."`
	Blueprint string                `json:"blueprint,omitempty" doc:"Whose instances it makes; absent when it is an agent's."`
	Name      string                `json:"name"`
	Issuer    string                `json:"issuer"`
	Subject   registry.SubjectMatch `json:"subject"`
	Audience  string                `json:"audience,omitempty"`
	Condition string                `json:"condition,omitempty" doc:"CEL over claims."`
	Claims    map[string]string     `json:"claims,omitempty" doc:"Pinned claims: path to the exact text."`
	Mode      registry.Mode         `json:"mode,omitempty" enum:"enforce,shadow"`

	MaxInstances int  `json:"maxInstances,omitempty" doc:"How many instances there may be at once."`
	Instances    *int `json:"instances,omitempty" doc:"How many there are."`
}

// FederatedCredentialList is one page of bindings; a page holds the bindings of
// up to limit agents and blueprints.
type FederatedCredentialList struct {
	Items      []FederatedCredential `json:"items"`
	NextCursor string                `json:"next_cursor,omitempty"`
}
