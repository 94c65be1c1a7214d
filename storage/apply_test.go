package storage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

const admin = "alice@example.com"

func issuer(name, iss string) *registry.Object {
	return &registry.Object{Kind: registry.KindTrustedIssuer, Name: name, Spec: &registry.TrustedIssuer{
		Type: registry.OIDC, Issuer: iss, Keys: registry.KeySource{JWKS: json.RawMessage(`{"keys": [], "b": 1, "a": 1.0}`)},
	}}
}

func agent(name string, subjects ...string) *registry.Object {
	spec := &registry.Agent{Blueprint: "researcher", Owner: "o", Sponsor: "s"}
	for i, s := range subjects {
		spec.Credentials = append(spec.Credentials, registry.Credential{
			Name: fmt.Sprint("c", i), Issuer: "prod", Subject: registry.SubjectMatch{Exact: s},
		})
	}
	return &registry.Object{Kind: registry.KindAgent, Name: name, Spec: spec}
}

func apply(t *testing.T, db *storage.DB, w storage.Write) []storage.Result {
	t.Helper()
	if w.By == "" {
		w.By = admin
	}
	results, err := db.Apply(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func upsert(t *testing.T, db *storage.DB, objects ...*registry.Object) []storage.Result {
	t.Helper()
	return apply(t, db, storage.Write{Upserts: objects})
}

// outcomes is what results say, in short.
func outcomes(results []storage.Result) string {
	var all []string
	for _, r := range results {
		all = append(all, fmt.Sprintf("%s %s %d", r.Outcome, r.Name, r.Version))
	}
	return strings.Join(all, ", ")
}

func names(objects []registry.Object) string {
	var all []string
	for _, o := range objects {
		n := o.Name
		if o.Deleted {
			n = "-" + n
		}
		all = append(all, n)
	}
	return strings.Join(all, " ")
}

func latest(t *testing.T, db *storage.DB) int64 {
	t.Helper()
	_, n, err := db.Changes(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestApply(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	labelled := agent("b")
	labelled.Labels = map[string]string{"team": "research"}
	for _, step := range []struct {
		name  string
		write storage.Write
		want  string
	}{
		{"new", storage.Write{Upserts: []*registry.Object{issuer("corp", "https://i"), agent("a"), agent("b")}}, "created corp 1, created a 1, created b 1"},
		{"again", storage.Write{Upserts: []*registry.Object{issuer("corp", "https://i"), agent("a"), agent("b")}}, "unchanged corp 1, unchanged a 1, unchanged b 1"},
		{"a spec", storage.Write{Upserts: []*registry.Object{agent("a", "s1"), agent("b")}}, "configured a 2, unchanged b 1"},
		{"a label", storage.Write{Upserts: []*registry.Object{labelled}, IfMatch: 1}, "configured b 2"},
		{"dry", storage.Write{Upserts: []*registry.Object{agent("c"), agent("b")}, DryRun: true}, "created c 1, configured b 3"},
		{"dry left nothing", storage.Write{Upserts: []*registry.Object{agent("c"), labelled}, DryRun: true}, "created c 1, unchanged b 2"},
		{"delete", storage.Write{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "b"}}}, "deleted b 2"},
		{"a name again", storage.Write{Upserts: []*registry.Object{labelled}, Create: true}, "created b 1"},
		{"prune", storage.Write{Upserts: []*registry.Object{agent("z")}, Prune: true}, "created z 1, deleted corp 1, deleted a 2, deleted b 1"},
		{"nothing", storage.Write{}, ""},
	} {
		if got := outcomes(apply(t, db, step.write)); got != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
}

// TestApplyUnchanged: what is so already gets no number, no history, no event.
func TestApplyUnchanged(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, issuer("corp", "https://i"), agent("a", "s"))
	before := latest(t, db)

	same := issuer("corp", "https://i")
	same.Spec.(*registry.TrustedIssuer).Keys.JWKS = json.RawMessage(`{"a":1.0,"b":1,"keys":[]}`) // the same value
	upsert(t, db, same, agent("a", "s"))

	if after := latest(t, db); after != before {
		t.Errorf("the change number went from %d to %d", before, after)
	}
	page, _, err := db.Events(t.Context(), storage.EventFilter{}, "", 0)
	if err != nil || len(page) != 2 {
		t.Errorf("%d events, %v; want those 2 of the first write", len(page), err)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, agent("a"), agent("b"))
	checked := errors.New("refused by the check")
	for _, test := range []struct {
		name  string
		write storage.Write
		want  error
	}{
		{"create what is there", storage.Write{Upserts: []*registry.Object{agent("n"), agent("a")}, Create: true}, storage.ErrConflict},
		{"one name twice", storage.Write{Upserts: []*registry.Object{agent("n"), agent("n")}}, storage.ErrConflict},
		{"write and delete", storage.Write{Upserts: []*registry.Object{agent("a", "x")}, Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}}}, storage.ErrConflict},
		{"another version", storage.Write{Upserts: []*registry.Object{agent("a", "x")}, IfMatch: 2}, storage.ErrVersion},
		{"a version of nothing", storage.Write{Upserts: []*registry.Object{agent("n")}, IfMatch: 1}, storage.ErrVersion},
		{"delete another version", storage.Write{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}}, IfMatch: 2}, storage.ErrVersion},
		{"delete nothing", storage.Write{Upserts: []*registry.Object{agent("n")}, Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "nobody"}}}, storage.ErrNotFound},
		{"the check", storage.Write{Upserts: []*registry.Object{agent("n")}, Check: func([]*registry.Object) error { return checked }}, checked},
	} {
		test.write.By = admin
		if _, err := db.Apply(t.Context(), test.write); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if _, err := db.Apply(t.Context(), storage.Write{Upserts: []*registry.Object{agent("n")}}); err == nil {
		t.Error("a write without an author was taken")
	}
	wrong := agent("n")
	wrong.Spec = registry.Agent{}
	if _, err := db.Apply(t.Context(), storage.Write{By: admin, Upserts: []*registry.Object{wrong}}); err == nil {
		t.Error("a spec of another type was taken")
	}
	// All or nothing.
	changed, _, err := db.Changes(t.Context(), 0)
	if got := names(changed); err != nil || got != "a b" && got != "b a" {
		t.Errorf("there is %q (%v), want a and b alone", got, err)
	}
}

// TestApplyCheck: the check sees the registry as it would be.
func TestApplyCheck(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, agent("a"), agent("b"), issuer("corp", "https://i"))
	if _, err := db.SetState(t.Context(), admin, registry.KindAgent, "b", registry.Disabled, ""); err != nil {
		t.Fatal(err)
	}
	var got []string
	apply(t, db, storage.Write{
		Upserts: []*registry.Object{agent("c"), agent("b", "s")},
		Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}},
		Check: func(after []*registry.Object) error {
			for _, o := range after {
				n := 0
				if a, ok := o.Spec.(*registry.Agent); ok {
					n = len(a.Credentials)
				}
				got = append(got, fmt.Sprint(o.Name, " ", o.State, " ", o.Version, " ", n))
			}
			return nil
		},
	})
	if want := []string{"corp active 1 0", "b disabled 2 1", "c active 1 0"}; !slices.Equal(got, want) {
		t.Errorf("the check saw %q, want %q", got, want)
	}
}

func TestBindingConflict(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, agent("a", "s1", "s2"))
	for name, w := range map[string]storage.Write{
		"with one that is there": {Upserts: []*registry.Object{agent("b", "s0", "s2")}},
		"within one write":       {Upserts: []*registry.Object{agent("a", "s1"), agent("b", "s1")}},
	} {
		w.By = admin
		_, err := db.Apply(t.Context(), w)
		var conflict *storage.BindingConflict
		if !errors.As(err, &conflict) || !errors.Is(err, storage.ErrConflict) {
			t.Errorf("%s: got %v, want a *BindingConflict", name, err)
			continue
		}
		if conflict.Agent != "b" || conflict.Holder != "a" || conflict.Issuer != "prod" {
			t.Errorf("%s: got %+v, want b against a", name, conflict)
		}
	}
	// A subject may move in one write, and is free after its agent is gone.
	upsert(t, db, agent("b", "s1"), agent("a", "s2"))
	apply(t, db, storage.Write{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}}})
	upsert(t, db, agent("c", "s2"))
}

// TestIssuerIdentity: SEC: a name is part of its users' sub, for ever.
func TestIssuerIdentity(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, issuer("corp", "https://one"))
	spiffe := &registry.Object{Kind: registry.KindTrustedIssuer, Name: "corp", Spec: &registry.TrustedIssuer{Type: registry.SPIFFE, TrustDomain: "two"}}
	repoint := func(name string, o *registry.Object) {
		t.Helper()
		_, err := db.Apply(t.Context(), storage.Write{By: admin, Upserts: []*registry.Object{o}})
		var conflict *storage.IssuerConflict
		if !errors.As(err, &conflict) || !errors.Is(err, storage.ErrConflict) || conflict.Had != "https://one" {
			t.Errorf("%s: got %v, want an *IssuerConflict", name, err)
		}
	}
	repoint("re-pointed", issuer("corp", "https://two"))
	repoint("to a trust domain", spiffe)
	apply(t, db, storage.Write{Deletes: []storage.Ref{{Kind: registry.KindTrustedIssuer, Name: "corp"}}})
	repoint("after its deletion", issuer("corp", "https://two"))
	upsert(t, db, issuer("corp", "https://one")) // the same may come back
}

// TestChangesInOrder: while many write, a replica that reads all after the last
// number it knows misses nothing.
func TestChangesInOrder(t *testing.T) {
	t.Parallel()
	const writers, writes = 4, 15
	url := storagetest.URL(t)
	dbs := []*storage.DB{storagetest.OpenURL(t, url), storagetest.OpenURL(t, url)}
	reader := storagetest.OpenURL(t, url)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range writes {
					_, err := dbs[w%2].Apply(t.Context(), storage.Write{By: admin, Upserts: []*registry.Object{agent(fmt.Sprintf("a%d-%d", w, i))}})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}()
	seen := make(map[string]bool)
	after := int64(0)
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true // and one more read
		default:
		}
		changed, last, err := reader.Changes(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range changed {
			if o.Change <= after || seen[o.Name] {
				t.Errorf("%s came at change %d after %d", o.Name, o.Change, after)
			}
			seen[o.Name] = true
		}
		after = last
	}
	if len(seen) != writers*writes {
		t.Errorf("saw %d of %d objects", len(seen), writers*writes)
	}
}

// TestApplyRace: of writers that read the same version one wins.
func TestApplyRace(t *testing.T) {
	t.Parallel()
	const writers = 8
	url := storagetest.URL(t)
	dbs := []*storage.DB{storagetest.OpenURL(t, url), storagetest.OpenURL(t, url)}
	upsert(t, dbs[0], agent("a"))
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			_, errs[i] = dbs[i%2].Apply(t.Context(), storage.Write{
				By: admin, Upserts: []*registry.Object{agent("a", fmt.Sprint("s", i))}, IfMatch: 1,
			})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, storage.ErrVersion):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
}

func TestApplyEvents(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	results := upsert(t, db, agent("a"))
	apply(t, db, storage.Write{By: "bob", Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: results[0].ID}}})
	page, _, err := db.Events(t.Context(), storage.EventFilter{Kinds: []audit.Kind{audit.AdminChanged}}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Actor, Subject, Detail string
		Change                 int64
	}
	var got []line
	for _, e := range page {
		got = append(got, line{e.Actor, e.Subject, string(e.Detail), e.Change})
	}
	want := []line{
		{"bob", "agent/a", `{"operation":"deleted","id":"` + results[0].ID + `","version":1}`, page[1].Change + 1},
		{admin, "agent/a", `{"operation":"created","id":"` + results[0].ID + `","version":1}`, page[1].Change},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
