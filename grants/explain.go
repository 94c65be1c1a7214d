package grants

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/credential"
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
	x.Checks = in.proven(ev, at)
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

// proven lists the checks of authentication and of the tokens. An issued event
// keeps of each credential who signed it, with which key, and until when it was
// good; that all of its checks passed follows from the token's having been
// issued.
func (in *Inputs) proven(ev audit.Event, at *registry.Model) []policy.Check {
	var checks []policy.Check
	pass := func(name, shown, wanted string) {
		checks = append(checks, policy.Check{Name: name, OK: true, Shown: shown, Wanted: wanted})
	}
	presenter := func() {
		pass("presenter", ev.Actor+" by "+in.Method, fmt.Sprintf("blueprint %s version %d", in.Blueprint, in.Version))
		pass("rate", "within limits.token_per_agent", "")
	}
	authenticated := false
	for i := range in.Proofs {
		p := &in.Proofs[i]
		if !p.authenticates() && in.Method != "bootstrap" && !authenticated {
			authenticated = true
			presenter()
		}
		agent := ev.Actor
		if (p.Place == placeSubject || p.Place == placeGrant) && in.Agent {
			agent = ev.Subject
		}
		p.checks(registry.AgentName(agent), at, pass)
	}
	if !authenticated {
		presenter()
	}
	if in.Own {
		pass("subject token signature", "a key of ours", "our token "+ev.Parent)
	}
	pass("subject", ev.Subject, "")
	return checks
}

// authenticates reports whether the credential stood for the client.
func (p *Proof) authenticates() bool { return p.Place == placeClient || p.Place == placeCertificate }

// checks lists what was checked of one credential.
func (p *Proof) checks(agent registry.AgentName, at *registry.Model, pass func(name, shown, wanted string)) {
	name := func(check string) string { return p.Place + " " + check }
	issuer := string(p.Issuer)
	if issuer == "" {
		issuer = string(agent) // it signed for itself
	}
	until := time.Unix(p.Expires, 0).UTC().Format(time.RFC3339)
	if p.Place == placeCertificate {
		chained := !p.selfSigned(agent, at)
		if chained && p.Issuer == "" {
			issuer = "public.mtls_ca_file"
		}
		pass(name(credential.CheckForm), credential.GoodCertificate, "")
		pass(name(credential.CheckIssuer), issuer, "")
		pass(name(credential.CheckLeaf), p.Alg, "certificate "+p.Key)
		pass(name(credential.CheckTimes), "notAfter "+until, "")
		if chained {
			pass(name(credential.CheckChain), p.Alg, issuer)
		}
	} else {
		pass(name(credential.CheckForm), credential.GoodForm, "")
		pass(name(credential.CheckIssuer), issuer, "")
		pass(name(credential.CheckSignature), p.Alg, "key "+p.Key)
		pass(name(credential.CheckAudience), p.audience(at), "")
		pass(name(credential.CheckTimes), "exp "+until, "")
	}
	if p.Review != "" {
		defer pass(name(credential.CheckReview), string(p.Review), "") // it comes last
	}
	if c, subject := p.credential(agent, at); c != nil {
		pass(name(credential.CheckBinding), subject, string(agent)+" / "+c.Name)
		if len(c.Claims) > 0 {
			pass(name(credential.CheckPins), strings.Join(slices.Sorted(maps.Keys(c.Claims)), ", "), "equal to those of the credential")
		}
		if c.Condition != "" {
			pass(name(credential.CheckCondition), "true", c.Condition)
		}
	}
	if len(p.Shadow) > 0 {
		pass(name(credential.CheckShadow), strings.Join(p.Shadow, ", "), "would admit it too")
	}
}

// selfSigned reports whether the certificate is one that the agent registered
// itself: nobody's signature on it was looked at (RFC 8705, Section 2.2). The
// method of the decision does not tell of one that came beside a credential.
func (p *Proof) selfSigned(agent registry.AgentName, at *registry.Model) bool {
	a := at.Agent(agent)
	return p.Issuer == "" && a != nil && a.Spec.TLS != nil && a.Spec.TLS.SelfSigned
}

// audience is whom a token was for. An assertion is for us, whatever the
// issuer's audiences are.
func (p *Proof) audience(at *registry.Model) string {
	asserted := p.Place == placeClient || p.Place == placeGrant
	if i := at.Rules().Issuer(p.Issuer); i != nil && len(i.Spec.Audiences) > 0 && !asserted {
		return strings.Join(i.Spec.Audiences, ", ")
	}
	return "this server"
}

// credential finds the credential that admitted: the agent's, or of an instance
// its blueprint's. The subject is empty when only a pattern is known of it.
func (p *Proof) credential(agent registry.AgentName, at *registry.Model) (c *registry.Credential, subject string) {
	a := at.Agent(agent)
	if p.Binding == "" || a == nil {
		return nil, ""
	}
	if made := a.Spec.Instance; made != nil {
		if b := at.Rules().Blueprint(a.Spec.Blueprint); b != nil {
			return b.Credential(p.Binding), made.Subject
		}
		return nil, ""
	}
	for i := range a.Spec.Credentials {
		if c := &a.Spec.Credentials[i]; c.Name == p.Binding && c.Issuer == p.Issuer {
			return c, c.Subject.String()
		}
	}
	return nil, ""
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
		Sub: ev.Subject, Own: in.Own, ClientID: in.ClientID,
		Held: append([]registry.RuleName{}, in.Rules...),
	}
	if in.Limited { // beyond what was granted the limit changes nothing
		s.Scope = append([]string{}, in.Granted...)
	}
	if r := rules.Resource(in.Audience); r != nil {
		s.Audience = r.Spec.Identifier
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
	}
	if in.Named {
		input.Audiences = []string{ev.Target}
	}
	if in.Asked {
		input.Scope = in.Granted
	}
	if missing != "" {
		return input, fmt.Errorf("agent %s is not in the registry as it was then", missing)
	}
	return input, nil
}
