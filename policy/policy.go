// Package policy decides: data in, verdict out. It reads no clock, no database
// and no network, so that the decision of any past request can be computed
// again from what the ledger kept of it.
//
// Output is never stronger than input: scope is the intersection of request,
// subject token, rules, agent, blueprint and resource; lifetime is the
// smallest of theirs; one target per token. What no rule allows is refused.
//
// Who asks and for whom is proven in package credential; what the order of the
// steps is stands in package grants.
package policy

import (
	"time"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// Limits are the server's own ceilings (`tokens` of the configuration).
type Limits struct {
	DefaultTTL time.Duration // lifetime where nothing else says one
	MaxTTL     time.Duration // no token lives longer
	MaxDepth   int           // most `act` objects in a token
}

// Party is an agent together with its blueprint.
type Party struct {
	Agent     *registry.AgentEntry
	Blueprint *registry.BlueprintEntry
}

// Inactive says why the agent may not obtain tokens at now; empty when it may.
func (p Party) Inactive(now time.Time) string {
	switch {
	case p.Agent == nil:
		return "no such agent"
	case p.Blueprint == nil:
		return "blueprint " + string(p.Agent.Spec.Blueprint) + " is gone"
	case p.Agent.State != registry.Active:
		return string(p.Agent.Name) + " is " + string(p.Agent.State)
	case p.Blueprint.State != registry.Active:
		return "blueprint " + string(p.Blueprint.Name) + " is " + string(p.Blueprint.State)
	case p.Agent.Spec.ExpiresAt != nil && !now.Before(*p.Agent.Spec.ExpiresAt):
		return string(p.Agent.Name) + " has expired"
	}
	return ""
}

// Stale says why a token of ours that names the agent, issued at some time,
// stands for it no more; empty when it does. Names can be given again: a token
// is for the agent that had the name when it was issued. skew is how far the
// clock of whoever wrote the registry may be ahead.
func (p Party) Stale(rules *registry.Rules, issued, now time.Time, skew time.Duration) string {
	if why := p.Inactive(now); why != "" {
		return why
	}
	// The name of an instance belongs for ever to one workload, and its first
	// token is decided before it is made.
	if p.Agent.Spec.Instance == nil && issued.Before(p.Agent.Created.Add(-skew)) {
		return string(p.Agent.Name) + " is another agent of that name"
	}
	if !p.Agent.CanAuthenticate(rules) {
		return "every issuer of " + string(p.Agent.Name) + "'s credentials is disabled"
	}
	return ""
}

// Subject is for whom a token is asked.
type Subject struct {
	Sub    string              // the `sub` to issue: "<issuer>|<their sub>" or an agent's name
	Issuer registry.IssuerName // of a user; empty when the subject is an agent
	Agent  Party               // when the subject is an agent
	Claims map[string]any      // what the conditions of rules see
	Known  []string            // the claims that could be there; nil = all. A condition on others does not hold
	Scope  []string            // of the subject token; nil = it sets no limit

	Expires time.Time // `exp` of the subject token; zero = there is none
	Chain   []Party   // actors of the subject token, outermost (current) first

	// Own tokens only: what they were issued as.
	Own      bool
	ClientID string
	Audience string

	// Held names the rules whose conditions held when the decision was made.
	// Not nil when a past decision is computed again, for which the claims are
	// gone; conditions are then not evaluated.
	Held []registry.RuleName
}

// Input is everything that a decision depends on.
type Input struct {
	Now       time.Time
	Limits    Limits
	Rules     *registry.Rules
	Presenter Party
	Subject   Subject
	Resources []string // `resource` parameters (RFC 8707, Section 2)
	Audiences []string // `audience` parameters (RFC 8693, Section 2.1)
	Scope     []string // asked for; nil = whatever is allowed
}

// Verdict is what may be issued.
type Verdict struct {
	Resource  *registry.ResourceEntry
	Scope     []string // sorted, without duplicates, never empty
	Expires   time.Time
	Depth     int                 // `act` objects of the new token
	Narrowing bool                // `act` stays as it is: the presenter is the current actor already
	Applied   []registry.RuleName // the user or subject rule, then the hand-off rule
}

// Check is one line of a decision's trace.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Shown  string `json:"shown,omitempty"`
	Wanted string `json:"wanted,omitempty"`
}

// decision carries one Decide through its steps.
type decision struct {
	Input
	verdict Verdict
	hop     hop
	ceiling []string // scopes open at the target before any rule
	applied []*registry.RuleEntry
	checks  []Check
}

// Decide computes the verdict, the trace of every check, and the refusal if
// there is one. The trace is complete up to the check that failed.
func Decide(in Input) (Verdict, []Check, *oauth.Error) {
	d := &decision{Input: in}
	steps := []func(*decision) *oauth.Error{
		(*decision).admit,
		(*decision).place,
		(*decision).upheld,
		(*decision).relate,
		(*decision).target,
		(*decision).open,
		(*decision).rule,
		(*decision).depth,
		(*decision).scope,
		(*decision).lifetime,
		(*decision).binding,
		(*decision).approval,
	}
	for _, step := range steps {
		if err := step(d); err != nil {
			return Verdict{}, d.checks, err
		}
	}
	for _, r := range d.applied {
		d.verdict.Applied = append(d.verdict.Applied, r.Name)
	}
	return d.verdict, d.checks, nil
}

func (d *decision) pass(name, shown, wanted string) {
	d.checks = append(d.checks, Check{Name: name, OK: true, Shown: shown, Wanted: wanted})
}

func (d *decision) refuse(reason oauth.Reason, name, shown, wanted string) *oauth.Error {
	d.checks = append(d.checks, Check{Name: name, Shown: shown, Wanted: wanted})
	return oauth.Refuse(reason, nil)
}
