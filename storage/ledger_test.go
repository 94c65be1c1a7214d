package storage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// issued returns an event that spends values of one space.
func issued(values ...string) audit.Event {
	now := time.Now().UTC().Truncate(time.Microsecond)
	e := audit.Event{
		ID: audit.NewID("dec", now), Time: now, Kind: audit.TokenIssued, Actor: "research-agent", Subject: "corp|alice",
		Target: "llm", JTI: audit.NewID("tok", now), Parent: "p", Txn: "t", Change: 7,
		Detail: []byte(`{"b":1, "a":[]}`),
	}
	for _, v := range values {
		e.Replay = append(e.Replay, audit.NewReplayKey("assertion:research-agent", v, now.Add(time.Minute), "replay of "+v))
	}
	return e
}

func write(t *testing.T, db *storage.DB, events ...audit.Event) []audit.Lost {
	t.Helper()
	lost, err := db.WriteEvents(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

// lost is an event that lost the key of a value.
func lost(event int, value string) audit.Lost {
	return audit.Lost{Event: event, Reason: "replay of " + value}
}

func TestWriteEvents(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	write(t, db, issued("spent"))
	for _, test := range []struct {
		name   string
		events []audit.Event
		want   []audit.Lost
	}{
		{"nothing", nil, nil},
		{"no keys", []audit.Event{issued(), issued()}, nil},
		{"new keys", []audit.Event{issued("a1", "a2"), issued("a3")}, nil},
		{"spent before", []audit.Event{issued("b1"), issued("spent"), issued()}, []audit.Lost{lost(1, "spent")}},
		{"one of two spent", []audit.Event{issued("c1", "spent")}, []audit.Lost{lost(0, "spent")}},
		{"its other key is spent too", []audit.Event{issued("c1")}, []audit.Lost{lost(0, "c1")}},
		{"the first lost key says why", []audit.Event{issued("c2", "spent", "c1"), issued("c3"), issued("c4", "c1", "c3")}, []audit.Lost{lost(0, "spent"), lost(2, "c1")}},
		{"late before spent", []audit.Event{issued("c5"), issued("c5", "spent")}, []audit.Lost{lost(1, "c5")}},
		{"the first of a batch wins", []audit.Event{issued("d1"), issued("d1"), issued("d1")}, []audit.Lost{lost(1, "d1"), lost(2, "d1")}},
		{"late by one of its keys", []audit.Event{issued("e1"), issued("e2", "e1"), issued("e2")}, []audit.Lost{lost(1, "e1"), lost(2, "e2")}},
		{"late and spent", []audit.Event{issued("spent"), issued("spent")}, []audit.Lost{lost(0, "spent"), lost(1, "spent")}},
		{"one event names a key twice", []audit.Event{issued("f1", "f1")}, nil},
	} {
		// In order: each case sees what the earlier ones have spent.
		got := write(t, db, test.events...)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: replayed %v, want %v", test.name, got, test.want)
		}
		for i, e := range test.events {
			kept, err := db.Event(t.Context(), e.ID)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if n := slices.IndexFunc(test.want, func(l audit.Lost) bool { return l.Event == i }); n >= 0 {
				e.Kind, e.Reason, e.JTI = audit.TokenRefused, test.want[n].Reason, ""
			}
			e.Replay = nil
			if d := cmp.Diff(e, kept); d != "" {
				t.Errorf("%s: event %d (-want +kept):\n%s", test.name, i, d)
			}
		}
	}
}

// TestWriteEventsSpaces: one client cannot burn the values of another.
func TestWriteEventsSpaces(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	a, b := issued("same"), issued("same")
	b.Replay[0].Space = "assertion:other-agent"
	if got := write(t, db, a, b); got != nil {
		t.Errorf("replayed %v, want none", got)
	}
}

// TestWriteEventsRace plays 1000 requests with 50 values against two replicas
// at once: each value is accepted exactly once.
func TestWriteEventsRace(t *testing.T) {
	t.Parallel()
	const values, requests, batch = 50, 1000, 10
	url := storagetest.URL(t)
	replicas := []*storage.DB{storagetest.OpenURL(t, url), storagetest.OpenURL(t, url)}
	var wins [values]atomic.Int32
	var wg sync.WaitGroup
	for b := range requests / batch {
		wg.Go(func() {
			events := make([]audit.Event, batch)
			value := make([]int, batch)
			for i := range events {
				// Different orders in different batches, some twice in one.
				value[i] = (b*7 + i*(b%9+1)) % values
				events[i] = issued(fmt.Sprint("v", value[i]))
			}
			replayed, err := replicas[b%2].WriteEvents(t.Context(), events)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range events {
				if !slices.ContainsFunc(replayed, func(l audit.Lost) bool { return l.Event == i }) {
					wins[value[i]].Add(1)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for v := range wins {
		n := int(wins[v].Load())
		if total += n; n != 1 {
			t.Errorf("value %d was accepted %d times", v, n)
		}
	}
	if total != values {
		t.Errorf("accepted %d, want %d", total, values)
	}
	page, _, err := replicas[0].Events(t.Context(), storage.EventFilter{Kinds: []audit.Kind{audit.TokenIssued}}, "", 1000)
	if err != nil || len(page) != values {
		t.Errorf("%d events say issued (%v), want %d", len(page), err, values)
	}
}

// TestWriteEventsCancelled: two transactions meet at one key, and the one that
// had it goes away. The other must then have it.
func TestWriteEventsAborted(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	conn := connect(t, url)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := issued("fought over")
	if _, err := tx.Exec(t.Context(), "INSERT INTO tokenry.replay_keys VALUES ($1, $2, $3)",
		e.Replay[0].Space, e.Replay[0].Hash[:], e.Replay[0].Expires); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		replayed []audit.Lost
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		replayed, err := db.WriteEvents(context.WithoutCancel(t.Context()), []audit.Event{e})
		answers <- answer{replayed, err}
	}()
	waitForLock(t, conn.Config().Database, url)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got.err != nil || got.replayed != nil {
		t.Errorf("replayed %v, %v; want the key", got.replayed, got.err)
	}
}

func TestWriteEventsPoison(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	twin := issued()
	write(t, db, twin)
	for name, spoil := range map[string]func(*audit.Event){
		"NUL":            func(e *audit.Event) { e.Subject = "a\x00b" },
		"invalid UTF-8":  func(e *audit.Event) { e.Actor = "\xff" },
		"no JSON":        func(e *audit.Event) { e.Detail = []byte("{") },
		"NUL in a space": func(e *audit.Event) { e.Replay[0].Space = "\x00" },
		"id twice":       func(e *audit.Event) { e.ID = twin.ID },
	} {
		good, bad := issued(name+"1"), issued(name+"2")
		spoil(&bad)
		if _, err := db.WriteEvents(t.Context(), []audit.Event{good, bad}); !storage.IsPoison(err) {
			t.Errorf("%s: got %v, want a poison error", name, err)
		}
		if _, err := db.Event(t.Context(), good.ID); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: the event beside it was kept (%v)", name, err)
		}
		if got := write(t, db, good); got != nil {
			t.Errorf("%s: the good event had lost its key", name)
		}
	}
}

func TestWriteEventsUnavailable(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := db.WriteEvents(ctx, []audit.Event{issued()})
	if err == nil || storage.IsPoison(err) {
		t.Errorf("got %v, want an error that blames no row", err)
	}
}

func TestPurgeReplay(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	old, young := issued("old"), issued("young")
	old.Replay[0].Expires = time.Now().Add(-2 * time.Minute)
	young.Replay[0].Expires = time.Now().Add(-time.Second)
	write(t, db, old, young)
	n, err := db.PurgeReplay(t.Context(), time.Minute)
	if err != nil || n != 1 {
		t.Errorf("purged %d, %v; want 1", n, err)
	}
	if got := write(t, db, issued("old"), issued("young")); !slices.Equal(got, []audit.Lost{lost(1, "young")}) {
		t.Errorf("replayed %v, want only the one that was kept", got)
	}
}

// BenchmarkWriteEvents is the store's share of a token request: batches of 64
// events with one key each.
func BenchmarkWriteEvents(b *testing.B) {
	db := storagetest.Open(b)
	events := make([]audit.Event, 64)
	for n := 0; b.Loop(); n++ {
		for i := range events {
			events[i] = issued(fmt.Sprint(n, "-", i))
		}
		if replayed, err := db.WriteEvents(b.Context(), events); err != nil || replayed != nil {
			b.Fatal(replayed, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(events)), "µs/event")
}
