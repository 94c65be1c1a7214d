package storage_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/localpg"
)

// TestOpenRefusesAStandby: it would answer every reading and record nothing.
func TestOpenRefusesAStandby(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tokenry-standby-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	start := func() *localpg.Server {
		t.Helper()
		server, err := localpg.Start(t.Context(), localpg.Config{Dir: dir, Sync: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Stop)
		return server
	}
	start().Stop()
	signal(t, filepath.Join(dir, "data"))
	db, err := storage.Open(t.Context(), storage.Config{URL: start().URL("tokenry")})
	if err == nil {
		_ = db.Close(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "standby") {
		t.Errorf("got %v, want a standby refused", err)
	}
}

// signal makes the cluster in data start as a standby, of nobody.
func signal(t *testing.T, data string) {
	t.Helper()
	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(data, "standby.signal")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
}
