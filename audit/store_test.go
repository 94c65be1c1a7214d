package audit_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/tokenry/tokenry/audit"
)

var (
	errPoison = errors.New("invalid byte sequence")
	errDown   = errors.New("connection refused")
)

// store keeps events the way the ledger's statement does: all of a batch or
// nothing, and of equal replay keys one wins.
type store struct {
	fail func() error // asked before each batch; nil = never fails

	mu      sync.Mutex
	events  []audit.Event
	batches []int
	spent   map[audit.ReplayKey]bool
}

func (s *store) write(ctx context.Context, events []audit.Event) ([]audit.Lost, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return nil, err
		}
	}
	for i := range events {
		if events[i].Subject == "poison" {
			return nil, errPoison
		}
	}
	var lost []audit.Lost
	for i := range events {
		e := events[i]
		for _, k := range e.Replay {
			if s.spent == nil {
				s.spent = make(map[audit.ReplayKey]bool)
			}
			if s.spent[k] {
				lost = append(lost, audit.Lost{Event: i, Reason: k.Reason})
				e.Kind, e.Reason = audit.TokenRefused, k.Reason
				break
			}
		}
		for _, k := range e.Replay {
			s.spent[k] = true
		}
		s.events = append(s.events, e)
	}
	s.batches = append(s.batches, len(events))
	return lost, nil
}

// kept returns the events by kind.
func (s *store) kept(k audit.Kind) []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []audit.Event
	for _, e := range s.events {
		if e.Kind == k {
			out = append(out, e)
		}
	}
	return out
}

// start opens a ledger over s that is closed at the end of the test.
func start(t testing.TB, s *store, cfg audit.Config) *audit.Ledger {
	t.Helper()
	cfg.Write = s.write
	cfg.Poison = func(err error) bool { return errors.Is(err, errPoison) }
	l, err := audit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

// stop closes l and fails the test when something was left behind.
func stop(t testing.TB, l *audit.Ledger) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
