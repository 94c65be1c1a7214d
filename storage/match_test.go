package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// TestIfMatch: a write that names the state of an object is done only in it, and
// disabling is a change of state as well.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	o := upsert(t, db, agent("a"))[0].Object
	put := func(match int64) error {
		_, err := db.Apply(t.Context(), storage.Write{By: admin, Upserts: []*registry.Object{agent("a", fmt.Sprint("s", match))}, IfMatch: match})
		return err
	}
	if err := put(o.Change + 1); !errors.Is(err, storage.ErrVersion) {
		t.Errorf("another state: %v, want ErrVersion", err)
	}
	off, err := db.SetState(t.Context(), admin, registry.KindAgent, "a", registry.Disabled, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := put(o.Change); !errors.Is(err, storage.ErrVersion) {
		t.Errorf("the state before it was disabled: %v, want ErrVersion", err)
	}
	if err := put(off.Change); err != nil {
		t.Errorf("the state as it is: %v", err)
	}
	if err := put(storage.Present); err != nil {
		t.Errorf("any state: %v", err)
	}
	for _, w := range []storage.Write{
		{Upserts: []*registry.Object{agent("b")}, IfMatch: storage.Present},
		{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}}, IfMatch: off.Change},
	} {
		w.By = admin
		if _, err := db.Apply(t.Context(), w); !errors.Is(err, storage.ErrVersion) {
			t.Errorf("%+v: %v, want ErrVersion", w, err)
		}
	}
	apply(t, db, storage.Write{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: "a"}}, IfMatch: storage.Present})
}

func TestExists(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	upsert(t, db, agent("a"))
	_, err := db.Apply(t.Context(), storage.Write{By: admin, Upserts: []*registry.Object{agent("a")}, Create: true})
	if !errors.Is(err, storage.ErrExists) || !errors.Is(err, storage.ErrConflict) {
		t.Errorf("got %v, want ErrExists, which is an ErrConflict", err)
	}
}

// TestResultObject: what Apply returns of an object is what a reader finds.
func TestResultObject(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	hash := make([]byte, 32)
	upsert(t, db, agent("a"))
	if err := db.SetSecret(t.Context(), admin, "a", hash); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"created", "configured", "unchanged"} {
		subject := map[string]string{"created": "s", "configured": "t", "unchanged": "t"}[name]
		objects := []*registry.Object{agent("a", subject), agent("b")}
		for _, r := range upsert(t, db, objects...) {
			want, err := db.Object(t.Context(), registry.KindAgent, r.Name)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, r.Object, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("%s %s: -read +returned:\n%s", name, r.Name, d)
			}
		}
	}
	b, err := db.Object(t.Context(), registry.KindAgent, "b")
	if err != nil {
		t.Fatal(err)
	}
	gone := apply(t, db, storage.Write{Deletes: []storage.Ref{{Kind: registry.KindAgent, Name: b.ID}}})
	if d := cmp.Diff(b, gone[0].Object); d != "" {
		t.Errorf("deleted: -was +returned:\n%s", d)
	}
}

func TestIsUnavailable(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return fmt.Errorf("writing: %w", &pgconn.PgError{Code: code}) }
	for _, row := range []struct {
		err  error
		want bool
	}{
		{pg("08006"), true}, {pg("53300"), true}, {pg("57P01"), true}, {pg("58030"), true}, {pg("55P03"), true}, {pg("40001"), true},
		{pg("23505"), false}, {pg("22021"), false}, {pg("42P01"), false}, {pg("P0001"), false}, {pg(""), false},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), true}, {io.ErrUnexpectedEOF, true},
		{storage.ErrNotFound, false}, {errors.New("anything else"), false},
	} {
		if got := storage.IsUnavailable(row.err); got != row.want {
			t.Errorf("%v: %v, want %v", row.err, got, row.want)
		}
	}
	_, err := storage.Open(t.Context(), storage.Config{URL: "postgres://127.0.0.1:1/none?connect_timeout=1"})
	if err == nil || !storage.IsUnavailable(err) {
		t.Errorf("nobody listens: %v is not unavailable", err)
	}
}
