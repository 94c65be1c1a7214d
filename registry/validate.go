package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of what an object may say.
const (
	minTTL    = 10 * time.Second // with less left, no request is answered
	maxTTL    = time.Hour        // no server issues anything that lives longer
	maxDepth  = 16               // longest chain of actors that anybody may allow
	maxLabels = 64
)

// Validate checks one object by itself: its name, its labels and its spec. A
// field that nothing enforces yet is refused. What it says of other objects is
// left to ValidateAll.
func Validate(o *Object) []Problem {
	var ps problems
	if err := CheckName(o.Name); err != nil {
		ps.add("metadata.name", "%v", err)
	}
	validateLabels(&ps, o.Labels)
	n := len(ps)
	validateSupport(&ps, o)
	if len(ps) > n && o.Spec == nil {
		return ps
	}
	switch spec := o.Spec.(type) {
	case *TrustedIssuer:
		validateIssuer(&ps, spec)
	case *Resource:
		validateResource(&ps, spec)
	case *Blueprint:
		validateBlueprint(&ps, spec)
	case *Agent:
		validateAgent(&ps, spec)
	case *DelegationRule:
		validateRule(&ps, spec)
	}
	return ps
}

func validateLabels(ps *problems, labels map[string]string) {
	if len(labels) > maxLabels {
		ps.add("metadata.labels", "has more than %d labels", maxLabels)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		at := "metadata.labels." + printable(key)
		if !labelKey.MatchString(key) {
			ps.add(at, "must be made of letters, digits, '.', '_', '-' and '/', at most 63")
		}
		checkText(ps, at, labels[key], 256)
	}
}

// validateSupport refuses what the table of fields says nothing enforces yet,
// and values that are not of an enumeration.
func validateSupport(ps *problems, o *Object) {
	want := NewSpec(o.Kind)
	if want == nil {
		ps.add("kind", "must be one of %s", kindList())
		return
	}
	if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", o.Spec) {
		ps.add("spec", "is not a spec of this kind")
		return
	}
	raw, err := json.Marshal(o.Spec)
	if err != nil {
		ps.add("spec", "cannot be written as JSON")
		return
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		ps.add("spec", "cannot be written as JSON")
		return
	}
	s := schemas()[o.Kind]
	s.support(ps, "", "spec", members)
}

// support walks the members below path in the order of the table.
func (s schema) support(ps *problems, path, at string, members map[string]any) {
	for _, name := range s.children[path] {
		value, set := members[name]
		if !set {
			continue
		}
		f, here := s.fields[join(path, name)], at+"."+name
		if !f.Supported {
			ps.add(here, "%s is not supported by this version", strings.ReplaceAll(f.Path, "[]", ""))
			continue
		}
		switch v := value.(type) {
		case map[string]any:
			if f.Type == ObjectType {
				s.support(ps, f.Path, here, v)
			}
		case []any:
			for i, element := range v {
				there := fmt.Sprintf("%s[%d]", here, i)
				if m, ok := element.(map[string]any); ok {
					s.support(ps, f.Path+"[]", there, m)
				} else {
					f.check(ps, there, element)
				}
			}
		case string:
			if v != "" { // who needs the field says that it is missing
				f.check(ps, here, v)
			}
		default:
			f.check(ps, here, v)
		}
	}
}

// check refuses a value that is not one of an enumeration.
func (f Field) check(ps *problems, at string, value any) {
	if f.Values == nil {
		return
	}
	text := fmt.Sprint(value)
	switch {
	case slices.Contains(f.Values, text):
	case slices.Contains(f.Later, text):
		ps.add(at, "%s: %s is not supported by this version", strings.ReplaceAll(f.Path, "[]", ""), text)
	default:
		ps.add(at, "must be %s", oneOf(f.Values))
	}
}

func oneOf(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return "one of " + strings.Join(values, ", ")
}

// checkTTL checks a lifetime; zero means that it is not set.
func checkTTL(ps *problems, at string, d Duration) {
	switch {
	case d == 0:
	case time.Duration(d) < minTTL:
		ps.add(at, "must be at least %s: shorter tokens are never issued", Duration(minTTL))
	case time.Duration(d) > maxTTL:
		ps.add(at, "must be at most %s: longer tokens are never issued", Duration(maxTTL))
	}
}

// checkDepth checks the length of a chain of actors; nil means not set.
func checkDepth(ps *problems, at string, depth *int, least int) {
	switch {
	case depth == nil:
	case *depth < least:
		ps.add(at, "must be at least %d", least)
	case *depth > maxDepth:
		ps.add(at, "must be at most %d", maxDepth)
	}
}

// checkUnique refuses entries that are there twice.
func checkUnique[T ~string](ps *problems, at string, list []T) {
	seen := make(map[T]bool, len(list))
	for i, v := range list {
		if seen[v] {
			ps.add(fmt.Sprintf("%s[%d]", at, i), "is there twice; keep one")
		}
		seen[v] = true
	}
}

// checkNotEmpty refuses a list that is there and empty, where leaving it out
// means something wider.
func checkNotEmpty[T any](ps *problems, at string, list []T, meaning string) {
	if list != nil && len(list) == 0 {
		ps.add(at, "is an empty list; leave it out for %s, or list something", meaning)
	}
}

// checkNames checks references by their form alone.
func checkNames[T ~string](ps *problems, at string, names []T) {
	for i, name := range names {
		checkReference(ps, fmt.Sprintf("%s[%d]", at, i), string(name))
	}
	checkUnique(ps, at, names)
}

// checkAgents is checkNames for agents, which may be instances.
func checkAgents[T ~string](ps *problems, at string, names []T) {
	for i, name := range names {
		if !ValidInstanceName(string(name)) {
			checkReference(ps, fmt.Sprintf("%s[%d]", at, i), string(name))
		}
	}
	checkUnique(ps, at, names)
}

func checkReference(ps *problems, at, name string) {
	if err := CheckName(name); err != nil {
		ps.add(at, "is not a name: it %v", err)
	}
}

// checkAccess checks a list of resources and scopes by its form alone.
func checkAccess(ps *problems, at string, list []Access) {
	seen := map[ResourceName]bool{}
	for i, a := range list {
		here := fmt.Sprintf("%s[%d]", at, i)
		checkReference(ps, here+".name", string(a.Name))
		if seen[a.Name] {
			ps.add(here+".name", "is there twice; put all its scopes into one entry")
		}
		seen[a.Name] = true
		for j, scope := range a.Scopes {
			checkScope(ps, fmt.Sprintf("%s.scopes[%d]", here, j), scope)
		}
		checkUnique(ps, here+".scopes", a.Scopes)
	}
}
