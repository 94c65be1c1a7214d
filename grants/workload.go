package grants

import (
	"context"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
)

// shown is a foreign token that a request shows for its subject: what token
// exchange and the jwt-bearer grant have in common.
type shown struct {
	raw    string
	area   string // of the reasons of its faults
	place  string // its name in the trace
	verify func(context.Context) (*credential.Identity, error)
}

// foreign verifies the token and holds its `may_act` to the presenter.
func (e *Endpoint) foreign(ctx context.Context, d *Decision, t shown) (*credential.Identity, *oauth.Error) {
	id, err := t.verify(ctx)
	if err != nil {
		return nil, d.fault(t.area, t.place, err)
	}
	d.prove(t.place, id)
	d.subjectToken, d.area = id, t.area
	if err := d.mayAct(id); err != nil {
		return nil, err
	}
	return id, nil
}

// bootstrapped is the subject of a request whose token stood for client
// authentication: the agent itself, no `act`.
func (e *Endpoint) bootstrapped(d *Decision) (policy.Subject, *oauth.Error) {
	s := workload(d.Presenter.Party, d.bootstrap)
	d.subjectToken = d.bootstrap
	d.pass("subject", s.Sub, "the agent that the credential is bound to")
	return s, d.mayAct(d.bootstrap)
}

// workloadSubject is the agent that a workload's token is bound to, which may
// be another one than the presenter. inactive is what a disabled one is called
// at the token's position.
func (e *Endpoint) workloadSubject(d *Decision, id *credential.Identity, inactive oauth.Reason) (policy.Subject, *oauth.Error) {
	p := e.bearer(d.rules, id)
	if why := p.Inactive(d.Time); why != "" {
		return policy.Subject{}, d.refuse(oauth.Refuse(inactive, nil), "subject", why, "an active agent")
	}
	s := workload(p, id)
	d.pass("subject", s.Sub, "agent bound to "+id.Subject)
	return s, nil
}

// workload is an agent that a credential of its platform names: what comes out
// is never wider or longer than what the platform gave.
func workload(p policy.Party, id *credential.Identity) policy.Subject {
	s := self(p)
	s.Expires, s.Scope = id.Expires, id.Scope
	return s
}
