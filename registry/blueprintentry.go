package registry

import (
	"slices"

	"github.com/tokenry/tokenry/condition"
)

// BlueprintEntry is a blueprint in the read model.
type BlueprintEntry struct {
	Entry[BlueprintName, Blueprint]

	// conditions are those of Spec.Credentials, by index; nil when none has any.
	conditions []*condition.Program
}

func newBlueprintEntry(e Entry[BlueprintName, Blueprint], p *programs) *BlueprintEntry {
	entry := &BlueprintEntry{Entry: e}
	for i := range e.Spec.Credentials {
		if source := e.Spec.Credentials[i].Condition; source != "" {
			if entry.conditions == nil {
				entry.conditions = make([]*condition.Program, len(e.Spec.Credentials))
			}
			entry.conditions[i], _ = p.compile(source) // reported there
		}
	}
	return entry
}

// binds reports whether a credential is one that finds instances. One without a
// pattern, or with a condition that does not compile, would admit anybody.
func (e *BlueprintEntry) binds(i int) bool {
	c := &e.Spec.Credentials[i]
	_, isPattern := c.Subject.Pattern()
	return isPattern && (c.Condition == "" || e.conditions[i] != nil)
}

// bind makes the pattern credentials known.
func (e *BlueprintEntry) bind(x *patterns) {
	for i := range e.Spec.Credentials {
		if e.binds(i) {
			x.add(pattern{blueprint: e, index: int32(i)})
		}
	}
}

// Credential is the pattern credential of that name; nil = there is none.
func (e *BlueprintEntry) Credential(name string) *Credential {
	if e == nil {
		return nil
	}
	for i := range e.Spec.Credentials {
		if e.Spec.Credentials[i].Name == name {
			return &e.Spec.Credentials[i].Credential
		}
	}
	return nil
}

// Allows says that agents of the blueprint may authenticate in a way.
func (e *BlueprintEntry) Allows(m ClientAuth) bool {
	if len(e.Spec.ClientAuth) == 0 {
		return m == FederatedAuth
	}
	return slices.Contains(e.Spec.ClientAuth, m)
}
