package registry_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/registry"
)

func TestSplitInstanceName(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, blueprint, suffix string }{
		{"researcher/r7", "researcher", "r7"},
		{"a.b-c_d/X/y:z._-", "a.b-c_d", "X/y:z._-"},
		{"researcher/" + strings.Repeat("x", 200), "researcher", strings.Repeat("x", 200)},
		{"researcher/" + strings.Repeat("x", 201), "", ""},
		{"researcher", "", ""},
		{"researcher/", "", ""},
		{"researcher/..", "", ""}, // a proxy might resolve them
		{"researcher/a/./b", "", ""},
		{"researcher/a//b", "", ""},
		{"researcher//a", "", ""},
		{"researcher/a/", "", ""},
		{"/r7", "", ""},
		{"Researcher/r7", "", ""},
		{"agt_x/r7", "", ""},
		{strings.Repeat("b", 64) + "/r7", "", ""},
		{"researcher/r|7", "", ""},
		{"researcher/r 7", "", ""},
		{"researcher/r%2F7", "", ""},
		{"researcher/ü", "", ""},
		{"researcher/r\x00", "", ""},
	} {
		blueprint, suffix, ok := registry.SplitInstanceName(row.name)
		if string(blueprint) != row.blueprint || suffix != row.suffix || ok != (row.suffix != "") || ok != registry.ValidInstanceName(row.name) {
			t.Errorf("%q: %q, %q, %t", row.name, blueprint, suffix, ok)
		}
		if ok && len(row.name) > registry.MaxAgentName {
			t.Errorf("%q is longer than MaxAgentName", row.name)
		}
	}
}

// TestValidateAllInstances: instances may lose what they came from, and are
// known to those that name them.
func TestValidateAllInstances(t *testing.T) {
	t.Parallel()
	instance := &registry.Object{Kind: registry.KindAgent, Name: "researcher/r7", Spec: &registry.Agent{
		Blueprint: "researcher", Instance: &registry.InstanceOf{Credential: "fleet", Issuer: "gone", Subject: "s"},
	}}
	llm := []registry.Access{{Name: "llm", Scopes: []string{"llm:read"}}}
	resource := &registry.Object{Kind: registry.KindResource, Name: "llm", Spec: &registry.Resource{
		Identifier: "https://llm.example", Scopes: []registry.Scope{{Name: "llm:read"}},
	}}
	blueprint := &registry.Object{Kind: registry.KindBlueprint, Name: "researcher", Spec: &registry.Blueprint{Resources: llm}}
	rule := func(name registry.AgentName) *registry.Object {
		return &registry.Object{Kind: registry.KindDelegationRule, Name: "r", Spec: &registry.DelegationRule{
			Subjects: registry.Subjects{Agents: []registry.AgentName{name}}, Actors: registry.Actors{Agents: []registry.AgentName{name}}, Resources: llm,
		}}
	}
	for _, row := range []struct {
		name string
		all  []*registry.Object
		want string
	}{
		{"without its blueprint and its issuer", []*registry.Object{instance}, ""},
		{"named by a rule", []*registry.Object{resource, blueprint, instance, rule("researcher/r7")}, ""},
		{"another one named by a rule", []*registry.Object{resource, blueprint, instance, rule("researcher/r8")},
			`DelegationRule r: spec.subjects.agents[0]: there is no such agent; did you mean "researcher/r7"?` + "\n" +
				`DelegationRule r: spec.actors.agents[0]: there is no such agent; did you mean "researcher/r7"?`},
	} {
		var lines []string
		for _, o := range row.all {
			if o.Kind == registry.KindDelegationRule || o.Kind == registry.KindResource {
				for _, p := range registry.Validate(o) {
					lines = append(lines, p.String())
				}
			}
		}
		for _, p := range registry.ValidateAll(row.all, ours) {
			lines = append(lines, p.String())
		}
		if d := cmp.Diff(row.want, strings.Join(lines, "\n")); d != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, d)
		}
	}
}
