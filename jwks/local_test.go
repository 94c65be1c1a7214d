package jwks_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jwks"
)

// put replaces a file as careful writers do.
func put(t testing.TB, file, text string) {
	t.Helper()
	next := file + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsReadAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	w := newWorld(t, jwks.Source{File: file})
	w.want("k1", "unavailable") // it comes later
	put(t, file, set(t, "k1"))
	w.want("k1", "unavailable") // looked a moment ago
	w.pass(time.Second)
	w.want("k1", "ok")

	put(t, file, set(t, "k2"))
	w.pass(time.Second - 1)
	w.want("k1", "ok")
	w.pass(1)
	w.want("k1", "kid_unknown")
	w.want("k2", "ok")

	// A file that turns bad leaves the last good keys, for as long as it takes.
	for _, text := range []string{"", "<html>", `{"keys":[]}`, set(t, "k3")[:50], strings.Repeat(" ", 512<<10) + set(t, "k3")} {
		put(t, file, text)
		w.pass(time.Second)
		w.want("k2", "ok")
		w.pass(48 * time.Hour)
		w.want("k2", "ok")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	w.want("k2", "ok")
	put(t, file, set(t, "k3"))
	w.pass(-time.Hour) // a clock that is set back does not stop it
	w.want("k3", "ok")
}

func TestFileReports(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	put(t, file, "nonsense")
	w := newWorld(t, jwks.Source{File: file})
	for range 5 {
		w.want("k1", "unavailable")
		w.pass(time.Second)
	}
	wantReports(t, w, file)
	bad := jwk(t, "bad", "sig")
	bad["x"] = bad["y"]
	put(t, file, encode(t, object{"keys": []object{jwk(t, "k1", "sig"), bad}}))
	for range 5 {
		w.want("k1", "ok")
		w.pass(time.Second)
	}
	wantReports(t, w, file, "bad")
	put(t, file, "nonsense") // again, which is news
	w.want("k1", "ok")
	wantReports(t, w, file, "bad", file)

	put(t, file, set(t, "k1"))
	for range 2 { // it goes, comes back as it was, and goes again
		w.pass(time.Second)
		w.want("k1", "ok")
		if err := os.Rename(file, file+".away"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.want("k1", "ok")
		if err := os.Rename(file+".away", file); err != nil {
			t.Fatal(err)
		}
	}
	wantReports(t, w, file, "bad", file, "no such file", "no such file")
}

// A file written in place is noticed by its size or its time.
func TestFileWrittenInPlace(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	start := time.Now()
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, jwks.Source{File: file})
	write(set(t, "k1"), start)
	w.want("k1", "ok")
	write(set(t, "k2"), start.Add(time.Second)) // as long as before
	w.pass(time.Second)
	w.want("k2", "ok")
	write(set(t, "k3", "k4"), start.Add(time.Second)) // as old as before
	w.pass(time.Second)
	w.want("k3", "ok")
}

func TestNotAFile(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, t.TempDir(), "/dev/zero"} {
		w := newWorld(t, jwks.Source{File: path})
		w.want("k1", "unavailable") // hangs if a pipe is opened
		wantReports(t, w, "not a regular file")
	}
}
