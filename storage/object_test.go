package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

func TestObject(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	want := agent("a", "s")
	want.Labels = map[string]string{"team": "research"}
	r := upsert(t, db, want)[0]
	want.ID, want.Version, want.State, want.Change = r.ID, 1, registry.Active, latest(t, db)
	for _, name := range []string{"a", r.ID} {
		got, err := db.Object(t.Context(), registry.KindAgent, name)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(*want, got, cmpopts.IgnoreFields(registry.Object{}, "Created", "Updated")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if time.Since(got.Created) > time.Minute || got.Updated.Before(got.Created) {
			t.Errorf("created %v, updated %v", got.Created, got.Updated)
		}
	}
	if _, err := db.Object(t.Context(), registry.KindBlueprint, "a"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("of another kind: %v, want ErrNotFound", err)
	}
	apply(t, db, storage.Write{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}}})
	if _, err := db.Object(t.Context(), registry.KindAgent, r.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("deleted: %v, want ErrNotFound", err)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, agent("c"), agent("a"), agent("d"), agent("b"), issuer("i", "https://i"))
	var got []string
	for cursor := ""; ; {
		page, next, err := db.Objects(t.Context(), registry.KindAgent, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, names(page))
		if cursor = next; next == "" {
			break
		}
	}
	if d := cmp.Diff([]string{"a b", "c d"}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	if changed, n, err := db.Changes(t.Context(), 0); err != nil || n != 0 || len(changed) != 0 {
		t.Errorf("of nothing: %v, %d, %v", changed, n, err)
	}
	upsert(t, db, agent("a"))
	first := latest(t, db)
	upsert(t, db, agent("b"))
	apply(t, db, storage.Write{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}}})
	upsert(t, db, agent("a"))

	for _, test := range []struct {
		after int64
		want  string
	}{
		{0, "b a"}, // no tombstones for who knows nothing
		{first, "b -a a"},
		{first + 2, "a"},
		{first + 3, ""},
	} {
		changed, n, err := db.Changes(t.Context(), test.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(changed); got != test.want || n != first+3 {
			t.Errorf("after %d: %q up to %d, want %q up to %d", test.after, got, n, test.want, first+3)
		}
	}
}

// TestChangesFromNewer: a limit that an older replica does not know must not be
// ignored by it.
func TestChangesFromNewer(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	upsert(t, db, agent("a"), agent("b"))
	if _, err := connect(t, url).Exec(t.Context(), `
		UPDATE tokenry.registry_objects SET spec = spec || '{"onlyOnSundays": true}' WHERE name = 'a'`); err != nil {
		t.Fatal(err)
	}
	changed, _, err := db.Changes(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range changed {
		want := map[string]registry.State{"a": registry.Disabled, "b": registry.Active}[o.Name]
		if o.State != want || o.Spec.(*registry.Agent).Owner != "o" {
			t.Errorf("%s is %s with %+v, want %s", o.Name, o.State, o.Spec, want)
		}
	}
}

func TestRulesAt(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	at := []int64{0}
	step := func(w storage.Write) { apply(t, db, w); at = append(at, latestWrite(t, db)) }
	step(storage.Write{Upserts: []*registry.Object{agent("a"), issuer("i", "https://i")}})
	step(storage.Write{Upserts: []*registry.Object{agent("a", "s"), agent("b")}})
	if _, err := db.SetState(t.Context(), admin, registry.KindAgent, "b", registry.Quarantined, "odd"); err != nil {
		t.Fatal(err)
	}
	at = append(at, latestWrite(t, db))
	step(storage.Write{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}}})
	for i, want := range []string{
		"",
		"a active 1; i active 1; ",
		"a active 2; b active 1; i active 1; ",
		"a active 2; b quarantined 1; i active 1; ",
		"b quarantined 1; i active 1; ",
	} {
		objects, err := db.RulesAt(t.Context(), at[i], []registry.AgentName{"a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, o := range objects {
			got += o.Name + " " + string(o.State) + " " + string(rune('0'+o.Version)) + "; "
		}
		if got != want {
			t.Errorf("at change %d: %q, want %q", at[i], got, want)
		}
	}
	// Of a hundred thousand agents a decision names a handful.
	objects, err := db.RulesAt(t.Context(), at[2], []registry.AgentName{"b"})
	if err != nil || len(objects) != 2 || objects[0].Name != "b" || objects[1].Name != "i" {
		t.Errorf("with agent b alone: %+v, %v; want b and i", objects, err)
	}
}

// latestWrite is the number of the last write, be it a deletion.
func latestWrite(t *testing.T, db *storage.DB) int64 {
	t.Helper()
	_, n, err := db.Changes(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return max(n, latest(t, db))
}

func TestSetState(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, agent("a"), issuer("i", "https://i"))
	before := latest(t, db)
	o, err := db.SetState(t.Context(), admin, registry.KindAgent, "a", registry.Disabled, "it leaks")
	if err != nil || o.State != registry.Disabled || o.Version != 1 || o.Change != before+1 {
		t.Errorf("got %+v, %v", o, err)
	}
	page, _, err := db.Events(t.Context(), storage.EventFilter{Subject: "agent/a"}, "", 1)
	want := `{"operation":"state","id":"` + o.ID + `","version":1,"from":"active","to":"disabled","reason":"it leaks"}`
	if err != nil || string(page[0].Detail) != want || page[0].Actor != admin || page[0].Change != o.Change {
		t.Errorf("event %+v, %v; want detail %s", page, err, want)
	}
	// Apply enables nothing.
	upsert(t, db, agent("a", "s"))
	if o, err = db.SetState(t.Context(), admin, registry.KindAgent, o.ID, registry.Disabled, "again"); err != nil || o.State != registry.Disabled || o.Version != 2 {
		t.Errorf("after an apply: %+v, %v", o, err)
	}
	if n := latest(t, db); n != before+2 {
		t.Errorf("the second time it was written again: change %d, want %d", n, before+2)
	}
	if _, err := db.SetState(t.Context(), admin, registry.KindTrustedIssuer, "i", registry.Quarantined, ""); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("an issuer in quarantine: %v, want ErrConflict", err)
	}
	if _, err := db.SetState(t.Context(), admin, registry.KindAgent, "nobody", registry.Disabled, ""); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("nobody: %v, want ErrNotFound", err)
	}
	if _, err := db.SetState(t.Context(), "", registry.KindAgent, "a", registry.Active, ""); err == nil {
		t.Error("a write without an author was taken")
	}
}

func TestSetSecret(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	upsert(t, db, agent("a"))
	hash := []byte("0123456789abcdef0123456789abcdef")
	if err := db.SetSecret(t.Context(), admin, "a", hash); err != nil {
		t.Fatal(err)
	}
	upsert(t, db, agent("a", "s")) // keeps it
	o, err := db.Object(t.Context(), registry.KindAgent, "a")
	if err != nil || string(o.SecretHash) != string(hash) {
		t.Errorf("hash %q, %v", o.SecretHash, err)
	}
	if err := db.SetSecret(t.Context(), admin, "a", nil); err != nil {
		t.Fatal(err)
	}
	if o, err = db.Object(t.Context(), registry.KindAgent, "a"); err != nil || o.SecretHash != nil {
		t.Errorf("taken away: %q, %v", o.SecretHash, err)
	}
	if err := db.SetSecret(t.Context(), admin, "nobody", hash); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("nobody: %v, want ErrNotFound", err)
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	wake := make(chan struct{}, 1)
	go db.Listen(t.Context(), wake)
	wait := func(what string) {
		t.Helper()
		select {
		case <-wake:
		case <-time.After(10 * time.Second):
			t.Fatalf("not woken %s", what)
		}
	}
	wait("at the start")
	upsert(t, db, agent("a"))
	wait("by a write")
}
