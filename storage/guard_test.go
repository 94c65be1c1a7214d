package storage_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// TestOpenWantsDurability: a database whose commits do not wait for the disk
// would confirm events that can be lost.
func TestOpenWantsDurability(t *testing.T) {
	t.Parallel()
	address := storagetest.URL(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name := pgx.Identifier{strings.TrimPrefix(u.Path, "/")}.Sanitize()
	if _, err := connect(t, address).Exec(t.Context(), "ALTER DATABASE "+name+" SET synchronous_commit = off"); err != nil {
		t.Fatal(err)
	}
	db, err := storage.Open(t.Context(), storage.Config{URL: address})
	if err == nil {
		_ = db.Close(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("got %v, want synchronous_commit = off refused", err)
	}
}

// TestChangesTellOfLostWrites: after a failover or a restore the latest number
// is below what a replica knows, and the replica must begin anew.
func TestChangesTellOfLostWrites(t *testing.T) {
	t.Parallel()
	address := storagetest.URL(t)
	db := storagetest.OpenURL(t, address)
	upsert(t, db, agent("a"))
	before := latest(t, db)
	upsert(t, db, agent("b"))
	known := latest(t, db)
	if _, err := connect(t, address).Exec(t.Context(), "DELETE FROM tokenry.registry_objects WHERE name = 'b'"); err != nil {
		t.Fatal(err)
	}
	changed, now, err := db.Changes(t.Context(), known)
	if err != nil || len(changed) != 0 || now != before {
		t.Errorf("after %d the latest is %d with %+v, %v; want %d", known, now, changed, err, before)
	}
	m := registry.NewModel(registry.ModelConfig{Fetch: func(ctx context.Context, after int64) ([]registry.Object, int64, error) {
		if after == 0 {
			return []registry.Object{*agent("a"), *agent("b")}, known, nil
		}
		return db.Changes(ctx, after)
	}})
	if err := m.Poll(t.Context()); err != nil || m.Rules().Change != known {
		t.Fatalf("change %d, %v", m.Rules().Change, err)
	}
}

// TestAdministratorsCannotStopIssuing: however many of them wait for a lock, the
// ledger and the registry's changes have connections of their own.
func TestAdministratorsCannotStopIssuing(t *testing.T) {
	t.Parallel()
	address := storagetest.URL(t)
	db := storagetest.OpenURL(t, address)
	upsert(t, db, agent("a"))
	holder := connect(t, address)
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock(x'746f6b656e727903'::bigint)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan struct{}, 20)
	for range cap(waiting) {
		go func() {
			_, _ = db.SetState(ctx, admin, registry.KindAgent, "a", registry.Disabled, "")
			waiting <- struct{}{}
		}()
	}
	time.Sleep(200 * time.Millisecond) // they have taken what they can
	issuing, done := context.WithTimeout(t.Context(), 3*time.Second)
	defer done()
	write(t, db, issued("x"))
	if _, _, err := db.Changes(issuing, 0); err != nil {
		t.Errorf("reading changes: %v", err)
	}
	if _, err := db.SigningKeys(issuing); err != nil {
		t.Errorf("reading keys: %v", err)
	}
	cancel()
	for range cap(waiting) {
		<-waiting
	}
}
