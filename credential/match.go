package credential

import (
	"context"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/registry"
)

// workload verifies a token of a workload, of any type of issuer, and finds
// the agent that it is bound to.
func (e *exam) workload(ctx context.Context) error {
	// SPIRE and the API server always set kid; without one the token was made
	// elsewhere. An OpenID provider with a single key may leave it out.
	if e.token.Kid == "" && e.issuer.Spec.Type != registry.OIDC {
		return e.fail(CheckSignature, string(jose.FaultKidMissing), "", "kid")
	}
	if err := e.signature(ctx); err != nil {
		return err
	}
	if err := e.subject(); err != nil {
		return err
	}
	if err := e.workloadAudience(); err != nil {
		return err
	}
	if err := e.times(maxAge(e.issuer.Spec), true); err != nil {
		return err
	}
	if e.issuer.Spec.Type == registry.Kubernetes {
		if err := e.account(); err != nil {
			return err
		}
	}
	if err := e.shape(); err != nil {
		return err
	}
	if e.position != asAssertion { // it limits what may be asked for: RFC 8693, Section 5
		if err := e.scope(); err != nil {
			return err
		}
	}
	e.pass(CheckClaims, e.identity.Subject, "")
	return e.match()
}

// match finds the agent that the workload is. Every credential that admits it is
// looked at, and all must mean one agent: which of two was meant nobody can say,
// and no pattern comes before another. A workload's token without a binding is
// refused and never taken for a user's.
func (e *exam) match() error {
	var admitted *trial
	var shadowed registry.AgentName
	for _, b := range e.model.Bindings(e.rules, e.issuer.Name, e.identity.Subject) {
		t := e.try(&trial{bound: &b, agent: b.Agent, id: b.AgentID})
		switch {
		case t.fault != nil:
			if e.nearest == nil || t.passed > e.nearest.passed {
				e.nearest = t
			}
		case b.Credential.Mode == registry.Shadow:
			e.identity.Shadow, shadowed = append(e.identity.Shadow, t.name()), t.agent
		case admitted == nil:
			admitted = t
		case admitted.agent != t.agent:
			return e.fail(CheckBinding, FaultAmbiguous, admitted.name()+", "+t.name(), "credentials of one agent")
		}
	}
	switch {
	case admitted != nil:
		e.take(admitted)
	case len(e.identity.Shadow) > 0:
		e.identity.Agent = shadowed
		return e.fail(CheckMode, FaultShadow, list(e.identity.Shadow), "a credential in mode enforce")
	case e.nearest != nil:
		t := e.nearest
		e.checks, e.identity.Agent = append(e.checks, t.checks[:t.passed]...), t.bound.Agent
		return e.failed(t.at, t.fault)
	default:
		return e.fail(CheckBinding, FaultNoBinding, e.identity.Subject, "a credential with this issuer and subject")
	}
	if len(e.identity.Shadow) > 0 {
		e.pass(CheckShadow, list(e.identity.Shadow), "would admit it too")
	}
	return e.enforced()
}

// take makes what a credential admits the identity.
func (e *exam) take(t *trial) {
	e.checks = append(e.checks, t.checks...)
	e.identity.Agent, e.identity.AgentID, e.identity.Binding = t.agent, t.id, t.bound.Credential.Name
	if t.bound.Agent != "" {
		return
	}
	c := &registry.Candidate{Name: t.agent, Blueprint: t.bound.Blueprint}
	c.Credential, c.Issuer, c.Subject = t.bound.Credential.Name, e.issuer.Name, e.identity.Subject
	if t.unknown { // only who is made gets labels
		for label, path := range t.bound.Credential.Labels {
			if text, ok := registry.ClaimAt(e.claims, path); ok && len(text) <= maxCarried {
				if c.Labels == nil {
					c.Labels = make(map[string]string, len(t.bound.Credential.Labels))
				}
				c.Labels[label] = text
			}
		}
	}
	e.identity.Instance = c
}

// enforced ends the exam of what an issuer in shadow mode says: all of it is
// recorded, nothing is admitted.
func (e *exam) enforced() error {
	if e.issuer.Spec.Mode != registry.Shadow {
		return nil
	}
	who := e.identity.Subject
	if e.identity.Agent != "" {
		who = string(e.identity.Agent)
	}
	return e.fail(CheckMode, FaultShadow, "would be admitted as "+who, "an issuer in mode enforce")
}
