package storage_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// collect forgets what is idle after a time from now on.
func collect(t *testing.T, db *storage.DB, after time.Duration, limit int) int {
	t.Helper()
	n, err := db.CollectInstances(t.Context(), time.Now().Add(after), limit)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCollectInstances(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	day := registry.PatternCredential{MaxInstances: 10, CollectAfter: registry.Duration(24 * time.Hour)}
	day.Name, day.Issuer, day.Subject.Glob = "day", "prod", "spiffe://prod.example/a/*"
	upsert(t, db, fleet("a", 10, day), fleet("gone", 10), agent("registered"))
	daily := func(suffix string) registry.Candidate {
		c := candidate("a", suffix)
		c.Credential = "day"
		return c
	}
	admit(t, db, candidate("a", "week"), candidate("a", "off"), candidate("a", "odd"), daily("day1"), daily("day2"), daily("used"),
		candidate("gone", "x"), candidate("a", "named"), candidate("a", "other"), candidate("a", "third"))
	remove(t, db, registry.KindBlueprint, "gone")
	setState(t, db, "a/off", registry.Disabled)
	setState(t, db, "a/odd", registry.Quarantined)
	upsert(t, db,
		&registry.Object{Kind: registry.KindResource, Name: "r", Spec: &registry.Resource{Identifier: "https://r", Agents: []string{"a/named"}}},
		&registry.Object{Kind: registry.KindDelegationRule, Name: "d", Spec: &registry.DelegationRule{
			Subjects: registry.Subjects{Agents: []registry.AgentName{"a/other"}}, Actors: registry.Actors{Agents: []registry.AgentName{"a/third"}}}})
	live := func() string {
		page, _, err := db.Agents(t.Context(), storage.AgentFilter{Instances: storage.OnlyInstances}, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		return names(page)
	}
	all := "a/day1 a/day2 a/named a/odd a/off a/other a/third a/used a/week gone/x"
	if n := collect(t, db, 23*time.Hour, 100); n != 0 || live() != all {
		t.Errorf("%d collected before their time; there are %s", n, live())
	}
	used, err := db.Object(t.Context(), registry.KindAgent, "a/used")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.TouchInstances(t.Context(), []string{used.ID}, time.Now().Add(20*time.Hour)); err != nil {
		t.Fatal(err)
	}
	before := latest(t, db)
	if n := collect(t, db, 25*time.Hour, 1); n != 1 || live() == all {
		t.Errorf("%d collected of at most one; there are %s", n, live())
	}
	if n := collect(t, db, 25*time.Hour, 100); n != 1 || live() != "a/named a/odd a/off a/other a/third a/used a/week gone/x" {
		t.Errorf("%d collected after a day; there are %s", n, live())
	}
	changed, n, err := db.Changes(t.Context(), before)
	if err != nil || n != before+2 || len(changed) != 2 || !changed[0].Deleted || !changed[1].Deleted {
		t.Errorf("replicas read %v up to %d, %v; want two tombstones", names(changed), n, err)
	}
	page, _, err := db.Events(t.Context(), storage.EventFilter{Actor: "system:instances"}, "", 1)
	if err != nil || !strings.HasPrefix(string(page[0].Detail), `{"operation":"collected"`) || page[0].Change != n {
		t.Errorf("event %+v, %v", page[0], err)
	}
	wantCount(t, url, "a", 7)
	if n := collect(t, db, 169*time.Hour, 100); n != 3 || live() != "a/named a/odd a/off a/other a/third" {
		t.Errorf("%d collected after a week; there are %s", n, live())
	}
	wantCount(t, url, "a", 5)
	wantCount(t, url, "gone", 0)
	if _, err := db.Object(t.Context(), registry.KindAgent, "registered"); err != nil {
		t.Errorf("a registered agent was collected: %v", err)
	}
}

func TestTouchInstances(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, fleet("a", 10), agent("registered"))
	x, y := admitOne(t, db, candidate("a", "x")), admitOne(t, db, candidate("a", "y"))
	remove(t, db, registry.KindAgent, "a/y")
	ids := []string{x.ID, y.ID, "agt_nobody"}
	start, err := db.LastUsed(t.Context(), ids)
	if err != nil || len(start) != 2 || start[x.ID].Before(x.Created) {
		t.Fatalf("%v, %v", start, err)
	}
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	n := latestWrite(t, db)
	for _, at := range []time.Time{later, later.Add(-time.Minute)} { // never backward
		if err := db.TouchInstances(t.Context(), ids, at); err != nil {
			t.Fatal(err)
		}
		got, err := db.LastUsed(t.Context(), ids)
		if err != nil || !got[x.ID].Equal(later) || !got[y.ID].Equal(start[y.ID]) {
			t.Errorf("touched at %v: %v, %v; want %v for the live one alone", at, got, err, later)
		}
	}
	if latestWrite(t, db) != n {
		t.Error("a touch is a change of the registry")
	}
	if err := db.TouchInstances(t.Context(), nil, later); err != nil {
		t.Error(err)
	}
}

// TestTouchWhileLocked: a touch waits for nobody, so that no two of them can
// wait for each other.
func TestTouchWhileLocked(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	upsert(t, db, fleet("a", 10))
	x, y := admitOne(t, db, candidate("a", "x")), admitOne(t, db, candidate("a", "y"))
	tx, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `UPDATE tokenry.instances SET live = true WHERE agent_id = $1`, x.ID); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := db.TouchInstances(ctx, []string{x.ID, y.ID}, later); err != nil {
		t.Fatal(err)
	}
	if used, err := db.LastUsed(t.Context(), []string{x.ID, y.ID}); err != nil || used[x.ID].Equal(later) || !used[y.ID].Equal(later) {
		t.Errorf("%v, %v; want the free one touched", used, err)
	}
}

// TestRulesAtInstance: the decision that makes an instance is older than it.
func TestRulesAtInstance(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, fleet("a", 10))
	start := latest(t, db)
	admitOne(t, db, candidate("a", "x"))
	made := latest(t, db)
	setState(t, db, "a/x", registry.Disabled)
	remove(t, db, registry.KindAgent, "a/x")
	gone := latestWrite(t, db)
	admitOne(t, db, candidate("a", "x"))
	upsert(t, db, agent("later"))
	for _, row := range []struct {
		at   int64
		want string
	}{
		{start, "a/x active; a active; "}, // not the later one: nobody can have been decided for who was registered after it
		{made, "a/x active; a active; "},
		{made + 1, "a/x disabled; a active; "},
		{gone, "a/x disabled; a active; "},
	} {
		objects, err := db.RulesAt(t.Context(), row.at, []registry.AgentName{"a/x", "later"})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, o := range objects {
			got += o.Name + " " + string(o.State) + "; "
		}
		if got != row.want {
			t.Errorf("at %d: %q, want %q", row.at, got, row.want)
		}
	}
}

// TestAgents: filters and pages, through ten thousand instances.
func TestAgents(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	beta := agent("beta")
	beta.Spec.(*registry.Agent).Blueprint = "b"
	upsert(t, db, fleet("a", 10_000), fleet("b", 10), agent("alpha"), agent("zeta"), beta)
	for part := range slices.Chunk(candidates("a", 10_000), 500) {
		admit(t, db, part...)
	}
	admit(t, db, candidates("b", 3)...)
	for _, row := range []struct {
		f                  storage.AgentFilter
		n                  int
		firstName, lastOne string
	}{
		{storage.AgentFilter{}, 10_006, "a/r0000", "zeta"},
		{storage.AgentFilter{Instances: storage.WithoutInstances}, 3, "alpha", "zeta"},
		{storage.AgentFilter{Instances: storage.OnlyInstances}, 10_003, "a/r0000", "b/r0002"},
		{storage.AgentFilter{Blueprint: "a"}, 10_000, "a/r0000", "a/r9999"},
		{storage.AgentFilter{Blueprint: "b"}, 4, "b/r0000", "beta"},
		{storage.AgentFilter{Blueprint: "b", Instances: storage.OnlyInstances}, 3, "b/r0000", "b/r0002"},
		{storage.AgentFilter{Blueprint: "b", Instances: storage.WithoutInstances}, 1, "beta", "beta"},
	} {
		var all []registry.Object
		for cursor := ""; ; {
			page, next, err := db.Agents(t.Context(), row.f, cursor, 1000)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page...)
			if cursor = next; next == "" {
				break
			}
		}
		sorted := slices.IsSortedFunc(all, func(a, b registry.Object) int { return strings.Compare(a.Name, b.Name) })
		if len(all) != row.n || all[0].Name != row.firstName || all[len(all)-1].Name != row.lastOne || !sorted {
			t.Errorf("%+v: %d from %s to %s, sorted %t; want %d from %s to %s", row.f, len(all), all[0].Name, all[len(all)-1].Name, sorted,
				row.n, row.firstName, row.lastOne)
		}
	}
	if _, _, err := db.Agents(t.Context(), storage.AgentFilter{Instances: "x"}, "", 1); err == nil {
		t.Error("a filter that is none was taken")
	}
}
