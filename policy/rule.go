package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// relate refuses early when no rule at all relates presenter and subject, so
// that the reason is the missing rule and not the target it would have had.
func (d *decision) relate() *oauth.Error {
	if d.hop == itself {
		return nil
	}
	const name = "delegation rule"
	if d.hop != narrowing && len(d.matching(d.forSubject)) == 0 {
		return d.refuse(oauth.ReasonActorUnauthorized, name,
			fmt.Sprintf("%s acting for %s", d.Presenter.name(), d.Subject.Sub),
			"a rule with this subject and this actor"+d.conditionHint())
	}
	if d.hop == next && len(d.matching(d.handsOff)) == 0 {
		return d.refuse(oauth.ReasonActorUnauthorized, name,
			fmt.Sprintf("%s handing on to %s", d.Subject.outermost().name(), d.Presenter.name()),
			"a hand-off rule with this agent as subject and this actor")
	}
	return nil
}

// rule chooses the rules of this hop: one for the subject and, below other
// actors, one for the hand-off. Several matching rules are whole alternatives:
// the first in name order that covers the whole request wins; they never add up.
//
// A narrowing needs none as long as the token stays at its audience. Toward
// another target it needs the rules of the hop that made its presenter the
// actor, or a rule's list of resources could be left by exchanging twice.
func (d *decision) rule() *oauth.Error {
	if d.hop == itself || (d.hop == narrowing && d.verdict.Resource.Spec.Identifier == d.Subject.Audience) {
		return nil
	}
	kinds := []func(*registry.RuleEntry) bool{d.forSubject}
	if len(d.Subject.Chain) > 1 || d.hop == next {
		kinds = append(kinds, d.handsOff)
	}
	open := d.ceiling
	for _, kind := range kinds {
		r, left, err := d.choose(d.matching(kind), open)
		if err != nil {
			return err
		}
		open, d.applied = left, append(d.applied, r)
		d.pass("delegation rule", string(r.Name), "subject, actor, resource, scope and depth covered")
	}
	d.ceiling = open
	return nil
}

// choose takes the first rule that covers the request, or says what the
// nearest one lacks. left are the scopes that remain open under it.
func (d *decision) choose(rules []*registry.RuleEntry, open []string) (*registry.RuleEntry, []string, *oauth.Error) {
	const name = "delegation rule"
	reason, shown, wanted := oauth.ReasonActorUnauthorized, d.Presenter.name()+" for "+d.Subject.Sub, "a matching rule"
	var names []string
	for _, r := range rules {
		names = append(names, string(r.Name))
		scopes, ok := access(r.Spec.Resources, d.verdict.Resource.Name)
		if !ok {
			if reason == oauth.ReasonActorUnauthorized {
				reason, shown = oauth.ReasonTarget, string(d.verdict.Resource.Name)
				wanted = "a resource of rule " + string(r.Name)
			}
			continue
		}
		left := intersect(open, scopes)
		if lacking := without(d.Scope, left); len(lacking) > 0 || len(left) == 0 {
			reason, shown = oauth.ReasonScope, strings.Join(lacking, " ")
			wanted = fmt.Sprintf("scopes of rule %s: %s", r.Name, strings.Join(scopes, " "))
			continue
		}
		if r.Spec.MaxDepth != nil && d.verdict.Depth > *r.Spec.MaxDepth && r != rules[len(rules)-1] {
			continue // a later rule may allow the depth; if none does, depth() says so
		}
		return r, left, nil
	}
	if len(names) > 1 {
		wanted += " (looked at: " + strings.Join(names, ", ") + ")"
	}
	return nil, nil, d.refuse(reason, name, shown, wanted)
}

// matching lists, in name order, the active rules of a kind whose actors hold
// the presenter.
func (d *decision) matching(kind func(*registry.RuleEntry) bool) []*registry.RuleEntry {
	var rules []*registry.RuleEntry
	for _, r := range d.Rules.Delegations() {
		if r.State == registry.Active && actorListed(r, d.Presenter) && kind(r) {
			rules = append(rules, r)
		}
	}
	return rules
}

// forSubject reports whether the rule's subjects hold the top-level `sub`.
func (d *decision) forSubject(r *registry.RuleEntry) bool {
	s := &d.Subject
	if s.Agent.Agent != nil {
		return subjectListed(r, s.Agent)
	}
	if s.Issuer == "" || r.Spec.Subjects.Issuer != s.Issuer {
		return false
	}
	return d.holds(r)
}

// holds evaluates the rule's condition. A condition that cannot be evaluated,
// for example because the token lacks the claim, does not hold.
func (d *decision) holds(r *registry.RuleEntry) bool {
	if r.Condition == nil {
		return true
	}
	if d.Subject.Held != nil {
		return slices.Contains(d.Subject.Held, r.Name)
	}
	ok, err := r.Condition.Eval(d.Subject.Claims)
	return err == nil && ok
}

// handsOff reports whether the rule's subjects hold the current actor.
func (d *decision) handsOff(r *registry.RuleEntry) bool {
	from := d.Subject.outermost()
	if d.hop == narrowing && len(d.Subject.Chain) > 1 {
		from = d.Subject.Chain[1] // the hop that made the presenter the actor
	}
	return subjectListed(r, from)
}

// conditionHint names a rule that fits but for its condition.
func (d *decision) conditionHint() string {
	for _, r := range d.Rules.Delegations() {
		if r.State == registry.Active && r.Condition != nil && d.Subject.Issuer != "" &&
			r.Spec.Subjects.Issuer == d.Subject.Issuer && actorListed(r, d.Presenter) {
			return fmt.Sprintf("; rule %s wants %s", r.Name, r.Spec.Subjects.Condition)
		}
	}
	return ""
}

func subjectListed(r *registry.RuleEntry, p Party) bool {
	if p.Agent == nil {
		return false
	}
	return slices.Contains(r.Spec.Subjects.Agents, p.Agent.Name) ||
		slices.Contains(r.Spec.Subjects.Blueprints, p.Agent.Spec.Blueprint)
}

func actorListed(r *registry.RuleEntry, p Party) bool {
	return slices.Contains(r.Spec.Actors.Agents, p.Agent.Name) ||
		slices.Contains(r.Spec.Actors.Blueprints, p.Agent.Spec.Blueprint)
}
