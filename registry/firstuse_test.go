package registry_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tokenry/tokenry/registry"
)

// instanceRow is the row of instance bp/x as of a change.
func instanceRow(change int64, state registry.State, deleted bool) *registry.Object {
	return &registry.Object{
		ID: "agt_1", Kind: registry.KindAgent, Name: "bp/x", State: state, Version: 1, Change: change, Deleted: deleted,
		Spec: &registry.Agent{Blueprint: "bp", Instance: &registry.InstanceOf{Credential: "fleet", Issuer: "prod", Subject: "spiffe://p/x"}},
	}
}

// What a replica has just written is never put over what it has read since: an
// instance that was disabled and deleted in between stays away.
func TestAdmitIsOvertaken(t *testing.T) {
	t.Parallel()
	var m *registry.Model
	latest, rows := int64(4), []registry.Object(nil)
	m = registry.NewModel(registry.ModelConfig{
		Fetch: func(context.Context, int64) ([]registry.Object, int64, error) { return rows, latest, nil },
		Admit: func(context.Context, []registry.Candidate) ([]registry.Admission, error) {
			rows, latest = []registry.Object{*instanceRow(7, registry.Disabled, true)}, 7
			poll(t, m)
			rows = nil
			return []registry.Admission{{Object: instanceRow(5, registry.Active, false)}}, nil
		},
	})
	poll(t, m)
	if e, err := m.Admit(t.Context(), registry.Candidate{Name: "bp/x", Blueprint: "bp"}); err == nil {
		t.Errorf("admitted as of change %d, after change 7 was read", e.Change)
	}
	if a := m.Agent("bp/x"); a != nil {
		t.Errorf("the model knows %s as of change %d", a.Name, a.Change)
	}
}

// A newer state that was read meanwhile is what the request gets.
func TestAdmitFindsNewerState(t *testing.T) {
	t.Parallel()
	var m *registry.Model
	latest, rows := int64(4), []registry.Object(nil)
	m = registry.NewModel(registry.ModelConfig{
		Fetch: func(context.Context, int64) ([]registry.Object, int64, error) { return rows, latest, nil },
		Admit: func(context.Context, []registry.Candidate) ([]registry.Admission, error) {
			rows, latest = []registry.Object{*instanceRow(6, registry.Disabled, false)}, 6
			poll(t, m)
			return []registry.Admission{{Object: instanceRow(5, registry.Active, false)}}, nil
		},
	})
	poll(t, m)
	e, err := m.Admit(t.Context(), registry.Candidate{Name: "bp/x", Blueprint: "bp"})
	if err != nil || e.State != registry.Disabled {
		t.Errorf("got %+v, %v; want it disabled", e, err)
	}
	if got := m.Agent("bp/x"); got != e {
		t.Error("the model knows another state")
	}
}

// Nothing is made for whoever has gone, and one failure is everybody's of its
// batch.
func TestAdmitFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	asked := 0
	m := registry.NewModel(registry.ModelConfig{Admit: func(_ context.Context, c []registry.Candidate) ([]registry.Admission, error) {
		asked += len(c)
		return nil, broken
	}})
	if _, err := m.Admit(t.Context(), registry.Candidate{Name: "bp/x"}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Admit(gone, registry.Candidate{Name: "bp/y"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := m.Admit(t.Context(), registry.Candidate{Name: "bp/z"}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if asked != 2 {
		t.Errorf("%d candidates reached the store, want 2", asked)
	}
	if _, err := registry.NewModel(registry.ModelConfig{}).Admit(t.Context(), registry.Candidate{}); err == nil {
		t.Error("a model without a store admits")
	}
}

// An instance may go on by whatever credential of its blueprint matches it now,
// and by no other.
func TestInstanceCanAuthenticate(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, prefix, credential string
		mode                     registry.Mode
		want                     bool
	}{
		{"as it was made", "spiffe://p/agents/", "fleet", "", true},
		{"the pattern is narrower now", "spiffe://p/agents/prod/", "fleet", "", false},
		{"the credential has another name", "spiffe://p/agents/", "fleet-2", "", true},
		{"the credential only records", "spiffe://p/agents/", "fleet", registry.Shadow, false},
	} {
		c := registry.PatternCredential{MaxInstances: 10}
		c.Name, c.Issuer, c.Subject.Prefix, c.Mode = row.credential, "prod", row.prefix, row.mode
		m := model(t,
			registry.Object{Kind: registry.KindTrustedIssuer, Name: "prod", State: registry.Active, Change: 1, Spec: &registry.TrustedIssuer{Type: registry.SPIFFE, TrustDomain: "p"}},
			registry.Object{Kind: registry.KindBlueprint, Name: "bp", State: registry.Active, Change: 2, Spec: &registry.Blueprint{Credentials: []registry.PatternCredential{c}}},
			registry.Object{ID: "agt_1", Kind: registry.KindAgent, Name: "bp/dev/x", State: registry.Active, Change: 3, Spec: &registry.Agent{
				Blueprint: "bp", Instance: &registry.InstanceOf{Credential: "fleet", Issuer: "prod", Subject: "spiffe://p/agents/dev/x"}}},
		)
		if got := m.Agent("bp/dev/x").CanAuthenticate(m.Rules()); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}
