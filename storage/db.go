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
	pool   *pgxpool.Pool
	direct string
}

// Open connects. It refuses a standby, and a database whose commits do not wait
// for the disk: a token must never leave before its event is durable.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	switch {
	case cfg.URL == "":
		return nil, errors.New("storage: Config.URL is required")
	case err != nil:
		return nil, fmt.Errorf("storage: the database URL: %w", err) // pgx redacts the password
	}
	pc.MaxConns = defaultMaxConns
	if cfg.MaxConns > 0 {
		pc.MaxConns = cfg.MaxConns
	}
	pc.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	if pc.ConnConfig.ConnectTimeout == 0 {
		pc.ConnConfig.ConnectTimeout = connectTimeout
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	db := &DB{pool: pool, direct: cfg.DirectURL}
	if db.direct == "" {
		db.direct = cfg.URL
	}
	var commit string
	if err := pool.QueryRow(ctx, "SHOW synchronous_commit").Scan(&commit); err != nil {
		pool.Close()
		return nil, fmt.Errorf("storage: %w", err)
	}
	if commit == "off" {
		pool.Close()
		return nil, errors.New("storage: the database has synchronous_commit = off, so what it confirms can be lost; set it to on")
	}
	return db, nil
}

// Close waits for what is running and closes all connections.
func (db *DB) Close() { db.pool.Close() }

// Ping asks the database for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("pinging the database: %w", err)
	}
	return nil
}
