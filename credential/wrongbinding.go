package credential

import (
	"fmt"
	"strings"

	"github.com/tokenry/tokenry/registry"
)

// wrongSubject: no credential matches the subject, or those of two agents do.
func (e *exam) wrongSubject(r *Report) (sentence, fix string) {
	f := r.Fault
	switch {
	case f.Name == FaultAmbiguous:
		return is("the token", "admitted by "+strings.Replace(f.Shown, ", ", " and ", 1), f.Wanted, ""), "Make the subjects, pins or conditions of the two exclude each other."
	case len(r.Bindings) == 0:
		return is("sub", quoted(r.Subject), "that of a credential", fmt.Sprintf("no agent and no blueprint has a credential of issuer %q", f.Issuer)),
			"Add a credential to the agent: issuer " + string(f.Issuer) + ", subject exactly as shown."
	}
	near := r.Bindings[0]
	why := near.Why
	if why == "" {
		why = "it is quite another, and none is nearer"
	}
	return is("sub", quoted(r.Subject), quoted(near.bound.Credential.Subject.String())+" of "+near.owner(), why),
		"Run the workload under the other subject, or give the agent a credential with this one."
}

// owner names a credential and whose it is.
func (n *NearBinding) owner() string { return ownerOf(&n.bound) }

func ownerOf(b *registry.BoundCredential) string {
	if b.Agent == "" {
		return fmt.Sprintf("credential %q of blueprint %q", b.Credential.Name, b.Blueprint)
	}
	return fmt.Sprintf("credential %q of agent %q", b.Credential.Name, b.Agent)
}

// wrongBinding: the subject matches a credential, and the rest of it does not.
func (e *exam) wrongBinding(r *Report) (sentence, fix string) {
	f, b := r.Fault, e.nearest.bound
	owner := ownerOf(b)
	switch e.nearest.at {
	case CheckBinding:
		if f.Name == FaultInstanceTaken {
			return is("sub", quoted(f.Shown), "the one that the instance was made for", f.Wanted), "Give the workload another subject, or delete the instance."
		}
		return is("what follows the pattern in sub", quoted(f.Shown), f.Wanted, owner+" makes the name of the instance of it"), ""
	case CheckAudience:
		return is("aud", quoted(f.Shown), quoted(f.Wanted)+" of "+owner, slip(f.Shown, f.Wanted)), "Have the token made for that audience, or change audience of the credential."
	case CheckPins:
		return e.wrongPin(f, owner)
	}
	// What it has seen is a field and what it shows already.
	x := b.Condition.Explain(e.plain())
	return x.Seen + "; wanted is " + x.Part + ": the condition of " + owner, "Change the condition of the credential, or what the workload is."
}

// wrongPin finds the pin that does not hold: of a fault only texts are kept.
func (e *exam) wrongPin(f *Fault, owner string) (sentence, fix string) {
	for path, want := range e.nearest.bound.Credential.Claims {
		if cut(path+" "+want) != f.Wanted {
			continue
		}
		got, ok := registry.ClaimAt(e.claims, path)
		if !ok {
			return is("claim "+path, "", quoted(want)+" of "+owner, "the credential pins it"), "Have the issuer put it into the token, or take the pin out of the credential."
		}
		return is("claim "+path, quoted(got), quoted(want)+" of "+owner, "the credential pins it; an account made again under its name has another"), "Pin the new value, if it is right."
	}
	return is("a claim", quoted(f.Shown), quoted(f.Wanted), ""), ""
}

// onlyRecords: all is right, and issuer or credential is in shadow mode.
func (e *exam) onlyRecords(f *Fault) (sentence, fix string) {
	if e.issuer.Spec.Mode == registry.Shadow && strings.HasPrefix(f.Shown, "would be") {
		return is(fmt.Sprintf("mode of issuer %q", e.issuer.Name), `"shadow"`, `"enforce"`, "it "+f.Shown), "Set mode: enforce when you have seen enough."
	}
	return is("mode of credential "+f.Shown, `"shadow"`, `"enforce"`, "it would admit the token"), "Set mode: enforce when you have seen enough."
}
