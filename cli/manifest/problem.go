package manifest

import (
	"fmt"
	"strings"

	"github.com/tokenry/tokenry/registry"
)

// maxShown is how many problems Error.Error writes: the rest scrolls the first,
// which often is the cause, out of sight.
const maxShown = 100

// Problem is one thing wrong with the input.
type Problem struct {
	Position Position
	Kind     registry.Kind // of the document; empty = not known, or not about one document
	Name     string        // of the document; empty as above
	Path     string        // "spec.blueprint"; empty = the document
	Message  string        // what is wrong and what to do about it
}

// String returns one line: "agents.yaml:12: Agent research-agent:
// spec.blueprint: is missing".
func (p Problem) String() string {
	var object []string
	for _, s := range []string{string(p.Kind), p.Name} {
		if s != "" {
			object = append(object, shown(s))
		}
	}
	parts := []string{p.Position.String()}
	for _, s := range []string{strings.Join(object, " "), p.Path, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Error is everything that is wrong with the input, in the order in which it
// was read.
type Error struct{ Problems []Problem }

// Error gives one line per problem, and after a hundred only their number.
func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems[:min(len(e.Problems), maxShown)] {
		lines = append(lines, p.String())
	}
	if more := len(e.Problems) - maxShown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// failure is nil when there are no problems.
func failure(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &Error{Problems: problems}
}

// Unique reports every object that is there twice, as an *Error that names both
// places. Load and Parse have done so for what they return; it is for whoever
// joins their results.
func Unique(docs []Document) error { return failure(twice(docs)) }

func twice(docs []Document) []Problem {
	type id struct {
		kind registry.Kind
		name string
	}
	var problems []Problem
	first := map[id]Position{}
	for i := range docs {
		d := &docs[i]
		here, key := d.Position("metadata.name"), id{d.Kind, d.Name}
		if before, ok := first[key]; ok {
			problems = append(problems, d.Problem("metadata.name", fmt.Sprintf("is there twice; the first is at %s", before)))
		} else if d.Kind != "" && d.Name != "" {
			first[key] = here
		}
	}
	return problems
}
