// Package manifest reads the YAML files of `tokenry apply`: strictly, and
// keeping the line of every key, so that whatever is wrong can be shown where
// it was written. What an object may say is in package registry.
package manifest

import (
	"encoding/json"
	"io"

	"github.com/tokenry/tokenry/registry"
)

// Document is one object as written in a file.
type Document struct {
	Kind   registry.Kind
	Name   string
	Labels map[string]string
	Spec   json.RawMessage // JSON of the spec
	File   string
}

// Position is a place in a file; lines and columns count from 1.
type Position struct {
	File   string
	Line   int
	Column int
}

// Position returns where path ("spec.keys.jwksUrl", "metadata.name") stands,
// or the nearest parent of it that is written down.
func (d *Document) Position(path string) Position { return Position{} }

// Parse reads the documents of one stream.
func Parse(name string, r io.Reader) ([]Document, error) { return nil, nil }

// Load reads a file, every *.yaml and *.yml of a directory in name order, or
// stdin when path is "-".
func Load(path string, stdin io.Reader) ([]Document, error) { return nil, nil }
