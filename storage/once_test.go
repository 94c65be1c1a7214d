package storage_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// TestOnce: a write that comes again changes nothing, whatever has happened in
// between, and returns what it did the first time.
func TestOnce(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	w := storage.Write{Upserts: []*registry.Object{agent("a")}, Create: true, Once: storage.Once{Key: "k", Request: sha256.Sum256([]byte("r"))}}
	first := apply(t, db, w)
	apply(t, db, storage.Write{Upserts: []*registry.Object{agent("a", "s")}})
	before := latest(t, db)
	again := apply(t, db, w)
	if d := cmp.Diff(first, again, cmpopts.IgnoreFields(storage.Result{}, "Object")); d != "" || again[0].Object.ID != "" {
		t.Errorf("-first +again:\n%s", d)
	}
	if now := latest(t, db); now != before {
		t.Errorf("the second time it was written: change %d, want %d", now, before)
	}
	other := w
	other.By, other.Once.Request = admin, sha256.Sum256([]byte("s"))
	if _, err := db.Apply(t.Context(), other); !errors.Is(err, storage.ErrReused) {
		t.Errorf("another request with the key: %v, want ErrReused", err)
	}
	other.By = "bob"
	if _, err := db.Apply(t.Context(), other); !errors.Is(err, storage.ErrExists) {
		t.Errorf("of another author: %v, want ErrExists: keys are each author's own", err)
	}
	dry := storage.Write{Upserts: []*registry.Object{agent("b")}, DryRun: true, Once: storage.Once{Key: "dry"}}
	apply(t, db, dry)
	dry.DryRun = false
	if got := outcomes(apply(t, db, dry)); got != "created b 1" {
		t.Errorf("after the dry run: %s", got)
	}
}
