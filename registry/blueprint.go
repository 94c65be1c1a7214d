package registry

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

func validateBlueprint(ps *problems, b *Blueprint) {
	checkAccess(ps, "spec.resources", b.Resources)
	if b.DefaultResource != "" && !slices.ContainsFunc(b.Resources, func(a Access) bool { return a.Name == b.DefaultResource }) {
		ps.add("spec.defaultResource", "is not among spec.resources; add it there or name one that is")
	}
	checkTTL(ps, "spec.maxTtl", b.MaxTTL)
	checkDepth(ps, "spec.maxDelegationDepth", b.MaxDelegationDepth, 0)
	checkNotEmpty(ps, "spec.clientAuth", b.ClientAuth, "federated")
	checkUnique(ps, "spec.clientAuth", b.ClientAuth)
	checkNotEmpty(ps, "spec.grants", b.Grants, "all grants")
	checkUnique(ps, "spec.grants", b.Grants)
	names := map[string]bool{}
	for i := range b.Credentials {
		c, at := &b.Credentials[i], fmt.Sprintf("spec.credentials[%d]", i)
		if names[c.Name] {
			ps.add(at+".name", "is there twice; give each credential its own name")
		}
		names[c.Name] = true
		validatePatternCredential(ps, at, c)
	}
}

// Bounds of what a pattern credential may make. Instances that are forgotten
// too early would be gone while their tokens live.
const (
	maxInstances = 1_000_000
	minCollect   = 2 * maxTTL
)

func validatePatternCredential(ps *problems, at string, c *PatternCredential) {
	validateCredential(ps, at, &c.Credential)
	if c.Subject.Exact != "" {
		ps.add(at+".subject.exact", "is one workload, and this makes instances of many; give it to an agent, or use prefix or glob")
	}
	switch {
	case c.MaxInstances == 0:
		ps.add(at+".maxInstances", "is missing; say how many instances there may be at once")
	case c.MaxInstances < 0 || c.MaxInstances > maxInstances:
		ps.add(at+".maxInstances", "must be between 1 and %d", maxInstances)
	}
	if c.CollectAfter != 0 && time.Duration(c.CollectAfter) < minCollect {
		ps.add(at+".collectAfter", "must be at least %s: tokens must not outlive the instance that they name", Duration(minCollect))
	}
	for _, label := range slices.Sorted(maps.Keys(c.Labels)) {
		here := at + ".labels." + printable(label)
		if !labelKey.MatchString(label) {
			ps.add(here, "must be made of letters, digits, '.', '_', '-' and '/', at most 63")
		}
		checkClaimPath(ps, here, c.Labels[label])
	}
	if len(c.Labels) > maxLabels {
		ps.add(at+".labels", "has more than %d labels", maxLabels)
	}
}
