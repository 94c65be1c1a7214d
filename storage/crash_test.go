package storage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/localpg"
)

// TestCrash kills the whole server with SIGKILL under load, several times.
// Whatever was confirmed is there afterwards, and every value that was spent
// stays spent.
func TestCrash(t *testing.T) {
	t.Parallel()
	const rounds, writers = 3, 4
	dir, err := os.MkdirTemp("", "tokenry-crash-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	server, err := localpg.Start(t.Context(), localpg.Config{Dir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if err := storage.Migrate(t.Context(), server.URL("tokenry")); err != nil {
		t.Fatal(err)
	}
	db, err := storage.Open(t.Context(), storage.Config{URL: server.URL("tokenry")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })

	confirmed := make([]map[string]string, writers) // value to event
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		confirmed[w] = make(map[string]string)
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				value := fmt.Sprint(w, "-", i)
				e := issued(value)
				if replayed, err := db.WriteEvents(ctx, []audit.Event{e}); err == nil && replayed == nil {
					confirmed[w][value] = e.ID
				} else if storage.IsPoison(err) {
					t.Errorf("a crash blames a row: %v", err)
				}
				cancel()
			}
		})
	}
	for range rounds {
		time.Sleep(300 * time.Millisecond)
		pid, err := server.PID()
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			t.Fatal(err)
		}
		recovered(t, db)
	}
	close(stop)
	wg.Wait()

	total := 0
	for w := range confirmed {
		for value, id := range confirmed[w] {
			total++
			if _, err := db.Event(t.Context(), id); err != nil {
				t.Errorf("a confirmed event: %v", err)
			}
			if replayed := write(t, db, issued(value)); len(replayed) != 1 {
				t.Errorf("value %s can be spent again", value)
			}
		}
	}
	if total < rounds*writers {
		t.Errorf("only %d events were confirmed", total)
	}
}

// recovered waits until the database answers again.
func recovered(t *testing.T, db *storage.DB) {
	t.Helper()
	time.Sleep(50 * time.Millisecond)
	deadline := time.Now().Add(20 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := db.Event(ctx, "dec_none")
		cancel()
		if errors.Is(err, storage.ErrNotFound) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not back after 20 s: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
