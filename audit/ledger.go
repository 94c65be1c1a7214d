package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Sizes used where Config leaves a field zero.
const (
	defaultWriters   = 2
	defaultQueue     = 4096
	defaultMaxBatch  = 256
	defaultRefusals  = 100
	defaultWriteTime = 5 * time.Second
)

// What can happen to an event. Everything but ErrReplayed means: not durable,
// or not known to be, so nothing may be issued on it.
var (
	ErrFull        = errors.New("the ledger's queue is full")
	ErrClosed      = errors.New("the ledger is closed")
	ErrUnavailable = errors.New("the event is not known to be durable")
	ErrReplayed    = errors.New("a single-use value was spent before")
	ErrRejected    = errors.New("the store rejected the event")
)

// ReplayedError is the ErrReplayed of one event.
type ReplayedError struct {
	Reason string // of the replay key that was spent before
}

// Error says what ErrReplayed says, and which reason the event was kept with.
func (e *ReplayedError) Error() string { return ErrReplayed.Error() + ": " + e.Reason }

// Unwrap is ErrReplayed.
func (e *ReplayedError) Unwrap() error { return ErrReplayed }

// Config of a Ledger. Only Write is required.
type Config struct {
	// Write makes a batch durable in one statement and returns the events that
	// lost a replay key, each once. Of equal keys inside one batch exactly one
	// wins. It does not keep the slice. An error means that the outcome of the
	// whole batch is unknown, unless Poison says otherwise.
	Write func(ctx context.Context, events []Event) (lost []Lost, err error)

	// Poison says that err was caused by the content of a row and that nothing
	// of the batch was kept (SQLSTATE classes 22 and 23). Nil: no error is.
	Poison func(err error) bool

	Writers           int              // batches in flight at once; 0 = 2
	Queue             int              // events waiting beyond those; 0 = 4096
	MaxBatch          int              // events in one statement; 0 = 256
	RefusalsPerSecond int              // Note: events kept per second, the rest is summed; 0 = 100
	Timeout           time.Duration    // of one Write; 0 = 5 s
	Now               func() time.Time // nil = time.Now
	Report            func(error)      // what a writer could not do; nil = dropped
}

// Ledger is the group commit: whoever writes takes all that is queued, so that
// many requests share one statement and one fsync, and a lone request waits
// for nobody. There is no linger timer: measured, it only adds latency.
//
// Safe for concurrent use. Several ledgers, one per replica, share a store.
type Ledger struct {
	cfg    Config
	notes  *notes
	ctx    context.Context // of the writes; cancelled when Close runs out of time
	cancel context.CancelFunc
	done   chan struct{} // all goroutines have ended

	mu      sync.Mutex
	more    sync.Cond // a batch was queued, or the ledger closed
	queue   []*batch  // oldest first; the last one is still open
	queued  int       // events in queue
	writing int       // batches in flight
	spare   [][]Event // emptied slices, to be used again
	closed  bool
}

// New starts a ledger. Close ends it.
func New(cfg Config) (*Ledger, error) {
	if cfg.Write == nil {
		return nil, errors.New("audit: Config.Write is required")
	}
	if cfg.Writers < 0 || cfg.Queue < 0 || cfg.MaxBatch < 0 || cfg.RefusalsPerSecond < 0 || cfg.Timeout < 0 {
		return nil, errors.New("audit: a size in Config is negative")
	}
	cfg.Writers = orDefault(cfg.Writers, defaultWriters)
	cfg.Queue = orDefault(cfg.Queue, defaultQueue)
	cfg.MaxBatch = orDefault(cfg.MaxBatch, defaultMaxBatch)
	cfg.RefusalsPerSecond = orDefault(cfg.RefusalsPerSecond, defaultRefusals)
	cfg.Timeout = orDefault(cfg.Timeout, defaultWriteTime)
	if cfg.Poison == nil {
		cfg.Poison = func(error) bool { return false }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Report == nil {
		cfg.Report = func(error) {}
	}

	l := &Ledger{cfg: cfg, done: make(chan struct{})}
	l.more.L = &l.mu
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.notes = newNotes(l)
	l.start()
	return l, nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// start runs the writers and the notes. The notes end last: a decision never
// waits for them, not even at the end.
func (l *Ledger) start() {
	var writers, noter sync.WaitGroup
	for range l.cfg.Writers {
		writers.Go(l.run)
	}
	noter.Go(l.notes.run)
	go func() {
		writers.Wait()
		close(l.notes.quit)
		noter.Wait()
		l.cancel()
		close(l.done)
	}()
}

// Append queues e and returns at once: the token is signed while the commit
// runs. The caller must not change what e points to afterwards. The error is
// ErrFull or ErrClosed; then nothing was queued and the answer is a 503.
func (l *Ledger) Append(e Event) (*Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if l.queued >= l.cfg.Queue {
		return nil, ErrFull
	}
	b := l.open()
	b.events = append(b.events, e)
	l.queued++
	return &Receipt{batch: b, index: len(b.events) - 1}, nil
}

// open is the batch that takes the next event. A batch is queued, and a writer
// woken, with its first event. Called with mu held.
func (l *Ledger) open() *batch {
	if n := len(l.queue); n > 0 && len(l.queue[n-1].events) < l.cfg.MaxBatch {
		return l.queue[n-1]
	}
	b := &batch{done: make(chan struct{})}
	if n := len(l.spare); n > 0 {
		b.events, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.queue = append(l.queue, b)
	l.more.Signal()
	return b
}

// run is one writer.
func (l *Ledger) run() {
	for {
		b := l.take()
		if b == nil {
			return
		}
		b.errs = l.write(b.events)
		close(b.done)
		l.release(b)
	}
}

// take waits for the oldest batch; nil means closed and drained.
func (l *Ledger) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 {
		if l.closed {
			return nil
		}
		l.more.Wait()
	}
	b := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.queued -= len(b.events)
	l.writing++
	return b
}

// release keeps the emptied slice for a later batch: at full load a batch of
// 256 events is 80 KB that would be garbage a thousand times a second.
func (l *Ledger) release(b *batch) {
	events := b.events
	clear(events) // also drops what the events point to
	l.mu.Lock()
	defer l.mu.Unlock()
	b.events = nil
	l.writing--
	if len(l.spare) < 2*l.cfg.Writers {
		l.spare = append(l.spare, events[:0])
	}
}

// idle says that no decision is waiting for a commit.
func (l *Ledger) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0 && l.writing == 0
}

// Close refuses new events, writes what is queued, the last notes and their
// sums, and returns when all of it is settled. When ctx ends first, the writes
// in flight are cancelled, their receipts answer ErrUnavailable, and Close
// returns the error of ctx.
func (l *Ledger) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.more.Broadcast()
	l.mu.Unlock()

	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
	}
	l.cancel()
	<-l.done
	return fmt.Errorf("closing the ledger: %w", ctx.Err())
}
