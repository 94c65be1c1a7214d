// Package manifest reads the YAML files of `tokenry apply`: strictly, and
// keeping the line of every key, so that whatever is wrong can be shown where
// it was written. What an object may say is in package registry, which is asked
// before anything is sent; what objects say about each other only the server
// can know.
//
// Of YAML it takes what reads the same everywhere. Anchors, aliases, merge keys
// and tags are refused, and so are words and numbers that one version of YAML
// takes for something else than another does. The `status` of an object is the
// server's and is not read.
package manifest

import (
	"encoding/json"
	"strconv"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// Document is one object as written in a file.
type Document struct {
	Kind   registry.Kind
	Name   string
	Labels map[string]string // nil = none
	Spec   json.RawMessage   // the spec as JSON, members in the order of the file
	File   string            // as given to Load or Parse

	root *place
}

// Object returns the document as the admin API takes it.
func (d Document) Object() api.Object {
	return api.Object{
		APIVersion: api.Version, Kind: d.Kind,
		Metadata: api.Metadata{Name: d.Name, Labels: d.Labels},
		Spec:     d.Spec,
	}
}

// Position is a place in a file. Lines and columns count from 1, columns in
// characters; both are 0 where only the file is known.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns "agents.yaml:12".
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Position returns where path ("spec.keys.jwksUrl", "metadata.name",
// "spec.credentials[0].condition") stands: its key, or the value where it is
// the element of a list. It is the nearest parent of path that is written down
// when path itself is not, and the first line of the document for "".
func (d *Document) Position(path string) Position {
	if d.root == nil {
		return Position{File: d.File}
	}
	at := d.root.find(path)
	return Position{File: d.File, Line: at.line, Column: at.column}
}

// Problem returns message as a problem of d at path, for what the server finds
// in a document that this package has passed.
func (d *Document) Problem(path, message string) Problem {
	return Problem{Position: d.Position(path), Kind: d.Kind, Name: d.Name, Path: path, Message: message}
}
