package wire

import (
	"context"
	"slices"
	"sync"
	"time"
)

// uses collects which instances were used, so that many uses are one write. What
// a crash loses is five minutes of them, where hours count.
type uses struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

// usesEvery is how often uses are written down, and usesChunk how many in one
// statement: a fleet of ten thousand must not hold up the requests of others.
const (
	usesEvery = 5 * time.Minute
	usesChunk = 1000
)

func (u *uses) add(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ids == nil {
		u.ids = make(map[string]struct{})
	}
	u.ids[id] = struct{}{}
}

// take returns what has been collected since.
func (u *uses) take() []string {
	u.mu.Lock()
	ids := u.ids
	u.ids = nil
	u.mu.Unlock()
	list := make([]string, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	return list
}

// touch writes uses down until ctx ends. Close does it once more.
func (s *Server) touch(ctx context.Context) {
	tick := time.NewTicker(usesEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.writeUses(ctx); err != nil {
				s.report("writing down which instances are used")(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) writeUses(ctx context.Context) error {
	for ids := range slices.Chunk(s.uses.take(), usesChunk) {
		if err := s.DB.TouchInstances(ctx, ids, s.cfg.Now()); err != nil {
			return err
		}
	}
	return nil
}
