package storage_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

func keyRow(kid string, created time.Time) keys.Row {
	return keys.Row{Kid: kid, Alg: "ES256", Sealed: []byte{1, 2}, Created: created, ActiveFrom: created.Add(time.Hour)}
}

func TestSigningKeys(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	now := time.Date(2026, 5, 1, 12, 0, 0, 1000, time.UTC)
	a, b := keyRow("a", now), keyRow("b", now.Add(time.Second))
	for _, step := range []struct {
		row      keys.Row
		expected string
		want     error
	}{
		{a, "x", keys.ErrRaced},
		{a, "", nil},
		{b, "", keys.ErrRaced},
		{b, "a", nil},
		{keyRow("c", now.Add(2*time.Second)), "a", keys.ErrRaced},
	} {
		if err := db.InsertSigningKey(t.Context(), step.row, step.expected); !errors.Is(err, step.want) {
			t.Errorf("%s after %q: got %v, want %v", step.row.Kid, step.expected, err, step.want)
		}
	}
	got, err := db.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]keys.Row{a, b}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if err := db.RetireSigningKey(t.Context(), admin, "a", "old"); err != nil {
		t.Error(err)
	}
	if err := db.RevokeSigningKey(t.Context(), admin, "b", "leaked"); err != nil {
		t.Error(err)
	}
	if err := db.RevokeSigningKey(t.Context(), admin, "c", ""); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("no such key: %v, want ErrNotFound", err)
	}
	got, err = db.SigningKeys(t.Context())
	if err != nil || got[0].Retired == nil || got[0].Revoked != nil || got[1].Retired != nil || got[1].Revoked == nil {
		t.Errorf("got %+v, %v; want a retired and b revoked", got, err)
	}
	events, _, err := db.Events(t.Context(), storage.EventFilter{Kinds: []audit.Kind{audit.KeyChanged}}, "", 0)
	if err != nil || len(events) != 4 || events[0].Actor != admin || events[0].Subject != "key/b" ||
		string(events[0].Detail) != `{"operation":"revoked","reason":"leaked"}` {
		t.Errorf("events %+v, %v", events, err)
	}
}

// TestInsertSigningKeyRace: of replicas that rotate at once one makes the key.
func TestInsertSigningKeyRace(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	dbs := []*storage.DB{storagetest.OpenURL(t, url), storagetest.OpenURL(t, url)}
	now := time.Now()
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = dbs[i%2].InsertSigningKey(t.Context(), keyRow(fmt.Sprint("k", i), now.Add(time.Duration(i)*time.Second)), "")
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, keys.ErrRaced) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d replicas inserted, want 1", won)
	}
}
