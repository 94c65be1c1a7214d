package registry

import "slices"

func validateBlueprint(ps *problems, b *Blueprint) {
	checkAccess(ps, "spec.resources", b.Resources)
	if b.DefaultResource != "" && !slices.ContainsFunc(b.Resources, func(a Access) bool { return a.Name == b.DefaultResource }) {
		ps.add("spec.defaultResource", "is not among spec.resources; add it there or name one that is")
	}
	checkTTL(ps, "spec.maxTtl", b.MaxTTL)
	checkDepth(ps, "spec.maxDelegationDepth", b.MaxDelegationDepth, 0)
	checkNotEmpty(ps, "spec.clientAuth", b.ClientAuth, "federated")
	checkUnique(ps, "spec.clientAuth", b.ClientAuth)
	checkNotEmpty(ps, "spec.grants", b.Grants, "both grants")
	checkUnique(ps, "spec.grants", b.Grants)
}
