package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tokenry/tokenry/migrations"
)

const (
	migrateLock      = 0x746f6b656e727901 // advisory; "tokenry", 1
	migrateWait      = 5 * time.Minute    // for another replica's migration
	migrateLockEvery = 100 * time.Millisecond
	versionTable     = "schema_migrations"
)

// Status of the schema.
type Status struct {
	Version uint // applied; 0 = none
	Latest  uint // known to this program
	Dirty   bool // the migration to Version was interrupted
}

// Migrate brings the schema up to date. Of several replicas that start together
// one migrates and the others wait. A schema that is newer than this program is
// left alone: during a rolling upgrade, and after its rollback, the old program
// runs on it.
//
// url must lead to the database itself, not through a pooler: the lock belongs
// to a session.
func Migrate(ctx context.Context, url string) error {
	st, err := MigrationStatus(ctx, url)
	if err != nil || st.current() {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) // gives the lock back
	if err := lockMigrations(ctx, conn); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	// Another replica may just have done it. Without the lock a dirty mark means
	// nothing: it stands there while a migration runs.
	if st, err = status(ctx, conn); err != nil || st.current() {
		return err
	}
	if st.Dirty {
		// Nobody but a person knows whether the cause is gone.
		return errors.New(st.Advice())
	}
	if _, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+migrations.Schema); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	if err := migrateUp(conn.Config()); err != nil {
		return fmt.Errorf("migrating the schema from version %d to %d: %w", st.Version, st.Latest, err)
	}
	return nil
}

// current says that there is nothing to migrate.
func (st Status) current() bool { return !st.Dirty && st.Version >= st.Latest }

// Advice says what is to be done about the schema; empty when nothing is. While
// a replica migrates, the schema reads as dirty: only whoever holds the lock
// knows better.
func (st Status) Advice() string {
	switch {
	case st.Dirty:
		// Postgres rolled the file back with its transaction; the mark alone is left.
		return fmt.Sprintf("migration %d of the schema was interrupted and rolled back, or is running now; if it is not, and its cause is mended, run this in the database: %s",
			st.Version, st.remedy())
	case st.Version < st.Latest:
		return fmt.Sprintf("the schema is at version %d, this program needs %d; run: tokenry migrate up", st.Version, st.Latest)
	}
	return ""
}

// remedy returns the statement that removes the dirty mark.
func (st Status) remedy() string {
	if st.Version <= 1 {
		return fmt.Sprintf("DELETE FROM %s.%s;", migrations.Schema, versionTable)
	}
	return fmt.Sprintf("UPDATE %s.%s SET version = %d, dirty = false;", migrations.Schema, versionTable, st.Version-1)
}

// lockMigrations waits for the one advisory lock, but not for ever. It asks
// again and again instead of queueing in Postgres, where a waiter would hold a
// transaction open.
func lockMigrations(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, migrateWait)
	defer cancel()
	for {
		var got bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(migrateLock)).Scan(&got); err != nil || got {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for another replica that migrates: %w", ctx.Err())
		case <-time.After(migrateLockEvery):
		}
	}
}

// migrateUp runs what is missing.
func migrateUp(cfg *pgx.ConnConfig) error {
	files, err := iofs.New(migrations.Files, ".")
	if err != nil {
		return err
	}
	// Behind a statement that waits for a table's lock everybody else waits, too.
	cfg.RuntimeParams["lock_timeout"] = "5s"
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }() // nothing hangs on it any more
	driver, err := migratepgx.WithInstance(db, &migratepgx.Config{
		SchemaName: migrations.Schema, MigrationsTable: versionTable,
	})
	if err != nil {
		return err
	}
	m, err := migrate.NewWithInstance("embedded", files, "postgres", driver)
	if err != nil {
		return errors.Join(err, driver.Close())
	}
	m.LockTimeout = migrateWait
	err = m.Up()
	if errors.Is(err, migrate.ErrNoChange) {
		err = nil
	}
	sourceErr, driverErr := m.Close()
	return errors.Join(err, sourceErr, driverErr)
}

// MigrationStatus tells how the schema stands to this program.
func MigrationStatus(ctx context.Context, url string) (Status, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return Status{}, fmt.Errorf("reading the schema version: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return status(ctx, conn)
}

func status(ctx context.Context, conn *pgx.Conn) (Status, error) {
	latest, err := migrations.Latest()
	if err != nil {
		return Status{}, err
	}
	st := Status{Latest: latest}
	table := pgx.Identifier{migrations.Schema, versionTable}.Sanitize()
	var there bool
	err = conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there)
	if err == nil && there {
		err = conn.QueryRow(ctx, "SELECT version, dirty FROM "+table).Scan(&st.Version, &st.Dirty)
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Status{}, fmt.Errorf("reading the schema version: %w", err)
	}
	return st, nil
}
