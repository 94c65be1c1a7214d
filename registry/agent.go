package registry

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tokenry/tokenry/condition"
)

func validateAgent(ps *problems, a *Agent) {
	checkReference(ps, "spec.blueprint", string(a.Blueprint))
	// An agent nobody answers for cannot be stopped by asking anybody.
	checkPerson(ps, "spec.owner", a.Owner)
	checkPerson(ps, "spec.sponsor", a.Sponsor)
	names := map[string]bool{}
	for i := range a.Credentials {
		c, at := &a.Credentials[i], fmt.Sprintf("spec.credentials[%d]", i)
		if names[c.Name] {
			ps.add(at+".name", "is there twice; give each credential its own name")
		}
		names[c.Name] = true
		validateCredential(ps, at, c)
		if len(c.Labels) > 0 {
			ps.add(at+".labels", "is for credentials of blueprints, whose instances get them; label the agent in metadata.labels")
		}
	}
	checkAccess(ps, "spec.resources", a.Resources)
	checkTTL(ps, "spec.maxTtl", a.MaxTTL)
	if a.JWKS != nil {
		checkKeySet(ps, "spec.jwks", a.JWKS, true)
	}
	if a.JWKSURL != "" {
		checkURL(ps, "spec.jwksUrl", a.JWKSURL)
		if a.JWKS != nil { // RFC 7591, Section 2: "MUST NOT both be present"
			ps.add("spec.jwksUrl", "stands beside jwks; keep one of them")
		}
	}
	if a.TLS != nil {
		validateCertificate(ps, a)
	}
}

func checkPerson(ps *problems, at, text string) {
	if text == "" {
		ps.add(at, "is missing; name the person or the team")
	}
	checkText(ps, at, text, maxText)
}

func validateCredential(ps *problems, at string, c *Credential) {
	if err := CheckName(c.Name); err != nil {
		ps.add(at+".name", "%v", err)
	}
	checkReference(ps, at+".issuer", string(c.Issuer))
	validateSubject(ps, at+".subject", c.Subject)
	if c.Audience != "" {
		checkAudience(ps, at+".audience", c.Audience)
	}
	checkCondition(ps, at+".condition", c.Condition)
	for _, path := range slices.Sorted(maps.Keys(c.Claims)) {
		here := at + ".claims." + printable(path)
		checkClaimPath(ps, here, path)
		if c.Claims[path] == "" {
			ps.add(here, "is empty; give the text that the claim must have")
		}
		checkText(ps, here, c.Claims[path], maxURL)
	}
	if _, isPattern := c.Subject.Pattern(); c.AllowBroad && !isPattern {
		ps.add(at+".allowBroad", "has no effect: an exact subject admits one; leave it out")
	}
}

// checkCondition compiles a condition; empty means that there is none. It
// returns nil when there is none, or none that compiles.
func checkCondition(ps *problems, at, source string) *condition.Program {
	if source == "" {
		return nil
	}
	program, err := condition.Compile(source)
	if err != nil {
		ps.add(at, "does not compile: %v", err)
		return nil
	}
	return program
}
