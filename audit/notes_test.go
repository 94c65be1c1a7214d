package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/audit"
)

func refused(i int, reason string) audit.Event {
	return audit.Event{ID: fmt.Sprint("dec_", i), Kind: audit.TokenRefused, Reason: reason}
}

// TestFloodIsSummed sends three seconds of refusals: the first hundred of each
// second are kept, the rest becomes one event per second and reason.
func TestFloodIsSummed(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(1000)
	s := &store{}
	l := start(t, s, audit.Config{Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	for second := range 3 {
		now.Store(int64(1000 + second))
		for i := range 1000 {
			l.Note(refused(i, []string{"request.duplicate", "client_auth.failed"}[i%2]))
		}
		// The queue of notes is smaller than three seconds' worth.
		waitFor(t, func() bool { return len(s.kept(audit.TokenRefused)) == 100*(second+1) })
	}
	stop(t, l)

	if n := len(s.kept(audit.TokenRefused)); n != 300 {
		t.Errorf("%d refusals kept, want 300", n)
	}
	sums := s.kept(audit.RefusalsSummed)
	if len(sums) != 6 {
		t.Fatalf("%d sums, want one for each of 3 seconds and 2 reasons: %+v", len(sums), sums)
	}
	ids := make(map[string]bool)
	for _, e := range sums {
		ids[e.ID] = true
		if e.Count != 450 || e.Reason == "" || e.Time.Unix() < 1000 || e.Time.Unix() > 1002 {
			t.Errorf("sum %+v, want 450 of one second", e)
		}
	}
	if len(ids) != 6 {
		t.Errorf("ids of sums repeat: %v", ids)
	}
}

// waitFor polls a condition that another goroutine will make true.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}

// TestNotesSurviveAnOutage: what the store did not take is counted, not lost.
func TestNotesSurviveAnOutage(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	s := &store{fail: func() error {
		if down.Load() {
			return errDown
		}
		return nil
	}}
	l := start(t, s, audit.Config{})
	for i := range 50 {
		l.Note(refused(i, "request.duplicate"))
	}
	time.Sleep(20 * time.Millisecond) // the first attempt has failed
	down.Store(false)
	stop(t, l)

	total := len(s.kept(audit.TokenRefused))
	for _, e := range s.kept(audit.RefusalsSummed) {
		total += e.Count
	}
	if total != 50 {
		t.Errorf("%d of 50 refusals are in the record", total)
	}
}

// TestNotesNeverWaitForTheStore: the queue is bounded, the caller is not held.
func TestNotesNeverWaitForTheStore(t *testing.T) {
	t.Parallel()
	fail, open := gate()
	s := &store{fail: fail}
	l := start(t, s, audit.Config{RefusalsPerSecond: 10000, Now: func() time.Time { return time.Unix(1, 0) }})
	defer open()
	for i := range 2000 {
		l.Note(refused(i, "request.duplicate"))
	}
	open()
	stop(t, l)

	sums := s.kept(audit.RefusalsSummed)
	kept := len(s.kept(audit.TokenRefused))
	if len(sums) != 1 || kept < 256 || kept+sums[0].Count != 2000 {
		t.Errorf("%d kept and %+v summed, want 2000 together", kept, sums)
	}
}

// TestNoteIsNeverAheadOfDecisions: while a decision waits for its commit, notes
// give way, but not for ever.
func TestNoteIsNeverAheadOfDecisions(t *testing.T) {
	t.Parallel()
	var batches atomic.Int64
	hold := make(chan struct{})
	s := &store{}
	write := s.write
	l, err := audit.New(audit.Config{Writers: 1, Write: func(ctx context.Context, events []audit.Event) ([]audit.Lost, error) {
		if events[0].Kind == audit.TokenIssued {
			batches.Add(1)
			<-hold
		}
		return write(ctx, events)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(issued("dec_1")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return batches.Load() == 1 })

	began := time.Now()
	l.Note(refused(1, "request.duplicate"))
	waitFor(t, func() bool { return len(s.kept(audit.TokenRefused)) == 1 })

	if d := time.Since(began); d < 90*time.Millisecond {
		t.Errorf("a note was written after %v although a decision was waiting", d)
	}
	close(hold)
	stop(t, l)
}

// TestNoteIsCleaned: what an unknown sender writes is fit for Postgres, cut,
// and spends nothing.
func TestNoteIsCleaned(t *testing.T) {
	t.Parallel()
	s := &store{}
	l := start(t, s, audit.Config{})
	nasty := "a\x00b\nc\xff\u202e" + strings.Repeat("ä", 400)
	l.Note(audit.Event{
		ID: "dec_1", Kind: audit.TokenRefused, Reason: nasty, Actor: nasty, Subject: nasty, Target: nasty,
		JTI: nasty, Parent: nasty, Txn: nasty,
		Detail: json.RawMessage(`{"z":"a\u0000\ud800b","a":["\"\\",1.50,true,null],"long":"` + strings.Repeat("x", 999) + `"}`),
		Replay: []audit.ReplayKey{audit.NewReplayKey("assertion:victim", "jti", time.Time{}, "x")},
	})
	stop(t, l)

	e := s.kept(audit.TokenRefused)[0]
	want := "a\uFFFDb\uFFFDc\uFFFD\uFFFD" + strings.Repeat("ä", 120)
	for _, got := range []string{e.Reason, e.Actor, e.Subject, e.Target, e.JTI, e.Parent, e.Txn} {
		if got != want {
			t.Errorf("got %q (%d bytes), want %q", got, len(got), want)
		}
	}
	if want := `{"z":"a` + "\uFFFD\uFFFD" + `b","a":["\"\\",1.50,true,null],"long":"` + strings.Repeat("x", 256) + `"}`; string(e.Detail) != want {
		t.Errorf("detail %s\nwant %s", e.Detail, want)
	}
	if len(e.Replay) != 0 {
		t.Error("a sender without identity spent a replay key")
	}
}

func TestNoteDropsBadDetail(t *testing.T) {
	t.Parallel()
	for name, detail := range map[string]string{
		"not JSON": `{"a":`,
		"too long": `"` + strings.Repeat("x", 20<<10) + `"`,
	} {
		s := &store{}
		l := start(t, s, audit.Config{})
		l.Note(audit.Event{Kind: audit.TokenRefused, Detail: json.RawMessage(detail)})
		stop(t, l)
		if got := s.kept(audit.TokenRefused)[0].Detail; got != nil {
			t.Errorf("%s: kept %.40s", name, got)
		}
	}
}
