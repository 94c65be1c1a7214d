package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/registry"
)

// Advisory locks, each for one kind of write; "tokenry", 3 and 4.
const (
	registryLock int64 = 0x746f6b656e727903
	keyLock      int64 = 0x746f6b656e727904
)

// errNobody: every write says who does it.
var errNobody = errors.New("storage: a write without its author")

// alone runs f in a transaction that no other one with that lock overlaps. It
// waits for the others, but not for ever.
//
// READ COMMITTED whatever the database's default is: with one snapshot for the
// whole transaction f would read what was there before it got the lock.
func (db *DB) alone(ctx context.Context, lock int64, f func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, db.desk, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '5s'"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lock); err != nil {
			return err
		}
		return f(tx)
	})
}

// nextChange draws the number of a registry write. Only under the lock do the
// numbers commit in their order, so that a replica that has read up to n never
// misses one below.
func nextChange(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	err = tx.QueryRow(ctx, "SELECT nextval('tokenry.registry_change')").Scan(&n)
	return n, err
}

// adminDetail is the detail of an AdminChanged event.
type adminDetail struct {
	Operation string         `json:"operation"` // created, configured, deleted, state, secret; of instances also revived, collected
	ID        string         `json:"id"`
	Version   int            `json:"version"`
	From      registry.State `json:"from,omitempty"`
	To        registry.State `json:"to,omitempty"`
	Reason    string         `json:"reason,omitempty"`
}

// adminEvent is the event of a write to one object.
func adminEvent(by string, change int64, kind registry.Kind, name string, d adminDetail) (audit.Event, error) {
	detail, err := json.Marshal(d)
	now := time.Now().UTC()
	return audit.Event{
		ID: audit.NewID("evt", now), Time: now, Kind: audit.AdminChanged, Actor: by,
		Subject: subject(kind, name), Change: change, Detail: detail,
	}, err
}

// finish ends a registry write: history, events, and the call that wakes the
// replicas, which Postgres sends at the commit.
func finish(ctx context.Context, tx pgx.Tx, change int64, events []audit.Event) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO tokenry.registry_history
			(id, change, kind, name, labels, state, version, spec, deleted, created, at)
		SELECT id, change, kind, name, labels, state, version, spec, deleted_at IS NOT NULL, created, updated
		FROM tokenry.registry_objects WHERE change = $1`, change); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	if _, err := tx.Exec(ctx, insertEvents, eventColumns(events)...); err != nil {
		return fmt.Errorf("writing the events: %w", err)
	}
	_, err := tx.Exec(ctx, "SELECT pg_notify($1, '')", registryChannel)
	return err
}

// SetState disables, quarantines or enables an object and returns it. Nothing
// is written when it has that state already. Only agents can be quarantined.
func (db *DB) SetState(ctx context.Context, by string, kind registry.Kind, nameOrID string, s registry.State, reason string) (registry.Object, error) {
	var o registry.Object
	if s == registry.Quarantined && kind != registry.KindAgent {
		return o, fmt.Errorf("%s: %w: only an agent can be quarantined", subject(kind, nameOrID), ErrConflict)
	}
	err := db.change(ctx, by, kind, nameOrID, &o, func(tx pgx.Tx, change int64) (adminDetail, error) {
		d := adminDetail{Operation: "state", From: o.State, To: s, Reason: reason}
		if o.State == s {
			return d, errSame
		}
		o.State = s
		_, err := tx.Exec(ctx, `
			UPDATE tokenry.registry_objects SET state = $1, change = $2, updated = clock_timestamp() WHERE id = $3`,
			string(s), change, o.ID)
		return d, err
	})
	return o, err
}

// SetSecret gives an agent, by its name or id, a client secret by its SHA-256;
// nil takes it away.
func (db *DB) SetSecret(ctx context.Context, by string, agent string, hash []byte) error {
	var o registry.Object
	return db.change(ctx, by, registry.KindAgent, agent, &o, func(tx pgx.Tx, change int64) (adminDetail, error) {
		if o.IsInstance() {
			return adminDetail{}, fmt.Errorf("%w: an instance has no secret, only its platform's credential", ErrConflict)
		}
		_, err := tx.Exec(ctx, `
			UPDATE tokenry.registry_objects SET secret_hash = $1, change = $2, updated = clock_timestamp() WHERE id = $3`,
			hash, change, o.ID)
		return adminDetail{Operation: "secret"}, err
	})
}

// errSame ends a write that would change nothing.
var errSame = errors.New("nothing to change")

// change reads one object into o and lets f write to it.
func (db *DB) change(ctx context.Context, by string, kind registry.Kind, nameOrID string, o *registry.Object,
	f func(tx pgx.Tx, change int64) (adminDetail, error)) error {
	if by == "" {
		return errNobody
	}
	err := db.alone(ctx, registryLock, func(tx pgx.Tx) (err error) {
		if *o, err = object(ctx, tx, kind, nameOrID); err != nil {
			return err
		}
		number, err := nextChange(ctx, tx)
		if err != nil {
			return err
		}
		d, err := f(tx, number)
		if err != nil {
			return err
		}
		d.ID, d.Version = o.ID, o.Version
		e, err := adminEvent(by, number, kind, o.Name, d)
		if err != nil {
			return err
		}
		if err := finish(ctx, tx, number, []audit.Event{e}); err != nil {
			return err
		}
		*o, err = object(ctx, tx, kind, o.ID)
		return err
	})
	if err != nil && !errors.Is(err, errSame) {
		return fmt.Errorf("writing %s: %w", subject(kind, nameOrID), err)
	}
	return nil
}
