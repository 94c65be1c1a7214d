package registry

import (
	"context"
	"sync/atomic"
	"time"
)

// ModelConfig says what a Model works with.
type ModelConfig struct {
	// Fetch returns the objects changed after a change number, tombstones too,
	// and the latest change number.
	Fetch func(ctx context.Context, after int64) ([]Object, int64, error)

	Now    func() time.Time // nil = time.Now
	Stale  time.Duration    // 0 = 4 s
	Every  time.Duration    // 0 = 1 s
	Wake   <-chan struct{}  // nil = only the clock wakes the poll
	Report func(error)      // nil = nobody hears of failed polls
}

// Model is the registry in memory.
type Model struct {
	rules atomic.Pointer[Rules]
}

// NewModel returns a Model that has read nothing and is not fresh.
func NewModel(c ModelConfig) *Model {
	m := &Model{}
	m.rules.Store(&Rules{})
	return m
}

// Run polls until ctx ends.
func (m *Model) Run(ctx context.Context) {}

// Poll reads what changed, now.
func (m *Model) Poll(ctx context.Context) error { return nil }

// Fresh reports whether the last successful read is recent enough to decide by.
func (m *Model) Fresh() bool { return false }

// LastRead returns the time at which the last successful read began.
func (m *Model) LastRead() time.Time { return time.Time{} }

// Rules returns the rules as of the last read.
func (m *Model) Rules() *Rules { return m.rules.Load() }

// Agent returns the agent of that name; nil = unknown.
func (m *Model) Agent(name AgentName) *AgentEntry { return nil }

// Bound returns the credential that binds (issuer, subject); nil = none.
func (m *Model) Bound(issuer IssuerName, subject string) *BoundCredential { return nil }
