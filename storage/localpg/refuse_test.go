package localpg_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tokenry/tokenry/storage/localpg"
)

// refused wants Start to fail with an error of one line that says all of want.
func refused(t *testing.T, dir string, want ...string) {
	t.Helper()
	s, err := localpg.Start(t.Context(), localpg.Config{Dir: dir})
	if err == nil {
		s.Stop()
		t.Fatalf("%s was taken, want an error with %q", dir, want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than one line", err)
	}
}

// TestOtherMajor: data of another major version are refused and left alone.
func TestOtherMajor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "pg")
	start(t, dir).Stop()
	version := filepath.Join(dir, "data", "PG_VERSION")
	if err := os.WriteFile(version, []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, "made by PostgreSQL 9", dir)
	if text, err := os.ReadFile(version); err != nil || string(text) != "9\n" {
		t.Errorf("the data were touched: %q, %v", text, err)
	}
}

// TestNotTraversable: root's own directories are closed to the server's user,
// and the error names the one that is in the way.
func TestNotTraversable(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(tempDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "in", "pg")
	if os.Geteuid() != 0 { // then the server's user is we
		start(t, dir)
		return
	}
	refused(t, dir, "pass through "+closed+":")
}

// TestForeignDir: a slip in a flag must not turn somebody's directory into a
// cluster.
func TestForeignDir(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, "is not empty")
}

// TestLongDir: a socket's path may have some hundred bytes only.
func TestLongDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), strings.Repeat("long", 30), "pg")
	connect(t, start(t, dir))
}

// TestStartTogether: of processes that start at once one makes the cluster.
func TestStartTogether(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "pg")
	var wg sync.WaitGroup
	servers := make([]*localpg.Server, 3)
	for i := range servers {
		wg.Go(func() {
			s, err := localpg.Start(t.Context(), localpg.Config{Dir: dir})
			if err != nil {
				t.Error(err)
			}
			servers[i] = s
		})
	}
	wg.Wait()
	for _, s := range servers {
		if s != nil {
			connect(t, s)
			defer s.Stop()
		}
	}
}

// TestNoPrograms is not parallel: it changes the environment.
func TestNoPrograms(t *testing.T) {
	t.Setenv("PG_BIN", t.TempDir())
	refused(t, filepath.Join(tempDir(t), "pg"), "make dev", "apt-get install postgresql")
	if _, _, err := localpg.Find(); err == nil {
		t.Error("Find found programs in an empty directory")
	}
}

// TestFind: a link on PATH may stand alone, initdb is beside what it leads to.
func TestFind(t *testing.T) {
	bin, version, err := localpg.Find()
	if err != nil || version < 10 {
		t.Fatalf("%s, %d, %v", bin, version, err)
	}
	links := t.TempDir()
	if err := os.Symlink(filepath.Join(bin, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links)
	real, err := filepath.EvalSymlinks(bin)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := localpg.Find(); err != nil || got != real {
		t.Errorf("by a link: %s, %v; want %s", got, err, real)
	}
}

func TestDataDir(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/x")
	if dir, err := localpg.DataDir("tokenry"); err != nil || dir != "/x/tokenry" {
		t.Errorf("with XDG_DATA_HOME: %s, %v", dir, err)
	}
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("HOME", "/home/u")
	want := "/home/u/.local/share/tokenry"
	if os.Geteuid() == 0 {
		want = "/var/lib/tokenry"
	}
	if dir, err := localpg.DataDir("tokenry"); err != nil || dir != want {
		t.Errorf("without: %s, %v; want %s", dir, err, want)
	}
}
