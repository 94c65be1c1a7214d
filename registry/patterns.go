package registry

import (
	"slices"

	"github.com/tokenry/tokenry/condition"
)

// patterns finds the patterns that a subject can match among any number of
// them: by the literal text that each begins with, of which there are only a
// few lengths. It is not safe for concurrent use.
type patterns struct {
	issuers map[IssuerName]*issuerPatterns
}

type issuerPatterns struct {
	byLiteral map[string][]pattern
	lengths   []int       // of the literals, ascending, each once
	count     map[int]int // patterns with a literal of that length
}

// pattern is a credential whose subject is a prefix or a glob.
type pattern struct {
	agent     *AgentEntry     // whose credential it is …
	blueprint *BlueprintEntry // … or which blueprint's
	index     int32           // of the credential in it
}

// credential is the pattern's, and its condition.
func (p pattern) credential() (*Credential, *condition.Program) {
	if p.agent != nil {
		return &p.agent.Spec.Credentials[p.index], at(p.agent.conditions, p.index)
	}
	return &p.blueprint.Spec.Credentials[p.index].Credential, at(p.blueprint.conditions, p.index)
}

func at(list []*condition.Program, i int32) *condition.Program {
	if list == nil {
		return nil
	}
	return list[i]
}

// bound is the pattern as the read model shows it.
func (p pattern) bound() BoundCredential {
	b := BoundCredential{}
	b.Credential, b.Condition = p.credential()
	if p.agent != nil {
		b.Agent, b.AgentID = p.agent.Name, p.agent.ID
	} else {
		b.Blueprint = p.blueprint.Name
	}
	return b
}

func (x *patterns) add(p pattern) {
	c, _ := p.credential()
	if x.issuers == nil {
		x.issuers = map[IssuerName]*issuerPatterns{}
	}
	of := x.issuers[c.Issuer]
	if of == nil {
		of = &issuerPatterns{byLiteral: map[string][]pattern{}, count: map[int]int{}}
		x.issuers[c.Issuer] = of
	}
	literal := c.Subject.Literal()
	of.byLiteral[literal] = append(of.byLiteral[literal], p)
	if of.count[len(literal)]++; of.count[len(literal)] == 1 {
		i, _ := slices.BinarySearch(of.lengths, len(literal))
		of.lengths = slices.Insert(of.lengths, i, len(literal))
	}
}

func (x *patterns) remove(p pattern) {
	c, _ := p.credential()
	of := x.issuers[c.Issuer]
	if of == nil {
		return
	}
	literal := c.Subject.Literal()
	list := of.byLiteral[literal]
	i := slices.Index(list, p)
	if i < 0 {
		return
	}
	if of.byLiteral[literal] = slices.Delete(slices.Clone(list), i, i+1); len(list) == 1 {
		delete(of.byLiteral, literal)
	}
	if of.count[len(literal)]--; of.count[len(literal)] == 0 {
		delete(of.count, len(literal))
		i, _ := slices.BinarySearch(of.lengths, len(literal))
		of.lengths = slices.Delete(of.lengths, i, i+1)
	}
}

// matching adds the patterns that match subject to found.
func (x *patterns) matching(issuer IssuerName, subject string, found []BoundCredential) []BoundCredential {
	of := x.issuers[issuer]
	if of == nil {
		return found
	}
	for _, n := range of.lengths {
		if n > len(subject) {
			break
		}
		for _, p := range of.byLiteral[subject[:n]] {
			if c, _ := p.credential(); c.Subject.Matches(subject) {
				found = append(found, p.bound())
			}
		}
	}
	return found
}
