package policy

import (
	"slices"
	"strings"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// open computes what is open at the target before any rule: the resource's
// scopes, within the blueprint, the agent and the subject token. A scope asked
// for and not open is refused here, naming who lacks it.
func (d *decision) open() *oauth.Error {
	resource := d.verdict.Resource
	var offered []string
	for _, s := range resource.Spec.Scopes {
		offered = append(offered, s.Name)
	}
	reach, _ := d.reach(resource.Name)
	limits := []struct {
		by     string
		scopes []string
		none   bool
	}{
		{"resource " + string(resource.Name), offered, false},
		{"blueprint " + string(d.Presenter.Blueprint.Name) + " and agent " + d.Presenter.name(), reach, false},
		{"the subject token", d.Subject.Scope, d.Subject.Scope == nil}, // RFC 8693, Section 5
	}
	d.ceiling = offered
	for _, l := range limits {
		if l.none {
			continue
		}
		d.ceiling = intersect(d.ceiling, l.scopes)
		if lacking := without(d.Scope, l.scopes); len(lacking) > 0 {
			return d.refuse(oauth.ReasonScope, "scope", strings.Join(lacking, " "), "scopes of "+l.by+": "+strings.Join(l.scopes, " "))
		}
	}
	return nil
}

// scope grants what was asked, or everything that is left when nothing was.
func (d *decision) scope() *oauth.Error {
	granted := slices.Clone(d.Scope)
	if d.Scope == nil {
		granted = d.withoutApproval(d.ceiling)
	}
	slices.Sort(granted)
	granted = slices.Compact(granted)
	shown := "none asked"
	if len(d.Scope) > 0 {
		shown = "asked " + strings.Join(d.Scope, " ")
	}
	if len(granted) == 0 {
		// RFC 6749, Section 3.3: without a default an absent scope fails.
		return d.refuse(oauth.ReasonScope, "scope", shown, "at least one scope open to subject, rule, agent and resource")
	}
	d.verdict.Scope = granted
	d.pass("scope", shown, "granted "+strings.Join(granted, " "))
	return nil
}

// withoutApproval leaves out what would need an approval, which nobody asked
// for. Where nothing else is open it leaves all, and approval says why not.
func (d *decision) withoutApproval(open []string) []string {
	low := slices.DeleteFunc(slices.Clone(open), d.highRisk)
	if len(low) == 0 {
		return slices.Clone(open)
	}
	return low
}

func (d *decision) highRisk(scope string) bool {
	s := d.verdict.Resource.Scope(scope)
	return s != nil && s.Risk == registry.HighRisk
}

// approval refuses what would need a person's approval.
func (d *decision) approval() *oauth.Error {
	if i := slices.IndexFunc(d.verdict.Scope, d.highRisk); i >= 0 {
		return d.refuse(oauth.ReasonApprovalRequired, "approval", d.verdict.Scope[i]+" is of high risk", "scopes of low risk")
	}
	d.pass("approval", "none needed", "")
	return nil
}

// binding refuses a target that wants bound tokens; nothing unbound goes there.
func (d *decision) binding() *oauth.Error {
	if b := d.verdict.Resource.Spec.Binding; b != "" && b != "none" {
		return d.refuse(oauth.ReasonBindingRequired, "token binding", "no proof of a key", b)
	}
	d.pass("token binding", "none needed", "")
	return nil
}

func intersect(a, b []string) []string {
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}

// without lists the members of a that b lacks.
func without(a, b []string) []string {
	var rest []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			rest = append(rest, s)
		}
	}
	return rest
}
