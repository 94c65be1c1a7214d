package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// admissions puts first uses of instances together: whoever comes while others
// are being written waits for the next batch, so that a fleet that starts does
// not take one transaction for each of its agents.
type admissions struct {
	mu      sync.Mutex
	waiting []*admitting
	running bool
}

type admitting struct {
	ctx       context.Context // of who waits; nothing is made for whoever has gone
	candidate Candidate
	done      chan struct{}
	entry     *AgentEntry
	err       error
}

const (
	maxAdmissions = 256             // in one transaction
	admitTimeout  = 5 * time.Second // of one transaction, and of waiting for it
)

// Admit makes the instance that c describes, or finds it: that it is not in the
// model does not mean that it is not there. It returns the agent as it is in the
// store, in whatever state, and the model knows it from then on.
//
// Errors are ErrInstanceCap, ErrInstanceTaken, ErrInstanceOrphan, and others
// when nobody knows.
func (m *Model) Admit(ctx context.Context, c Candidate) (*AgentEntry, error) {
	if m.config.Admit == nil {
		return nil, errors.New("the model cannot make instances")
	}
	ctx, cancel := context.WithTimeout(ctx, admitTimeout)
	defer cancel()
	a := &admitting{ctx: ctx, candidate: c, done: make(chan struct{})}
	m.admissions.mu.Lock()
	m.admissions.waiting = append(m.admissions.waiting, a)
	if !m.admissions.running {
		m.admissions.running = true
		go m.admitAll()
	}
	m.admissions.mu.Unlock()
	select {
	case <-a.done:
		return a.entry, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for %s to be made: %w", c.Name, ctx.Err())
	}
}

// admitAll writes batches until nobody waits. It does not end with the request
// that happened to come first.
func (m *Model) admitAll() {
	for {
		m.admissions.mu.Lock()
		batch := m.admissions.waiting
		if len(batch) == 0 {
			m.admissions.running = false
			m.admissions.mu.Unlock()
			return
		}
		if len(batch) > maxAdmissions {
			batch = batch[:maxAdmissions:maxAdmissions]
		}
		m.admissions.waiting = m.admissions.waiting[len(batch):]
		m.admissions.mu.Unlock()
		if batch = slices.DeleteFunc(batch, func(a *admitting) bool { return a.ctx.Err() != nil }); len(batch) == 0 {
			continue
		}
		m.admit(batch)
		for _, a := range batch {
			close(a.done)
		}
	}
}

func (m *Model) admit(batch []*admitting) {
	candidates := make([]Candidate, len(batch))
	for i, a := range batch {
		candidates[i] = a.candidate
	}
	ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
	defer cancel()
	results, err := m.config.Admit(ctx, candidates)
	if err == nil && len(results) != len(batch) {
		err = fmt.Errorf("%d results for %d instances", len(results), len(batch))
	}
	m.applying.Lock()
	defer m.applying.Unlock()
	texts := &interner{m: map[string]string{}}
	for i, a := range batch {
		switch {
		case err != nil:
			a.err = fmt.Errorf("making instances: %w", err)
		case results[i].Err != nil:
			a.err = results[i].Err
		default:
			a.entry, a.err = m.learn(results[i].Object, texts)
		}
	}
}

// errOvertaken: what was read of an instance is older than what is known.
var errOvertaken = errors.New("the instance has changed meanwhile")

// learn takes an agent that this replica has just read or written, unless it
// knows a newer state of it already, and returns what is known then. That it
// does not know the agent is such a state too: one that was deleted after the
// row was read must not come back.
func (m *Model) learn(o *Object, in *interner) (*AgentEntry, error) {
	agents := m.agents.Load()
	switch known := agents.agent(AgentName(o.Name)); {
	case known != nil && known.Change >= o.Change:
		return known, nil
	case known == nil && o.Change <= m.rules.Load().Change:
		return nil, errOvertaken
	}
	if old := agents.apply(o, m.programs, in); old != nil {
		agents.unbind(old)
	}
	return agents.agent(AgentName(o.Name)), nil
}
