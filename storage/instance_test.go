package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// fleet is a blueprint whose credential "fleet" makes at most most instances.
func fleet(name string, most int, more ...registry.PatternCredential) *registry.Object {
	c := registry.PatternCredential{MaxInstances: most}
	c.Name, c.Issuer, c.Subject.Prefix = "fleet", "prod", "spiffe://prod.example/"+name+"/"
	return &registry.Object{Kind: registry.KindBlueprint, Name: name, Spec: &registry.Blueprint{
		Credentials: append([]registry.PatternCredential{c}, more...),
	}}
}

// candidate is the first use of an instance of fleet(blueprint).
func candidate(blueprint, suffix string) registry.Candidate {
	return registry.Candidate{
		Name: registry.AgentName(blueprint + "/" + suffix), Blueprint: registry.BlueprintName(blueprint),
		InstanceOf: registry.InstanceOf{Credential: "fleet", Issuer: "prod", Subject: "spiffe://prod.example/" + blueprint + "/" + suffix},
		Labels:     map[string]string{"pod": suffix},
	}
}

func candidates(blueprint string, n int) []registry.Candidate {
	all := make([]registry.Candidate, n)
	for i := range all {
		all[i] = candidate(blueprint, fmt.Sprintf("r%04d", i))
	}
	return all
}

func admit(t *testing.T, db *storage.DB, all ...registry.Candidate) []registry.Admission {
	t.Helper()
	admissions, err := db.AdmitInstances(t.Context(), all)
	if err != nil || len(admissions) != len(all) {
		t.Fatalf("%d admissions of %d, %v", len(admissions), len(all), err)
	}
	for i, a := range admissions {
		if (a.Object == nil) == (a.Err == nil) {
			t.Fatalf("%s: %+v", all[i].Name, a)
		}
	}
	return admissions
}

// admitOne wants a candidate to be admitted.
func admitOne(t *testing.T, db *storage.DB, c registry.Candidate) *registry.Object {
	t.Helper()
	a := admit(t, db, c)[0]
	if a.Err != nil {
		t.Fatalf("%s: %v", c.Name, a.Err)
	}
	return a.Object
}

func count(t *testing.T, url, sql string, args ...any) (n int) {
	t.Helper()
	if err := connect(t, url).QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// wantCount wants the counter of a fleet to be right, and to be n.
func wantCount(t *testing.T, url, blueprint string, n int) {
	t.Helper()
	for _, sql := range []string{
		`SELECT coalesce(sum(n), 0) FROM tokenry.instance_counts WHERE blueprint = $1`,
		`SELECT count(*) FROM tokenry.instances WHERE blueprint = $1 AND live`,
		`SELECT count(*) FROM tokenry.registry_objects o JOIN tokenry.bindings b ON b.agent_id = o.id
			WHERE spec ->> 'blueprint' = $1 AND deleted_at IS NULL AND spec ? 'instance'`,
	} {
		if got := count(t, url, sql, blueprint); got != n {
			t.Errorf("%d, want %d: %s", got, n, sql)
		}
	}
}

func remove(t *testing.T, db *storage.DB, kind registry.Kind, name string) {
	t.Helper()
	apply(t, db, storage.Write{Deletes: []storage.Ref{{Kind: kind, Name: name}}})
}

func setState(t *testing.T, db *storage.DB, name string, s registry.State) {
	t.Helper()
	if _, err := db.SetState(t.Context(), admin, registry.KindAgent, name, s, ""); err != nil {
		t.Fatal(err)
	}
}

func TestAdmitInstances(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	upsert(t, db, fleet("a", 10), fleet("b", 10))
	before := latest(t, db)

	all := admit(t, db, candidate("a", "x"), candidate("b", "deep/er:1"), candidate("a", "x"))
	got := all[0].Object
	want := &registry.Object{
		ID: got.ID, Kind: registry.KindAgent, Name: "a/x", Labels: map[string]string{"pod": "x"}, State: registry.Active,
		Version: 1, Change: before + 1, Created: got.Created, Updated: got.Updated,
		Spec: &registry.Agent{Blueprint: "a", Instance: &registry.InstanceOf{Credential: "fleet", Issuer: "prod", Subject: "spiffe://prod.example/a/x"}},
	}
	if d := cmp.Diff(want, got); d != "" || time.Since(got.Created) > time.Minute {
		t.Errorf("-want +got:\n%s", d)
	}
	if all[2].Object != got && all[2].Object.ID != got.ID {
		t.Errorf("given twice it is two: %+v and %+v", got, all[2].Object)
	}
	// What is returned is what is stored, and what replicas read.
	stored, err := db.Object(t.Context(), registry.KindAgent, "a/x")
	if d := cmp.Diff(*want, stored); err != nil || d != "" {
		t.Errorf("%v (-want +stored):\n%s", err, d)
	}
	changed, n, err := db.Changes(t.Context(), before)
	if err != nil || n != before+1 || len(changed) != 2 || all[1].Object.Change != n {
		t.Errorf("one batch is %v up to %d, %v; want one change", names(changed), n, err)
	}
	page, _, err := db.Events(t.Context(), storage.EventFilter{Subject: "agent/a/x"}, "", 10)
	detail := `{"operation":"created","id":"` + got.ID + `","version":1}`
	if err != nil || len(page) != 1 || page[0].Kind != audit.AdminChanged || page[0].Actor != "system:instances" || string(page[0].Detail) != detail || page[0].Change != n {
		t.Errorf("events %+v, %v; want %s", page, err, detail)
	}
	// The second time nothing is written, and the state is as it is.
	setState(t, db, "a/x", registry.Disabled)
	n = latest(t, db)
	if again := admitOne(t, db, candidate("a", "x")); again.State != registry.Disabled || again.ID != got.ID || latest(t, db) != n {
		t.Errorf("again: %+v at change %d, want nothing written", again, latest(t, db))
	}
	wantCount(t, url, "a", 1)
	wantCount(t, url, "b", 1)
	if none, err := db.AdmitInstances(t.Context(), nil); none != nil || err != nil {
		t.Errorf("nobody: %v, %v", none, err)
	}
}

// TestAdmitInstancesRefuses: what the caller's model believes is not enough.
func TestAdmitInstancesRefuses(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	shadow := registry.PatternCredential{MaxInstances: 5}
	shadow.Name, shadow.Issuer, shadow.Mode = "shadow", "prod", registry.Shadow
	unlimited := registry.PatternCredential{}
	unlimited.Name, unlimited.Issuer, unlimited.Subject.Prefix = "unlimited", "prod", "spiffe://prod.example/a/"
	held := agent("held", "spiffe://prod.example/a/held")
	upsert(t, db, fleet("a", 10, shadow, unlimited), fleet("off", 10), fleet("gone", 10), held)
	remove(t, db, registry.KindBlueprint, "gone")
	if _, err := db.SetState(t.Context(), admin, registry.KindBlueprint, "off", registry.Disabled, ""); err != nil {
		t.Fatal(err)
	}
	admitOne(t, db, candidate("a", "there"))
	n := latest(t, db)
	with := func(f func(*registry.Candidate)) registry.Candidate {
		c := candidate("a", "new")
		f(&c)
		return c
	}
	for _, row := range []struct {
		name string
		c    registry.Candidate
		want error
	}{
		{"no such blueprint", candidate("nothing", "x"), registry.ErrInstanceOrphan},
		{"a deleted blueprint", candidate("gone", "x"), registry.ErrInstanceOrphan},
		{"a disabled blueprint", candidate("off", "x"), registry.ErrInstanceOrphan},
		{"no such credential", with(func(c *registry.Candidate) { c.Credential = "other" }), registry.ErrInstanceOrphan},
		{"a credential in shadow", with(func(c *registry.Candidate) { c.Credential = "shadow" }), registry.ErrInstanceOrphan},
		{"a credential of another issuer", with(func(c *registry.Candidate) { c.Issuer = "corp" }), registry.ErrInstanceOrphan},
		{"a credential without a cap", with(func(c *registry.Candidate) { c.Credential = "unlimited" }), registry.ErrInstanceCap},
		{"a name of another blueprint", with(func(c *registry.Candidate) { c.Name = "off/new" }), registry.ErrInstanceOrphan},
		{"a name that is none", with(func(c *registry.Candidate) { c.Name = "a/new|er" }), registry.ErrInstanceOrphan},
		{"a name of an agent", with(func(c *registry.Candidate) { c.Name = "a" }), registry.ErrInstanceOrphan},
		{"no subject", with(func(c *registry.Candidate) { c.Subject = "" }), registry.ErrInstanceOrphan},
		{"a subject that cannot be stored", with(func(c *registry.Candidate) { c.Subject = "a\x00b" }), registry.ErrInstanceOrphan},
		{"a subject that is no text", with(func(c *registry.Candidate) { c.Subject = "a\xffb" }), registry.ErrInstanceOrphan},
		{"a subject that no index holds", with(func(c *registry.Candidate) { c.Subject = strings.Repeat("x", 3000) }), registry.ErrInstanceOrphan},
		{"a label that cannot be stored", with(func(c *registry.Candidate) { c.Labels = map[string]string{"k": "\x00"} }), registry.ErrInstanceOrphan},
		{"the name of another subject", with(func(c *registry.Candidate) { c.Name = "a/there" }), registry.ErrInstanceTaken},
		{"the subject of another name", with(func(c *registry.Candidate) { c.Subject = "spiffe://prod.example/a/there" }), registry.ErrInstanceTaken},
		{"the subject of an agent", candidate("a", "held"), registry.ErrInstanceTaken},
	} {
		// Beside a good one, which it must not spoil.
		all := admit(t, db, row.c, candidate("a", "there"))
		if !errors.Is(all[0].Err, row.want) || all[1].Err != nil {
			t.Errorf("%s: %v and %v, want %v", row.name, all[0].Err, all[1].Err, row.want)
		}
	}
	if latest(t, db) != n {
		t.Errorf("change %d, want %d: refusals write nothing", latest(t, db), n)
	}
	// Of two in one batch that claim one thing the first has it.
	twin, same := candidate("a", "twin"), candidate("a", "twin")
	same.Subject += "2"
	moved := candidate("a", "moved")
	moved.Subject = twin.Subject
	all := admit(t, db, twin, same, moved)
	if all[0].Err != nil || !errors.Is(all[1].Err, registry.ErrInstanceTaken) || !errors.Is(all[2].Err, registry.ErrInstanceTaken) {
		t.Errorf("twins: %v, %v, %v", all[0].Err, all[1].Err, all[2].Err)
	}
	wantCount(t, url, "a", 2)
}

// TestAdmitInstancesCap: as many as fit, in the order of the batch.
func TestAdmitInstancesCap(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	upsert(t, db, fleet("a", 3), fleet("b", 1))
	got := ""
	for _, a := range admit(t, db, candidate("a", "1"), candidate("b", "1"), candidate("a", "2"), candidate("b", "2"),
		candidate("a", "3"), candidate("a", "4"), candidate("a", "1"), candidate("a", "4")) {
		switch {
		case a.Err == nil:
			got += a.Object.Name + " "
		case errors.Is(a.Err, registry.ErrInstanceCap):
			got += "cap "
		default:
			t.Error(a.Err)
		}
	}
	if want := "a/1 b/1 a/2 cap a/3 cap a/1 cap "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wantCount(t, url, "a", 3)
	// A lower cap takes nobody away and lets nobody in.
	upsert(t, db, fleet("a", 1))
	all := admit(t, db, candidate("a", "2"), candidate("a", "5"))
	if all[0].Err != nil || !errors.Is(all[1].Err, registry.ErrInstanceCap) {
		t.Errorf("lowered: %v, %v", all[0].Err, all[1].Err)
	}
	// Deleting makes room; what is disabled still takes it.
	upsert(t, db, fleet("a", 3))
	setState(t, db, "a/1", registry.Disabled)
	if a := admit(t, db, candidate("a", "5"))[0]; !errors.Is(a.Err, registry.ErrInstanceCap) {
		t.Errorf("a disabled one made room: %+v", a)
	}
	remove(t, db, registry.KindAgent, "a/1")
	wantCount(t, url, "a", 2)
	admitOne(t, db, candidate("a", "5"))
	if a := admit(t, db, candidate("a", "1"))[0]; !errors.Is(a.Err, registry.ErrInstanceCap) {
		t.Errorf("revived above the cap: %+v", a)
	}
	wantCount(t, url, "a", 3)
}

// TestAdmitInstancesRace: replicas that admit the same candidates at once make
// each of them once, and never more than the cap.
func TestAdmitInstancesRace(t *testing.T) {
	t.Parallel()
	const n, batch = 2000, 200
	for _, most := range []int{n, 1500} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			url := storagetest.URL(t)
			dbs := []*storage.DB{storagetest.OpenURL(t, url), storagetest.OpenURL(t, url)}
			upsert(t, dbs[0], fleet("a", most))
			type answer struct{ ids, caps map[string]string }
			answers := make([]answer, len(dbs))
			var all sync.WaitGroup
			for i, db := range dbs {
				answers[i] = answer{map[string]string{}, map[string]string{}}
				mine := candidates("a", n)
				rand.Shuffle(n, func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				all.Go(func() {
					for part := range slices.Chunk(mine, batch) {
						admissions, err := db.AdmitInstances(t.Context(), part)
						if err != nil {
							t.Error(err)
							return
						}
						for j, a := range admissions {
							switch name := string(part[j].Name); {
							case a.Err == nil:
								answers[i].ids[name] = a.Object.ID
							case errors.Is(a.Err, registry.ErrInstanceCap):
								answers[i].caps[name] = ""
							default:
								t.Error(name, a.Err)
							}
						}
					}
				})
			}
			all.Wait()
			wantCount(t, url, "a", most)
			if got := count(t, url, `SELECT count(*) FROM tokenry.registry_objects WHERE kind = 'Agent'`); got != most {
				t.Errorf("%d rows, want %d", got, most)
			}
			if got := count(t, url, `SELECT count(DISTINCT id) FROM tokenry.registry_history WHERE kind = 'Agent'`); got != most {
				t.Errorf("%d in the history, want %d", got, most)
			}
			if got := count(t, url, `SELECT count(*) FROM tokenry.audit_events WHERE actor = 'system:instances'`); got != most {
				t.Errorf("%d events, want %d", got, most)
			}
			for name, id := range answers[0].ids {
				if other, ok := answers[1].ids[name]; ok && other != id {
					t.Errorf("%s is %s and %s", name, id, other)
				}
			}
			if most == n && (len(answers[0].caps)+len(answers[1].caps) > 0 || len(answers[0].ids) != n) {
				t.Errorf("%d and %d were capped", len(answers[0].caps), len(answers[1].caps))
			}
		})
	}
}

// TestReviveInstance: whoever comes back is who it was.
func TestReviveInstance(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	upsert(t, db, fleet("a", 10))
	first := admitOne(t, db, candidate("a", "x"))
	admitOne(t, db, candidate("a", "off"))
	setState(t, db, "a/off", registry.Disabled)
	remove(t, db, registry.KindAgent, "a/x")
	remove(t, db, registry.KindAgent, "a/off")
	wantCount(t, url, "a", 0)
	n := latestWrite(t, db)

	again := admitOne(t, db, candidate("a", "x"))
	if again.ID != first.ID || again.Version != 1 || !again.Created.Equal(first.Created) || again.State != registry.Active || again.Change != n+1 || again.Deleted {
		t.Errorf("revived as %+v, was %+v", again, first)
	}
	stored, err := db.Object(t.Context(), registry.KindAgent, first.ID)
	if d := cmp.Diff(*again, stored); err != nil || d != "" {
		t.Errorf("%v (-returned +stored):\n%s", err, d)
	}
	page, _, err := db.Events(t.Context(), storage.EventFilter{Subject: "agent/a/x"}, "", 1)
	if want := `{"operation":"revived","id":"` + first.ID + `","version":1}`; err != nil || string(page[0].Detail) != want {
		t.Errorf("event %s, %v; want %s", page[0].Detail, err, want)
	}
	// Deleting one and coming back is no way round a disable.
	if off := admitOne(t, db, candidate("a", "off")); off.State != registry.Disabled {
		t.Errorf("a disabled one came back as %s", off.State)
	}
	wantCount(t, url, "a", 2)
	// Another credential and other labels are a change of it.
	other := registry.PatternCredential{MaxInstances: 1}
	other.Name, other.Issuer, other.Subject.Glob = "other", "prod", "spiffe://prod.example/a/*"
	upsert(t, db, fleet("a", 10, other))
	remove(t, db, registry.KindAgent, "a/x")
	c := candidate("a", "x")
	c.Credential, c.Labels = "other", nil
	moved := admitOne(t, db, c)
	if moved.ID != first.ID || moved.Version != 2 || moved.Spec.(*registry.Agent).Instance.Credential != "other" || moved.Labels != nil {
		t.Errorf("moved: %+v", moved)
	}
	if stored, err = db.Object(t.Context(), registry.KindAgent, "a/x"); err != nil || cmp.Diff(*moved, stored) != "" {
		t.Errorf("%v (-returned +stored):\n%s", err, cmp.Diff(*moved, stored))
	}
	wantCount(t, url, "a", 2)
	if got := count(t, url, `SELECT n FROM tokenry.instance_counts WHERE credential = 'other'`); got != 1 {
		t.Errorf("%d of the other credential, want 1", got)
	}
	// A row says for ever who had its name.
	for _, sql := range []string{`DELETE FROM tokenry.instances`, `UPDATE tokenry.instances SET subject = 'z'`, `TRUNCATE tokenry.instances`} {
		if _, err := connect(t, url).Exec(t.Context(), sql); err == nil {
			t.Errorf("%s was allowed", sql)
		}
	}
}

// TestInstanceAndAgent: a subject is one agent, made or registered.
func TestInstanceAndAgent(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	upsert(t, db, fleet("a", 10))
	made := admitOne(t, db, candidate("a", "x"))
	registered := agent("pinned", "spiffe://prod.example/a/x")
	_, err := db.Apply(t.Context(), storage.Write{By: admin, Upserts: []*registry.Object{registered}})
	var conflict *storage.BindingConflict
	if !errors.As(err, &conflict) || conflict.Holder != "a/x" || conflict.Agent != "pinned" {
		t.Errorf("an agent took the subject of an instance: %v", err)
	}
	if n := collect(t, db, 200*time.Hour, 10); n != 1 {
		t.Fatalf("%d collected, want 1", n)
	}
	upsert(t, db, registered)
	if a := admit(t, db, candidate("a", "x"))[0]; !errors.Is(a.Err, registry.ErrInstanceTaken) {
		t.Errorf("revived beside an agent of its subject: %+v", a)
	}
	wantCount(t, url, "a", 0)
	// Given back, the subject is the instance's again.
	remove(t, db, registry.KindAgent, "pinned")
	if again := admitOne(t, db, candidate("a", "x")); again.ID != made.ID {
		t.Errorf("%s, want %s", again.ID, made.ID)
	}
}

// TestApplyAndInstances: nobody declares an instance, so nobody undeclares it.
func TestApplyAndInstances(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	upsert(t, db, fleet("a", 10), agent("registered"))
	admitOne(t, db, candidate("a", "x"))
	got := outcomes(apply(t, db, storage.Write{Upserts: []*registry.Object{agent("other")}, Prune: true}))
	if want := "created other 1, deleted a 1, deleted registered 1"; got != want {
		t.Errorf("pruned: %q, want %q", got, want)
	}
	wantCount(t, url, "a", 1)
	forged := agent("a/y")
	posing := agent("z")
	posing.Spec.(*registry.Agent).Instance = &registry.InstanceOf{}
	for _, o := range []*registry.Object{forged, posing} {
		if _, err := db.Apply(t.Context(), storage.Write{By: admin, Upserts: []*registry.Object{o}}); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("%s was written: %v", o.Name, err)
		}
	}
	if err := db.SetSecret(t.Context(), admin, "a/x", []byte("hash")); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("an instance has a secret: %v", err)
	}
}
