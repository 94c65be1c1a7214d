package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/oauth"
)

// hop says what the presenter does to the chain of the subject token.
type hop int

const (
	itself    hop = iota // the agent acts for itself: client_credentials, bootstrap, or narrowing of its own token
	first                // the presenter becomes the first actor
	next                 // the presenter becomes the current actor, above the others
	narrowing            // the presenter is the current actor already
)

// outermost is the current actor of the subject token; without `act` it is
// the agent that the token speaks of, if it speaks of one.
func (s *Subject) outermost() Party {
	if len(s.Chain) > 0 {
		return s.Chain[0]
	}
	return s.Agent
}

func (p Party) is(q Party) bool {
	return p.Agent != nil && q.Agent != nil && p.Agent.ID == q.Agent.ID
}

func (p Party) name() string {
	if p.Agent == nil {
		return "nobody"
	}
	return string(p.Agent.Name)
}

// admit decides whose token of ours may be exchanged: its client's, its
// current actor's, that of the agent it is addressed to, or that of an agent
// to which a rule hands it on. RFC 8693, Section 1.1 leaves this to the
// server; without it any agent that sees a token could continue its chain.
func (d *decision) admit() *oauth.Error {
	if !d.Subject.Own {
		return nil
	}
	const name = "admitted"
	p := d.Presenter
	switch {
	case d.Subject.ClientID == string(p.Agent.Name):
		d.pass(name, "the token's client_id", "")
		return nil
	case p.is(d.Subject.outermost()):
		d.pass(name, "the token's current actor", "")
		return nil
	}
	if r := d.Rules.ResourceByIdentifier(d.Subject.Audience); r != nil && listed(r.Spec.Agents, p) {
		d.pass(name, "an agent of resource "+string(r.Name), "")
		return nil
	}
	for _, r := range d.Rules.Delegations() {
		if r.Admits() && subjectListed(r, d.Subject.outermost()) && actorListed(r, p) {
			d.pass(name, "hand-off rule "+string(r.Name), "")
			return nil
		}
	}
	return d.refuse(oauth.ReasonSubjectNotForClient, name, p.name(),
		fmt.Sprintf("%s, its current actor, an agent of its aud, or a hand-off rule from %s", d.Subject.ClientID, d.Subject.outermost().name()))
}

// place finds the presenter's place in the chain.
func (d *decision) place() *oauth.Error {
	const name = "chain"
	s, p := &d.Subject, d.Presenter
	switch {
	case len(s.Chain) == 0 && p.is(s.Agent):
		d.hop = itself
		d.pass(name, p.name()+" for itself", "")
		return nil
	case len(s.Chain) == 0:
		d.hop = first
	case p.is(s.Chain[0]):
		d.hop = narrowing
	case p.is(s.Agent), slices.ContainsFunc(s.Chain, p.is):
		return d.refuse(oauth.ReasonCycle, name, p.name()+" again after "+chainText(s.Chain), "an agent that is not in the chain yet")
	default:
		d.hop = next
	}
	d.verdict.Narrowing = d.hop == narrowing
	d.verdict.Depth = len(s.Chain)
	if d.hop != narrowing {
		d.verdict.Depth++
	}
	d.pass(name, s.Sub+" <- "+d.chainAfter(), "")
	return nil
}

func (d *decision) chainAfter() string {
	if d.hop == narrowing || d.hop == itself {
		return chainText(d.Subject.Chain)
	}
	return chainText(append([]Party{d.Presenter}, d.Subject.Chain...))
}

// chainText lists actors in the order in which they came to act.
func chainText(chain []Party) string {
	names := make([]string, 0, len(chain))
	for i := len(chain) - 1; i >= 0; i-- {
		names = append(names, chain[i].name())
	}
	return strings.Join(names, " <- ")
}

// depth holds the chain to the limits of server, blueprint and rules. It is
// refused, never cut: RFC 8693, Section 4.1 keeps earlier actors.
func (d *decision) depth() *oauth.Error {
	limit, by := d.Limits.MaxDepth, "the server"
	if m := d.Presenter.Blueprint.Spec.MaxDelegationDepth; m != nil && *m < limit {
		limit, by = *m, "blueprint "+string(d.Presenter.Blueprint.Name)
	}
	for _, r := range d.applied {
		if m := r.Spec.MaxDepth; m != nil && *m < limit {
			limit, by = *m, "rule "+string(r.Name)
		}
	}
	shown, wanted := fmt.Sprint(d.verdict.Depth), fmt.Sprintf("at most %d (%s)", limit, by)
	if d.verdict.Depth > limit {
		return d.refuse(oauth.ReasonDepth, "depth", shown, wanted)
	}
	if d.verdict.Depth > 0 {
		d.pass("depth", shown, wanted)
	}
	return nil
}

// listed reports whether names holds the agent or its blueprint.
func listed(names []string, p Party) bool {
	return slices.Contains(names, string(p.Agent.Name)) || slices.Contains(names, string(p.Agent.Spec.Blueprint))
}
