package registry_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// Every field of every spec is in the table as what it is, and nothing else is.
func TestFieldsListEveryField(t *testing.T) {
	t.Parallel()
	listed := map[string]registry.Field{}
	for _, f := range registry.Fields() {
		key := string(f.Kind) + " " + f.Path
		if _, twice := listed[key]; twice {
			t.Errorf("%s is listed twice", key)
		}
		if f.Note == "" {
			t.Errorf("%s has no note", key)
		}
		listed[key] = f
	}
	for _, k := range registry.Kinds() {
		closed := "" // refused as a whole, so that nobody looks into it
		walk(reflect.TypeOf(registry.NewSpec(k)).Elem(), "", func(path string, typ registry.Type) {
			key := string(k) + " " + path
			f, ok := listed[key]
			if path == "instance" { // the server's own word on an agent: no manifest can say it
				closed = path
				return
			}
			if closed != "" && strings.HasPrefix(path, closed+".") {
				return
			}
			if ok && !f.Supported && f.Type == registry.AnyType {
				closed, typ = path, registry.AnyType
			}
			if !ok {
				t.Errorf("%s is not in the table: list it as enforced or as refused", key)
			} else if f.Type != typ {
				t.Errorf("%s is a %s, listed as %s", key, typ, f.Type)
			}
			delete(listed, key)
		})
	}
	for key := range listed {
		t.Errorf("%s is in the table, but it is no field", key)
	}
}

// walk visits the JSON members of a struct, depth first.
func walk(t reflect.Type, parent string, visit func(path string, typ registry.Type)) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		path := strings.TrimPrefix(parent+"."+name, ".")
		ft := t.Field(i).Type
		if t.Field(i).Anonymous {
			walk(ft, parent, visit)
			continue
		}
		if ft.Kind() == reflect.Pointer && ft.Elem().PkgPath() == t.PkgPath() {
			ft = ft.Elem()
		}
		switch {
		case ft == reflect.TypeFor[json.RawMessage]():
			visit(path, registry.AnyType)
		case ft == reflect.TypeFor[registry.Duration]():
			visit(path, registry.DurationType)
		case ft == reflect.TypeFor[*time.Time]():
			visit(path, registry.TimeType)
		case ft.Kind() == reflect.String:
			visit(path, registry.TextType)
		case ft.Kind() == reflect.Bool:
			visit(path, registry.BoolType)
		case ft == reflect.TypeFor[*int](), ft.Kind() == reflect.Int:
			visit(path, registry.NumberType)
		case ft.Kind() == reflect.Map:
			visit(path, registry.MapType)
		case ft.Kind() == reflect.Struct:
			visit(path, registry.ObjectType)
			walk(ft, path, visit)
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
			visit(path, registry.ListType)
			walk(ft.Elem(), path+"[]", visit)
		case ft.Kind() == reflect.Slice:
			visit(path, registry.ListType)
		default:
			panic(fmt.Sprintf("%s: a %s is not thought of", path, ft))
		}
	}
}

// A field that nothing enforces is refused when it is set, and so is a value
// that nothing enforces. Setting it in a document that is otherwise good is the
// only way to know.
func TestFieldsRefused(t *testing.T) {
	t.Parallel()
	refused := 0
	for _, f := range registry.Fields() {
		var settings []any
		if !f.Supported {
			settings = append(settings, example(f.Type))
		}
		for _, v := range f.Later {
			settings = append(settings, enumerated(f, v))
		}
		for _, v := range settings {
			refused++
			t.Run(fmt.Sprintf("%s.%s=%v", f.Kind, f.Path, v), func(t *testing.T) {
				t.Parallel()
				doc := decodeMap(t, good(f.Kind))
				at := set(doc, strings.Split(f.Path, "."), v)
				if f.Type == registry.ListType && f.Supported {
					at += "[0]"
				}
				raw, err := json.Marshal(doc)
				if err != nil {
					t.Fatal(err)
				}
				spec, err := registry.DecodeSpec(f.Kind, raw)
				if err != nil {
					t.Fatalf("%s: %v", raw, err)
				}
				got := registry.Validate(&registry.Object{Kind: f.Kind, Name: "x", Spec: spec})
				for _, p := range got {
					if p.Path == "spec."+at && strings.HasSuffix(p.Message, " is not supported by this version") {
						return
					}
				}
				t.Errorf("spec.%s is not refused: %v", at, got)
			})
		}
	}
	if refused < 10 {
		t.Errorf("only %d refusals were tried", refused)
	}
}

// A value that no version knows is refused in other words.
func TestFieldsEnumerations(t *testing.T) {
	t.Parallel()
	for _, f := range registry.Fields() {
		if f.Values == nil || f.Type == registry.BoolType {
			continue
		}
		t.Run(fmt.Sprintf("%s.%s", f.Kind, f.Path), func(t *testing.T) {
			t.Parallel()
			for _, v := range append([]string{"nonsense"}, f.Values...) {
				doc := decodeMap(t, good(f.Kind))
				at := set(doc, strings.Split(f.Path, "."), enumerated(f, v))
				if f.Type == registry.ListType {
					at += "[0]"
				}
				raw, _ := json.Marshal(doc)
				spec, err := registry.DecodeSpec(f.Kind, raw)
				if err != nil {
					t.Fatal(err)
				}
				found := false
				for _, p := range registry.Validate(&registry.Object{Kind: f.Kind, Name: "x", Spec: spec}) {
					found = found || p.Path == "spec."+at && strings.HasPrefix(p.Message, "must be ") &&
						strings.HasSuffix(p.Message, strings.Join(f.Values, ", "))
				}
				if found != (v == "nonsense") {
					t.Errorf("%s=%s: refused %v", at, v, found)
				}
			}
		})
	}
}

func example(t registry.Type) any {
	switch t {
	case registry.NumberType:
		return 1
	case registry.BoolType:
		return true
	case registry.ListType:
		return []any{"x"}
	case registry.MapType:
		return map[string]any{"a": "b"}
	case registry.AnyType:
		return map[string]any{"x": 1}
	}
	return "x"
}

func enumerated(f registry.Field, v string) any {
	switch f.Type {
	case registry.ListType:
		return []any{v}
	case registry.BoolType:
		return v == "true"
	}
	return v
}

// set puts v at a path of the table and returns the path in the document.
func set(doc map[string]any, path []string, v any) string {
	name, list := strings.CutSuffix(path[0], "[]")
	if len(path) == 1 {
		doc[name] = v
		return name
	}
	if list {
		items, _ := doc[name].([]any)
		if len(items) == 0 {
			items = []any{map[string]any{}}
			doc[name] = items
		}
		return name + "[0]." + set(items[0].(map[string]any), path[1:], v)
	}
	inner, ok := doc[name].(map[string]any)
	if !ok {
		inner = map[string]any{}
		doc[name] = inner
	}
	return name + "." + set(inner, path[1:], v)
}

func decodeMap(t *testing.T, raw string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// good returns a spec that passes Validate.
func good(k registry.Kind) string {
	switch k {
	case registry.KindTrustedIssuer:
		return `{"type":"oidc","issuer":"https://idp.example","keys":{"discovery":true}}`
	case registry.KindResource:
		return `{"identifier":"https://llm.example","scopes":[{"name":"llm:read"}]}`
	case registry.KindBlueprint:
		return `{"resources":[{"name":"llm","scopes":["llm:read"]}]}`
	case registry.KindAgent:
		return `{"blueprint":"researcher","owner":"alice@example.com","sponsor":"leads",
			"credentials":[{"name":"k8s","issuer":"prod","subject":{"exact":"system:serviceaccount:prod:research"}}]}`
	}
	return `{"subjects":{"issuer":"corp"},"actors":{"blueprints":["researcher"]},"resources":[{"name":"llm","scopes":["llm:read"]}]}`
}

func TestGoodDocumentsPass(t *testing.T) {
	t.Parallel()
	for _, k := range registry.Kinds() {
		spec, err := registry.DecodeSpec(k, []byte(good(k)))
		if err != nil {
			t.Fatal(err)
		}
		if ps := registry.Validate(&registry.Object{Kind: k, Name: "x", Spec: spec}); len(ps) > 0 {
			t.Errorf("%s: %v", k, ps)
		}
	}
}
