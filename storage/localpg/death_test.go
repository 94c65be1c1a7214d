package localpg_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/storage/localpg"
)

// helper names the directory of a server that this binary runs, instead of
// tests, until it is killed.
const helper = "TOKENRY_LOCALPG_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helper); dir != "" {
		s, err := localpg.Start(context.Background(), localpg.Config{Dir: dir, Sync: true})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("ready")
		time.Sleep(time.Hour)
		s.Stop()
	}
	os.Exit(m.Run())
}

// TestOwnerKilled: a server does not outlive its owner, even one that is killed
// with SIGKILL, and the next owner finds everything.
func TestOwnerKilled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "pg")
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), helper+"="+dir)
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	conn := connect(t, start(t, dir)) // attached
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 7 AS n"); err != nil {
		t.Fatal(err)
	}
	pid := postmaster(t, dir)

	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // it was killed

	// At once, while the old server is still ending.
	var n int
	if err := connect(t, start(t, dir)).QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 7 {
		t.Errorf("after the owner's end: %d, %v; want 7", n, err)
	}
	if postmaster(t, dir) == pid {
		t.Error("the server outlived its owner")
	}
}

// TestServerKilled: a server that dies is started again.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "pg")
	s := start(t, dir)
	pid := postmaster(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var conn *pgx.Conn
		if conn, last = pgx.Connect(t.Context(), s.URL("tokenry")); last != nil {
			continue
		}
		conn.Close(t.Context())
		if postmaster(t, dir) != pid {
			return
		}
	}
	t.Fatalf("not back: %v", last)
}

// TestStalePID: after a power cut, or in a new container, the number in
// postmaster.pid belongs to another program.
func TestStalePID(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "pg")
	s := start(t, dir)
	file := filepath.Join(dir, "data", "postmaster.pid")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	_, rest, _ := strings.Cut(string(text), "\n")
	for name, pid := range map[string]int{"another program": os.Getpid(), "nobody": 1 << 22} {
		if err := os.WriteFile(file, []byte(strconv.Itoa(pid)+"\n"+rest), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := localpg.Start(t.Context(), localpg.Config{Dir: dir})
		if err != nil {
			t.Errorf("the pid of %s: %v", name, err)
			continue
		}
		connect(t, s)
		s.Stop()
	}
}

func postmaster(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || pid <= 1 {
		t.Fatal(pid, err)
	}
	return pid
}
