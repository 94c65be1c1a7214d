package audit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/audit"
)

func issued(id string) audit.Event {
	return audit.Event{ID: id, Kind: audit.TokenIssued, JTI: "jti-" + id}
}

// TestAnsweredMeansKeptOnce is the ledger's promise: over a store that fails
// at random, an event whose receipt says "durable" is there exactly once.
func TestAnsweredMeansKeptOnce(t *testing.T) {
	t.Parallel()
	s := &store{fail: func() error {
		if rand.IntN(4) == 0 {
			return errDown
		}
		return nil
	}}
	l := start(t, s, audit.Config{MaxBatch: 16})

	var durable sync.Map
	var refused atomic.Int64
	var clients sync.WaitGroup
	for c := range 32 {
		clients.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("dec_%d_%d", c, i)
				r, err := l.Append(issued(id))
				if err != nil {
					t.Error(err)
					return
				}
				switch err := r.Wait(t.Context()); {
				case err == nil:
					durable.Store(id, true)
				case errors.Is(err, audit.ErrUnavailable):
					refused.Add(1)
				default:
					t.Errorf("event %s: %v", id, err)
				}
			}
		})
	}
	clients.Wait()

	count := make(map[string]int)
	for _, e := range s.kept(audit.TokenIssued) {
		count[e.ID]++
	}
	answered := 0
	durable.Range(func(id, _ any) bool {
		answered++
		if count[id.(string)] != 1 {
			t.Errorf("event %s was answered as durable and kept %d times", id, count[id.(string)])
		}
		return true
	})
	if answered+int(refused.Load()) != 32*50 {
		t.Errorf("answered %d and refused %d of %d events", answered, refused.Load(), 32*50)
	}
	if answered == 0 || refused.Load() == 0 {
		t.Errorf("the test needs both outcomes, has %d and %d", answered, refused.Load())
	}
}

// TestOneOfManyReplaysWins runs two replicas over one store: of all requests
// that spend the same value, one is issued.
func TestOneOfManyReplaysWins(t *testing.T) {
	t.Parallel()
	s := &store{}
	replicas := []*audit.Ledger{start(t, s, audit.Config{}), start(t, s, audit.Config{})}

	const values, tries = 50, 20
	var won [values]atomic.Int64
	var clients sync.WaitGroup
	for try := range tries {
		for v := range values {
			clients.Go(func() {
				e := issued(fmt.Sprintf("dec_%d_%d", v, try))
				e.Replay = []audit.ReplayKey{audit.NewReplayKey("assertion:a", fmt.Sprint(v), time.Unix(9, 0), "client_auth.replay")}
				r, err := replicas[try%2].Append(e)
				if err != nil {
					t.Error(err)
					return
				}
				var replayed *audit.ReplayedError
				switch err := r.Wait(t.Context()); {
				case err == nil:
					won[v].Add(1)
				case !errors.Is(err, audit.ErrReplayed) || !errors.As(err, &replayed) || replayed.Reason != "client_auth.replay":
					t.Errorf("replay: %v", err)
				}
			})
		}
	}
	clients.Wait()
	for v := range values {
		if n := won[v].Load(); n != 1 {
			t.Errorf("value %d was accepted %d times", v, n)
		}
	}
	if n := len(s.kept(audit.TokenRefused)); n != values*(tries-1) {
		t.Errorf("%d refusals kept, want %d", n, values*(tries-1))
	}
}

// gate holds the first batch back, so that what is appended meanwhile makes
// the next one.
func gate() (fail func() error, open func()) {
	ch := make(chan struct{})
	return func() error { <-ch; return nil }, sync.OnceFunc(func() { close(ch) })
}

func TestPoisonRowsFailAlone(t *testing.T) {
	t.Parallel()
	fail, open := gate()
	s := &store{fail: fail}
	l := start(t, s, audit.Config{Writers: 1})
	defer open()
	first, err := l.Append(issued("dec_first"))
	if err != nil {
		t.Fatal(err)
	}

	receipts := make([]*audit.Receipt, 200)
	bad := map[int]bool{0: true, 77: true, 78: true, 199: true}
	for i := range receipts {
		e := issued(fmt.Sprint("dec_", i))
		e.Replay = []audit.ReplayKey{audit.NewReplayKey("a", fmt.Sprint(i%100), time.Time{}, "x")}
		if bad[i] {
			e.Subject = "poison"
		}
		if receipts[i], err = l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	open()
	if err := first.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	for i, r := range receipts {
		err := r.Wait(t.Context())
		switch {
		case bad[i]:
			if !errors.Is(err, audit.ErrRejected) || !errors.Is(err, errPoison) {
				t.Errorf("bad event %d: %v", i, err)
			}
		case i >= 100 && i != 100 && i != 177 && i != 178: // its twin was kept before it
			if !errors.Is(err, audit.ErrReplayed) {
				t.Errorf("replayed event %d: %v", i, err)
			}
		case err != nil:
			t.Errorf("event %d: %v", i, err)
		}
	}
	if n := len(s.events) - 1; n != 196 {
		t.Errorf("%d of 200 events kept, want 196", n)
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	fail, open := gate()
	s := &store{fail: fail}
	l := start(t, s, audit.Config{Writers: 1, Queue: 10, MaxBatch: 4})
	defer open()

	var receipts []*audit.Receipt
	for range 100 { // the writer may or may not have taken the first ones
		r, err := l.Append(issued("dec"))
		if errors.Is(err, audit.ErrFull) {
			break
		}
		receipts = append(receipts, r)
	}
	if n := len(receipts); n < 10 || n > 14 {
		t.Fatalf("%d events went into a queue of 10 and a batch of 4", n)
	}
	open()
	for _, r := range receipts {
		if err := r.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, n := range s.batches {
		if n > 4 {
			t.Errorf("a batch of %d, want at most 4", n)
		}
	}
	if _, err := l.Append(issued("dec")); err != nil {
		t.Errorf("after draining: %v", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	fail, open := gate()
	s := &store{fail: fail}
	l := start(t, s, audit.Config{})
	defer open()
	r, err := l.Append(issued("dec_1"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	err = r.Wait(ctx)

	if !errors.Is(err, audit.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want ErrUnavailable because the context ended", err)
	}
	open() // the abandoned event is written all the same
	stop(t, l)
	if n := len(s.kept(audit.TokenIssued)); n != 1 {
		t.Errorf("%d events kept, want 1", n)
	}
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	t.Parallel()
	s := &store{}
	l := start(t, s, audit.Config{MaxBatch: 7})
	for i := range 100 {
		if _, err := l.Append(issued(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	l.Note(audit.Event{ID: "dec_note", Kind: audit.TokenRefused})

	stop(t, l)

	if n := len(s.events); n != 101 {
		t.Errorf("%d events kept, want 101", n)
	}
	if _, err := l.Append(issued("late")); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	l.Note(audit.Event{ID: "dec_late"}) // harmless
	stop(t, l)                          // twice is allowed
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ []audit.Event) ([]audit.Lost, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	l, err := audit.New(audit.Config{Write: hang, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Append(issued("dec_1"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()

	if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	if err := r.Wait(t.Context()); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("wait: %v", err)
	}
}

// TestHangingStoreAnswersInTime: a write that does not return by itself ends
// with the timeout, so that the client gets its 503.
func TestHangingStoreAnswersInTime(t *testing.T) {
	t.Parallel()
	var reports atomic.Int64
	l, err := audit.New(audit.Config{
		Timeout: 10 * time.Millisecond,
		Report:  func(error) { reports.Add(1) },
		Write: func(ctx context.Context, _ []audit.Event) ([]audit.Lost, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, l)
	r, err := l.Append(issued("dec_1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if reports.Load() == 0 {
		t.Error("the failure was not reported")
	}
}

func TestAnswerForNoEventIsUnavailable(t *testing.T) {
	t.Parallel()
	l, err := audit.New(audit.Config{Write: func(context.Context, []audit.Event) ([]audit.Lost, error) {
		return []audit.Lost{{Event: 7}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, l)
	r, err := l.Append(issued("dec_1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestNewIsStrict(t *testing.T) {
	t.Parallel()
	write := (&store{}).write
	for name, cfg := range map[string]audit.Config{
		"no write":       {},
		"negative queue": {Write: write, Queue: -1},
		"negative batch": {Write: write, MaxBatch: -1},
	} {
		if _, err := audit.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// BenchmarkAppendWait is the ledger's own price per event with 64 clients and
// a store that costs nothing.
func BenchmarkAppendWait(b *testing.B) {
	l, err := audit.New(audit.Config{Write: func(context.Context, []audit.Event) ([]audit.Lost, error) { return nil, nil }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close(context.Background()) })
	e := issued("dec_06dkq8r1g4x0tkz3m5b2c7n9pa")
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := l.Append(e)
			if err == nil {
				err = r.Wait(context.Background())
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
