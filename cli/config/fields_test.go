package config_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/cli/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// Every leaf of the struct has one row in the table: a setting that only one
// of the two knows would be read and lost, or never read.
func TestTableCoversTheStruct(t *testing.T) {
	t.Parallel()
	leaves := countLeaves(reflect.TypeOf(config.Config{}))
	if rows := len(config.Fields()); rows != leaves {
		t.Errorf("%d rows for %d leaves", rows, leaves)
	}
	seen := make(map[string]bool)
	for _, f := range config.Fields() {
		if seen[f.Key] {
			t.Errorf("%s stands twice", f.Key)
		}
		seen[f.Key] = true
		if f.Doc == "" {
			t.Errorf("%s has no explanation", f.Key)
		}
	}
}

func countLeaves(typ reflect.Type) int {
	n := 0
	for i := range typ.NumField() {
		f := typ.Field(i)
		switch {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[config.Rate]():
			n += countLeaves(f.Type)
		default:
			n++
		}
	}
	return n
}

// Each variable must reach its own place: a row that points at its neighbour's
// would set the wrong setting without a word.
func TestEveryVariableSetsItsOwnField(t *testing.T) {
	t.Parallel()
	base, err := config.Load(write(t, good), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]string{"string": "127.0.0.1:7", "integer": "7", "boolean": "true", "duration": "45m", "size": "7777", "rate": "7/h", "networks": "10.0.0.7"}
	changed := make(map[string]string)
	for _, f := range config.Fields() {
		value := samples[f.Type()]
		for _, v := range f.OneOf {
			if v != f.Default {
				value = v
			}
		}
		switch f.Key {
		case "issuer":
			value = "https://b.example"
		case "database.url", "database.direct_url":
			value = "postgres://x"
		case "tokens.default_ttl", "trust.clock_skew":
			value = "2m"
		case "audit.retention", "keys.rotate_every":
			value = "48h"
		case "version":
			continue
		}
		c, err := config.Load(write(t, good), []string{f.Env() + "=" + value}, nil)
		if f.Type() == "list" || f.Type() == "map" {
			continue
		}
		if f.Later || strings.HasSuffix(f.Key, "_file") && strings.Contains(f.Key, ".tls.") || strings.HasPrefix(f.Key, "public.mtls_") {
			if err == nil {
				t.Errorf("%s was accepted", f.Key)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", f.Key, err)
			continue
		}
		paths := changedLeaves("", reflect.ValueOf(base), reflect.ValueOf(c))
		if len(paths) != 1 {
			t.Errorf("%s changed %v", f.Key, paths)
			continue
		}
		if other := changed[paths[0]]; other != "" {
			t.Errorf("%s and %s both change %s", other, f.Key, paths[0])
		}
		changed[paths[0]] = f.Key
	}
}

func changedLeaves(path string, a, b reflect.Value) []string {
	if a.Kind() != reflect.Struct || a.Type() == reflect.TypeFor[config.Rate]() {
		if reflect.DeepEqual(a.Interface(), b.Interface()) {
			return nil
		}
		return []string{path}
	}
	var paths []string
	for i := range a.NumField() {
		if f := a.Type().Field(i); f.IsExported() {
			paths = append(paths, changedLeaves(path+"."+f.Name, a.Field(i), b.Field(i))...)
		}
	}
	return paths
}

func TestSchemaHasEverySetting(t *testing.T) {
	t.Parallel()
	raw, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	for _, f := range config.Fields() {
		node := root
		for name := range strings.SplitSeq(f.Key, ".") {
			if node["additionalProperties"] != false {
				t.Fatalf("%s: the schema takes unknown keys above it", f.Key)
			}
			node, _ = node["properties"].(map[string]any)[name].(map[string]any)
			if node == nil {
				t.Fatalf("%s is not in the schema", f.Key)
			}
		}
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "configuration.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(config.Docs()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != config.Docs() {
		t.Error("docs/configuration.md is not current; run: go test ./cli/config -run TestDocs -update")
	}
}
