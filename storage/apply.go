package storage

import (
	"context"

	"github.com/tokenry/tokenry/registry"
)

// Write is a set of changes to the registry that happen together or not at all.
type Write struct {
	By string // the admin principal; required

	Upserts []*registry.Object // Kind, Name, Labels and Spec count, the rest is ignored
	Deletes []Ref              // ErrNotFound when one is not there
	Prune   bool               // delete every object that is not in Upserts

	Create  bool // every one of Upserts must be new, else ErrConflict
	IfMatch int  // version that each object written must have, else ErrVersion; 0 = any
	DryRun  bool // do everything, but commit nothing

	// Check sees all objects as they would be, in the order of kind and name,
	// and refuses by an error, which Apply returns as it is. Nil = no check.
	Check func(after []*registry.Object) error
}

// Ref names an object, by its name or its id.
type Ref struct {
	Kind registry.Kind
	Name string
}

// Result is what became of one object.
type Result struct {
	Kind    registry.Kind
	Name    string
	ID      string
	Version int
	Outcome Outcome
}

// Outcome is what a write did to an object.
type Outcome string

// Outcomes.
const (
	Created    Outcome = "created"
	Configured Outcome = "configured"
	Unchanged  Outcome = "unchanged"
	Deleted    Outcome = "deleted"
)

// Apply writes w in one transaction and returns what became of each object:
// first the upserts in their order, then what was deleted. An object whose spec
// and labels are already so is not written. States are not part of a spec:
// Apply keeps them.
func (db *DB) Apply(ctx context.Context, w Write) ([]Result, error) {
	return nil, nil
}
