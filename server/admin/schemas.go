package admin

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// complete makes the schemas say what the server does and reflection cannot
// know: which fields of a spec are refused, what the others mean, that no list
// is ever null, and that answers may grow.
func (r *router) complete() {
	schemas := r.huma.OpenAPI().Components.Schemas
	r.completeKinds(schemas.Map())
	for _, f := range registry.Fields() {
		completeField(schemas, f)
	}
	// Types that huma met on its way and that nothing refers to: its own error,
	// objects without a kind, and what the server alone writes into a spec.
	for _, name := range []string{"ErrorModel", "ErrorDetail", "Object", "ObjectList", "InstanceOf"} {
		delete(schemas.Map(), name)
	}
	sent := map[string]bool{}
	for name := range schemas.Map() {
		if strings.HasPrefix(name, "Manifest") || name == "ApplyRequest" || name == "StateChange" || name == "CredentialTest" {
			collect(schemas.Map(), name, sent)
		}
	}
	for name, s := range schemas.Map() {
		each(s, func(s *huma.Schema) {
			s.Nullable = false
			if !sent[name] && s.Type == huma.TypeObject && s.AdditionalProperties == false {
				s.AdditionalProperties = nil // a client must not stumble over a member of tomorrow
			}
		})
	}
}

// completeKinds ties each manifest to its kind.
func (r *router) completeKinds(all map[string]*huma.Schema) {
	var kinds []any
	var refs []*huma.Schema
	mapping := map[string]string{}
	for _, kind := range api.Kinds() {
		kinds = append(kinds, string(kind))
		one := r.manifest(kind)
		refs = append(refs, one)
		mapping[string(kind)] = one.Ref
		all[strings.TrimPrefix(one.Ref, schemaRef)].Properties["kind"].Enum = []any{string(kind)}
	}
	all["Result"].Properties["kind"].Enum = kinds
	all["ApplyRequest"].Properties["objects"].Items = &huma.Schema{
		OneOf: refs, Discriminator: &huma.Discriminator{PropertyName: "kind", Mapping: mapping},
	}
}

const schemaRef = "#/components/schemas/"

// completeField says of one member what the table of fields says of it.
func completeField(schemas huma.Registry, f registry.Field) {
	parent, name := "", f.Path
	if i := strings.LastIndexByte(f.Path, '.'); i >= 0 {
		parent, name = f.Path[:i], f.Path[i+1:]
	}
	in := schemas.Map()[string(f.Kind)]
	for _, step := range strings.FieldsFunc(parent, func(r rune) bool { return r == '.' }) {
		member, list := strings.CutSuffix(step, "[]")
		if in = resolve(schemas, in.Properties[member]); list {
			in = resolve(schemas, in.Items)
		}
	}
	s := in.Properties[name]
	switch {
	case s == nil:
		return
	case !f.Supported:
		delete(in.Properties, name)
		return
	}
	s.Description = f.Note
	switch {
	case f.Type == registry.DurationType:
		s.Pattern = `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`
		s.Examples = []any{"10m", "1h30m"}
	case f.Type == registry.AnyType && name == "jwks":
		s.Type = huma.TypeObject
	}
	if f.Type == registry.ListType {
		s = s.Items
	}
	for _, v := range f.Values {
		if f.Type == registry.BoolType {
			s.Enum = append(s.Enum, v == "true")
		} else {
			s.Enum = append(s.Enum, v)
		}
	}
}

func resolve(schemas huma.Registry, s *huma.Schema) *huma.Schema {
	if s.Ref != "" {
		return schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// collect adds a component and all that it refers to.
func collect(all map[string]*huma.Schema, name string, into map[string]bool) {
	if all[name] == nil || into[name] {
		return
	}
	into[name] = true
	each(all[name], func(s *huma.Schema) { collect(all, strings.TrimPrefix(s.Ref, schemaRef), into) })
}

// each visits a schema and those inside it, but follows no reference.
func each(s *huma.Schema, visit func(*huma.Schema)) {
	visit(s)
	for _, member := range s.Properties {
		each(member, visit)
	}
	if s.Items != nil {
		each(s.Items, visit)
	}
	for _, one := range s.OneOf {
		each(one, visit)
	}
}
