package registry

import "fmt"

// checkRule checks that a rule names what exists and could ever apply.
func (w *world) checkRule(ps *problems, r *DelegationRule) {
	s := r.Subjects
	if s.Issuer != "" {
		issuer, ok := w.issuers[s.Issuer]
		switch {
		case !ok:
			ps.add("spec.subjects.issuer", "there is no such trusted issuer%s", suggest(string(s.Issuer), w.issuers))
		case issuer.SubjectTokens() != UserTokens:
			ps.add("spec.subjects.issuer", "trusted issuer %q speaks of workloads; name their agents instead", s.Issuer)
		case issuer.open() && s.Condition == "":
			ps.add("spec.subjects.condition", "is needed: everybody may have an account at trusted issuer %q; say whose users you mean, for example claims.hd == \"example.com\"", s.Issuer)
		}
	}
	w.checkParties(ps, "spec.subjects", s.Agents, s.Blueprints)
	w.checkParties(ps, "spec.actors", r.Actors.Agents, r.Actors.Blueprints)
	n := len(*ps)
	w.checkCeiling(ps, "spec.resources", r.Resources)
	if len(*ps) == n {
		w.checkCovered(ps, r)
	}
}

func (w *world) checkParties(ps *problems, at string, agents []AgentName, blueprints []BlueprintName) {
	for i, name := range agents {
		if _, ok := w.agents[name]; !ok {
			ps.add(fmt.Sprintf("%s.agents[%d]", at, i), "there is no such agent%s", suggest(string(name), w.agents))
		}
	}
	for i, name := range blueprints {
		if _, ok := w.blueprints[name]; !ok {
			ps.add(fmt.Sprintf("%s.blueprints[%d]", at, i), "there is no such blueprint%s", suggest(string(name), w.blueprints))
		}
	}
}

// checkCovered refuses a resource of a rule that none of its actors may have: a
// rule is inside its actors' ceilings, it never raises them.
func (w *world) checkCovered(ps *problems, r *DelegationRule) {
	var ceilings [][]Access
	for _, name := range r.Actors.Agents {
		if _, ok := w.agents[name]; !ok {
			return // already reported, and its ceiling is not known
		}
		ceilings = append(ceilings, w.ceiling(name))
	}
	for _, name := range r.Actors.Blueprints {
		b, ok := w.blueprints[name]
		if !ok {
			return
		}
		ceilings = append(ceilings, b.Resources)
	}
	for i, access := range r.Resources {
		if !covered(ceilings, access) {
			ps.add(fmt.Sprintf("spec.resources[%d]", i), "lies outside what its actors may have, so it could never apply; widen their blueprint or take it out")
		}
	}
}

// covered reports whether any of the ceilings has something of an access.
func covered(ceilings [][]Access, access Access) bool {
	for _, ceiling := range ceilings {
		for _, c := range ceiling {
			if c.Name == access.Name && len(access.Scopes) == 0 {
				return true
			}
		}
		for _, scope := range access.Scopes {
			if within(ceiling, access.Name, scope) {
				return true
			}
		}
	}
	return false
}
