// Package storage is everything that speaks SQL: one concrete *DB, the
// statement in the method that needs it. Its rules:
//
//   - every write takes who does it and commits its audit event in the same
//     transaction;
//   - races are lost in SQL (unique indexes, one advisory lock for registry
//     writes), never in Go;
//   - security data is read from the primary only.
//
// What objects mean is in package registry, what events mean in package audit,
// and how keys are sealed in package keys. The schema is in package
// migrations. The subpackage localpg runs a private Postgres, storagetest gives
// each test its own database.
package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	defaultMaxConns = 10
	connectTimeout  = 5 * time.Second
)

// Config of a DB.
type Config struct {
	// URL of the database, "postgres://…"; required. It may lead to a pooler
	// (then with default_query_exec_mode=exec for one in transaction mode).
	URL string

	// DirectURL leads past the pooler, for LISTEN; empty = URL.
	DirectURL string

	MaxConns int32 // 0 = 10
}

// DB is the store. It is safe for concurrent use.
type DB struct {
	pool   *pgxpool.Pool // what issuing needs: ledger, registry's changes, signing keys
	desk   *pgxpool.Pool // what writes the registry (administrators, first uses of instances), and purges
	direct string
}

// deskShare is the part of the connections that writers of the registry get:
// however long an administrator's question takes and whoever waits for a lock,
// issuing to whoever is known goes on.
const deskShare = 5 // one of five, and never less than one

// Open connects. It refuses a standby, and a database whose commits do not wait
// for the disk: a token must never leave before its event is durable.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.URL == "" {
		return nil, errors.New("storage: Config.URL is required")
	}
	most := cfg.MaxConns
	if most <= 0 {
		most = defaultMaxConns
	}
	desk := max(1, most/deskShare)
	db := &DB{direct: cfg.DirectURL}
	if db.direct == "" {
		db.direct = cfg.URL
	}
	var err error
	if db.pool, err = connect(ctx, cfg.URL, max(1, most-desk)); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	if db.desk, err = connect(ctx, cfg.URL, desk); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("storage: %w", err)
	}
	return db, nil
}

// connect opens a pool and one connection of it.
func connect(ctx context.Context, url string, most int32) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database URL: %w", err) // pgx redacts the password
	}
	pc.MaxConns = most
	pc.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	if pc.ConnConfig.ConnectTimeout == 0 {
		pc.ConnConfig.ConnectTimeout = connectTimeout
	}
	pc.AfterConnect = durable
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// durable refuses a connection whose commits do not wait for the disk. Each one
// is asked, because the setting can be changed while we run.
func durable(ctx context.Context, conn *pgx.Conn) error {
	var commit string
	if err := conn.QueryRow(ctx, "SHOW synchronous_commit").Scan(&commit); err != nil {
		return err
	}
	if commit == "off" {
		return errors.New("the database has synchronous_commit = off, so what it confirms can be lost; set it to on")
	}
	return nil
}

// Close closes all connections and waits for what is running, but no longer
// than ctx: what hangs in the database ends with the process.
func (db *DB) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		db.pool.Close()
		db.desk.Close()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing the database connections: %w", ctx.Err())
	}
}

// Ping asks the database for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("pinging the database: %w", err)
	}
	return nil
}
