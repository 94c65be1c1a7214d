package registry

import (
	"maps"
	"slices"

	"github.com/tokenry/tokenry/condition"
)

// Rules is everything but agents, as of one change number. It never changes:
// whoever decides takes one *Rules and sees one world until the answer is given.
type Rules struct {
	Change  int64 // the latest change that was read, of an agent or of anything else
	Edition int64 // the latest that was of anything but an agent

	issuers    map[IssuerName]*IssuerEntry
	byURL      map[string]*IssuerEntry
	byDomain   map[string]*IssuerEntry
	resources  map[ResourceName]*ResourceEntry
	byID       map[string]*ResourceEntry
	blueprints map[BlueprintName]*BlueprintEntry
	rules      map[RuleName]*RuleEntry

	issuerList []*IssuerEntry
	ruleList   []*RuleEntry
	patterns   patterns // of blueprints
}

// Issuer returns the trusted issuer of that name; nil = unknown.
func (r *Rules) Issuer(name IssuerName) *IssuerEntry { return r.issuers[name] }

// IssuerByURL returns the OIDC or Kubernetes issuer whose `iss` is iss, byte
// for byte; nil = unknown.
func (r *Rules) IssuerByURL(iss string) *IssuerEntry { return r.byURL[iss] }

// IssuerByTrustDomain returns the SPIFFE issuer of that trust domain; nil =
// unknown.
func (r *Rules) IssuerByTrustDomain(td string) *IssuerEntry { return r.byDomain[td] }

// Issuers returns all issuers in name order. The slice belongs to Rules.
func (r *Rules) Issuers() []*IssuerEntry { return r.issuerList }

// Resource returns the resource of that name; nil = unknown.
func (r *Rules) Resource(name ResourceName) *ResourceEntry { return r.resources[name] }

// ResourceByIdentifier returns the resource with that identifier, byte for
// byte; nil = unknown.
func (r *Rules) ResourceByIdentifier(id string) *ResourceEntry { return r.byID[id] }

// Blueprint returns the blueprint of that name; nil = unknown.
func (r *Rules) Blueprint(name BlueprintName) *BlueprintEntry { return r.blueprints[name] }

// Delegations returns all delegation rules in name order. The slice belongs to
// Rules. A rule whose condition does not compile is not among them.
func (r *Rules) Delegations() []*RuleEntry { return r.ruleList }

// next returns a copy of r with changes applied; r stays as it is.
func (r *Rules) next(change int64, changes []Object, p *programs) *Rules {
	n := &Rules{Change: change, Edition: change}
	if len(changes) == 0 {
		*n = *r
		n.Change = change
		return n
	}
	n.issuers, n.resources = copied(r.issuers), copied(r.resources)
	n.blueprints, n.rules = copied(r.blueprints), copied(r.rules)
	for i := range changes {
		n.apply(&changes[i], p)
	}
	n.index()
	return n
}

// copied is maps.Clone, but never nil.
func copied[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m)+1)
	maps.Copy(c, m)
	return c
}

// apply puts one object into the maps by name, or takes it out.
func (r *Rules) apply(o *Object, p *programs) {
	switch o.Kind {
	case KindTrustedIssuer:
		put(r.issuers, o, func(e Entry[IssuerName, TrustedIssuer]) *IssuerEntry { return &IssuerEntry{e} })
	case KindResource:
		put(r.resources, o, func(e Entry[ResourceName, Resource]) *ResourceEntry { return &ResourceEntry{e} })
	case KindBlueprint:
		put(r.blueprints, o, func(e Entry[BlueprintName, Blueprint]) *BlueprintEntry { return newBlueprintEntry(e, p) })
	case KindDelegationRule:
		put(r.rules, o, func(e Entry[RuleName, DelegationRule]) *RuleEntry {
			program, err := p.compile(e.Spec.Subjects.Condition)
			if err != nil {
				return nil // a rule without its condition would admit everybody
			}
			return &RuleEntry{Entry: e, Condition: program}
		})
	}
}

// put stores what makes returns for o under its name, or forgets the name.
func put[N ~string, S, E any](m map[N]*E, o *Object, entry func(Entry[N, S]) *E) {
	name := N(o.Name)
	delete(m, name)
	spec, ok := o.Spec.(*S)
	if o.Deleted || !ok || spec == nil {
		return
	}
	if e := entry(Entry[N, S]{ID: o.ID, Name: name, State: o.State, Version: o.Version, Spec: spec}); e != nil {
		m[name] = e
	}
}

// index fills everything that follows from the maps by name.
func (r *Rules) index() {
	r.issuerList = make([]*IssuerEntry, 0, len(r.issuers))
	r.byURL, r.byDomain = map[string]*IssuerEntry{}, map[string]*IssuerEntry{}
	for _, name := range slices.Sorted(maps.Keys(r.issuers)) {
		e := r.issuers[name]
		r.issuerList = append(r.issuerList, e)
		if e.Spec.Type == SPIFFE {
			r.byDomain[e.Spec.TrustDomain] = e
		} else {
			r.byURL[e.Spec.Issuer] = e
		}
	}
	r.patterns = patterns{}
	for _, name := range slices.Sorted(maps.Keys(r.blueprints)) {
		r.blueprints[name].bind(&r.patterns)
	}
	r.byID = map[string]*ResourceEntry{}
	for _, e := range r.resources {
		r.byID[e.Spec.Identifier] = e
	}
	r.ruleList = make([]*RuleEntry, 0, len(r.rules))
	for _, name := range slices.Sorted(maps.Keys(r.rules)) {
		r.ruleList = append(r.ruleList, r.rules[name])
	}
}

// Entry is what every entry of the read model says of its object.
type Entry[N ~string, S any] struct {
	ID      string
	Name    N
	State   State
	Version int
	Spec    *S
}

// admits says that an object of a mode takes part in decisions: shadow only
// records.
func (e *Entry[N, S]) admits(m Mode) bool { return e.State == Active && m != Shadow }

// IssuerEntry is a trusted issuer in the read model.
type IssuerEntry struct {
	Entry[IssuerName, TrustedIssuer]
}

// Admits says that the issuer's tokens take part in decisions.
func (e *IssuerEntry) Admits() bool { return e.admits(e.Spec.Mode) }

// ResourceEntry is a resource in the read model.
type ResourceEntry struct {
	Entry[ResourceName, Resource]
}

// Scope returns the resource's scope of that name; nil = it has none.
func (r *ResourceEntry) Scope(name string) *Scope {
	for i := range r.Spec.Scopes {
		if r.Spec.Scopes[i].Name == name {
			return &r.Spec.Scopes[i]
		}
	}
	return nil
}

// RuleEntry is a delegation rule in the read model.
type RuleEntry struct {
	Entry[RuleName, DelegationRule]
	Condition *condition.Program // of its subjects; nil = it has none
}

// Admits says that the rule takes part in decisions.
func (e *RuleEntry) Admits() bool { return e.admits(e.Spec.Mode) }
