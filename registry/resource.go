package registry

import "fmt"

// A resource's name never equals an identifier: an absolute URI has a colon, a
// name has none. One request parameter can therefore take both.
func validateResource(ps *problems, r *Resource) {
	// RFC 8707, Section 2: "an absolute URI", "MUST NOT include a fragment".
	checkURI(ps, "spec.identifier", r.Identifier)
	seen := map[string]bool{}
	for i, s := range r.Scopes {
		at := fmt.Sprintf("spec.scopes[%d]", i)
		checkScope(ps, at+".name", s.Name)
		checkText(ps, at+".description", s.Description, 4*maxText)
		if seen[s.Name] {
			ps.add(at+".name", "is there twice; keep one")
		}
		seen[s.Name] = true
	}
	checkAgents(ps, "spec.agents", r.Agents)
	checkTTL(ps, "spec.maxTtl", r.MaxTTL)
}
