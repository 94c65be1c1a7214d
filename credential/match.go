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
	e.bound = e.model.Bound(e.issuer.Name, e.identity.Subject)
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
	if e.position == asSubject { // it limits what may be asked for: RFC 8693, Section 5
		if err := e.scope(); err != nil {
			return err
		}
	}
	e.pass(CheckClaims, e.identity.Subject, "")
	return e.match()
}

// match checks that a binding admits the subject, and what else it asks for. A
// workload's token without a binding is refused and never taken for a user's.
func (e *exam) match() error {
	if e.bound == nil || e.bound.Credential.Mode == registry.Shadow {
		return e.fail(CheckBinding, FaultNoBinding, e.identity.Subject, "a credential of an agent with this issuer and subject")
	}
	e.identity.Agent, e.identity.Binding = e.bound.Agent, e.bound.Credential.Name
	e.pass(CheckBinding, e.identity.Subject, string(e.bound.Agent)+" / "+e.bound.Credential.Name)
	if e.bound.Condition == nil {
		return nil
	}
	ok, err := e.bound.Condition.Eval(e.plain())
	if err != nil { // a missing claim, mostly: it does not match
		return e.failed(CheckCondition, &Fault{Name: FaultCondition, Shown: err.Error(), Wanted: e.bound.Condition.String(), Err: err})
	}
	if !ok {
		return e.fail(CheckCondition, FaultCondition, "false", e.bound.Condition.String())
	}
	e.pass(CheckCondition, "true", e.bound.Condition.String())
	return nil
}
