package registry

import (
	"fmt"
	"strings"

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
	}
	checkAccess(ps, "spec.resources", a.Resources)
	checkTTL(ps, "spec.maxTtl", a.MaxTTL)
	if a.JWKS != nil {
		checkKeySet(ps, "spec.jwks", a.JWKS, true)
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
	subject := at + ".subject"
	switch {
	case c.Subject == SubjectMatch{}:
		// Without a subject every tenant of a shared issuer would be this agent.
		ps.add(subject, "is empty; give the sub of the workload as exact")
	case c.Subject.Exact == "":
	case strings.Contains(c.Subject.Exact, "*"):
		ps.add(subject+".exact", "is compared byte for byte and takes no pattern; give the whole sub")
	default:
		checkText(ps, subject+".exact", c.Subject.Exact, maxURL)
	}
	if c.Audience != "" {
		checkAudience(ps, at+".audience", c.Audience)
	}
	checkCondition(ps, at+".condition", c.Condition)
}

// checkCondition compiles a condition; empty means that there is none.
func checkCondition(ps *problems, at, source string) {
	if source == "" {
		return
	}
	if _, err := condition.Compile(source); err != nil {
		ps.add(at, "does not compile: %v", err)
	}
}
