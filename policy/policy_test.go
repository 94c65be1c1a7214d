package policy_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// world is a registry in memory for pure decisions.
type world struct {
	*registry.Model
}

func newWorld(t interface{ Fatal(...any) }, objects ...registry.Object) world {
	for i := range objects {
		o := &objects[i]
		o.ID, o.State, o.Version, o.Change = string(o.Kind)+"_"+o.Name, orActive(o.State), 1, int64(i+1)
	}
	m := registry.NewModel(registry.ModelConfig{
		Now: func() time.Time { return now },
		Fetch: func(context.Context, int64) ([]registry.Object, int64, error) {
			return objects, int64(len(objects)), nil
		},
	})
	if err := m.Poll(context.Background()); err != nil {
		t.Fatal(err)
	}
	return world{m}
}

func orActive(s registry.State) registry.State {
	if s == "" {
		return registry.Active
	}
	return s
}

func (w world) party(name string) policy.Party {
	a := w.Agent(registry.AgentName(name))
	if a == nil {
		return policy.Party{}
	}
	return policy.Party{Agent: a, Blueprint: w.Rules().Blueprint(a.Spec.Blueprint)}
}

func (w world) input(presenter string, s policy.Subject) policy.Input {
	return policy.Input{
		Now: now, Limits: policy.Limits{DefaultTTL: 5 * time.Minute, MaxTTL: time.Hour, MaxDepth: 4},
		Rules: w.Rules(), Presenter: w.party(presenter), Subject: s, Resources: []string{"https://api.example"},
	}
}

func resource(name, identifier string, scopes ...string) registry.Object {
	r := &registry.Resource{Identifier: identifier}
	for _, s := range scopes {
		r.Scopes = append(r.Scopes, registry.Scope{Name: s})
	}
	return registry.Object{Kind: registry.KindResource, Name: name, Spec: r}
}

func blueprint(name string, b registry.Blueprint) registry.Object {
	return registry.Object{Kind: registry.KindBlueprint, Name: name, Spec: &b}
}

func agent(name, of string) registry.Object {
	return registry.Object{Kind: registry.KindAgent, Name: name, Spec: &registry.Agent{Blueprint: registry.BlueprintName(of), Owner: "o", Sponsor: "s"}}
}

func rule(name string, r registry.DelegationRule) registry.Object {
	return registry.Object{Kind: registry.KindDelegationRule, Name: name, Spec: &r}
}

func at(resource string, scopes ...string) []registry.Access {
	return []registry.Access{{Name: registry.ResourceName(resource), Scopes: scopes}}
}

func alice() policy.Subject {
	return policy.Subject{Sub: "idp|alice", Issuer: "idp", Claims: map[string]any{"sub": "alice"}}
}

// office has users, three agents of one blueprint, two resources and rules for
// a chain user -> a -> b.
func office(t *testing.T, more ...registry.Object) world {
	t.Helper()
	return newWorld(t, append([]registry.Object{
		resource("api", "https://api.example", "read", "write"),
		resource("bank", "https://bank.example", "read", "pay"),
		blueprint("bp", registry.Blueprint{Resources: append(at("api", "read", "write"), at("bank", "read")...)}),
		agent("a", "bp"), agent("b", "bp"), agent("c", "bp"),
		rule("10-users", registry.DelegationRule{
			Subjects:  registry.Subjects{Issuer: "idp"},
			Actors:    registry.Actors{Blueprints: []registry.BlueprintName{"bp"}},
			Resources: at("api", "read", "write"), MaxTTL: registry.Duration(2 * time.Minute),
		}),
		rule("20-a-to-b", registry.DelegationRule{
			Subjects: registry.Subjects{Agents: []registry.AgentName{"a"}}, Actors: registry.Actors{Agents: []registry.AgentName{"b"}},
			Resources: at("api", "read"),
		}),
	}, more...)...)
}

func own(w world, sub policy.Subject, aud string, scope []string, chain ...string) policy.Subject {
	sub.Own, sub.Audience, sub.Scope, sub.Expires = true, aud, scope, now.Add(5*time.Minute)
	for _, name := range chain {
		sub.Chain = append(sub.Chain, w.party(name))
	}
	if len(chain) > 0 {
		sub.ClientID = chain[0]
	}
	return sub
}

func TestDecide(t *testing.T) {
	t.Parallel()
	bound := resource("vault", "https://vault.example", "read")
	bound.Spec.(*registry.Resource).Binding = "dpop"
	w := office(t, bound, blueprint("vaulted", registry.Blueprint{Resources: at("vault", "read")}), agent("v", "vaulted"))
	token := func(chain ...string) policy.Subject {
		return own(w, alice(), "https://api.example", []string{"read", "write"}, chain...)
	}
	selfToken := own(w, policy.Subject{Sub: "a", Agent: w.party("a")}, "https://api.example", []string{"read"})
	selfToken.ClientID = "a"
	tests := []struct {
		name   string
		in     policy.Input
		change func(*policy.Input)
		reason oauth.Reason // empty = allowed
		depth  int
		scope  []string
	}{
		{name: "an agent for itself", in: w.input("a", policy.Subject{Sub: "a", Agent: w.party("a")}), scope: []string{"read", "write"}},
		{name: "first hop", in: w.input("a", alice()), depth: 1, scope: []string{"read", "write"}},
		{name: "hand-off narrows to the rule", in: w.input("b", token("a")), depth: 2, scope: []string{"read"}},
		{name: "hand-off without a rule", in: w.input("c", token("a")), reason: oauth.ReasonSubjectNotForClient},
		{name: "narrowing keeps act and depth", in: w.input("a", token("a")), depth: 1, scope: []string{"read", "write"}},
		{name: "loop", in: w.input("a", token("b", "a")), reason: oauth.ReasonSubjectNotForClient},
		{name: "loop of the client itself", in: func() policy.Input {
			s := token("b", "a")
			s.ClientID = "a"
			return w.input("a", s)
		}(), reason: oauth.ReasonCycle},
		{name: "the subject becomes its own actor", in: func() policy.Input {
			s := own(w, policy.Subject{Sub: "a", Agent: w.party("a")}, "https://api.example", []string{"read"}, "b")
			s.ClientID = "a"
			return w.input("a", s)
		}(), reason: oauth.ReasonCycle},
		{name: "an agent's own token needs no rule", in: w.input("a", selfToken), scope: []string{"read"}},
		{name: "scope beyond the subject token", in: w.input("a", selfToken), change: func(i *policy.Input) { i.Scope = []string{"write"} }, reason: oauth.ReasonScope},
		{name: "scope beyond the rule", in: w.input("b", token("a")), change: func(i *policy.Input) { i.Scope = []string{"write"} }, reason: oauth.ReasonScope},
		{name: "scope unknown to the resource", in: w.input("a", alice()), change: func(i *policy.Input) { i.Scope = []string{"pay"} }, reason: oauth.ReasonScope},
		{name: "a user that no rule names", in: w.input("a", policy.Subject{Sub: "x|alice", Issuer: "x"}), reason: oauth.ReasonActorUnauthorized},
		{name: "a resource outside the rule", in: w.input("a", alice()), change: func(i *policy.Input) { i.Resources = []string{"https://bank.example"} }, reason: oauth.ReasonTarget},
		{name: "narrowing toward a resource outside the rule", in: w.input("a", token("a")), change: func(i *policy.Input) { i.Resources = []string{"https://bank.example"} }, reason: oauth.ReasonTarget},
		{name: "an agent for itself reaches its ceiling", in: w.input("a", selfToken), change: func(i *policy.Input) { i.Resources = []string{"https://bank.example"} }, scope: []string{"read"}},
		{name: "unknown target", in: w.input("a", alice()), change: func(i *policy.Input) { i.Resources = []string{"https://nowhere.example"} }, reason: oauth.ReasonTarget},
		{name: "two targets", in: w.input("a", alice()), change: func(i *policy.Input) { i.Audiences = []string{"bank"} }, reason: oauth.ReasonTooManyTargets},
		{name: "no target and no default", in: w.input("a", alice()), change: func(i *policy.Input) { i.Resources = nil }, reason: oauth.ReasonTargetMissing},
		{name: "no target, one resource has the scope", in: w.input("a", alice()), change: func(i *policy.Input) { i.Resources, i.Scope = nil, []string{"write"} }, depth: 1, scope: []string{"write"}},
		{name: "a target that wants bound tokens", in: w.input("v", policy.Subject{Sub: "v", Agent: w.party("v")}), change: func(i *policy.Input) {
			i.Resources = []string{"https://vault.example"}
		}, reason: oauth.ReasonBindingRequired},
		{name: "depth of the server", in: w.input("a", alice()), change: func(i *policy.Input) { i.Limits.MaxDepth = 0 }, reason: oauth.ReasonDepth},
		{name: "too little lifetime", in: w.input("a", alice()), change: func(i *policy.Input) { i.Subject.Expires = now.Add(9 * time.Second) }, reason: oauth.ReasonLifetime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.change != nil {
				tt.change(&tt.in)
			}
			v, checks, err := policy.Decide(tt.in)
			if tt.reason != "" {
				if err == nil || err.Reason != tt.reason {
					t.Fatalf("got %v, want %s; %v", err, tt.reason, checks)
				}
				if last := checks[len(checks)-1]; last.OK || last.Shown == "" || last.Wanted == "" {
					t.Errorf("the last check explains nothing: %+v", last)
				}
				return
			}
			if err != nil {
				t.Fatalf("refused: %v; %v", err, checks)
			}
			if v.Depth != tt.depth || !slices.Equal(v.Scope, tt.scope) {
				t.Errorf("depth %d scope %v, want %d %v", v.Depth, v.Scope, tt.depth, tt.scope)
			}
		})
	}
}

func TestLifetimeIsTheStrictest(t *testing.T) {
	t.Parallel()
	w := office(t)
	v, _, err := policy.Decide(w.input("a", alice()))
	if err != nil || v.Expires.Sub(now) != 2*time.Minute {
		t.Errorf("got %s (%v), want the rule's 2m", v.Expires.Sub(now), err)
	}
	v, _, err = policy.Decide(w.input("a", policy.Subject{Sub: "a", Agent: w.party("a")}))
	if err != nil || v.Expires.Sub(now) != 5*time.Minute {
		t.Errorf("got %s (%v), want the default 5m where nothing else says", v.Expires.Sub(now), err)
	}
}

// TestAlternativesNeverAddUp has two rules that together would cover the
// request and alone do not.
func TestAlternativesNeverAddUp(t *testing.T) {
	t.Parallel()
	subjects, actors := registry.Subjects{Issuer: "other"}, registry.Actors{Agents: []registry.AgentName{"a"}}
	w := office(t,
		rule("reads", registry.DelegationRule{Subjects: subjects, Actors: actors, Resources: at("api", "read")}),
		rule("writes", registry.DelegationRule{Subjects: subjects, Actors: actors, Resources: at("api", "write")}),
	)
	bob := policy.Subject{Sub: "other|bob", Issuer: "other"}
	in := w.input("a", bob)
	in.Scope = []string{"read", "write"}
	if _, _, err := policy.Decide(in); err == nil || err.Reason != oauth.ReasonScope {
		t.Errorf("got %v, want %s", err, oauth.ReasonScope)
	}
	in.Scope = []string{"write"}
	v, _, err := policy.Decide(in)
	if err != nil || !slices.Equal(v.Applied, []registry.RuleName{"writes"}) {
		t.Errorf("applied %v (%v), want the one that covers", v.Applied, err)
	}
}

func TestDisabledRuleNeverApplies(t *testing.T) {
	t.Parallel()
	o := rule("off", registry.DelegationRule{
		Subjects: registry.Subjects{Issuer: "other"}, Actors: registry.Actors{Agents: []registry.AgentName{"a"}}, Resources: at("api", "read"),
	})
	o.State = registry.Disabled
	w := office(t, o)
	if _, _, err := policy.Decide(w.input("a", policy.Subject{Sub: "other|bob", Issuer: "other"})); err == nil || err.Reason != oauth.ReasonActorUnauthorized {
		t.Errorf("got %v, want %s", err, oauth.ReasonActorUnauthorized)
	}
}

// TestOutputIsNeverStronger draws requests at random: whatever is issued lies
// within every input.
func TestOutputIsNeverStronger(t *testing.T) {
	t.Parallel()
	w := office(t)
	scopes := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"read", "write", "pay", "admin"}), 0, 4, rapid.ID)
	rapid.Check(t, func(t *rapid.T) {
		s := alice()
		if rapid.Bool().Draw(t, "own") {
			s = own(w, s, "https://api.example", scopes.Draw(t, "subject scope"), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "actor"))
		}
		s.Expires = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "left")) * time.Second)
		in := w.input(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "presenter"), s)
		in.Resources = []string{rapid.SampledFrom([]string{"https://api.example", "https://bank.example"}).Draw(t, "resource")}
		in.Scope = scopes.Draw(t, "scope")
		if len(in.Scope) == 0 {
			in.Scope = nil
		}
		v, _, err := policy.Decide(in)
		if err != nil {
			return
		}
		if v.Expires.After(s.Expires) {
			t.Fatalf("expires %s after the subject token's %s", v.Expires, s.Expires)
		}
		if v.Depth < len(s.Chain) {
			t.Fatal("an actor was lost")
		}
		for _, granted := range v.Scope {
			if (in.Scope != nil && !slices.Contains(in.Scope, granted)) || (s.Own && !slices.Contains(s.Scope, granted)) || v.Resource.Scope(granted) == nil {
				t.Fatalf("granted %s beyond an input", granted)
			}
		}
		if v.Resource.Name == "bank" && s.Issuer != "" {
			t.Fatal("a user's token reached a resource that no rule names")
		}
	})
}
