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

// upheld checks that the chain of our own token could still come about: for each
// of its hops there is an active rule. Disabling a rule so stops the tokens that
// were issued under it, unless another one allows the same hop. What the rule
// said of resources and scopes is in the token, and of the user's claims only
// the first hop could judge.
func (d *decision) upheld() *oauth.Error {
	if len(d.Subject.Chain) == 0 {
		return nil
	}
	const name = "chain rules"
	for i, actor := range d.Subject.Chain {
		subject, from := func(r *registry.RuleEntry) bool { return d.topLevel(r) }, d.Subject.Sub
		if i+1 < len(d.Subject.Chain) {
			earlier := d.Subject.Chain[i+1]
			subject, from = func(r *registry.RuleEntry) bool { return subjectListed(r, earlier) }, earlier.name()
		}
		if !slices.ContainsFunc(d.Rules.Delegations(), func(r *registry.RuleEntry) bool {
			return r.Admits() && actorListed(r, actor) && subject(r)
		}) {
			return d.refuse(oauth.ReasonActorUnauthorized, name, from+" to "+actor.name(), "an active rule for every hop of the token's chain")
		}
	}
	d.pass(name, chainText(d.Subject.Chain), "an active rule for every hop")
	return nil
}

// rule chooses the rules of this hop: one for the subject and, below other
// actors, one for the hand-off. Several matching rules are whole alternatives:
// the first pair in name order that covers the whole request wins; they never
// add up.
//
// A narrowing needs none as long as the token stays at its audience. Toward
// another target it needs the rules of the hop that made its presenter the
// actor, or a rule's list of resources could be left by exchanging twice.
func (d *decision) rule() *oauth.Error {
	if d.hop == itself || (d.hop == narrowing && d.verdict.Resource.Spec.Identifier == d.Subject.Audience) {
		return nil
	}
	c := choice{decision: d, reason: oauth.ReasonActorUnauthorized, shown: d.Presenter.name() + " for " + d.Subject.Sub, wanted: "a matching rule"}
	handOffs := []*registry.RuleEntry{nil} // none needed
	if len(d.Subject.Chain) > 1 || d.hop == next {
		handOffs = d.matching(d.handsOff)
	}
	for _, subject := range d.matching(d.forSubject) {
		for _, handOff := range handOffs {
			if c.try(subject, handOff) {
				for _, r := range d.applied {
					d.pass("delegation rule", string(r.Name), "subject, actor, resource and scope covered")
				}
				return nil
			}
		}
	}
	if c.deep != nil { // all but the depth fits: depth says so
		d.applied, d.ceiling = c.deep, c.deepCeiling
		return nil
	}
	return d.refuse(c.reason, "delegation rule", c.shown, c.wanted)
}

// choice looks for the rules that cover a request, and remembers what the
// nearest ones lack.
type choice struct {
	*decision
	reason        oauth.Reason
	shown, wanted string
	deep          []*registry.RuleEntry // rules that cover all but the depth
	deepCeiling   []string
}

// try takes the rules if they cover the request. handOff may be nil.
func (c *choice) try(rules ...*registry.RuleEntry) bool {
	rules = slices.DeleteFunc(rules, func(r *registry.RuleEntry) bool { return r == nil })
	open, deep := c.ceiling, false
	for _, r := range rules {
		scopes, ok := access(r.Spec.Resources, c.verdict.Resource.Name)
		if !ok {
			if c.reason == oauth.ReasonActorUnauthorized {
				c.reason, c.shown, c.wanted = oauth.ReasonTarget, string(c.verdict.Resource.Name), "a resource of rule "+string(r.Name)
			}
			return false
		}
		left := intersect(open, scopes)
		if lacking := without(c.Scope, left); len(lacking) > 0 || len(left) == 0 {
			c.reason, c.shown = oauth.ReasonScope, strings.Join(lacking, " ")
			c.wanted = fmt.Sprintf("scopes of rule %s: %s", r.Name, strings.Join(scopes, " "))
			return false
		}
		open = left
		deep = deep || r.Spec.MaxDepth != nil && c.verdict.Depth > *r.Spec.MaxDepth
	}
	if deep {
		if c.deep == nil {
			c.deep, c.deepCeiling = rules, open
		}
		return false
	}
	c.applied, c.ceiling = rules, open
	return true
}

// matching lists, in name order, the active rules of a kind whose actors hold
// the presenter.
func (d *decision) matching(kind func(*registry.RuleEntry) bool) []*registry.RuleEntry {
	var rules []*registry.RuleEntry
	for _, r := range d.Rules.Delegations() {
		if r.Admits() && actorListed(r, d.Presenter) && kind(r) {
			rules = append(rules, r)
		}
	}
	return rules
}

// forSubject reports whether the rule's subjects hold the top-level `sub`.
func (d *decision) forSubject(r *registry.RuleEntry) bool {
	return d.topLevel(r) && (d.Subject.Agent.Agent != nil || d.holds(r))
}

// topLevel is forSubject without the rule's condition.
func (d *decision) topLevel(r *registry.RuleEntry) bool {
	s := &d.Subject
	if s.Agent.Agent != nil {
		return subjectListed(r, s.Agent)
	}
	return s.Issuer != "" && r.Spec.Subjects.Issuer == s.Issuer
}

// holds evaluates the rule's condition. A condition that cannot be evaluated,
// for example because the token lacks the claim, does not hold; nor does one
// that looks at a claim which our own token has not carried on, or it would take
// what was left out for absent.
func (d *decision) holds(r *registry.RuleEntry) bool {
	if r.Condition == nil {
		return true
	}
	if d.Subject.Held != nil {
		return slices.Contains(d.Subject.Held, r.Name)
	}
	if d.Subject.Known != nil && !r.Condition.Within(d.Subject.Known) {
		return false
	}
	ok, err := r.Condition.Eval(d.Subject.Claims)
	return err == nil && ok
}

// handsOff reports whether the rule's subjects hold whoever handed on to the
// presenter: the current actor, or, when that is the presenter itself, the one
// before.
func (d *decision) handsOff(r *registry.RuleEntry) bool {
	from := d.Subject.outermost()
	if d.hop == narrowing && len(d.Subject.Chain) > 1 {
		from = d.Subject.Chain[1]
	}
	return subjectListed(r, from)
}

// conditionHint names a rule that fits but for its condition.
func (d *decision) conditionHint() string {
	for _, r := range d.Rules.Delegations() {
		if r.Admits() && r.Condition != nil && d.Subject.Issuer != "" &&
			r.Spec.Subjects.Issuer == d.Subject.Issuer && actorListed(r, d.Presenter) {
			_, err := r.Condition.Eval(d.Subject.Claims)
			return fmt.Sprintf("; rule %s wants %s, and sees: %s", r.Name, r.Spec.Subjects.Condition, r.Condition.Seen(d.Subject.Claims, err))
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
