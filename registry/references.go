package registry

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tokenry/tokenry/condition"
)

// world is a whole state of the registry, by name, while it is being checked.
type world struct {
	ours       string
	issuers    map[IssuerName]*TrustedIssuer
	resources  map[ResourceName]*Resource
	blueprints map[BlueprintName]*Blueprint
	agents     map[AgentName]*Agent

	domains     map[string]*TrustedIssuer // by trust domain
	issuerKeys  map[string]string         // near form of `iss`, or the trust domain -> name
	identifiers map[string]string         // identifier of a resource -> name
	scopes      map[string]scopeOwner
	claims      map[IssuerName]*claims
	order       int                         // of claims
	conditions  map[string][]condition.Path // source -> claims that it reads
}

type scopeOwner struct {
	resource string
	scope    Scope
}

// ValidateAll checks what objects say about each other. after is the whole
// would-be state, without tombstones; ours is our own issuer identifier. Each
// object of it is thought to have passed Validate.
//
// What is refused is what could never work, and what would make one identity
// mean two things. A deletion shows as problems of whoever refers to what is
// gone.
func ValidateAll(after []*Object, ours string) []ObjectProblem {
	w := &world{
		ours:    ours,
		issuers: map[IssuerName]*TrustedIssuer{}, resources: map[ResourceName]*Resource{},
		blueprints: map[BlueprintName]*Blueprint{}, agents: map[AgentName]*Agent{},
		domains: map[string]*TrustedIssuer{}, issuerKeys: map[string]string{}, identifiers: map[string]string{},
		scopes: map[string]scopeOwner{}, claims: map[IssuerName]*claims{}, conditions: map[string][]condition.Path{},
	}
	var all []ObjectProblem
	report := func(i int, ps problems) {
		for _, p := range ps {
			all = append(all, ObjectProblem{Index: i, Kind: after[i].Kind, Name: after[i].Name, Problem: p})
		}
	}
	for i, o := range after {
		report(i, w.add(o))
	}
	for i, o := range after {
		report(i, w.check(o))
	}
	return all
}

// add makes an object known, and refuses a name that is taken.
func (w *world) add(o *Object) problems {
	var ps problems
	taken := false
	switch spec := o.Spec.(type) {
	case *TrustedIssuer:
		taken = known(w.issuers, IssuerName(o.Name), spec)
		if spec.Type == SPIFFE {
			w.domains[spec.TrustDomain] = spec
		}
	case *Resource:
		taken = known(w.resources, ResourceName(o.Name), spec)
	case *Blueprint:
		taken = known(w.blueprints, BlueprintName(o.Name), spec)
		for i := range spec.Credentials {
			w.claim(owner{KindBlueprint, o.Name}, &spec.Credentials[i].Credential)
		}
	case *Agent:
		taken = known(w.agents, AgentName(o.Name), spec)
		for i := range spec.Credentials {
			w.claim(owner{KindAgent, o.Name}, &spec.Credentials[i])
		}
	}
	if taken {
		ps.add("metadata.name", "is there twice; a name is one %s", o.Kind)
	}
	return ps
}

func known[N comparable, S any](m map[N]S, name N, spec S) bool {
	_, taken := m[name]
	m[name] = spec
	return taken
}

func (w *world) check(o *Object) problems {
	var ps problems
	switch spec := o.Spec.(type) {
	case *TrustedIssuer:
		w.checkIssuer(&ps, o.Name, spec)
		w.checkEndpointDomain(&ps, spec)
	case *Resource:
		w.checkResource(&ps, o.Name, spec)
	case *Blueprint:
		w.checkCeiling(&ps, "spec.resources", spec.Resources)
		for i := range spec.Credentials {
			w.checkCredential(&ps, fmt.Sprintf("spec.credentials[%d]", i), owner{KindBlueprint, o.Name}, &spec.Credentials[i].Credential)
		}
		if len(spec.Credentials) > 0 && len(spec.ClientAuth) > 0 && !slices.Contains(spec.ClientAuth, FederatedAuth) {
			ps.add("spec.credentials", "has no effect: spec.clientAuth does not list federated")
		}
	case *Agent:
		// An instance says nothing of others but where it came from. Whoever
		// takes its blueprint or its issuer away means to stop it, and ten
		// thousand of them must not be what forbids that.
		if spec.Instance == nil {
			w.checkAgent(&ps, o.Name, spec)
		}
	case *DelegationRule:
		w.checkRule(&ps, spec)
	}
	return ps
}

// checkIssuer refuses two issuers that a token could not tell apart, and one
// that is us: our own tokens are not a platform's.
func (w *world) checkIssuer(ps *problems, name string, t *TrustedIssuer) {
	at, key := "spec.issuer", near(t.Issuer)
	if t.Type == SPIFFE {
		at, key = "spec.trustDomain", "spiffe://"+t.TrustDomain
	}
	if t.Type != SPIFFE && w.ours != "" && key == near(w.ours) {
		ps.add(at, "is this server itself; its own tokens need no trusted issuer")
	}
	if other, taken := w.issuerKeys[key]; taken {
		ps.add(at, "is the same as, or only differs by case or a trailing slash from, that of trusted issuer %q; keep one", other)
		return
	}
	w.issuerKeys[key] = name
}

func (w *world) checkResource(ps *problems, name string, r *Resource) {
	if w.ours != "" && near(r.Identifier) == near(w.ours) {
		// A token for it could be shown to us as an assertion: RFC 7523, Section 3.
		ps.add("spec.identifier", "is this server itself; give the resource its own identifier")
	}
	if other, taken := w.identifiers[r.Identifier]; taken {
		ps.add("spec.identifier", "is already that of resource %q", other)
	} else {
		w.identifiers[r.Identifier] = name
	}
	for i, s := range r.Scopes {
		first, there := w.scopes[s.Name]
		if !there {
			w.scopes[s.Name] = scopeOwner{name, s}
		} else if first.resource != name && (first.scope.Description != s.Description || first.scope.risk() != s.risk()) {
			ps.add(fmt.Sprintf("spec.scopes[%d]", i), "resource %q has a scope of this name with another description or risk; make them equal or choose another name", first.resource)
		}
	}
	for i, who := range r.Agents {
		at := fmt.Sprintf("spec.agents[%d]", i)
		_, agent := w.agents[AgentName(who)]
		_, blueprint := w.blueprints[BlueprintName(who)]
		switch {
		case agent && blueprint:
			ps.add(at, "is both an agent and a blueprint; rename one of them")
		case !agent && !blueprint:
			ps.add(at, "there is no such agent or blueprint%s", suggest(who, w.agents))
		}
	}
}

func (s Scope) risk() Risk {
	if s.Risk == "" {
		return LowRisk
	}
	return s.Risk
}

// checkCeiling checks that resources and scopes exist.
func (w *world) checkCeiling(ps *problems, at string, list []Access) {
	for i, a := range list {
		here := fmt.Sprintf("%s[%d]", at, i)
		r, ok := w.resources[a.Name]
		if !ok {
			ps.add(here+".name", "there is no such resource%s", suggest(string(a.Name), w.resources))
			continue
		}
		if len(a.Scopes) == 0 && len(r.Scopes) > 0 {
			ps.add(here+".scopes", "names no scope of resource %q; name at least one", a.Name)
		}
		for j, scope := range a.Scopes {
			if !slices.ContainsFunc(r.Scopes, func(s Scope) bool { return s.Name == scope }) {
				ps.add(fmt.Sprintf("%s.scopes[%d]", here, j), "resource %q has no such scope%s", a.Name, suggestScope(scope, r))
			}
		}
	}
}

// ceiling returns what an agent may have at most; nil when it is unknown.
func (w *world) ceiling(name AgentName) []Access {
	a, ok := w.agents[name]
	if !ok {
		return nil
	}
	if a.Resources != nil {
		return a.Resources
	}
	if b, ok := w.blueprints[a.Blueprint]; ok {
		return b.Resources
	}
	return nil
}

// within reports whether scope at resource is inside a ceiling.
func within(ceiling []Access, resource ResourceName, scope string) bool {
	return slices.ContainsFunc(ceiling, func(a Access) bool {
		return a.Name == resource && slices.Contains(a.Scopes, scope)
	})
}

// suggest says which of the known names a wrong one may have been meant for.
func suggest[N ~string, S any](name string, m map[N]S) string {
	if len(m) > 1000 {
		return ""
	}
	names := make([]string, 0, len(m))
	for _, n := range slices.Sorted(maps.Keys(m)) {
		names = append(names, string(n))
	}
	return DidYouMean(name, names)
}

func suggestScope(scope string, r *Resource) string {
	var names []string
	for _, s := range r.Scopes {
		names = append(names, s.Name)
	}
	return DidYouMean(scope, names)
}
