package credential

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/condition"
	"github.com/tokenry/tokenry/registry"
)

// maxHeld is how many credentials of an issuer are held against a token in full,
// conditions and all; those whose subjects are likest.
const maxHeld = 64

// bindingsNear holds the credentials of the issuer against what the token says,
// verified or not, nearest first: those with the fewest failed checks, and among
// them the likest subject.
func (e *exam) bindingsNear() []NearBinding {
	said := *e // what the exam did not get to is taken as the token says it
	said.identity.Subject, _, _ = e.claims.String("sub")
	if values, _, err := e.claims.Strings("aud"); err == nil && len(values) == 1 {
		said.identity.Audience = values[0]
	}
	near, least := make([]NearBinding, 0, 4*maxHeld), 0
	for b := range e.model.BoundTo(e.rules, e.issuer.Name) {
		like := likeness(b.Credential.Subject, said.identity.Subject)
		if b.Credential.Subject.Matches(said.identity.Subject) {
			like = len(said.identity.Subject) + 1
		}
		if like < least { // there are enough that are liker
			continue
		}
		near = append(near, NearBinding{bound: b, Agent: b.Agent, Blueprint: b.Blueprint, Credential: b.Credential.Name, likeness: like})
		if len(near) == cap(near) {
			near = likest(near)
			least = near[len(near)-1].likeness
		}
	}
	near = likest(near)
	for i := range near {
		n := &near[i]
		t := said.tryWhole(&n.bound)
		n.Agent, n.Checks, n.Admits = t.agent, t.checks, t.fault == nil
		n.Why = mismatch(n.bound.Credential.Subject, said.identity.Subject)
		if n.bound.Credential.Subject.Matches(said.identity.Subject) {
			n.Why = ""
		}
	}
	slices.SortStableFunc(near, func(a, b NearBinding) int {
		return cmp.Or(cmp.Compare(e.decided(b), e.decided(a)), cmp.Compare(a.failures(), b.failures()))
	})
	return near[:min(len(near), maxNear)]
}

// decided is 1 for the credential that the exam's refusal is about.
func (e *exam) decided(n NearBinding) int {
	if e.nearest != nil && e.nearest.bound.Credential == n.bound.Credential {
		return 1
	}
	return 0
}

func (n *NearBinding) failures() (count int) {
	for _, c := range n.Checks {
		if !c.OK {
			count++
		}
	}
	return count
}

// likest keeps those whose subjects are likest. Names break a tie, so that two
// reports of one token are the same.
func likest(near []NearBinding) []NearBinding {
	slices.SortFunc(near, func(a, b NearBinding) int {
		return cmp.Or(cmp.Compare(b.likeness, a.likeness), cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Blueprint, b.Blueprint), cmp.Compare(a.Credential, b.Credential))
	})
	return near[:min(len(near), maxHeld)]
}

// issuersNear lists the trusted issuers, nearest first: those that the token
// misses by a slip, then the likest.
func (e *exam) issuersNear() []NearIssuer {
	iss, _, _ := e.claims.String("iss")
	sub, _, _ := e.claims.String("sub")
	domain := ""
	if claimsSPIFFE(sub) {
		domain, _, _ = strings.Cut(sub[min(len(sub), len("spiffe://")):], "/")
	}
	var near []NearIssuer
	for _, i := range e.rules.Issuers() {
		n := NearIssuer{Name: i.Name, Wanted: i.Spec.Issuer, State: i.State}
		shown := iss
		if i.Spec.Type == registry.SPIFFE {
			shown, n.Wanted = domain, i.Spec.TrustDomain
		}
		n.Why = slip(shown, n.Wanted)
		if n.Why == "" && condition.Nearest(shown, []string{n.Wanted}) != "" {
			n.Why = "it is spelt in another way"
		}
		n.likeness = likeness(registry.SubjectMatch{Exact: n.Wanted}, shown)
		near = append(near, n)
	}
	slices.SortStableFunc(near, func(a, b NearIssuer) int {
		return cmp.Or(cmp.Compare(certain(b.Why), certain(a.Why)), cmp.Compare(b.likeness, a.likeness))
	})
	return near[:min(len(near), maxNear)]
}

func certain(why string) int {
	if why != "" {
		return 1
	}
	return 0
}
