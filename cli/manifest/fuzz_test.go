package manifest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/cli/manifest"
	"github.com/tokenry/tokenry/registry"
)

// FuzzParse: whatever the input, there is no panic; what is accepted is JSON
// that package registry accepts, and what is refused says where.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		stream, good, good + "---\n" + good, "", "---\n---\n", "a: &a [*a]", "<<: *a", "? [a]\n: b", "!!binary x", "- - [\n",
		"%YAML 1.1\n---\na: 'x", "a: |\n  x\n # y", "{a: {b: [c, {d: ~}]}}", "spec:\n  a.b[0]: 1\n  ? |\n   x\n  : 1", "\ufeff--- >\n x",
		head("Blueprint", "b") + "  maxDelegationDepth: 0x1\n", head("Agent", "a") + "  <<: {owner: 1}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, yaml string) {
		docs, err := manifest.Parse("a.yaml", strings.NewReader(yaml))
		if err != nil {
			var e *manifest.Error
			if !errors.As(err, &e) || docs != nil {
				t.Fatalf("%d documents and %v", len(docs), err)
			}
			for _, p := range e.Problems {
				if p.Position.Line < 1 || p.Message == "" {
					t.Errorf("no place or no text: %q", p.String())
				}
			}
			return
		}
		for i := range docs {
			d := &docs[i]
			if !json.Valid(d.Spec) {
				t.Errorf("spec is not JSON: %q", d.Spec)
			}
			if _, err := registry.DecodeSpec(d.Kind, d.Spec); err != nil {
				t.Errorf("spec is refused: %v", err)
			}
			if d.Position("spec").Line < d.Position("").Line {
				t.Error("the spec is above its document")
			}
		}
	})
}
