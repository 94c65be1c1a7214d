package registry

import (
	"slices"

	"github.com/tokenry/tokenry/condition"
)

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
	if program := checkCondition(ps, "spec.subjects.condition", s.Condition); program != nil {
		checkVerified(ps, "spec.subjects.condition", program)
	}
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

// checkVerified refuses a condition that believes an address which its holder
// may have made up: at many providers users write what they like into email
// (OpenID Connect Core 1.0, Section 5.1: email_verified).
func checkVerified(ps *problems, at string, program *condition.Program) {
	if reads, _ := program.Reads(); slices.Contains(reads, "email") && !slices.Contains(reads, "email_verified") {
		ps.add(at, "believes claims.email whoever wrote it; add claims.email_verified == true, or ask for another claim")
	}
}
