package storage_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenry/tokenry/migrations"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// TestMigrateTogether: replicas that start at once do not fight.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	url := storagetest.Empty(t)
	want, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	if st, err := storage.MigrationStatus(t.Context(), url); err != nil || st != (storage.Status{Latest: want}) {
		t.Errorf("before: %+v, %v", st, err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := storage.Migrate(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if st, err := storage.MigrationStatus(t.Context(), url); err != nil || st != (storage.Status{Version: want, Latest: want}) {
		t.Errorf("after: %+v, %v", st, err)
	}
	upsert(t, storagetest.OpenURL(t, url), agent("a"))
}

// TestMigrateNewerSchema: a program that is older than the schema leaves it
// alone and runs.
func TestMigrateNewerSchema(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), `
		ALTER TABLE tokenry.registry_objects ADD COLUMN of_the_future text NOT NULL DEFAULT '';
		ALTER TABLE tokenry.audit_events ADD COLUMN of_the_future text NOT NULL DEFAULT '';
		UPDATE tokenry.schema_migrations SET version = version + 1`); err != nil {
		t.Fatal(err)
	}
	if err := storage.Migrate(t.Context(), url); err != nil {
		t.Error(err)
	}
	db := storagetest.OpenURL(t, url)
	upsert(t, db, agent("a"))
	write(t, db, issued("v"))
	if st, err := storage.MigrationStatus(t.Context(), url); err != nil || st.Version != st.Latest+1 {
		t.Errorf("%+v, %v; want it untouched", st, err)
	}
}

// TestMigrateDirty: a migration that was interrupted is a person's business,
// and the message says what to do.
func TestMigrateDirty(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ make, remedy string }{
		{"SET version = 1, dirty = true", "DELETE FROM tokenry.schema_migrations;"},
		{"SET version = 3, dirty = true", "UPDATE tokenry.schema_migrations SET version = 2, dirty = false;"},
	} {
		url := storagetest.URL(t)
		conn := connect(t, url)
		if _, err := conn.Exec(t.Context(), "UPDATE tokenry.schema_migrations "+test.make); err != nil {
			t.Fatal(err)
		}
		err := storage.Migrate(t.Context(), url)
		if err == nil || !strings.Contains(err.Error(), test.remedy) {
			t.Errorf("%s: got %v, want it to name %q", test.make, err, test.remedy)
		}
		if _, err := conn.Exec(t.Context(), test.remedy); err != nil {
			t.Errorf("the remedy: %v", err)
		}
	}
}

func TestMigrateNoDatabase(t *testing.T) {
	t.Parallel()
	err := storage.Migrate(t.Context(), "postgres://nobody:s3cret@/none?host=/nowhere")
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

// TestMigrateWaitsForADirtyMark: golang-migrate marks the schema dirty while a
// migration runs; another replica that looks just then must wait, not give up.
func TestMigrateWaitsForADirtyMark(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	other := connect(t, url)
	exec := func(sql string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("SELECT pg_advisory_lock(x'746f6b656e727901'::bigint)") // as whoever migrates does
	exec("UPDATE tokenry.schema_migrations SET dirty = true")
	done := make(chan error, 1)
	go func() { done <- storage.Migrate(t.Context(), url) }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	exec("UPDATE tokenry.schema_migrations SET dirty = false")
	exec("SELECT pg_advisory_unlock(x'746f6b656e727901'::bigint)")
	if err := <-done; err != nil {
		t.Error(err)
	}
}
