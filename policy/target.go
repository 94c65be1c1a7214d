package policy

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// target settles the one resource that the token is for.
func (d *decision) target() *oauth.Error {
	const name = "target"
	asked := append(slices.Clone(d.Resources), d.Audiences...)
	for _, value := range d.Resources {
		// RFC 8693, Section 2.1 and RFC 8707, Section 2: an absolute URI
		// without a fragment; a query is allowed.
		if u, err := url.Parse(value); err != nil || !u.IsAbs() || strings.Contains(value, "#") {
			return d.refuse(oauth.ReasonTarget, name, value, "resource as an absolute URI without a fragment")
		}
	}
	if len(asked) == 0 {
		return d.defaultTarget()
	}
	var found *registry.ResourceEntry
	for i, value := range asked {
		r := d.Rules.ResourceByIdentifier(value)
		if r == nil && i >= len(d.Resources) {
			// RFC 8693, Section 2.1: audience is a logical name.
			r = d.Rules.Resource(registry.ResourceName(value))
		}
		if r == nil {
			return d.refuse(oauth.ReasonTarget, name, value, "the identifier of a resource, or in audience its name")
		}
		if found != nil && found != r {
			// RFC 8693, Section 2.2.2: invalid_target; no silent choice.
			return d.refuse(oauth.ReasonTooManyTargets, name, string(found.Name)+" and "+string(r.Name), "one target")
		}
		found = r
	}
	return d.settle(found)
}

func (d *decision) settle(r *registry.ResourceEntry) *oauth.Error {
	const name = "target"
	if _, ok := d.reach(r.Name); !ok {
		return d.refuse(oauth.ReasonTarget, name, string(r.Name), "a resource in reach of "+d.Presenter.name()+": "+d.reachText())
	}
	if r.State != registry.Active {
		return d.refuse(oauth.ReasonTargetDisabled, name, string(r.Name)+" is "+string(r.State), "an active resource")
	}
	d.verdict.Resource = r
	d.pass(name, string(r.Name), r.Spec.Identifier)
	return nil
}

// defaultTarget is used when none is named: the blueprint's default, else the
// single resource in reach that has every scope asked for.
func (d *decision) defaultTarget() *oauth.Error {
	if name := d.Presenter.Blueprint.Spec.DefaultResource; name != "" {
		r := d.Rules.Resource(name)
		if r == nil { // no silent choice of another one
			return d.refuse(oauth.ReasonTargetMissing, "target", "none named", "resource "+string(name)+", the blueprint's default, which is gone")
		}
		return d.settle(r)
	}
	var found []*registry.ResourceEntry
	for _, a := range d.Presenter.Blueprint.Spec.Resources {
		r := d.Rules.Resource(a.Name)
		scopes, ok := d.reach(a.Name)
		if r != nil && ok && len(without(d.Scope, scopes)) == 0 {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		return d.refuse(oauth.ReasonTargetMissing, "target", "none named", "resource or audience, or a defaultResource in blueprint "+string(d.Presenter.Blueprint.Name))
	}
	return d.settle(found[0])
}

// reach gives the scopes that the presenter's blueprint and its own narrowing
// leave at a resource.
func (d *decision) reach(name registry.ResourceName) ([]string, bool) {
	scopes, ok := access(d.Presenter.Blueprint.Spec.Resources, name)
	if !ok {
		return nil, false
	}
	if own := d.Presenter.Agent.Spec.Resources; own != nil {
		narrower, ok := access(own, name)
		if !ok {
			return nil, false
		}
		scopes = intersect(scopes, narrower)
	}
	return scopes, true
}

func (d *decision) reachText() string {
	var names []string
	for _, a := range d.Presenter.Blueprint.Spec.Resources {
		if _, ok := d.reach(a.Name); ok {
			names = append(names, string(a.Name))
		}
	}
	return strings.Join(names, ", ")
}

func access(list []registry.Access, name registry.ResourceName) ([]string, bool) {
	for _, a := range list {
		if a.Name == name {
			return a.Scopes, true
		}
	}
	return nil, false
}
