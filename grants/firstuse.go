package grants

import (
	"context"
	"errors"
	"time"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/token"
)

// bearer finds the agent that a credential proves: the very one that it was
// bound to when it was verified, for that may have taken seconds, and a name may
// be another agent's by now. Nobody, when that one is gone.
//
// An instance that this replica has never heard of is provisional: it is made
// only when the verdict allows the request, so that a refused one fills no cap.
func (e *Endpoint) bearer(rules *registry.Rules, id *credential.Identity) policy.Party {
	p := e.party(rules, id.Agent)
	switch {
	case p.Agent != nil && id.AgentID != "":
		if p.Agent.ID != id.AgentID {
			return policy.Party{}
		}
		return p
	case p.Agent != nil: // it was made meanwhile, by whomever
		if made := p.Agent.Spec.Instance; id.Instance == nil || made == nil || made.Issuer != id.Instance.Issuer || made.Subject != id.Instance.Subject {
			return policy.Party{}
		}
		return p
	case id.Instance == nil || id.AgentID != "":
		return policy.Party{}
	}
	made := id.Instance.InstanceOf
	a := &registry.AgentEntry{}
	a.ID, a.Name, a.State = provisional(id), id.Agent, registry.Active
	a.Spec = &registry.Agent{Blueprint: id.Instance.Blueprint, Instance: &made}
	return policy.Party{Agent: a, Blueprint: rules.Blueprint(id.Instance.Blueprint)}
}

// provisional is the id of an agent that is not there yet. No id of the registry
// is like it, and those of two workloads differ even if their agents would have
// one name.
func provisional(id *credential.Identity) string {
	return "new:" + string(id.Agent) + "|" + string(id.Instance.Issuer) + "|" + id.Instance.Subject
}

// proves reports whether a credential proves an agent, and not only its name.
func (e *Endpoint) proves(rules *registry.Rules, id *credential.Identity, agent *registry.AgentEntry) bool {
	p := e.bearer(rules, id)
	return p.Agent != nil && p.Agent.ID == agent.ID
}

// instanceWait is what a client is told to wait when no more instances may be
// made: they are made and forgotten in hours, not in seconds.
const instanceWait = time.Minute

// settle makes the provisional instances of an allowed decision, or finds that
// they are there already, and decides again with the state that they are in:
// absence from memory is not absence. A request that fails after this, for want
// of the ledger or of a second instance, leaves the first one behind; it is
// forgotten when nobody uses it.
func (e *Endpoint) settle(ctx context.Context, d *Decision) *oauth.Error {
	changed := false
	for _, id := range []*credential.Identity{d.Presenter.Identity, d.subjectToken} {
		if id == nil || id.Instance == nil || !d.names(provisional(id)) {
			continue
		}
		entry, err := e.Model.Admit(ctx, *id.Instance)
		if err != nil {
			return d.notAdmitted(id, err)
		}
		d.replace(provisional(id), entry)
		changed = true
	}
	if !changed {
		return nil
	}
	if why := d.Presenter.Inactive(d.Time); why != "" {
		return d.refuse(oauth.Refuse(oauth.ReasonAuthDisabled, nil), "agent", why, "an active agent of an active blueprint")
	}
	if s := d.input.Subject.Agent; s.Agent != nil {
		if why := s.Inactive(d.Time); why != "" {
			reason := oauth.ReasonSubjectDisabled
			if d.area == oauth.AreaGrant {
				reason = oauth.TokenFault(d.area, "disabled")
			}
			return d.refuse(oauth.Refuse(reason, nil), "subject", why, "an active agent")
		}
	}
	verdict, checks, err := policy.Decide(d.input)
	if err != nil {
		d.checks = append(d.checks, checks...)
		return err
	}
	d.verdict = verdict
	return nil
}

// names reports whether a party of the decision has the id.
func (d *Decision) names(id string) bool {
	return d.Presenter.Agent.ID == id || d.input.Subject.Agent.Agent != nil && d.input.Subject.Agent.Agent.ID == id
}

// replace puts the agent that was made in the place of the provisional one.
func (d *Decision) replace(id string, entry *registry.AgentEntry) {
	for _, p := range []*policy.Party{&d.Presenter.Party, &d.input.Presenter, &d.input.Subject.Agent} {
		if p.Agent != nil && p.Agent.ID == id {
			p.Agent = entry
		}
	}
}

// notAdmitted is the refusal when no instance was made.
func (d *Decision) notAdmitted(id *credential.Identity, err error) *oauth.Error {
	refuse := func(reason oauth.Reason, shown, wanted string) *oauth.Error {
		return d.refuse(oauth.Refuse(reason, err), "instance", shown, wanted)
	}
	name := string(id.Agent)
	switch {
	case errors.Is(err, registry.ErrInstanceCap):
		refused := refuse(oauth.ReasonInstances, name+" would be one too many", "at most maxInstances of credential "+id.Binding+" in blueprint "+string(id.Instance.Blueprint))
		refused.RetryAfter = instanceWait
		return refused
	case errors.Is(err, registry.ErrInstanceTaken):
		area := oauth.AreaClient
		if id == d.bootstrap || id == d.subjectToken {
			area = d.area
		}
		return refuse(oauth.TokenFault(area, credential.FaultInstanceTaken), name+" and "+id.Subject, "a name and a workload that belong to each other, or are both new")
	case errors.Is(err, registry.ErrInstanceOrphan):
		return refuse(oauth.ReasonAuthDisabled, "the credential "+id.Binding+" makes no instances any more", "an active blueprint with this credential")
	}
	return refuse(oauth.ReasonInstanceStore, name, "a confirmed registration")
}

// used tells who keeps track that the instances of a decision are in use:
// whoever asked, for whom, and who acted before.
func (e *Endpoint) used(d *Decision) {
	if e.Used == nil {
		return
	}
	for _, p := range append([]policy.Party{d.Presenter.Party, d.input.Subject.Agent}, d.input.Subject.Chain...) {
		if p.Agent != nil && p.Agent.Spec.Instance != nil {
			e.Used(p.Agent.ID)
		}
	}
}

// hearOf reads the registry once more when one of our own tokens names an
// instance that this replica has not heard of: another one may have made it a
// moment ago.
func (e *Endpoint) hearOf(ctx context.Context, d *Decision, c *token.Claims) {
	names := []string{c.Subject, c.ClientID}
	if actors, err := c.Act.Chain(); err == nil {
		for _, a := range actors {
			names = append(names, a.Subject)
		}
	}
	for _, name := range names {
		if registry.ValidInstanceName(name) && e.Model.Agent(registry.AgentName(name)) == nil {
			_ = e.Model.ReadSince(ctx, d.Time) // without it the agent stays unknown, and the token refused
			return
		}
	}
}
