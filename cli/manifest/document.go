package manifest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// reader reads one document and collects what is wrong with it.
type reader struct {
	doc      Document
	problems []Problem
}

func newReader(file string, root *yaml.Node) *reader {
	return &reader{doc: Document{File: file, root: &place{line: root.Line, column: root.Column}}}
}

// fault reports a problem with the value at a place.
func (r *reader) fault(at *place, format string, args ...any) {
	at.faulty = true
	r.add(at.line, at.column, at.path(), format, args...)
}

func (r *reader) add(line, column int, path, format string, args ...any) {
	r.problems = append(r.problems, Problem{
		Position: Position{File: r.doc.File, Line: line, Column: column},
		Path:     path, Message: fmt.Sprintf(format, args...),
	})
}

// sorted returns the problems in the order of the file, with the name of the
// object, which may stand below the first of them.
func (r *reader) sorted() []Problem {
	for i := range r.problems {
		r.problems[i].Kind, r.problems[i].Name = r.doc.Kind, r.doc.Name
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(a.Position.Line-b.Position.Line, a.Position.Column-b.Position.Column)
	})
	return r.problems
}

func (r *reader) document(n *yaml.Node) {
	root := r.doc.root
	if !r.plain(n, root) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fault(root, "is not an object with apiVersion, kind, metadata and spec")
		return
	}
	missing := map[string]string{"apiVersion": "; write apiVersion: " + api.Version, "kind": "; there are " + kindList(), "spec": ""}
	for _, m := range r.members(n, root) {
		delete(missing, m.name)
		switch m.name {
		case "apiVersion":
			if version, ok := r.text(m.value, m.at); ok && version != api.Version {
				r.fault(m.at, "must be %s", api.Version)
			}
		case "kind":
			if kind, ok := r.text(m.value, m.at); ok {
				r.kind(m.at, kind)
			}
		case "metadata":
			r.metadata(m.value, m.at)
		case "spec":
			var out bytes.Buffer
			r.value(&out, m.value, m.at, 0)
			r.doc.Spec = out.Bytes()
		case "status":
			// The server's, not read: what `get -o yaml` prints can be applied.
		default:
			r.fault(m.at, "%s", registry.UnknownField(m.name, []string{"apiVersion", "kind", "metadata", "spec"}))
		}
	}
	if root.faulty {
		return // of a merge key nobody knows what it would have brought
	}
	for _, name := range []string{"apiVersion", "kind", "spec"} {
		if hint, ok := missing[name]; ok {
			r.add(root.line, root.column, name, "is missing%s", hint)
		}
	}
	r.check()
}

// kind takes a kind, and names the one that may have been meant.
func (r *reader) kind(at *place, kind string) {
	r.doc.Kind = registry.Kind(kind)
	if registry.NewSpec(r.doc.Kind) != nil {
		return
	}
	var kinds []string
	for _, k := range registry.Kinds() {
		kinds = append(kinds, string(k))
	}
	r.fault(at, "is not a kind%s", registry.Hint(kind, kinds))
}

func kindList() string {
	var names []string
	for _, k := range registry.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

func (r *reader) metadata(n *yaml.Node, at *place) {
	if !r.plain(n, at) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fault(at, "must be an object with a name")
		return
	}
	for _, m := range r.members(n, at) {
		switch m.name {
		case "name":
			r.doc.Name, _ = r.text(m.value, m.at)
		case "labels":
			r.labels(m.value, m.at)
		default:
			r.fault(m.at, "%s", registry.UnknownField(m.name, []string{"name", "labels"}))
		}
	}
}

func (r *reader) labels(n *yaml.Node, at *place) {
	if !r.plain(n, at) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fault(at, "must be an object of texts")
		return
	}
	r.doc.Labels = map[string]string{}
	for _, m := range r.members(n, at) {
		r.doc.Labels[m.name], _ = r.text(m.value, m.at)
	}
}

// check asks package registry, as the server will. A spec that cannot be read
// is not checked for its sense: what was misspelt would be called missing too.
func (r *reader) check() {
	o := &registry.Object{Kind: r.doc.Kind, Name: r.doc.Name, Labels: r.doc.Labels}
	var found registry.Problems
	if r.doc.Spec != nil && registry.NewSpec(o.Kind) != nil {
		var err error
		if o.Spec, err = registry.DecodeSpec(o.Kind, r.doc.Spec); err != nil && !errors.As(err, &found) {
			found = registry.Problems{{Path: "spec", Message: err.Error()}}
		}
	}
	for _, p := range registry.Validate(o) {
		if o.Spec != nil || strings.HasPrefix(p.Path, "metadata") {
			found = append(found, p)
		}
	}
	for _, p := range found {
		if at := r.doc.root.find(p.Path); !at.faulty {
			r.add(at.line, at.column, p.Path, "%s", p.Message)
		}
	}
}
