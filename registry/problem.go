package registry

import "fmt"

// Problem is one thing wrong with an object.
type Problem struct {
	Path    string // "spec.keys.jwksUrl", "spec.scopes[1].name", "metadata.name"
	Message string // what is wrong and what to do about it
}

// String returns the path and the message.
func (p Problem) String() string { return p.Path + ": " + p.Message }

// ObjectProblem is a Problem and the object that has it.
type ObjectProblem struct {
	Index int // position in the slice given to ValidateAll
	Kind  Kind
	Name  string
	Problem
}

// String returns the object, the path and the message.
func (p ObjectProblem) String() string {
	return fmt.Sprintf("%s %s: %s", p.Kind, p.Name, p.Problem)
}

// problems collects what is wrong with one object.
type problems []Problem

func (ps *problems) add(path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}
