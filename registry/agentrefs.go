package registry

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// checkAgent checks an agent against its blueprint, and its credentials against
// their issuers.
func (w *world) checkAgent(ps *problems, name string, a *Agent) {
	b, ok := w.blueprints[a.Blueprint]
	if !ok {
		ps.add("spec.blueprint", "there is no such blueprint%s", suggest(string(a.Blueprint), w.blueprints))
	} else {
		w.checkNarrower(ps, a, b)
		selfSigned := a.TLS != nil && a.TLS.SelfSigned // then jwks holds its certificates
		if a.JWKS != nil && !selfSigned && !slices.Contains(b.ClientAuth, PrivateKeyJWTAuth) {
			ps.add("spec.jwks", "has no effect: blueprint %q does not list private_key_jwt in clientAuth", a.Blueprint)
		}
		if a.JWKSURL != "" && !slices.Contains(b.ClientAuth, PrivateKeyJWTAuth) {
			ps.add("spec.jwksUrl", "has no effect: blueprint %q does not list private_key_jwt in clientAuth", a.Blueprint)
		}
		if a.TLS != nil && !slices.Contains(b.ClientAuth, TLSAuth) {
			ps.add("spec.tls", "has no effect: blueprint %q does not list tls in clientAuth", a.Blueprint)
		}
		if len(a.Credentials) > 0 && len(b.ClientAuth) > 0 && !slices.Contains(b.ClientAuth, FederatedAuth) {
			ps.add("spec.credentials", "has no effect: blueprint %q does not list federated in clientAuth", a.Blueprint)
		}
	}
	for i := range a.Credentials {
		w.checkCredential(ps, fmt.Sprintf("spec.credentials[%d]", i), owner{KindAgent, name}, &a.Credentials[i])
	}
}

// checkNarrower checks that an agent asks for nothing above its blueprint's
// ceiling.
func (w *world) checkNarrower(ps *problems, a *Agent, b *Blueprint) {
	w.checkCeiling(ps, "spec.resources", a.Resources)
	for i, access := range a.Resources {
		at := fmt.Sprintf("spec.resources[%d]", i)
		if !slices.ContainsFunc(b.Resources, func(c Access) bool { return c.Name == access.Name }) {
			ps.add(at+".name", "is wider than blueprint %q, which does not have this resource", a.Blueprint)
			continue
		}
		for j, scope := range access.Scopes {
			if !within(b.Resources, access.Name, scope) {
				ps.add(fmt.Sprintf("%s.scopes[%d]", at, j), "is wider than blueprint %q, which does not have this scope", a.Blueprint)
			}
		}
	}
}

// serviceAccount is the `sub` of a Kubernetes service account: a namespace is a
// DNS label, a name is a DNS subdomain.
var serviceAccount = regexp.MustCompile(`^system:serviceaccount:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// checkCredential checks a credential of whoever against its issuer, and that it
// makes no workload two agents.
func (w *world) checkCredential(ps *problems, at string, of owner, c *Credential) {
	issuer, ok := w.issuers[c.Issuer]
	if !ok {
		ps.add(at+".issuer", "there is no such trusted issuer%s", suggest(string(c.Issuer), w.issuers))
		return
	}
	// A user must never become an agent by the choice of a `sub`.
	if issuer.SubjectTokens() == UserTokens {
		ps.add(at+".issuer", "trusted issuer %q speaks of users; a credential needs one with tokens: workload", c.Issuer)
		return
	}
	w.checkPlatform(ps, at, issuer, c)
	n := len(*ps)
	switch {
	case c.Subject.Exact != "":
		checkSubject(ps, at+".subject.exact", issuer, c.Subject.Exact)
	case c.Subject.Prefix != "":
		checkPattern(ps, at+".subject.prefix", issuer, c)
	case c.Subject.Glob != "":
		checkPattern(ps, at+".subject.glob", issuer, c)
	}
	if len(*ps) == n && c.Subject != (SubjectMatch{}) {
		w.checkClaim(ps, at+".subject", of, c)
	}
	accepted := issuer.Audiences
	if len(accepted) == 0 && w.ours != "" {
		accepted = []string{w.ours}
	}
	if c.Audience != "" && len(accepted) > 0 && !slices.Contains(accepted, c.Audience) {
		ps.add(at+".audience", "is not among the audiences of trusted issuer %q; add it there or leave it out", c.Issuer)
	}
}

// checkSubject refuses a subject that no token of the issuer can have.
func checkSubject(ps *problems, at string, issuer *TrustedIssuer, subject string) {
	switch issuer.Type {
	case SPIFFE:
		id, err := spiffeid.FromString(subject)
		switch {
		case err != nil || id.String() != subject || len(subject) > maxSPIFFEID:
			ps.add(at, `must be a SPIFFE ID like "spiffe://%s/agents/research"`, issuer.TrustDomain)
		case id.TrustDomain().Name() != issuer.TrustDomain:
			ps.add(at, "must be inside the issuer's trust domain: spiffe://%s/…", issuer.TrustDomain)
		case id.Path() == "":
			// SPIFFE-ID, Section 2.2: a workload's ID has a path; this is the trust domain's.
			ps.add(at, "must have a path: without one it is the trust domain itself")
		}
	case Kubernetes:
		if !serviceAccount.MatchString(subject) {
			ps.add(at, "must be system:serviceaccount:<namespace>:<name>")
		}
	case OIDC:
		if strings.HasPrefix(strings.ToLower(subject), "spiffe://") {
			ps.add(at, "is a SPIFFE ID, which is accepted only from an issuer of type spiffe")
		}
	}
}
