package api

import "github.com/tokenry/tokenry/registry"

// ApplyRequest is a set of objects that come into force together or not at
// all.
type ApplyRequest struct {
	Objects []Object `json:"objects" maxItems:"10000"`
	Prune   bool     `json:"prune,omitempty" doc:"Delete every object that is not in this request, but no instance."`

	// DryRun checks and answers without writing. It travels as ?dry_run=true,
	// as on every other write.
	DryRun bool `json:"-"`
}

// ApplyResult says what became of each object: first those of the request in
// its order, then the deleted ones.
type ApplyResult struct {
	Results []Result `json:"results"`
}

// Result is what became of one object.
type Result struct {
	Kind    registry.Kind `json:"kind"`
	Name    string        `json:"name"`
	ID      string        `json:"id,omitempty"`
	Outcome Outcome       `json:"outcome" enum:"created,configured,unchanged,deleted"`
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
