package credential

import (
	"context"
	"maps"
	"slices"

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
	var admitted, nearest *trial
	for _, b := range e.model.Bindings(e.rules, e.issuer.Name, e.identity.Subject) {
		t := e.try(&b)
		switch {
		case t.fault != nil:
			if nearest == nil || t.passed > nearest.passed {
				nearest = t
			}
		case b.Credential.Mode == registry.Shadow:
			e.identity.Shadow = append(e.identity.Shadow, t.name())
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
		return e.fail(CheckMode, FaultShadow, list(e.identity.Shadow), "a credential in mode enforce")
	case nearest != nil:
		e.checks, e.identity.Agent = append(e.checks, nearest.checks...), nearest.bound.Agent
		return e.failed(nearest.at, nearest.fault)
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
	e.identity.Agent, e.identity.Binding = t.agent, t.bound.Credential.Name
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

// trial is one credential held against the workload.
type trial struct {
	bound   *registry.BoundCredential
	agent   registry.AgentName
	unknown bool    // the agent would be made now
	passed  int     // how far it came
	checks  []Check // those that passed
	at      string  // the check that failed
	fault   *Fault  // nil = it admits
}

func (t *trial) name() string { return string(t.agent) + " / " + t.bound.Credential.Name }

func (t *trial) pass(check, shown, wanted string) {
	t.passed++
	t.checks = append(t.checks, Check{Name: check, OK: true, Shown: cut(shown), Wanted: cut(wanted)})
}

func (t *trial) fail(check, fault, shown, wanted string) *trial {
	t.at, t.fault = check, &Fault{Name: fault, Shown: shown, Wanted: wanted}
	return t
}

// try holds a credential whose subject matches against the rest of what the
// token says.
func (e *exam) try(b *registry.BoundCredential) *trial {
	t := &trial{bound: b, agent: b.Agent, checks: make([]Check, 0, 2)}
	c := b.Credential
	if b.Agent == "" {
		if !e.instance(t) {
			return t
		}
	}
	t.pass(CheckBinding, e.identity.Subject, t.name())
	// What is bound to one audience of the issuer is not for another.
	if c.Audience != "" && e.identity.Audience != c.Audience {
		return t.fail(CheckAudience, FaultAudience, e.identity.Audience, c.Audience)
	}
	for _, path := range slices.Sorted(maps.Keys(c.Claims)) {
		text, ok := registry.ClaimAt(e.claims, path)
		switch want := c.Claims[path]; {
		case !ok:
			return t.fail(CheckPins, FaultNoBinding, "no "+path, path+" "+want)
		case text != want:
			// Mostly an account that was deleted and made again under its name.
			return t.fail(CheckPins, FaultImmutable, path+" "+text, path+" "+want)
		}
	}
	if len(c.Claims) > 0 {
		t.pass(CheckPins, list(slices.Sorted(maps.Keys(c.Claims))), "equal to those of the credential")
	}
	if b.Condition == nil {
		return t
	}
	ok, err := b.Condition.Eval(e.plain())
	if err != nil { // a missing claim, mostly: it does not match
		t.fail(CheckCondition, FaultNoBinding, err.Error(), b.Condition.String()).fault.Err = err
		return t
	}
	if !ok {
		return t.fail(CheckCondition, FaultNoBinding, "false", b.Condition.String())
	}
	t.pass(CheckCondition, "true", b.Condition.String())
	return t
}

// instance finds out which instance the subject is. Its name belongs for ever to
// the issuer and subject that it was made for.
func (e *exam) instance(t *trial) bool {
	name, ok := t.bound.Instance(e.identity.Subject)
	if !ok {
		t.agent = registry.AgentName(t.bound.Blueprint) + "/"
		t.fail(CheckBinding, FaultNoBinding, t.bound.Credential.Subject.Suffix(e.identity.Subject), "a suffix of 1 to 200 letters, digits and . _ : / -")
		return false
	}
	t.agent = name
	known := e.model.Agent(name)
	if t.unknown = known == nil; t.unknown {
		return true
	}
	if made := known.Spec.Instance; made == nil || made.Issuer != e.issuer.Name || made.Subject != e.identity.Subject {
		t.fail(CheckBinding, FaultNoBinding, e.identity.Subject, string(name)+", which belongs to another workload")
		return false
	}
	return true
}
