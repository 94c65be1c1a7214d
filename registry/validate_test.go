package registry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/registry"
)

// a validation is a spec that Validate refuses and its nearest good neighbour.
// Both are members put over a good spec of the kind; null takes one out.
type validation struct {
	name string
	kind registry.Kind
	bad  string
	want string // all problems, one a line
	good string
}

func TestValidate(t *testing.T) {
	t.Parallel()
	const resource, blueprint, rule = registry.KindResource, registry.KindBlueprint, registry.KindDelegationRule
	checkValidations(t, []validation{
		{"scope without a name", resource, `{"scopes":[{"name":"a"},{"name":""}]}`,
			`spec.scopes[1].name: is missing`, `{"scopes":[{"name":"a"},{"name":"b"}]}`},
		{"scope with spaces", resource, `{"scopes":[{"name":"a b c"}]}`,
			`spec.scopes[0].name: must be made of visible ASCII characters without '"' and '\' (RFC 6749, Section 3.3)`, `{"scopes":[{"name":"!#[]~"}]}`},
		{"description that deceives", resource, `{"scopes":[{"name":"a","description":"pay \u202eon"}]}`,
			`spec.scopes[0].description: holds a control or an invisible character`, `{"scopes":[{"name":"a","description":"zahlen für Zoë"}]}`},
		{"description too long", resource, `{"scopes":[{"name":"a","description":"` + strings.Repeat("x", 1025) + `"}]}`,
			`spec.scopes[0].description: is longer than 1024 bytes`, `{"scopes":[{"name":"a","description":"` + strings.Repeat("x", 1024) + `"}]}`},
		{"scope twice", resource, `{"scopes":[{"name":"a"},{"name":"b"},{"name":"a"}]}`,
			`spec.scopes[2].name: is there twice; keep one`, `{"scopes":[{"name":"a"},{"name":"b"},{"name":"A"}]}`},
		{"agent that is no name", resource, `{"agents":["a","A"]}`,
			`spec.agents[1]: is not a name: it must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`, `{"agents":["a","a1"]}`},
		{"agent twice", resource, `{"agents":["a","b","a"]}`, `spec.agents[2]: is there twice; keep one`, `{"agents":["a","b"]}`},
		{"resource too short", resource, `{"maxTtl":"9s"}`, `spec.maxTtl: must be at least 10s: shorter tokens are never issued`, `{"maxTtl":"10s"}`},
		{"resource too long", resource, `{"maxTtl":"61m"}`, `spec.maxTtl: must be at most 1h: longer tokens are never issued`, `{"maxTtl":"1h"}`},

		{"ceiling that is no name", blueprint, `{"resources":[{"name":"https://llm.example"}]}`,
			`spec.resources[0].name: is not a name: it must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`, `{"resources":[{"name":"llm"}]}`},
		{"ceiling twice", blueprint, `{"resources":[{"name":"a"},{"name":"b"},{"name":"a"}]}`,
			`spec.resources[2].name: is there twice; put all its scopes into one entry`, `{"resources":[{"name":"a"},{"name":"b"}]}`},
		{"ceiling with a bad scope", blueprint, `{"resources":[{"name":"a","scopes":["x","y\""]}]}`,
			`spec.resources[0].scopes[1]: must be made of visible ASCII characters without '"' and '\' (RFC 6749, Section 3.3)`, `{"resources":[{"name":"a","scopes":["x","y'"]}]}`},
		{"ceiling with a scope twice", blueprint, `{"resources":[{"name":"a","scopes":["x","y","x"]}]}`,
			`spec.resources[0].scopes[2]: is there twice; keep one`, `{"resources":[{"name":"a","scopes":["x","y"]}]}`},
		{"default outside the ceiling", blueprint, `{"defaultResource":"mail"}`,
			`spec.defaultResource: is not among spec.resources; add it there or name one that is`, `{"defaultResource":"llm"}`},
		{"blueprint too long", blueprint, `{"maxTtl":"1h1s"}`, `spec.maxTtl: must be at most 1h: longer tokens are never issued`, `{"maxTtl":"5m"}`},
		{"depth below nothing", blueprint, `{"maxDelegationDepth":-1}`, `spec.maxDelegationDepth: must be at least 0`, `{"maxDelegationDepth":0}`},
		{"depth too great", blueprint, `{"maxDelegationDepth":17}`, `spec.maxDelegationDepth: must be at most 16`, `{"maxDelegationDepth":16}`},
		// Stored, an empty list is one that is left out, which means something wider.
		{"grants empty", blueprint, `{"grants":[]}`,
			`spec.grants: is an empty list; leave it out for all grants, or list something`, `{"grants":["token_exchange"]}`},
		{"methods empty", blueprint, `{"clientAuth":[]}`,
			`spec.clientAuth: is an empty list; leave it out for federated, or list something`, `{"clientAuth":["private_key_jwt"]}`},
		{"grants twice", blueprint, `{"grants":["token_exchange","token_exchange"]}`,
			`spec.grants[1]: is there twice; keep one`, `{"grants":["token_exchange","client_credentials"]}`},
		{"methods twice", blueprint, `{"clientAuth":["federated","secret","federated"]}`,
			`spec.clientAuth[2]: is there twice; keep one`, `{"clientAuth":["federated","secret"]}`},

		{"rule for nobody", rule, `{"subjects":{}}`,
			`spec.subjects: names nobody; set issuer (its users), agents or blueprints`, `{"subjects":{"agents":["a"]}}`},
		{"rule for users and agents", rule, `{"subjects":{"issuer":"corp","agents":["a"]}}`,
			`spec.subjects: names users and agents; write one rule for each`, `{"subjects":{"issuer":"corp"}}`},
		{"rule for users and blueprints", rule, `{"subjects":{"issuer":"corp","blueprints":["a"]}}`,
			`spec.subjects: names users and agents; write one rule for each`, `{"subjects":{"blueprints":["a"],"agents":["a"]}}`},
		{"rule with an issuer that is no name", rule, `{"subjects":{"issuer":"https://corp.example"}}`,
			`spec.subjects.issuer: is not a name: it must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`, `{"subjects":{"issuer":"corp.example"}}`},
		{"rule with a condition on agents", rule, `{"subjects":{"agents":["a"],"condition":"true"}}`,
			`spec.subjects.condition: needs spec.subjects.issuer: it looks at the claims of that issuer's tokens`, `{"subjects":{"issuer":"corp","condition":"true"}}`},
		{"rule with a condition that is none", rule, `{"subjects":{"issuer":"corp","condition":"1 + 1"}}`,
			`spec.subjects.condition: does not compile: 1:1: a condition must be true or false; this one is a int`, `{"subjects":{"issuer":"corp","condition":"1 + 1 == 2"}}`},
		{"rule with a subject that is no name", rule, `{"subjects":{"agents":["a","b|c"]}}`,
			`spec.subjects.agents[1]: is not a name: it must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`, `{"subjects":{"agents":["a","b.c"]}}`},
		{"rule with a subject twice", rule, `{"subjects":{"blueprints":["a","a"]}}`,
			`spec.subjects.blueprints[1]: is there twice; keep one`, `{"subjects":{"blueprints":["a"]}}`},
		{"rule with no actors", rule, `{"actors":{}}`, `spec.actors: names nobody; set agents or blueprints`, `{"actors":{"agents":["a"]}}`},
		{"rule with an actor twice", rule, `{"actors":{"agents":["a","a"]}}`, `spec.actors.agents[1]: is there twice; keep one`, `{"actors":{"agents":["a","b"]}}`},
		{"rule with an actor that is an id", rule, `{"actors":{"blueprints":["bp_1"]}}`,
			`spec.actors.blueprints[0]: is not a name: it must not begin with "bp_": ids begin like that`, `{"actors":{"blueprints":["bp-1"]}}`},
		{"rule toward nothing", rule, `{"resources":null}`, `spec.resources: is empty; a rule allows what it lists and nothing else`, `{"resources":[{"name":"llm"}]}`},
		{"rule with a resource twice", rule, `{"resources":[{"name":"llm"},{"name":"llm"}]}`,
			`spec.resources[1].name: is there twice; put all its scopes into one entry`, `{"resources":[{"name":"llm"},{"name":"mail"}]}`},
		{"rule that reaches nobody", rule, `{"maxDepth":0}`, `spec.maxDepth: must be at least 1`, `{"maxDepth":1}`},
		{"rule that reaches too far", rule, `{"maxDepth":17}`, `spec.maxDepth: must be at most 16`, `{"maxDepth":16}`},
		{"rule too short", rule, `{"maxTtl":"9.9s"}`, `spec.maxTtl: must be at least 10s: shorter tokens are never issued`, `{"maxTtl":"1m"}`},
	})
}

func TestValidateObject(t *testing.T) {
	t.Parallel()
	good := object(t, registry.KindAgent, "x", "").Spec
	for _, row := range []struct {
		name string
		o    registry.Object
		want string
	}{
		{"good", registry.Object{Kind: registry.KindAgent, Name: "x", Spec: good}, ``},
		{"without a name", registry.Object{Kind: registry.KindAgent, Spec: good}, `metadata.name: is missing`},
		{"of an unknown kind", registry.Object{Kind: "Agents", Name: "x", Spec: good},
			`kind: must be one of TrustedIssuer, Resource, Blueprint, Agent, DelegationRule`},
		{"of no kind", registry.Object{Name: "x"}, `kind: must be one of TrustedIssuer, Resource, Blueprint, Agent, DelegationRule`},
		{"with the spec of another kind", registry.Object{Kind: registry.KindResource, Name: "x", Spec: good}, `spec: is not a spec of this kind`},
		{"with the spec of another kind that has a field of the same name", registry.Object{Kind: registry.KindBlueprint, Name: "x",
			Spec: &registry.Resource{Identifier: "urn:x", Binding: "none"}}, `spec: is not a spec of this kind`},
		{"without a spec", registry.Object{Kind: registry.KindResource, Name: "x"}, `spec: is not a spec of this kind`},
		{"with a spec by value", registry.Object{Kind: registry.KindResource, Name: "x", Spec: registry.Resource{}}, `spec: is not a spec of this kind`},
	} {
		if got := lines(registry.Validate(&row.o)); got != row.want {
			t.Errorf("%s\n got: %s\nwant: %s", row.name, got, row.want)
		}
	}
}

// What is not JSON cannot be stored, and is not looked into.
func TestValidateRawJSON(t *testing.T) {
	t.Parallel()
	o := object(t, registry.KindResource, "x", "")
	o.Spec.(*registry.Resource).AuthorizationDetails = json.RawMessage(`{"a":`)
	if got := lines(registry.Validate(o)); got != `spec: cannot be written as JSON` {
		t.Error(got)
	}
}

// All that is wrong is told at once: the object's own data, what is not
// supported, then what each field says.
func TestValidateReportsAll(t *testing.T) {
	t.Parallel()
	o := object(t, registry.KindResource, "x_", `{"identifier":"x","maxTtl":"1s","binding":"dpop","scopes":[{"name":"a","risk":"some"}]}`)
	o.Labels = map[string]string{"-": "x", "b": "\t"}
	want := strings.Join([]string{
		`metadata.name: must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`,
		`metadata.labels.-: must be made of letters, digits, '.', '_', '-' and '/', at most 63`,
		`metadata.labels.b: holds a control or an invisible character`,
		`spec.scopes[0].risk: must be one of low, high`,
		`spec.binding: binding: dpop is not supported by this version`,
		`spec.identifier: must be an absolute URI like "https://api.example.com"`,
		`spec.maxTtl: must be at least 10s: shorter tokens are never issued`,
	}, "\n")
	if diff := cmp.Diff(want, lines(registry.Validate(o))); diff != "" {
		t.Error(diff)
	}
}

func TestValidateLabels(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 64 {
		many[fmt.Sprintf("k%d", i)] = ""
	}
	more := map[string]string{"-": "\t"}
	for k := range many {
		more[k] = ""
	}
	const key = `must be made of letters, digits, '.', '_', '-' and '/', at most 63`
	for _, row := range []struct {
		labels map[string]string
		want   string
	}{
		{nil, ``},
		{map[string]string{"a": "", "A9": "x y", "app.kubernetes.io/part-of": "Zoë"}, ``},
		{map[string]string{strings.Repeat("a", 63): strings.Repeat("x", 256)}, ``},
		{many, ``},
		{more, `metadata.labels: has more than 64 labels`}, // and no word about each of them
		{map[string]string{"": "x"}, `metadata.labels."": ` + key},
		{map[string]string{strings.Repeat("a", 64): "x"}, `metadata.labels."` + strings.Repeat("a", 40) + `": ` + key},
		{map[string]string{"a ": "x"}, `metadata.labels."a ": ` + key},
		{map[string]string{"_a": "x"}, `metadata.labels._a: ` + key},
		{map[string]string{"a": strings.Repeat("x", 257)}, `metadata.labels.a: is longer than 256 bytes`},
		{map[string]string{"b": "\r\n", "a": "\x1b[31m"}, // SEC-AM-19
			"metadata.labels.a: holds a control or an invisible character\nmetadata.labels.b: holds a control or an invisible character"},
	} {
		o := object(t, registry.KindBlueprint, "x", "")
		o.Labels = row.labels
		if got := lines(registry.Validate(o)); got != row.want {
			t.Errorf("got:  %s\nwant: %s", got, row.want)
		}
	}
}

// A problem's path goes to a terminal: a key of the operator's that is long or
// odd is not repeated as it is.
func TestValidateLabelsPrintPlainPaths(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"\x1b[2J": `"\x1b[2J"`, "a\x7fb": `"a\x7fb"`, `a"b`: `"a\"b"`, `a\b`: `"a\\b"`, "a b": `"a b"`, "-": "-",
		"-" + strings.Repeat("a", 39): "-" + strings.Repeat("a", 39),
		"-" + strings.Repeat("a", 40): `"-` + strings.Repeat("a", 39) + `"`,
	} {
		o := object(t, registry.KindBlueprint, "x", "")
		o.Labels = map[string]string{key: "x"}
		ps := registry.Validate(o)
		if len(ps) != 1 || ps[0].Path != "metadata.labels."+want {
			t.Errorf("%q: %q, want %s", key, ps, want)
		}
	}
}

func checkValidations(t *testing.T, rows []validation) {
	t.Helper()
	for _, row := range rows {
		t.Run(string(row.kind)+"/"+row.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(row.want, lines(registry.Validate(object(t, row.kind, "x", row.bad)))); diff != "" {
				t.Errorf("%s\n%s", row.bad, diff)
			}
			if ps := registry.Validate(object(t, row.kind, "x", row.good)); len(ps) > 0 {
				t.Errorf("the good neighbour %s is refused: %v", row.good, ps)
			}
		})
	}
}

// object returns an object whose spec is a good one with the members of over
// put over it; null takes a member out.
func object(t testing.TB, k registry.Kind, name, over string) *registry.Object {
	t.Helper()
	members := map[string]json.RawMessage{}
	for _, raw := range []string{good(k), over} {
		if raw == "" {
			continue
		}
		if err := json.Unmarshal([]byte(raw), &members); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	}
	for m, raw := range members {
		if string(raw) == "null" {
			delete(members, m)
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	spec := registry.NewSpec(k)
	if err := json.Unmarshal(raw, spec); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return &registry.Object{Kind: k, Name: name, State: registry.Active, Version: 1, Spec: spec}
}

func lines(ps []registry.Problem) string { return registry.Problems(ps).Error() }
