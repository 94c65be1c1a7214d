package registry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/registry"
)

func conditional(t testing.TB, name, subject, condition string) *registry.Object {
	o := agent(t, name, subject)
	o.Spec.(*registry.Agent).Credentials[0].Condition = condition
	return o
}

// Without its condition, whatever a condition narrows would admit anybody.
func TestModelBrokenConditionsAdmitNothing(t *testing.T) {
	t.Parallel()
	s := &store{}
	var reports []string
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch, Report: func(err error) { reports = append(reports, err.Error()) }})
	mixed := agent(t, "mixed", "plain", "broken", "fine", "last")
	credentials := mixed.Spec.(*registry.Agent).Credentials
	credentials[1].Condition, credentials[2].Condition, credentials[3].Condition = "nonsense", "claims.a == 1", "claims.b == 1"
	s.write(conditional(t, "a", "x", "true"), mixed,
		object(t, registry.KindDelegationRule, "broken", `{"subjects":{"issuer":"corp","condition":"1 + 1"}}`),
		object(t, registry.KindDelegationRule, "fine", `{"subjects":{"issuer":"corp","condition":"claims.a == 1"}}`),
		object(t, registry.KindDelegationRule, "plain", ``))
	poll(t, m)
	wantBound(t, m, "x", "a")
	wantBound(t, m, "plain", "mixed")
	wantBound(t, m, "broken", "")
	wantBound(t, m, "fine", "mixed")
	wantBound(t, m, "last", "mixed")
	if bound(m, "ci", "plain").Condition != nil {
		t.Error("a credential has the condition of another")
	}
	fine := bound(m, "ci", "fine").Condition
	if fine == nil || bound(m, "ci", "x").Condition == nil || fine == bound(m, "ci", "x").Condition {
		t.Error("a credential does not have its own condition")
	}
	rules := m.Rules().Delegations()
	if len(rules) != 2 || rules[0].Name != "fine" || rules[0].Condition != fine || rules[1].Name != "plain" || rules[1].Condition != nil {
		t.Errorf("rules %+v", rules)
	}
	if len(reports) != 2 || !strings.HasPrefix(reports[0], "a stored condition does not compile, so what it stands on admits nothing: 1:1: ") {
		t.Errorf("reports %q", reports)
	}

	// What breaks later stops admitting.
	s.write(conditional(t, "a", "x", "nonsense"), object(t, registry.KindDelegationRule, "fine", `{"subjects":{"issuer":"corp","condition":"nonsense"}}`))
	poll(t, m)
	wantBound(t, m, "x", "")
	if rules := m.Rules().Delegations(); len(rules) != 1 || rules[0].Name != "plain" {
		t.Errorf("rules %+v", rules)
	}
}

// A model without a Report takes what does not compile the same way.
func TestModelBrokenConditionsWithoutReport(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(conditional(t, "a", "x", "nonsense"))
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	wantBound(t, m, "x", "")
}

// SEC-AM-33: a credential without a subject would stand for every workload that
// has none.
func TestModelEmptySubjectAdmitsNothing(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(agent(t, "a", ""))
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	wantBound(t, m, "", "")
}

// Rows are taken in even when the number says that there are none.
func TestModelTakesRowsOfAKnownNumber(t *testing.T) {
	t.Parallel()
	m := registry.NewModel(registry.ModelConfig{Fetch: func(context.Context, int64) ([]registry.Object, int64, error) {
		return []registry.Object{*agent(t, "a", "x")}, 0, nil
	}})
	poll(t, m)
	wantBound(t, m, "x", "a")
}

// Entries are the model's own: whoever changes a row that was read changes
// nothing.
func TestModelKeepsItsOwn(t *testing.T) {
	t.Parallel()
	o := agent(t, "a", "x")
	o.SecretHash, o.Created, o.State, o.Version = []byte{1, 2, 3}, time.Unix(5, 0), registry.Quarantined, 7
	s := &store{}
	s.write(o)
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	spec := o.Spec.(*registry.Agent)
	o.SecretHash[0], spec.Owner, spec.Credentials[0].Subject.Exact, spec.Credentials[0].Condition = 9, "mallory", "y", "true"
	e := m.Agent("a")
	if e.SecretHash[0] != 1 || e.Spec.Owner != "alice@example.com" || e.Spec.Credentials[0].Subject.Exact != "x" || e.Spec.Credentials[0].Condition != "" {
		t.Errorf("agent %+v", e)
	}
	if !e.Created.Equal(time.Unix(5, 0)) || e.State != registry.Quarantined || e.Version != 7 {
		t.Errorf("agent %+v", e)
	}
}

func TestCanAuthenticate(t *testing.T) {
	t.Parallel()
	disabled := object(t, registry.KindTrustedIssuer, "disabled", `{"issuer":"https://d.example"}`)
	disabled.State = registry.Disabled
	s := &store{}
	s.write(object(t, registry.KindTrustedIssuer, "ci", ""), disabled, object(t, registry.KindTrustedIssuer, "shadow", `{"issuer":"https://s.example","mode":"shadow"}`))
	with := func(name string, change func(o *registry.Object, spec *registry.Agent), issuers ...string) {
		o := object(t, registry.KindAgent, name, `{"credentials":null}`)
		spec := o.Spec.(*registry.Agent)
		for _, i := range issuers {
			spec.Credentials = append(spec.Credentials, registry.Credential{Name: i, Issuer: registry.IssuerName(i), Subject: registry.SubjectMatch{Exact: name}})
		}
		if change != nil {
			change(o, spec)
		}
		s.write(o)
	}
	with("nothing", nil)
	with("secret", func(o *registry.Object, _ *registry.Agent) { o.SecretHash = []byte{1} })
	with("empty-secret", func(o *registry.Object, _ *registry.Agent) { o.SecretHash = []byte{} })
	with("keys", func(_ *registry.Object, spec *registry.Agent) { spec.JWKS = []byte(`{"keys":[]}`) })
	with("keys-elsewhere", func(_ *registry.Object, spec *registry.Agent) { spec.JWKSURL = "https://x.example" })
	with("certificate", func(_ *registry.Object, spec *registry.Agent) {
		spec.TLS = &registry.ClientCertificate{SANDNS: "a.example"}
	})
	with("bound", nil, "ci")
	with("bound-to-disabled", nil, "disabled")
	with("bound-to-shadow", nil, "shadow")
	with("bound-to-nobody", nil, "none")
	with("bound-twice", nil, "disabled", "ci")
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	for name, want := range map[registry.AgentName]bool{
		"nothing": false, "secret": true, "empty-secret": false, "keys": true, "keys-elsewhere": true, "certificate": true, "bound": true,
		"bound-to-disabled": false, "bound-to-shadow": false, "bound-to-nobody": false, "bound-twice": true,
	} {
		if got := m.Agent(name).CanAuthenticate(m.Rules()); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A shadow issuer or rule never admits anything, and neither does one that is
// not active, or whose state is not known.
func TestAdmits(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		state registry.State
		mode  registry.Mode
		want  bool
	}{
		{registry.Active, "", true}, {registry.Active, registry.Enforce, true}, {registry.Active, registry.Shadow, false},
		{registry.Disabled, registry.Enforce, false}, {registry.Quarantined, "", false}, {"", registry.Enforce, false},
	} {
		issuer := &registry.IssuerEntry{Entry: registry.Entry[registry.IssuerName, registry.TrustedIssuer]{State: row.state, Spec: &registry.TrustedIssuer{Mode: row.mode}}}
		rule := &registry.RuleEntry{Entry: registry.Entry[registry.RuleName, registry.DelegationRule]{State: row.state, Spec: &registry.DelegationRule{Mode: row.mode}}}
		if issuer.Admits() != row.want || rule.Admits() != row.want {
			t.Errorf("%q %q: issuer %v, rule %v", row.state, row.mode, issuer.Admits(), rule.Admits())
		}
	}
}

func TestBlueprintAllows(t *testing.T) {
	t.Parallel()
	const f, p, s, x = registry.FederatedAuth, registry.PrivateKeyJWTAuth, registry.SecretAuth, registry.TLSAuth
	for _, row := range []struct{ list, allowed []registry.ClientAuth }{
		{nil, []registry.ClientAuth{f}}, // a secret only by opting in
		{[]registry.ClientAuth{}, []registry.ClientAuth{f}},
		{[]registry.ClientAuth{s}, []registry.ClientAuth{s}},
		{[]registry.ClientAuth{p, f}, []registry.ClientAuth{p, f}},
	} {
		e := &registry.BlueprintEntry{Entry: registry.Entry[registry.BlueprintName, registry.Blueprint]{Spec: &registry.Blueprint{ClientAuth: row.list}}}
		for _, method := range []registry.ClientAuth{f, p, s, x, ""} {
			want := false
			for _, a := range row.allowed {
				want = want || a == method
			}
			if e.Allows(method) != want {
				t.Errorf("%v: %q is allowed: %v", row.list, method, !want)
			}
		}
	}
}

func TestResourceScope(t *testing.T) {
	t.Parallel()
	e := &registry.ResourceEntry{Entry: registry.Entry[registry.ResourceName, registry.Resource]{
		Spec: &registry.Resource{Scopes: []registry.Scope{{Name: "a"}, {Name: "b", Risk: registry.HighRisk}}},
	}}
	if s := e.Scope("b"); s == nil || s.Risk != registry.HighRisk {
		t.Errorf("scope %+v", s)
	}
	for _, name := range []string{"", "B", "ab", "a b"} {
		if e.Scope(name) != nil {
			t.Errorf("%q is a scope", name)
		}
	}
}

// Ten thousand agents that say the same share one program, and each is found.
func TestModelManyAgents(t *testing.T) {
	t.Parallel()
	const n = 10_000
	s := &store{latest: n}
	for i := range n {
		o := conditional(t, fmt.Sprintf("agent-%d", i), fmt.Sprintf("repo:acme/%d", i), `claims.repository_owner == "acme"`)
		o.Change = int64(i + 1)
		s.rows = append(s.rows, *o)
	}
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	first := bound(m, "ci", "repo:acme/0")
	for i := range n {
		name := registry.AgentName(fmt.Sprintf("agent-%d", i))
		b := bound(m, "ci", fmt.Sprintf("repo:acme/%d", i))
		if b == nil || b.Agent != name || b.Condition == nil || b.Condition != first.Condition || m.Agent(name) == nil {
			t.Fatalf("%s: %+v", name, b)
		}
	}
}
