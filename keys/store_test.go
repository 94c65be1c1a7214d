package keys_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tokenry/tokenry/keys"
)

// Times of the tests.
const (
	rotate  = 720 * time.Hour
	publish = 24 * time.Hour
	maxTTL  = time.Hour
)

var epoch = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// table is the keys' table: it decides races as the real one does.
type table struct {
	mu   sync.Mutex
	rows []keys.Row
	err  error // of Load
}

func (s *table) load(context.Context) ([]keys.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows), s.err
}

func (s *table) insert(_ context.Context, row keys.Row, expected string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := ""
	if len(s.rows) > 0 {
		newest = slices.MaxFunc(s.rows, func(a, b keys.Row) int { return a.Created.Compare(b.Created) }).Kid
	}
	if newest != expected {
		return keys.ErrRaced
	}
	s.rows = append(s.rows, row)
	return nil
}

// change edits the row of kid.
func (s *table) change(kid string, edit func(*keys.Row)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rows {
		if s.rows[i].Kid == kid {
			edit(&s.rows[i])
		}
	}
}

// world is a table, a clock and the replicas' common KEK.
type world struct {
	table
	kek []byte
	now time.Time
}

func newWorld() *world { return &world{kek: keys.NewKEK(), now: epoch} }

func (w *world) config() keys.Config {
	return keys.Config{
		KEK: w.kek, RotateEvery: rotate, PublishBefore: publish, MaxTTL: maxTTL,
		Now: func() time.Time { return w.now }, Load: w.load, Insert: w.insert,
	}
}

// replica is a refreshed ring over the table.
func (w *world) replica(t *testing.T) *keys.Ring {
	t.Helper()
	r := newRing(t, w.config())
	refresh(t, r)
	return r
}

func newRing(t *testing.T, cfg keys.Config) *keys.Ring {
	t.Helper()
	if cfg.Stale == 0 {
		cfg.Stale = time.Hour // a busy machine is no reason to fail
	}
	r, err := keys.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func refresh(t *testing.T, r *keys.Ring) {
	t.Helper()
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// published lists the kids in the JWKS.
func published(t *testing.T, r *keys.Ring) []string {
	t.Helper()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(r.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	kids := []string{}
	for _, k := range set.Keys {
		kids = append(kids, k["kid"])
	}
	return kids
}
