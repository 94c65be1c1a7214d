package audit

import (
	"errors"
	"sync"
	"time"
)

// Limits of the queue of notes.
const (
	noteQueue = 256                    // notes waiting
	noteBatch = 32                     // notes in one statement
	notePause = 100 * time.Millisecond // before a statement, while decisions wait for theirs
	sumEvery  = time.Second            // what one sum covers, and the pause after a failure
	maxSums   = 256                    // pairs of second and reason waiting
	otherSums = "other"                // the reason of sums that found no room
)

// Note records a refusal from before authentication. Anybody can cause one, so
// it never waits, is never ahead of a decision, and never makes more than
// RefusalsPerSecond rows; beyond that it is counted, and one RefusalsSummed
// event per second and reason says how many. Its text is cut and cleaned
// (Clean), and its replay keys are dropped: who has not proved an identity
// spends nothing.
func (l *Ledger) Note(e Event) { l.notes.add(e) }

// notes is the second, small queue of a ledger.
type notes struct {
	ledger *Ledger
	wake   chan struct{} // holds one token while there is something to write
	quit   chan struct{} // closed when no decision can come any more

	mu     sync.Mutex
	second time.Time // the running second
	kept   int       // notes kept in it
	queue  []Event
	sums   map[sumKey]int
	closed bool
}

// sumKey is what one RefusalsSummed event stands for.
type sumKey struct {
	second time.Time
	reason string
}

func newNotes(l *Ledger) *notes {
	return &notes{
		ledger: l, wake: make(chan struct{}, 1), quit: make(chan struct{}),
		sums: make(map[sumKey]int),
	}
}

// add keeps e or counts it.
func (n *notes) add(e Event) {
	reason := Clean(e.Reason)
	if !n.admit(reason) {
		return
	}
	e = e.clean() // outside the lock: it walks all of the text
	e.Replay = nil

	n.mu.Lock()
	if len(n.queue) < noteQueue && !n.closed {
		n.queue = append(n.queue, e)
	} else {
		n.sum(n.second, reason, 1)
	}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// admit says whether one more note fits into the running second, and counts it
// when it does not.
func (n *notes) admit(reason string) bool {
	second := n.ledger.cfg.Now().UTC().Truncate(sumEvery)
	n.mu.Lock()
	defer n.mu.Unlock()
	if !second.Equal(n.second) {
		n.second, n.kept = second, 0
	}
	if n.kept >= n.ledger.cfg.RefusalsPerSecond {
		n.sum(second, reason, 1)
		return false
	}
	n.kept++
	return true
}

// sum counts refusals that get no event of their own. The table is bounded, so
// that neither a long outage nor many reasons fill the memory. Called with mu
// held.
func (n *notes) sum(second time.Time, reason string, count int) {
	key := sumKey{second, reason}
	if _, ok := n.sums[key]; !ok && len(n.sums) >= maxSums {
		key = sumKey{reason: otherSums}
	}
	n.sums[key] += count
}

// run writes notes when they come and sums when their second is over.
func (n *notes) run() {
	tick := time.NewTicker(sumEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-n.wake:
			if !failed { // an unreachable store is asked once a second
				failed = !n.flush()
			}
		case <-tick.C:
			failed = !n.flush() || !n.summarise(n.ledger.cfg.Now().UTC().Truncate(sumEvery))
		case <-n.quit:
			n.mu.Lock()
			n.closed = true
			n.mu.Unlock()
			n.flush()
			n.summarise(time.Time{})
			return
		}
	}
}

// flush writes the queue in small statements. It reports whether the store
// answered; what it did not take is counted instead.
func (n *notes) flush() bool {
	for {
		n.giveWay()
		n.mu.Lock()
		batch := n.queue[:min(len(n.queue), noteBatch)]
		n.queue = n.queue[len(batch):]
		if len(n.queue) == 0 {
			n.queue = nil
		}
		n.mu.Unlock()
		if len(batch) == 0 {
			return true
		}
		if !n.settle(batch, n.ledger.write(batch)) {
			return false
		}
	}
}

// giveWay waits a moment while decisions wait for their commit. It does not
// wait until they are done: under steady load that would be never.
func (n *notes) giveWay() {
	if n.ledger.idle() {
		return
	}
	pause := time.NewTimer(notePause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-n.quit:
	}
}

// settle counts what the store did not take.
func (n *notes) settle(batch []Event, errs []error) bool {
	answered := true
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, err := range errs {
		if errors.Is(err, ErrUnavailable) {
			answered = false
			n.sum(batch[i].Time.UTC().Truncate(sumEvery), batch[i].Reason, max(1, batch[i].Count))
		}
	}
	return answered
}

// summarise writes the sums of the seconds before running; zero means all.
func (n *notes) summarise(running time.Time) bool {
	now := n.ledger.cfg.Now().UTC()
	var events []Event
	n.mu.Lock()
	for key, count := range n.sums {
		if !running.IsZero() && !key.second.Before(running) {
			continue
		}
		at := key.second
		if at.IsZero() {
			at = now
		}
		events = append(events, Event{
			ID: NewID("evt", now), Time: at, Kind: RefusalsSummed, Reason: key.reason, Count: count,
		})
		delete(n.sums, key)
	}
	n.mu.Unlock()
	if len(events) == 0 {
		return true
	}
	return n.settle(events, n.ledger.write(events))
}
