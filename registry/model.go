package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/tokenry/tokenry/condition"
)

// ModelConfig says what a Model works with.
type ModelConfig struct {
	// Fetch returns the objects changed after a change number, tombstones too,
	// and the latest change number; after 0 means everything.
	Fetch func(ctx context.Context, after int64) ([]Object, int64, error)

	// Admit makes instances in the store, or finds them, and returns what became
	// of each candidate, in their order. An error is about all of them. Nil = there
	// are no instances.
	Admit func(ctx context.Context, candidates []Candidate) ([]Admission, error)

	Now    func() time.Time // nil = time.Now
	Stale  time.Duration    // how old the last read may be to decide by; 0 = 4 s
	Every  time.Duration    // time between reads; 0 = 1 s
	Wake   <-chan struct{}  // reads at once when it receives; nil = only the clock does
	Report func(error)      // hears of failed reads and of conditions that do not compile; nil = nobody does
}

// Model is the registry in memory: what every decision is made on. It reads
// what changed every second and whenever it is woken. Its methods are safe for
// concurrent use.
//
// Issuers, resources, blueprints and rules are one immutable value, swapped as
// a whole. Agents are updated row by row, because there may be a hundred
// thousand; whoever finds an agent of a blueprint that is not there denies.
type Model struct {
	config   ModelConfig
	polling  sync.Mutex // one read at a time
	applying sync.Mutex // one change of the agents at a time
	rules    atomic.Pointer[Rules]
	agents   atomic.Pointer[agents]
	lastRead atomic.Pointer[time.Time]
	programs *programs

	admissions admissions
}

// NewModel returns a Model that has read nothing, knows nobody and is not
// fresh.
func NewModel(c ModelConfig) *Model {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Stale == 0 {
		c.Stale = 4 * time.Second
	}
	if c.Every == 0 {
		c.Every = time.Second
	}
	m := &Model{config: c}
	m.programs = &programs{shared: map[string]weak.Pointer[condition.Program]{}, report: c.Report}
	m.rules.Store(&Rules{})
	m.agents.Store(newAgents())
	return m
}

// Run reads what changed until ctx ends. One read may take as long as a read
// stays fresh; a store that hangs must not hang the model for ever.
func (m *Model) Run(ctx context.Context) {
	ticker := time.NewTicker(m.config.Every)
	defer ticker.Stop()
	wake := m.config.Wake
	for {
		err := m.pollWithin(ctx, m.config.Stale)
		if err != nil && ctx.Err() == nil && m.config.Report != nil {
			m.config.Report(fmt.Errorf("reading the registry: %w", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case _, open := <-wake:
			if !open {
				wake = nil
			}
		}
	}
}

func (m *Model) pollWithin(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return m.Poll(ctx)
}

// Poll reads what changed, now: at the start, and after one's own writes.
func (m *Model) Poll(ctx context.Context) error {
	if m.config.Fetch == nil {
		return errors.New("the model has nothing to read from")
	}
	m.polling.Lock()
	defer m.polling.Unlock()

	began := m.config.Now() // what is written while we read may be missing
	known := m.rules.Load()
	objects, latest, err := m.config.Fetch(ctx, known.Change)
	if err != nil {
		return err
	}
	// Another store than before, or one restored from a backup: what we know may
	// have been undone there, so that reading on from here would be wrong.
	restart := latest < known.Change
	if restart {
		if objects, latest, err = m.config.Fetch(ctx, 0); err != nil {
			return err
		}
		known = &Rules{}
	}
	m.take(known, objects, latest, restart)
	m.lastRead.Store(&began)
	return nil
}

// take puts what was read into the model.
func (m *Model) take(known *Rules, objects []Object, latest int64, restart bool) {
	if len(objects) == 0 && latest == known.Change && !restart {
		return
	}
	m.applying.Lock()
	defer m.applying.Unlock()
	to := m.agents.Load()
	if restart {
		to = newAgents()
	}
	// A name that was deleted and taken again comes twice; the later one counts.
	slices.SortStableFunc(objects, func(a, b Object) int { return cmp.Compare(a.Change, b.Change) })
	texts := &interner{m: map[string]string{}}
	var rest []Object
	var replaced []*AgentEntry
	for i := range objects {
		if objects[i].Kind != KindAgent {
			rest = append(rest, objects[i])
		} else if old := to.apply(&objects[i], m.programs, texts); old != nil {
			replaced = append(replaced, old)
		}
	}
	// Only now that everything new is bound: a credential that stays, or that
	// moves to another agent, is never unknown in between.
	for _, old := range replaced {
		to.unbind(old)
	}
	m.agents.Store(to)
	m.rules.Store(known.next(latest, rest, m.programs))
}

// ReadSince reads what changed unless a read has begun after t. Like those of
// Run it may take as long as a read stays fresh.
func (m *Model) ReadSince(ctx context.Context, t time.Time) error {
	if m.LastRead().After(t) {
		return nil
	}
	return m.pollWithin(ctx, m.config.Stale)
}

// Fresh reports whether the last successful read is recent enough to decide
// by. It is false before the first.
func (m *Model) Fresh() bool {
	last := m.lastRead.Load()
	return last != nil && m.config.Now().Sub(*last) < m.config.Stale
}

// LastRead returns when the last successful read began: everything committed
// before is known. It is zero before the first.
func (m *Model) LastRead() time.Time {
	if last := m.lastRead.Load(); last != nil {
		return *last
	}
	return time.Time{}
}

// Rules returns everything but the agents, as of the last read.
func (m *Model) Rules() *Rules { return m.rules.Load() }

// Agent returns the agent of that name; nil = unknown. The entry never changes;
// a later call may return another.
func (m *Model) Agent(name AgentName) *AgentEntry { return m.agents.Load().agent(name) }

// Bindings returns the credentials of agents and of rules' blueprints whose
// subject a subject of the issuer matches, byte for byte; none = nobody knows
// it. No pattern comes before another: whoever finds two agents refuses.
// Whether an agent or a blueprint is active is not looked at.
func (m *Model) Bindings(rules *Rules, issuer IssuerName, subject string) []BoundCredential {
	return rules.patterns.matching(issuer, subject, m.agents.Load().matching(binding{issuer, subject}))
}
