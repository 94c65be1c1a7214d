package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// What was read is as old as the moment at which reading began: what is written
// meanwhile may be missing.
func TestModelFresh(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	clock := start
	s := &store{}
	m := registry.NewModel(registry.ModelConfig{
		Now:   func() time.Time { return clock },
		Stale: 10 * time.Second,
		Fetch: func(ctx context.Context, after int64) ([]registry.Object, int64, error) {
			clock = clock.Add(3 * time.Second)
			return s.Fetch(ctx, after)
		},
	})
	if m.Fresh() {
		t.Error("fresh before the first read")
	}
	poll(t, m)
	if !m.LastRead().Equal(start) {
		t.Errorf("last read at %s", m.LastRead())
	}
	for after, want := range map[time.Duration]bool{3 * time.Second: true, 10*time.Second - 1: true, 10 * time.Second: false, time.Hour: false} {
		clock = start.Add(after)
		if m.Fresh() != want {
			t.Errorf("after %s: fresh = %v", after, !want)
		}
	}
	clock = start.Add(time.Hour)
	s.failWith(errors.New("down"))
	if m.Poll(t.Context()) == nil || m.Fresh() {
		t.Error("a read that fails makes it fresh")
	}
	s.failWith(nil)
	poll(t, m)
	if !m.Fresh() {
		t.Error("stale after a read")
	}
}

func TestModelDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
		poll(t, m)
		time.Sleep(4*time.Second - 1)
		if !m.Fresh() {
			t.Error("stale before 4 s")
		}
		time.Sleep(time.Nanosecond)
		if m.Fresh() {
			t.Error("fresh after 4 s") // no decision is made on a read that is older
		}
	})
}

// reports keeps what a model reports.
type reports struct {
	mu   sync.Mutex
	errs []error
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

func (r *reports) all() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.errs)
}

// running runs a model until the bubble's test ends.
func running(t *testing.T, c registry.ModelConfig) *registry.Model {
	m := registry.NewModel(c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		m.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	synctest.Wait()
	return m
}

func TestModelRunReadsEverySecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		m := running(t, registry.ModelConfig{Fetch: s.Fetch})
		if !m.Fresh() {
			t.Error("the first read waits for the clock")
		}
		s.write(agent(t, "a", "x"))
		time.Sleep(time.Second - 1)
		synctest.Wait()
		wantBound(t, m, "x", "")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantBound(t, m, "x", "a")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(s.asked); n != 12 {
			t.Errorf("%d reads in 11 s", n)
		}
	})
}

func TestModelRunWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, wake := &store{}, make(chan struct{}, 1)
		m := running(t, registry.ModelConfig{Fetch: s.Fetch, Wake: wake, Every: time.Hour})
		s.write(agent(t, "a", "x"))
		synctest.Wait()
		wantBound(t, m, "x", "")
		wake <- struct{}{}
		synctest.Wait()
		wantBound(t, m, "x", "a")

		// Nobody wakes it any more: the clock still does, and nothing spins.
		close(wake)
		time.Sleep(3*time.Hour + time.Second)
		synctest.Wait()
		if n := len(s.asked); n != 6 {
			t.Errorf("%d reads", n)
		}
	})
}

func TestModelRunReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		s := &store{fail: down}
		var heard reports
		m := running(t, registry.ModelConfig{Fetch: s.Fetch, Report: heard.add})
		if got := heard.all(); len(got) != 1 || !errors.Is(got[0], down) || !strings.HasPrefix(got[0].Error(), "reading the registry: ") || m.Fresh() {
			t.Errorf("reports %v", got)
		}
		s.failWith(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := heard.all(); len(got) != 1 || !m.Fresh() {
			t.Errorf("it does not recover: %v", got)
		}
	})
}

func TestModelRunWithoutReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{fail: errors.New("down")}
		m := running(t, registry.ModelConfig{Fetch: s.Fetch})
		s.failWith(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if !m.Fresh() {
			t.Error("it does not recover")
		}
	})
}

// A store that hangs is let go once what we know is stale anyway, and the next
// read is tried.
func TestModelRunLeavesAStoreThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hang atomic.Bool
		hang.Store(true)
		s := &store{}
		var heard reports
		m := running(t, registry.ModelConfig{Report: heard.add, Fetch: func(ctx context.Context, after int64) ([]registry.Object, int64, error) {
			if hang.Load() {
				<-ctx.Done()
				return nil, 0, ctx.Err()
			}
			return s.Fetch(ctx, after)
		}})
		time.Sleep(4*time.Second - 1)
		synctest.Wait()
		if got := heard.all(); len(got) != 0 {
			t.Errorf("given up early: %v", got)
		}
		hang.Store(false)
		time.Sleep(time.Second + 1)
		synctest.Wait()
		if got := heard.all(); len(got) != 1 || !errors.Is(got[0], context.DeadlineExceeded) || !m.Fresh() {
			t.Errorf("reports %v, fresh %v", got, m.Fresh())
		}
	})
}

// A read that our own end cut short is no failure to hear of.
func TestModelRunEndsQuietly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := registry.NewModel(registry.ModelConfig{
			Report: func(err error) { t.Errorf("reported %v", err) },
			Fetch: func(ctx context.Context, _ int64) ([]registry.Object, int64, error) {
				<-ctx.Done()
				return nil, 0, ctx.Err()
			},
		})
		ended := false
		go func() {
			m.Run(ctx)
			ended = true
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !ended {
			t.Error("it runs on")
		}
	})
}
