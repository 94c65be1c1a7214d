package jwks

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	lookEvery = time.Second
	maxFile   = 512 << 10 // as for a document that is fetched
)

// local is a set from a file, or one that never changes. A file that goes away
// or turns bad while it is being replaced leaves the last good keys in force,
// for as long as it takes: whoever can write the file is trusted anyway.
type local struct {
	path   string // "" = held is for ever
	parse  func([]byte) (document, error)
	now    func() time.Time
	report func(error)

	mu     sync.Mutex
	held   *keys       // nil = there was none yet
	looked time.Time   // last look at the file
	seen   os.FileInfo // what it looked like when it was read
	cause  error       // why it could not be read, last

	saidCause, saidFinding string // what report has heard
}

// keys returns the keys in force.
func (l *local) keys() (keys, error) {
	set, say, err := l.look()
	for _, said := range say {
		l.report(said)
	}
	return set, err
}

// look reads the file if it has changed since, at most once in a second. It
// returns what is to be reported too, since that is not done under the lock.
func (l *local) look() (set keys, say []error, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path != "" {
		// A clock that was set back must not stop the looking.
		if now := l.now(); l.looked.IsZero() || now.Sub(l.looked).Abs() >= lookEvery {
			l.looked = now
			say = l.refresh()
		}
	}
	if l.held == nil {
		return keys{}, say, fmt.Errorf("%w: %w", ErrUnavailable, l.cause)
	}
	return *l.held, say, nil
}

func (l *local) refresh() []error {
	info, err := os.Stat(l.path)
	if err == nil && l.seen != nil && os.SameFile(info, l.seen) && info.ModTime().Equal(l.seen.ModTime()) && info.Size() == l.seen.Size() {
		return nil
	}
	var doc document
	if err == nil {
		l.seen = info
		doc, err = l.read(info)
	} else {
		l.seen = nil // when it is back it is read, even if it looks the same
	}
	if err != nil {
		l.cause = err
		return changed(&l.saidCause, err)
	}
	l.held, l.cause, l.saidCause = &doc.keys, nil, ""
	return changed(&l.saidFinding, doc.finding)
}

func (l *local) read(info os.FileInfo) (document, error) {
	// Opening a pipe would wait for its writer, for ever.
	if !info.Mode().IsRegular() {
		return document{}, fmt.Errorf("%s is not a regular file", l.path)
	}
	f, err := os.Open(l.path)
	if err != nil {
		return document{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return document{}, err
	case len(raw) > maxFile:
		return document{}, fmt.Errorf("%s is larger than 512 KiB", l.path)
	}
	doc, err := l.parse(raw)
	if err != nil {
		return document{}, fmt.Errorf("%s: %w", l.path, err)
	}
	return doc, nil
}
