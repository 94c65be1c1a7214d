// Package storagetest gives each test a database of its own: a copy of a
// template that has the schema already, made in milliseconds and dropped at the
// end of the test. Tests that use it may all run in parallel.
//
// The cluster is the one at TOKENRY_TEST_PG, which `make test` starts once for
// all packages, or else a private one of this test binary that ends with it.
package storagetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tokenry/tokenry/migrations"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/localpg"
)

// Variable names the environment variable with the address of a running
// cluster, as a role that may create databases.
const Variable = "TOKENRY_TEST_PG"

const (
	maxConns     = 4
	templateLock = 0x746f6b656e727902 // advisory; "tokenry", 2
	patience     = time.Minute
)

// cluster is one per test binary, made by the first test that asks.
var cluster = sync.OnceValues(connect)

// Cluster returns the address of a database of the cluster, for tests that
// manage databases themselves.
func Cluster(t testing.TB) string {
	t.Helper()
	return server(t).url
}

// URL returns the address of a fresh database with the schema.
func URL(t testing.TB) string {
	t.Helper()
	s := server(t)
	return fresh(t, s, "TEMPLATE "+s.template)
}

// Empty returns the address of a fresh database without the schema.
func Empty(t testing.TB) string {
	t.Helper()
	return fresh(t, server(t), "TEMPLATE template0")
}

// Open opens a fresh database with the schema.
func Open(t testing.TB) *storage.DB {
	t.Helper()
	return OpenURL(t, URL(t))
}

// OpenURL opens the database at url until the end of the test, as one replica
// does.
func OpenURL(t testing.TB, url string) *storage.DB {
	t.Helper()
	db, err := storage.Open(t.Context(), storage.Config{URL: url, MaxConns: maxConns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	return db
}

// pg is the cluster and the template in it.
type pg struct {
	url      string
	admin    *pgxpool.Pool
	template string
	alive    io.Closer // closed by our end alone; a lost one would be collected and close too
}

func server(t testing.TB) *pg {
	t.Helper()
	s, err := cluster()
	if err != nil {
		t.Fatalf("the test database: %v", err)
	}
	return s
}

// fresh makes a database for the time of the test.
func fresh(t testing.TB, s *pg, from string) string {
	t.Helper()
	name := "t_" + strings.ToLower(rand.Text())
	if _, err := s.admin.Exec(t.Context(), "CREATE DATABASE "+name+" "+from); err != nil {
		t.Fatalf("making a test database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := s.admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test database: %v", err)
		}
	})
	return s.database(name)
}

// database returns the address of another database of the cluster.
func (s *pg) database(name string) string {
	u, err := url.Parse(s.url)
	if err != nil { // pgx has read it already
		panic(err)
	}
	u.Path = "/" + name
	return u.String()
}

func connect() (*pg, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &pg{url: os.Getenv(Variable)}
	if s.url == "" {
		var err error
		if s.url, s.alive, err = private(ctx); err != nil {
			return nil, err
		}
	}
	cfg, err := pgxpool.ParseConfig(s.url)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Variable, err)
	}
	cfg.MaxConns = 2
	if s.admin, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, err
	}
	return s, s.makeTemplate(ctx)
}

// private starts a cluster that ends with this process. The kernel ends the
// server, and a shell that waits for our end of a pipe to close removes the
// files: nothing in this process runs at its end.
func private(ctx context.Context) (url string, alive io.Closer, err error) {
	dir, err := os.MkdirTemp("", "tokenry-test-")
	if err != nil {
		return "", nil, err
	}
	sweep := exec.Command("sh", "-c",
		`trap '' INT TERM; read _; n=0; while [ -e "$0/data/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done; rm -rf "$0"`, dir)
	if alive, err = sweep.StdinPipe(); err != nil {
		return "", nil, err
	}
	if err := sweep.Start(); err != nil {
		return "", nil, err
	}
	s, err := localpg.Start(ctx, localpg.Config{Dir: dir})
	if err != nil {
		return "", nil, err
	}
	return s.URL("postgres"), alive, nil
}

// makeTemplate makes the template for this set of migrations if no other test
// binary has. Nobody ever connects to it under its final name: Postgres copies
// only databases that nobody uses.
func (s *pg) makeTemplate(ctx context.Context) error {
	hash, err := migrations.Hash()
	if err != nil {
		return err
	}
	s.template = "tokenry_" + hash
	conn, err := s.admin.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(templateLock)); err != nil {
		return err
	}
	defer func() {
		// In vain when the connection broke, which gives the lock back, too.
		_, _ = conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", int64(templateLock))
	}()
	var there bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", s.template).Scan(&there)
	if err != nil || there {
		return err
	}
	draft := s.template + "_draft"
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + draft + " WITH (FORCE)", "CREATE DATABASE " + draft + " TEMPLATE template0"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := storage.Migrate(ctx, s.database(draft)); err != nil {
		return err
	}
	for _, sql := range []string{
		"ALTER DATABASE " + draft + " WITH ALLOW_CONNECTIONS false",
		"ALTER DATABASE " + draft + " RENAME TO " + pgx.Identifier{s.template}.Sanitize(),
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
