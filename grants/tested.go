package grants

import (
	"context"
	"strconv"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// Tested is what the pipeline would make of a credential.
type Tested struct {
	*credential.Report
	Admitted bool               // it would authenticate an agent
	Genuine  bool               // nothing is wrong with the credential itself
	Agent    registry.AgentName // whom it stands for; also when that agent may not authenticate now
	Made     bool               // the agent is an instance that the first use would make, or bring back
	Reason   oauth.Reason       // of the refusal; empty when admitted
	Inactive []string           // why the agent of each of Bindings may have no tokens now; "" = it may
}

// Test says whether a token would authenticate an agent, by the same exam and
// the same checks as a request, and why not. Nothing is recorded, spent or made.
// typ is jwt or id_token; empty = what the issuer takes.
func (e *Endpoint) Test(ctx context.Context, raw, typ string) Tested {
	t := Tested{Report: e.Verifier.Test(ctx, raw, typ)}
	d := &Decision{Time: e.Now(), Request: &Request{}, iss: e.Issuer, rules: e.Model.Rules()}
	for _, b := range t.Bindings {
		p := e.party(d.rules, b.Agent)
		if p.Agent == nil { // no agent yet: what counts is its blueprint
			p.Agent = &registry.AgentEntry{}
			p.Agent.Name, p.Agent.State, p.Agent.Spec = b.Agent, registry.Active, &registry.Agent{Blueprint: b.Blueprint}
			p.Blueprint = d.rules.Blueprint(b.Blueprint)
		}
		t.Inactive = append(t.Inactive, p.Inactive(d.Time))
	}
	if t.Fault != nil {
		t.Agent, t.Reason = t.Fault.Agent, e.wouldRefuse(t.Report)
		t.fix()
		return t
	}
	t.Genuine = true
	if t.Identity.Tokens != registry.WorkloadTokens {
		t.refused(oauth.Refuse(oauth.ReasonAuthNone, nil), "presenter", "a user's token", "a workload's token")
		t.Wrong = "sub is user " + strconv.Quote(t.Subject) + " of issuer " + strconv.Quote(string(t.Issuer)) +
			`, which has tokens "user"; wanted is an issuer with tokens "workload": the token is good as subject_token of an agent, and proves none`
		t.Fix = "Send it as subject_token beside the agent's own credential."
		return t
	}
	t.Agent = t.Identity.Agent
	e.testAgent(ctx, d, &t)
	return t
}

// tryInstance asks the store what it would make of the instance: it may be there
// with a state that this replica has forgotten, or there may be no room.
func (e *Endpoint) tryInstance(ctx context.Context, d *Decision, p *Presenter) *oauth.Error {
	if e.Try == nil {
		return nil
	}
	all, err := e.Try(ctx, []registry.Candidate{*p.Identity.Instance})
	if err == nil {
		err = all[0].Err
	}
	if err != nil {
		d.bootstrap, d.area = p.Identity, oauth.AreaSubject
		return d.notAdmitted(p.Identity, err)
	}
	p.Agent.State = all[0].Object.State
	return nil
}

// testAgent asks of the agent what Authenticate asks.
func (e *Endpoint) testAgent(ctx context.Context, d *Decision, t *Tested) {
	p := &Presenter{Party: e.bearer(d.rules, t.Identity), Identity: t.Identity, Method: "bootstrap"}
	if t.Kind == credential.KindSelfIssued {
		p.Method = "private_key_jwt"
	}
	t.Made = p.Agent != nil && e.Model.Agent(t.Agent) == nil
	err := e.stale(d)
	if err == nil && p.Agent == nil {
		err = d.refuse(oauth.Refuse(oauth.ReasonNoBinding, nil), "binding", string(t.Agent), "a registered agent")
	}
	if err == nil && t.Made {
		err = e.tryInstance(ctx, d, p)
	}
	if err == nil {
		err = d.mayAuthenticate(p)
	}
	if err == nil {
		t.Admitted = true
		t.Checks = append(t.Checks, credential.Check{Name: "agent", OK: true, Shown: string(t.Agent), Wanted: "blueprint " + string(p.Blueprint.Name)})
		return
	}
	last := d.checks[len(d.checks)-1]
	t.refused(err, last.Name, last.Shown, last.Wanted)
	t.Wrong = last.Name + " is " + strconv.Quote(last.Shown) + "; wanted is " + last.Wanted
	if b := p.Blueprint; b != nil && b.State != registry.Active && p.Agent.State == registry.Active {
		t.Fix = "tokenry blueprint enable " + string(b.Name) + "."
	}
	t.fix()
}

// refused notes a refusal that is not the credential's.
func (t *Tested) refused(err *oauth.Error, check, shown, wanted string) {
	t.Reason = err.Reason
	t.Checks = append(t.Checks, credential.Check{Name: check, Shown: shown, Wanted: wanted})
}

// fix says what mends it in general where nothing is said in particular.
func (t *Tested) fix() {
	if t.Fix == "" {
		t.Fix = t.Reason.Definition().Fix
	}
}

// wouldRefuse is the reason of a request with such a credential.
func (e *Endpoint) wouldRefuse(r *credential.Report) oauth.Reason {
	area := oauth.AreaSubject
	if r.Parameter == "client_assertion" {
		area = oauth.AreaClient
	}
	return reasonOf(area, r.Fault)
}
