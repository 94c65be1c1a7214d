package registry

func validateRule(ps *problems, r *DelegationRule) {
	s := r.Subjects
	machines := len(s.Agents) + len(s.Blueprints)
	switch {
	case s.Issuer == "" && machines == 0:
		ps.add("spec.subjects", "names nobody; set issuer (its users), agents or blueprints")
	case s.Issuer != "" && machines > 0:
		ps.add("spec.subjects", "names users and agents; write one rule for each")
	}
	if s.Issuer != "" {
		checkReference(ps, "spec.subjects.issuer", string(s.Issuer))
	}
	if s.Condition != "" && s.Issuer == "" {
		ps.add("spec.subjects.condition", "needs spec.subjects.issuer: it looks at the claims of that issuer's tokens")
	}
	checkCondition(ps, "spec.subjects.condition", s.Condition)
	checkAgents(ps, "spec.subjects.agents", s.Agents)
	checkNames(ps, "spec.subjects.blueprints", s.Blueprints)

	if len(r.Actors.Agents)+len(r.Actors.Blueprints) == 0 {
		ps.add("spec.actors", "names nobody; set agents or blueprints")
	}
	checkAgents(ps, "spec.actors.agents", r.Actors.Agents)
	checkNames(ps, "spec.actors.blueprints", r.Actors.Blueprints)

	if len(r.Resources) == 0 {
		ps.add("spec.resources", "is empty; a rule allows what it lists and nothing else")
	}
	checkAccess(ps, "spec.resources", r.Resources)
	checkDepth(ps, "spec.maxDepth", r.MaxDepth, 1)
	checkTTL(ps, "spec.maxTtl", r.MaxTTL)
}
