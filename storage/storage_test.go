package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/storage/storagetest"
)

// connect opens a plain connection until the end of the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// waitForLock waits until somebody in the database waits for somebody else.
func waitForLock(t *testing.T, database, url string) {
	t.Helper()
	conn := connect(t, url)
	for range 500 {
		var waiting bool
		err := conn.QueryRow(t.Context(), `SELECT EXISTS (
			SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock')`, database).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody waits for a lock")
}

func TestPing(t *testing.T) {
	t.Parallel()
	if err := storagetest.Open(t).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
