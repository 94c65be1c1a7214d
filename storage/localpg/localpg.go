// Package localpg runs a private PostgreSQL: for `tokenry dev`, and for tests.
// It is a real server on a real data directory, which only the owner of the
// directory can reach, through a unix socket. It is not for production: whoever
// starts the server ends it too.
package localpg

import (
	"context"
	"io"
)

// Config of a Server.
type Config struct {
	Dir  string    // everything lies in here; made if missing; required
	Sync bool      // wait for the disk at each commit; false only for tests
	Log  io.Writer // what Postgres says; nil = dropped
}

// Server is a running PostgreSQL.
type Server struct{}

// Start starts the server of cfg.Dir, or attaches to the one that another
// process has started.
func Start(ctx context.Context, cfg Config) (*Server, error) { return nil, nil }

// URL returns the address of a database: "postgres" and "tokenry" always exist.
func (s *Server) URL(dbname string) string { return "" }

// Stop ends the server, unless it belongs to another process.
func (s *Server) Stop() {}

// Find returns the directory of PostgreSQL's programs and their major version.
func Find() (bin string, version int, err error) { return "", 0, nil }

// DataDir returns where app keeps its data on this machine.
func DataDir(app string) (string, error) { return "", nil }
