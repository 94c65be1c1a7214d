// Package localpg runs a private PostgreSQL: for `tokenry dev`, and for tests.
// It is a real server on a real data directory, reachable through a unix socket
// and by a password that only the owner of the directory can read. It is not
// for production: the server ends with the process that started it.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	superuser  = "tokenry" // of the cluster
	database   = "tokenry" // made by Start
	readyTime  = 30 * time.Second
	readyEvery = 20 * time.Millisecond
)

// Config of a Server.
type Config struct {
	// Dir holds everything and must belong to us alone; made if missing. A
	// directory that holds something else is refused. Required.
	Dir string

	Sync bool      // commits wait for the disk; false only for tests
	Log  io.Writer // what Postgres says; nil = dropped. It need not be safe for concurrent use
}

// Server is a running PostgreSQL.
type Server struct {
	home     home
	password string
	child    *child // nil = it belongs to another process
}

// Start starts the server of cfg.Dir, or attaches to the one that another
// process has started; that one then ends with the other process. A server that
// dies is started again.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	s, err := start(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("private PostgreSQL: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Dir == "" {
		return nil, errors.New("Config.Dir is required")
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	h, err := prepare(cfg.Dir)
	if err != nil {
		return nil, err
	}
	// Of two processes that start at once, one makes the cluster and starts it;
	// the other waits here and attaches.
	unlock, err := h.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if h.socket, err = h.socketDir(); err != nil {
		return nil, err
	}
	bin, err := h.programs()
	if err != nil {
		return nil, err
	}
	s := &Server{home: h}
	if s.password, err = h.cluster(ctx, bin); err != nil {
		return nil, err
	}
	for s.home.running() {
		if err := s.ready(ctx); err == nil {
			return s, nil
		} else if ctx.Err() != nil {
			return nil, fmt.Errorf("the server in %s runs but does not answer: %w", h.dir, err)
		}
	}
	if err := s.home.unblock(); err != nil {
		return nil, err
	}
	s.child = newChild(s.home, filepath.Join(bin, "postgres"), cfg)
	for {
		if err = s.ready(ctx); err == nil {
			return s, nil
		}
		if gone := s.child.gaveUp(); gone != nil || ctx.Err() != nil {
			s.Stop()
			return nil, errors.Join(gone, err)
		}
	}
}

// ready tries once to connect and makes sure of the database. It waits a moment
// after a failure.
func (s *Server) ready(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		select {
		case <-ctx.Done():
		case <-time.After(readyEvery):
		}
		return err
	}
	defer conn.Close(ctx)
	var there bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&there)
	if err == nil && !there {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "42P04" { // another process was faster
			err = nil
		}
	}
	return err
}

// URL returns the address of a database. "postgres" and "tokenry" are there. It
// holds a password: not for logs.
func (s *Server) URL(dbname string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Path:     "/" + dbname,
		RawQuery: url.Values{"host": {s.home.socket}, "sslmode": {"disable"}}.Encode(),
	}
	return u.String()
}

// PID returns the process id of the server, for whoever measures it.
func (s *Server) PID() (int, error) {
	if pid := s.home.pidFile(); pid != 0 {
		return pid, nil
	}
	return 0, errors.New("private PostgreSQL: it is not running")
}

// Stop ends the server, unless it belongs to another process, and waits until
// it is gone.
func (s *Server) Stop() {
	if s.child != nil {
		s.child.stop()
	}
}

// DataDir returns where app keeps its data on this machine:
// $XDG_DATA_HOME/app, else /var/lib/app for root, because the server's own user
// cannot pass through /root, else ~/.local/share/app.
func DataDir(app string) (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, app), nil
	}
	if os.Geteuid() == 0 {
		return filepath.Join("/var/lib", app), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the data directory: %w", err)
	}
	return filepath.Join(home, ".local", "share", app), nil
}
