package registry

import (
	"context"
	"errors"
	"fmt"
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
	candidate Candidate
	done      chan struct{}
	entry     *AgentEntry
	err       error
}

const (
	maxAdmissions = 256             // in one transaction
	admitTimeout  = 5 * time.Second // of one transaction
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
	a := &admitting{candidate: c, done: make(chan struct{})}
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
			a.entry = m.agents.Load().learn(results[i].Object, m.programs, texts)
		}
	}
}

// learn takes an agent that this replica has just read or written, unless it
// knows a newer state of it already, and returns what is known then.
func (a *agents) learn(o *Object, p *programs, in *interner) *AgentEntry {
	if known := a.agent(AgentName(o.Name)); known != nil && known.Change >= o.Change {
		return known
	}
	if old := a.apply(o, p, in); old != nil {
		a.unbind(old)
	}
	return a.agent(AgentName(o.Name))
}
