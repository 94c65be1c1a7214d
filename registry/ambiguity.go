package registry

import (
	"fmt"
	"slices"
)

// owner is whose a credential is: an agent's, or a blueprint's.
type owner struct {
	kind Kind
	name string
}

func (o owner) String() string {
	if o.kind == KindBlueprint {
		return fmt.Sprintf("blueprint %q", o.name)
	}
	return fmt.Sprintf("agent %q", o.name)
}

// claim is a credential that lays claim to subjects, and whose it is.
type claim struct {
	owner
	credential *Credential
	order      int // in which it was found
}

// claims are those on the subjects of one issuer. Patterns lie by the literal
// text that they begin with, so that ten thousand of them need not be compared
// with each other: two can overlap only when one's literal begins the other's.
type claims struct {
	exact    map[string]claim // the first of each
	patterns map[string][]claim
	lengths  []int // of the literals, ascending, each once
}

// claim makes a credential's claim known.
func (w *world) claim(of owner, c *Credential) {
	issuer := w.claims[c.Issuer]
	if issuer == nil {
		issuer = &claims{exact: map[string]claim{}, patterns: map[string][]claim{}}
		w.claims[c.Issuer] = issuer
	}
	w.order++
	new := claim{of, c, w.order}
	if _, isPattern := c.Subject.Pattern(); !isPattern {
		if _, taken := issuer.exact[c.Subject.Exact]; !taken {
			issuer.exact[c.Subject.Exact] = new
		}
		return
	}
	literal := c.Subject.Literal()
	issuer.patterns[literal] = append(issuer.patterns[literal], new)
	if i, there := slices.BinarySearch(issuer.lengths, len(literal)); !there {
		issuer.lengths = slices.Insert(issuer.lengths, i, len(literal))
	}
}

// checkClaim refuses a credential by which a workload could be two agents: a
// subject that is another's too, an exact one inside another's pattern, two
// patterns with a subject in common. What only conditions tell apart cannot be
// seen here; at run time ambiguity is refused always.
func (w *world) checkClaim(ps *problems, at string, of owner, c *Credential) {
	issuer := w.claims[c.Issuer]
	if _, isPattern := c.Subject.Pattern(); isPattern {
		issuer.checkPattern(ps, at, of, c)
		return
	}
	switch first := issuer.exact[c.Subject.Exact]; {
	case first.credential == c:
	case first.owner == of:
		ps.add(at, "credential %q of this agent already has this issuer and subject; keep one", first.credential.Name)
		return
	default:
		ps.add(at, "this issuer and subject already stand for %s (credential %q); a workload is one agent", first.owner, first.credential.Name)
		return
	}
	issuer.above(c.Subject.Exact, func(p claim) bool {
		if p.owner == of || !p.credential.Subject.Matches(c.Subject.Exact) {
			return true
		}
		ps.add(at, "lies inside credential %q of %s, so this workload would be two agents; narrow that pattern or take this one out", p.credential.Name, p.owner)
		return false
	})
}

func (cs *claims) checkPattern(ps *problems, at string, of owner, c *Credential) {
	literal, order := c.Subject.Literal(), 0
	for _, p := range cs.patterns[literal] {
		if p.credential == c {
			order = p.order
		}
	}
	cs.above(literal, func(p claim) bool {
		same := p.credential.Subject.Literal() == literal
		switch {
		case p.credential == c, same && p.order > order: // reported there
		case p.owner == of && (of.kind == KindAgent || same): // the same agent either way
		case p.credential.apart(c) || !p.credential.Subject.Overlaps(c.Subject):
		default:
			ps.add(at, "overlaps with credential %q of %s, so a workload could be two agents; make the two patterns exclude each other", p.credential.Name, p.owner)
			return false
		}
		return true
	})
}

// above calls f with the patterns whose literal begins text, until it returns
// false.
func (cs *claims) above(text string, f func(claim) bool) {
	for _, n := range cs.lengths {
		if n > len(text) {
			return
		}
		for _, p := range cs.patterns[text[:n]] {
			if !f(p) {
				return
			}
		}
	}
}

// apart reports whether no token can match both, or whether that depends on
// conditions, which nobody can read here. Where one of the two asks for nothing
// more than its subject, what the other asks for keeps nothing apart.
func (c *Credential) apart(other *Credential) bool {
	if c.Audience != "" && other.Audience != "" && c.Audience != other.Audience {
		return true
	}
	if (c.Condition != "" || other.Condition != "") && c.asks() && other.asks() {
		return true
	}
	for path, value := range c.Claims {
		if v, both := other.Claims[path]; both && v != value {
			return true
		}
	}
	return false
}

// asks reports whether the credential asks for more than a subject.
func (c *Credential) asks() bool { return c.Condition != "" || len(c.Claims) > 0 }
