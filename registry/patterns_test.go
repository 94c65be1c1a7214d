package registry_test

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tokenry/tokenry/registry"
)

// bound is the one credential that a subject matches; nil = none.
func bound(m *registry.Model, issuer registry.IssuerName, subject string) *registry.BoundCredential {
	found := m.Bindings(m.Rules(), issuer, subject)
	if len(found) == 0 {
		return nil
	}
	return &found[0]
}

// model is a model of objects that never change.
func model(t interface{ Fatal(...any) }, objects ...registry.Object) *registry.Model {
	m := registry.NewModel(registry.ModelConfig{Fetch: func(context.Context, int64) ([]registry.Object, int64, error) {
		return objects, int64(len(objects)), nil
	}})
	if err := m.Poll(context.Background()); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSubjectMatches(t *testing.T) {
	t.Parallel()
	exact := func(s string) registry.SubjectMatch { return registry.SubjectMatch{Exact: s} }
	prefix := func(s string) registry.SubjectMatch { return registry.SubjectMatch{Prefix: s} }
	glob := func(s string) registry.SubjectMatch { return registry.SubjectMatch{Glob: s} }
	for _, row := range []struct {
		match   registry.SubjectMatch
		subject string
		want    bool
	}{
		{exact("spiffe://td/a"), "spiffe://td/a", true},
		{exact("spiffe://td/a"), "spiffe://td/A", false},
		{exact("spiffe://td/a"), "spiffe://td/a/", false},
		{exact("a*"), "ab", false}, // FC-05: a literal * means itself
		{exact("a*"), "a*", true},
		{prefix("spiffe://td/agents/"), "spiffe://td/agents/a", true},
		{prefix("spiffe://td/agents/"), "spiffe://td/agents/a/b", true},
		{prefix("spiffe://td/agents/"), "spiffe://td/agents/", false},
		{prefix("spiffe://td/agents/"), "spiffe://td/agents", false},
		{prefix("spiffe://td/agents/"), "spiffe://td/agents-x", false},
		{glob("spiffe://td/ns/*/sa/x"), "spiffe://td/ns/a/sa/x", true},
		{glob("spiffe://td/ns/*/sa/x"), "spiffe://td/ns//sa/x", false},
		{glob("spiffe://td/ns/*/sa/x"), "spiffe://td/ns/a/b/sa/x", false},
		{glob("spiffe://td/ns/*/sa/x"), "spiffe://td/ns/a/sa/x/y", false},
		{glob("spiffe://td/ns/*/sa/x"), "spiffe://td/ns/a/sa/", false},
		{glob("repo:acme/*:ref:refs/heads/main"), "repo:acme/app:ref:refs/heads/main", true},
		{glob("repo:acme/*:ref:refs/heads/main"), "repo:acme/app:environment:x:ref:refs/heads/main", false},
		{glob("system:serviceaccount:prod:agent-*"), "system:serviceaccount:prod:agent-7", true},
		{glob("system:serviceaccount:prod:agent-*"), "system:serviceaccount:prod:agent-", false},
		{glob("a/b?"), "a/bc", true},
		{glob("a/b?"), "a/b", false},
		{glob("a/b?"), "a/b/", false},
		{glob("a/*b*c"), "a/xbbyc", true},
		{glob("a/*b*c"), "a/bbc", false},
		{glob("a/*b*c"), "a/bbbc", true},
		{registry.SubjectMatch{}, "", false},
	} {
		if got := row.match.Matches(row.subject); got != row.want {
			t.Errorf("%s matches %q: %v", row.match, row.subject, got)
		}
	}
}

func TestSubjectOverlaps(t *testing.T) {
	t.Parallel()
	glob := func(s string) registry.SubjectMatch { return registry.SubjectMatch{Glob: s} }
	prefix := func(s string) registry.SubjectMatch { return registry.SubjectMatch{Prefix: s} }
	for _, row := range []struct {
		a, b registry.SubjectMatch
		want bool
	}{
		{prefix("x/a/"), prefix("x/a/b/"), true},
		{prefix("x/a/"), prefix("x/b/"), false},
		{prefix("x/a/"), glob("x/*/c"), true},
		{prefix("x/a/"), glob("x/*"), false},
		{glob("x/*/c"), glob("x/a/*"), true},
		{glob("x/a-*"), glob("x/*-b"), true},
		{glob("x/a*"), glob("x/b*"), false},
		{glob("x/?"), glob("x/??"), false},
		{glob("x/*"), glob("x/?"), true},
		{glob("x/*:y"), glob("x/*"), false},
		{prefix("x/a/"), registry.SubjectMatch{Exact: "x/a/b"}, true},
		{prefix("x/a/"), registry.SubjectMatch{Exact: "x/a/"}, false},
	} {
		if row.a.Overlaps(row.b) != row.want || row.b.Overlaps(row.a) != row.want {
			t.Errorf("%s and %s: want %v", row.a, row.b, row.want)
		}
	}
}

// Whatever a subject matches by itself the index finds, and two patterns that
// one subject matches overlap.
func TestPatternsProperty(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[ab]{0,2}([/:][ab*?]{0,3}){0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		var all []registry.SubjectMatch
		objects := []registry.Object{}
		for _, p := range rapid.SliceOfN(text, 1, 8).Draw(t, "patterns") {
			match := registry.SubjectMatch{Glob: p}
			switch {
			case p == "":
				continue
			case !strings.ContainsAny(p, "*?"):
				match = registry.SubjectMatch{Prefix: p}
			}
			all = append(all, match)
		}
		for i, match := range all {
			objects = append(objects, registry.Object{
				Kind: registry.KindAgent, ID: "agt_" + string(rune('a'+i)), Name: string(rune('a' + i)), State: registry.Active, Change: int64(i + 1),
				Spec: &registry.Agent{Credentials: []registry.Credential{{Name: "c", Issuer: "i", Subject: match}}},
			})
		}
		m := model(t, objects...)
		subject := rapid.StringMatching(`[ab]{0,2}([/:][ab]{0,3}){0,3}`).Draw(t, "subject")
		found := map[registry.AgentName]bool{}
		for _, b := range m.Bindings(m.Rules(), "i", subject) {
			found[b.Agent] = true
		}
		every := map[registry.AgentName]bool{}
		for b := range m.BoundTo(m.Rules(), "i") {
			every[b.Agent] = true
		}
		for range m.BoundTo(m.Rules(), "j") {
			t.Fatal("a credential of another issuer")
		}
		// Two agents may have one exact subject here; Bindings finds the last.
		if len(every) != len(all) {
			t.Fatalf("%d agents have credentials, want %d", len(every), len(all))
		}
		for i, match := range all {
			if match.Matches(subject) != found[registry.AgentName(rune('a'+i))] {
				t.Fatalf("%s and %q: matches %v, found %v", match, subject, match.Matches(subject), found)
			}
			for _, other := range all {
				if match.Matches(subject) && other.Matches(subject) && !match.Overlaps(other) {
					t.Fatalf("%s and %s share %q and do not overlap", match, other, subject)
				}
			}
		}
	})
}
