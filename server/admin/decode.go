package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"sort"
	"strings"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// reader reads the members of a body that checkJSON has passed and collects
// everything that is wrong with them. Member names are compared exactly:
// encoding/json would take "Kind" for "kind".
type reader struct{ items []api.ProblemItem }

func (r *reader) add(at, message string) { r.items = append(r.items, item(at, message)) }

// problem is nil when nothing was wrong.
func (r *reader) problem() error {
	if len(r.items) == 0 {
		return nil
	}
	return invalid(first(r.items)...)
}

type members map[string]func(at string, raw json.RawMessage)

// object hands each member of the object at a path to its reader.
func (r *reader) object(at string, raw json.RawMessage, known members) {
	var given map[string]json.RawMessage
	if json.Unmarshal(raw, &given) != nil || given == nil {
		r.add(at, "must be an object")
		return
	}
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if read, ok := known[name]; ok {
			read(join(at, name), given[name])
		} else {
			r.add(join(at, name), "unknown member")
		}
	}
}

func (r *reader) text(into *string) func(string, json.RawMessage) {
	return func(at string, raw json.RawMessage) {
		if bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, into) != nil {
			r.add(at, "must be a text")
		}
	}
}

func (r *reader) flag(into *bool) func(string, json.RawMessage) {
	return func(at string, raw json.RawMessage) {
		if bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, into) != nil {
			r.add(at, "must be true or false")
		}
	}
}

func (r *reader) texts(into *map[string]string) func(string, json.RawMessage) {
	return func(at string, raw json.RawMessage) {
		var given map[string]*string
		if json.Unmarshal(raw, &given) != nil || given == nil {
			r.add(at, "must be an object of texts")
			return
		}
		*into = make(map[string]string, len(given))
		for name, v := range given {
			if v == nil {
				r.add(join(at, name), "must be a text")
				continue
			}
			(*into)[name] = *v
		}
	}
}

// manifest reads an object. What the path says of it, kind and name, may be left
// out of the body and must not differ there.
func (r *reader) manifest(at string, raw json.RawMessage, path ref) *registry.Object {
	var version, given string
	var spec json.RawMessage
	o := &registry.Object{Kind: path.kind, Name: path.name}
	before := len(r.items)
	r.object(at, raw, members{
		"apiVersion": r.text(&version),
		"kind":       r.text(&given),
		"metadata": func(at string, raw json.RawMessage) {
			r.object(at, raw, members{"name": r.text(&o.Name), "labels": r.texts(&o.Labels)})
		},
		"spec":   func(_ string, raw json.RawMessage) { spec = raw },
		"status": func(at string, _ json.RawMessage) { r.add(at, "set by the server; leave it out") },
	})
	if len(r.items) > before {
		return o // what follows would only repeat it
	}
	if version != "" && version != api.Version {
		r.add(join(at, "apiVersion"), "must be "+api.Version)
	}
	if o.Kind == "" {
		o.Kind = registry.Kind(given)
	}
	switch {
	case api.Collection(o.Kind) == "":
		r.add(join(at, "kind"), "must be TrustedIssuer, Resource, Blueprint, Agent or DelegationRule")
		return o
	case given != "" && given != string(o.Kind):
		r.add(join(at, "kind"), "must be "+string(o.Kind)+" here")
	case path.name != "" && o.Name != path.name:
		r.add(join(at, "metadata.name"), "must be the name in the path")
	case spec == nil:
		r.add(join(at, "spec"), "missing")
		return o
	}
	r.spec(at, o, spec)
	return o
}

// spec decodes the spec and checks the object by itself.
func (r *reader) spec(at string, o *registry.Object, raw json.RawMessage) {
	decoded, err := registry.DecodeSpec(o.Kind, raw)
	var found registry.Problems
	switch {
	case errors.As(err, &found):
	case err != nil:
		r.add(join(at, "spec"), "is not a spec of this kind")
		return
	default:
		o.Spec = decoded
		found = registry.Validate(o)
	}
	for _, p := range found {
		r.add(join(at, p.Path), withoutSource(p))
	}
}

// withoutSource is the message of p, unless a compiler wrote it and quotes the
// source: texts in a condition are values too. Names that it does not know are
// worth a hint and stay.
func withoutSource(p registry.Problem) string {
	if !strings.HasSuffix(p.Path, ".condition") || strings.Contains(p.Message, "nothing is called") {
		return p.Message
	}
	if head, _, found := strings.Cut(p.Message, " input "); found || strings.ContainsAny(p.Message, `"'`) {
		position, _, _ := strings.Cut(strings.TrimPrefix(head, "does not compile: "), ": ")
		return "does not compile at " + position + " (line:column)"
	}
	return p.Message
}

// manifestOf reads a body that is one object, of which the path says the kind
// and perhaps the name.
func manifestOf(body []byte, path ref) (*registry.Object, error) {
	if len(body) == 0 {
		return nil, noBody()
	}
	r := &reader{}
	o := r.manifest("", body, path)
	return o, r.problem()
}

// maxObjects is how many objects may be applied together, as package api says.
const maxObjects = 10_000

// applyOf reads the body of POST /apply.
func applyOf(body []byte) (objects []*registry.Object, prune bool, err error) {
	if len(body) == 0 {
		return nil, false, noBody()
	}
	r := &reader{}
	var list []json.RawMessage
	r.object("", body, members{
		"prune": r.flag(&prune),
		"objects": func(at string, raw json.RawMessage) {
			if json.Unmarshal(raw, &list) != nil || list == nil {
				r.add(at, "must be a list of objects")
			}
		},
	})
	if len(list) > maxObjects {
		return nil, false, invalid(item("objects", "give at most 10000 objects"))
	}
	seen := make(map[ref]int, len(list))
	for i, raw := range list {
		at := index("objects", i)
		o := r.manifest(at, raw, ref{})
		if first, twice := seen[ref{o.Kind, o.Name}]; twice && o.Name != "" {
			r.add(at, "the same object as "+index("objects", first)+"; give it once")
		}
		seen[ref{o.Kind, o.Name}] = i
		objects = append(objects, o)
	}
	// An empty file must not be able to empty the registry.
	if len(r.items) == 0 && len(objects) == 0 {
		r.add("objects", "give at least one object")
	}
	return objects, prune, r.problem()
}

type ref struct {
	kind registry.Kind
	name string
}

// reasonOf reads the body of :disable and :enable, which may be left out.
func reasonOf(body []byte) (string, error) {
	if len(body) == 0 {
		return "", nil
	}
	r := &reader{}
	var reason string
	r.object("", body, members{"reason": r.text(&reason)})
	if len(reason) > 256 {
		r.add("reason", "at most 256 bytes")
	}
	return reason, r.problem()
}

func noBody() *problem {
	return refuse(http.StatusBadRequest, api.CodeMalformed, "the request needs a body")
}
