package grants

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
)

// Explanation is a past decision as an operator reads it.
type Explanation struct {
	Grant   oauth.GrantType
	Reason  oauth.Reason // of a refusal
	Scope   []string     // granted
	Expires time.Time
	Checks  []policy.Check
}

// Explain reads a decision's event. The trace of a refusal was stored; that of
// an issued token is computed again by the same policy, on the registry as it
// was at the event's change number, which at holds.
func Explain(ev audit.Event, at *registry.Model, limits policy.Limits) (Explanation, error) {
	x := Explanation{Reason: oauth.Reason(ev.Reason)}
	if ev.Kind != audit.TokenIssued {
		var t Trace
		if err := json.Unmarshal(ev.Detail, &t); err != nil || t.Error == "" {
			// A replay is found by the statement that would have recorded the
			// token as issued; its detail still holds the inputs of that.
			return x, nil
		}
		x.Grant, x.Checks = t.Grant, t.Checks
		return x, nil
	}
	var in Inputs
	if err := json.Unmarshal(ev.Detail, &in); err != nil {
		return x, fmt.Errorf("reading the inputs of %s: %w", ev.ID, err)
	}
	x.Grant, x.Scope, x.Expires = in.Grant, in.Granted, time.Unix(in.Until, 0).UTC()
	x.Checks = append(x.Checks, policy.Check{
		Name: "presenter", OK: true, Shown: ev.Actor + " by " + in.Method, Wanted: in.via(),
	}, policy.Check{Name: "subject", OK: true, Shown: ev.Subject})
	input, err := in.policyInput(ev, at, limits)
	if err != nil {
		return x, err
	}
	_, checks, refused := policy.Decide(input)
	if refused != nil {
		return x, fmt.Errorf("computing %s again: %w", ev.ID, refused)
	}
	x.Checks = append(x.Checks, checks...)
	x.Checks = append(x.Checks, policy.Check{Name: "record", OK: true, Shown: ev.ID, Wanted: "durable before the token left"})
	return x, nil
}

// Agents names the agents that Explain needs to compute a decision again; none
// for a refusal, whose trace was stored.
func Agents(ev audit.Event) []registry.AgentName {
	var in Inputs
	if ev.Kind != audit.TokenIssued || json.Unmarshal(ev.Detail, &in) != nil {
		return nil
	}
	names := append([]registry.AgentName{registry.AgentName(ev.Actor)}, in.Chain...)
	if in.Agent {
		names = append(names, registry.AgentName(ev.Subject))
	}
	return names
}

func (in *Inputs) via() string {
	parts := []string{fmt.Sprintf("blueprint %s version %d", in.Blueprint, in.Version)}
	if in.Issuer != "" {
		parts = append(parts, "issuer "+string(in.Issuer))
	}
	if in.Binding != "" {
		parts = append(parts, "binding "+in.Binding)
	}
	return strings.Join(parts, ", ")
}

func (in *Inputs) policyInput(ev audit.Event, at *registry.Model, limits policy.Limits) (policy.Input, error) {
	rules := at.Rules()
	var missing registry.AgentName
	party := func(name registry.AgentName) policy.Party {
		a := at.Agent(name)
		if a == nil {
			missing = name
			return policy.Party{}
		}
		return policy.Party{Agent: a, Blueprint: rules.Blueprint(a.Spec.Blueprint)}
	}
	s := policy.Subject{
		Sub: ev.Subject, Own: in.Own, ClientID: in.ClientID, Audience: in.Audience, Scope: in.Limit,
		Held: append([]registry.RuleName{}, in.Rules...),
	}
	if in.Limited && s.Scope == nil {
		s.Scope = []string{}
	}
	if in.Expires != 0 {
		s.Expires = time.Unix(in.Expires, 0)
	}
	if in.Agent {
		s.Agent = party(registry.AgentName(ev.Subject))
	} else if issuer, _, ok := strings.Cut(ev.Subject, "|"); ok {
		s.Issuer = registry.IssuerName(issuer)
	}
	for _, name := range in.Chain {
		s.Chain = append(s.Chain, party(name))
	}
	input := policy.Input{
		Now: ev.Time, Limits: limits, Rules: rules, Presenter: party(registry.AgentName(ev.Actor)), Subject: s,
		Resources: in.Resources, Audiences: in.Audiences, Scope: in.Scope,
	}
	if missing != "" {
		return input, fmt.Errorf("agent %s is not in the registry as it was then", missing)
	}
	return input, nil
}
