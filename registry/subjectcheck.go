package registry

import "strings"

// validateSubject checks the form of a subject; whether the issuer could ever
// have such a one is for checkPattern and checkSubject.
func validateSubject(ps *problems, at string, s SubjectMatch) {
	set := 0
	for _, text := range []string{s.Exact, s.Prefix, s.Glob} {
		if text != "" {
			set++
		}
	}
	switch {
	case set == 0:
		// Without a subject every tenant of a shared issuer would be this agent.
		ps.add(at, "is empty; give the sub of the workload as exact, or a prefix or glob of it")
		return
	case set > 1:
		ps.add(at, "has more than one of exact, prefix and glob; keep one")
		return
	}
	switch {
	case s.Exact != "":
		if strings.Contains(s.Exact, "*") {
			ps.add(at+".exact", "is compared byte for byte and takes no pattern; give the whole sub, or use glob")
		}
		checkText(ps, at+".exact", s.Exact, maxURL)
	case s.Prefix != "":
		validatePrefix(ps, at+".prefix", s.Prefix)
	default:
		validateGlob(ps, at+".glob", s.Glob)
	}
}

func validatePrefix(ps *problems, at, prefix string) {
	checkText(ps, at, prefix, maxPattern)
	switch {
	case strings.ContainsAny(prefix, "*?"):
		ps.add(at, "is text and takes no wildcards; write a glob, or leave out what follows the last %q", "/")
	case !border(prefix[len(prefix)-1]):
		// "/agent-a" would admit "/agent-abc".
		ps.add(at, `must end with "/" or ":", so that it ends where a segment does`)
	}
}

func validateGlob(ps *problems, at, glob string) {
	checkText(ps, at, glob, maxPattern)
	switch {
	case !strings.ContainsAny(glob, "*?"):
		ps.add(at, "has no wildcard; make it an exact subject")
	case strings.Contains(glob, "**"):
		ps.add(at, `has "**"; a "*" stays within its segment, and a prefix takes what is below`)
	case strings.ContainsAny(glob, `^$()[]{}|+\`):
		ps.add(at, "looks like a regular expression; a glob knows * and ? alone")
	}
}

// anchor is what a pattern of an issuer must at least begin with, so that it
// cannot mean everybody.
func anchor(issuer *TrustedIssuer) string {
	switch issuer.Type {
	case SPIFFE:
		return "spiffe://" + issuer.TrustDomain + "/"
	case Kubernetes:
		return "system:serviceaccount:"
	}
	return ""
}

// checkPattern refuses a pattern that no token of the issuer can match, and one
// that matches too much.
func checkPattern(ps *problems, at string, issuer *TrustedIssuer, c *Credential) {
	pattern, _ := c.Subject.Pattern()
	literal := c.Subject.Literal()
	if want := anchor(issuer); !strings.HasPrefix(literal, want) {
		ps.add(at, "must begin with %q, without a wildcard in it: no other sub comes from this issuer", want)
		return
	}
	if issuer.Type == SPIFFE && strings.Contains(pattern[len("spiffe://"):], ":") {
		ps.add(at, `has a ":", which no SPIFFE ID has in its path`)
		return
	}
	if issuer.Type == OIDC && !strings.ContainsAny(literal, "/:") {
		ps.add(at, `is not anchored: begin it with text up to a "/" or ":", such as "repo:acme/"`)
		return
	}
	if why := broad(issuer, c.Subject); why != "" && !c.AllowBroad {
		ps.add(at, "admits %s; narrow it, or say that you mean it with allowBroad: true", why)
	}
}

// broad says what a pattern admits a whole of; empty when it is narrow enough.
func broad(issuer *TrustedIssuer, s SubjectMatch) string {
	pattern, isPattern := s.Pattern()
	if !isPattern {
		return ""
	}
	rest := strings.TrimPrefix(s.Literal(), anchor(issuer))
	switch issuer.Type {
	case SPIFFE:
		if rest == "" {
			return "the whole trust domain"
		}
	case Kubernetes:
		namespace, account, _ := strings.Cut(strings.TrimPrefix(pattern, anchor(issuer)), ":")
		switch {
		case namespace == "" || strings.ContainsAny(namespace, "*?"):
			return "service accounts of several namespaces"
		case account == "" || account == "*":
			return "every service account of the namespace"
		}
	case OIDC:
		// "repo:acme/app:" has three borders, "repo:acme/" the whole organisation.
		if issuer.Preset != "" && borders(s.Literal()) < 3 {
			return "everything of an organisation"
		}
	}
	return ""
}

func borders(s string) (n int) {
	for i := range len(s) {
		if border(s[i]) {
			n++
		}
	}
	return n
}
