package storage

import (
	"context"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/registry"
)

// EventFilter selects events; an empty field selects all.
type EventFilter struct {
	Kinds   []audit.Kind
	Reason  string
	Actor   string
	Subject string
	Target  string
	JTI     string
	Txn     string
	Since   time.Time // inclusive
	Until   time.Time // exclusive
}

func (db *DB) Changes(ctx context.Context, after int64) ([]registry.Object, int64, error) {
	return nil, 0, nil
}
func (db *DB) Listen(ctx context.Context, wake chan<- struct{}) {}
func (db *DB) Objects(ctx context.Context, kind registry.Kind, cursor string, limit int) ([]registry.Object, string, error) {
	return nil, "", nil
}
func (db *DB) Object(ctx context.Context, kind registry.Kind, nameOrID string) (registry.Object, error) {
	return registry.Object{}, nil
}
func (db *DB) SetState(ctx context.Context, by string, kind registry.Kind, nameOrID string, s registry.State, reason string) (registry.Object, error) {
	return registry.Object{}, nil
}
func (db *DB) SetSecret(ctx context.Context, by string, agent string, hash []byte) error { return nil }
func (db *DB) WriteEvents(ctx context.Context, events []audit.Event) (replayed []int, err error) {
	return nil, nil
}
func (db *DB) Event(ctx context.Context, id string) (audit.Event, error) { return audit.Event{}, nil }
func (db *DB) Events(ctx context.Context, f EventFilter, cursor string, limit int) ([]audit.Event, string, error) {
	return nil, "", nil
}
func (db *DB) LastRefused(ctx context.Context) (audit.Event, error) { return audit.Event{}, nil }
func (db *DB) RulesAt(ctx context.Context, change int64) ([]registry.Object, error) {
	return nil, nil
}
func (db *DB) SigningKeys(ctx context.Context) ([]keys.Row, error) { return nil, nil }
func (db *DB) InsertSigningKey(ctx context.Context, row keys.Row, expectedNewest string) error {
	return nil
}
func (db *DB) RetireSigningKey(ctx context.Context, by, kid, reason string) error { return nil }
func (db *DB) RevokeSigningKey(ctx context.Context, by, kid, reason string) error { return nil }
func (db *DB) PurgeReplay(ctx context.Context, before time.Time) (int64, error)  { return 0, nil }
func (db *DB) PurgeEvents(ctx context.Context, before time.Time) (int64, error)  { return 0, nil }
