package credential

import (
	"maps"
	"slices"

	"github.com/tokenry/tokenry/registry"
)

// trial is one credential held against the workload.
type trial struct {
	bound   *registry.BoundCredential
	agent   registry.AgentName
	id      string  // of the agent; empty when there is none yet
	unknown bool    // the agent would be made now
	whole   bool    // it goes on after a failure, for a report
	passed  int     // how many checks passed
	checks  []Check // in order; unless it is whole, none follows one that failed
	at      string  // the first check that failed
	fault   *Fault  // nil = it admits
}

func (t *trial) name() string { return string(t.agent) + " / " + t.bound.Credential.Name }

// pass and fail note a check and report whether the trial goes on.

func (t *trial) pass(check, shown, wanted string) bool {
	t.passed++
	t.checks = append(t.checks, Check{Name: check, OK: true, Shown: cut(shown), Wanted: cut(wanted)})
	return true
}

func (t *trial) fail(check, fault, shown, wanted string) bool {
	t.checks = append(t.checks, Check{Name: check, Shown: cut(shown), Wanted: cut(wanted)})
	if t.fault == nil {
		t.at, t.fault = check, &Fault{Name: fault, Shown: shown, Wanted: wanted}
	}
	return t.whole
}

// try holds a credential whose subject matches against the rest of what the
// token says.
func (e *exam) try(t *trial) *trial {
	if t.checks == nil {
		t.checks = make([]Check, 0, 3)
	}
	_ = e.tryBinding(t) && e.tryAudience(t) && e.tryPins(t) && e.tryCondition(t)
	return t
}

func (e *exam) tryBinding(t *trial) bool {
	if t.bound.Agent == "" && !e.instance(t) {
		return t.whole
	}
	return t.pass(CheckBinding, e.identity.Subject, t.name())
}

// tryAudience: what is bound to one audience of the issuer is not for another.
func (e *exam) tryAudience(t *trial) bool {
	if want := t.bound.Credential.Audience; want != "" && e.identity.Audience != want {
		return t.fail(CheckAudience, FaultAudience, e.identity.Audience, want)
	}
	return true
}

func (e *exam) tryPins(t *trial) bool {
	pins, equal := t.bound.Credential.Claims, true
	for _, path := range slices.Sorted(maps.Keys(pins)) {
		text, ok := registry.ClaimAt(e.claims, path)
		switch want := pins[path]; {
		case !ok:
			equal = false
			if !t.fail(CheckPins, FaultNoBinding, "no "+path, path+" "+want) {
				return false
			}
		case text != want:
			// Mostly an account that was deleted and made again under its name.
			equal = false
			if !t.fail(CheckPins, FaultImmutable, path+" "+text, path+" "+want) {
				return false
			}
		}
	}
	if len(pins) > 0 && equal {
		t.pass(CheckPins, list(slices.Sorted(maps.Keys(pins))), "equal to those of the credential")
	}
	return true
}

func (e *exam) tryCondition(t *trial) bool {
	condition := t.bound.Condition
	if condition == nil {
		return true
	}
	ok, err := condition.Eval(e.plain())
	if ok && err == nil {
		return t.pass(CheckCondition, "true", condition.String())
	}
	// An error is a missing claim, mostly: it does not match.
	first := t.fault == nil
	t.fail(CheckCondition, FaultNoBinding, condition.Seen(e.plain(), err), condition.String())
	if first {
		t.fault.Err = err
	}
	return t.whole
}

// ofAnother ends what is said of an instance whose name is taken.
const ofAnother = ", which belongs to another workload"

// instance finds out which instance the subject is. Its name belongs for ever to
// the issuer and subject that it was made for.
func (e *exam) instance(t *trial) bool {
	subject := e.identity.Subject
	name, ok := t.bound.Instance(subject)
	if !ok {
		t.agent = registry.AgentName(t.bound.Blueprint) + "/"
		t.fail(CheckBinding, FaultNoBinding, t.bound.Credential.Subject.Suffix(subject), "a suffix of 1 to 200 letters, digits and . _ : / -")
		return false
	}
	t.agent = name
	known := e.model.Agent(name)
	if t.unknown = known == nil; t.unknown {
		return true
	}
	if made := known.Spec.Instance; made == nil || made.Issuer != e.issuer.Name || made.Subject != subject {
		t.fail(CheckBinding, FaultInstanceTaken, subject, string(name)+ofAnother)
		return false
	}
	t.id = known.ID
	return true
}

// tryWhole holds any credential of the issuer against the token, and goes on to
// its last check whatever fails before.
func (e *exam) tryWhole(b *registry.BoundCredential) *trial {
	t := &trial{bound: b, agent: b.Agent, id: b.AgentID, whole: true}
	if c := b.Credential; c.Subject.Matches(e.identity.Subject) {
		e.try(t)
	} else {
		if b.Agent == "" {
			t.agent = registry.AgentName(b.Blueprint) + "/…"
		}
		t.fail(CheckBinding, FaultNoBinding, e.identity.Subject, c.Subject.String())
		_ = e.tryAudience(t) && e.tryPins(t) && e.tryCondition(t)
	}
	if b.Credential.Mode == registry.Shadow {
		t.fail(CheckMode, FaultShadow, string(registry.Shadow), string(registry.Enforce))
	}
	return t
}
