package registry

import "github.com/tokenry/tokenry/condition"

// Entry is what every entry of the read model says of its object.
type Entry[N ~string, S any] struct {
	ID      string
	Name    N
	State   State
	Version int
	Labels  map[string]string
	Spec    *S
}

// IssuerEntry is a trusted issuer in the read model.
type IssuerEntry struct {
	Entry[IssuerName, TrustedIssuer]
}

// ResourceEntry is a resource in the read model.
type ResourceEntry struct {
	Entry[ResourceName, Resource]
}

// Scope returns the resource's scope of that name; nil = it has none.
func (r *ResourceEntry) Scope(name string) *Scope { return nil }

// BlueprintEntry is a blueprint in the read model.
type BlueprintEntry struct {
	Entry[BlueprintName, Blueprint]
}

// RuleEntry is a delegation rule in the read model.
type RuleEntry struct {
	Entry[RuleName, DelegationRule]
	Condition *condition.Program // of its subjects; nil = it has none
}

// AgentEntry is an agent in the read model.
type AgentEntry struct {
	Entry[AgentName, Agent]
	SecretHash []byte // SHA-256 of the client secret; nil = it has none
}

// BoundCredential is a credential and the agent that it stands for.
type BoundCredential struct {
	Agent      AgentName
	Credential *Credential
	Condition  *condition.Program // nil = it has none
}

// Rules is everything but agents, at one change number. It never changes.
type Rules struct {
	Change int64
}

// Issuer returns the trusted issuer of that name; nil = unknown.
func (r *Rules) Issuer(name IssuerName) *IssuerEntry { return nil }

// IssuerByURL returns the issuer whose `iss` is exactly iss; nil = unknown.
func (r *Rules) IssuerByURL(iss string) *IssuerEntry { return nil }

// IssuerByTrustDomain returns the SPIFFE issuer of that trust domain; nil = unknown.
func (r *Rules) IssuerByTrustDomain(td string) *IssuerEntry { return nil }

// Issuers returns all issuers in name order.
func (r *Rules) Issuers() []*IssuerEntry { return nil }

// Resource returns the resource of that name; nil = unknown.
func (r *Rules) Resource(name ResourceName) *ResourceEntry { return nil }

// ResourceByIdentifier returns the resource with that identifier; nil = unknown.
func (r *Rules) ResourceByIdentifier(id string) *ResourceEntry { return nil }

// Blueprint returns the blueprint of that name; nil = unknown.
func (r *Rules) Blueprint(name BlueprintName) *BlueprintEntry { return nil }

// Delegations returns all delegation rules in name order.
func (r *Rules) Delegations() []*RuleEntry { return nil }
