package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/audit"
)

const (
	pageSize    = 100
	maxPageSize = 1000
	purgeChunk  = 10_000 // rows in one transaction, so that a purge locks nobody out for long
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

const eventSelect = `
SELECT seq, id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail::text
FROM tokenry.audit_events `

// Event returns one event by its id.
func (db *DB) Event(ctx context.Context, id string) (audit.Event, error) {
	return db.oneEvent(ctx, "reading event "+id, eventSelect+`WHERE id = $1`, id)
}

// LastRefused returns the newest refusal.
func (db *DB) LastRefused(ctx context.Context) (audit.Event, error) {
	// The kind stands in the text, so that the planner may use the partial index.
	return db.oneEvent(ctx, "reading the last refusal", eventSelect+`
		WHERE kind = '`+string(audit.TokenRefused)+`' ORDER BY seq DESC LIMIT 1`)
}

func (db *DB) oneEvent(ctx context.Context, doing, sql string, args ...any) (audit.Event, error) {
	rows, err := db.desk.Query(ctx, sql, args...)
	if err != nil {
		return audit.Event{}, fmt.Errorf("%s: %w", doing, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scanEvent)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return audit.Event{}, fmt.Errorf("%s: %w", doing, err)
	}
	return found.Event, nil
}

// Events returns one page of the events that f selects, newest first. cursor is
// empty or the next of the page before; next is empty on the last page. limit is
// at most 1000; 0 = 100.
func (db *DB) Events(ctx context.Context, f EventFilter, cursor string, limit int) (page []audit.Event, next string, err error) {
	before := int64(1<<63 - 1)
	if cursor != "" {
		if before, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("%w: no such cursor", ErrNotFound)
		}
	}
	limit = pageLimit(limit)
	sql, args := f.where(before)
	args = append(args, limit+1)
	rows, err := db.desk.Query(ctx, eventSelect+sql+fmt.Sprintf(" ORDER BY seq DESC LIMIT $%d", len(args)), args...)
	if err != nil {
		return nil, "", fmt.Errorf("reading events: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanEvent)
	if err != nil {
		return nil, "", fmt.Errorf("reading events: %w", err)
	}
	if len(found) > limit {
		found = found[:limit]
		next = strconv.FormatInt(found[limit-1].seq, 10)
	}
	page = make([]audit.Event, len(found))
	for i := range found {
		page[i] = found[i].Event
	}
	return page, next, nil
}

// where writes only the conditions that select something: one statement for all
// would get one plan for all.
func (f EventFilter) where(before int64) (sql string, args []any) {
	args = []any{before}
	sql = "WHERE seq < $1"
	and := func(condition string, value any) {
		args = append(args, value)
		sql += fmt.Sprintf(" AND "+condition, len(args))
	}
	if len(f.Kinds) > 0 {
		kinds := make([]string, len(f.Kinds))
		for i, k := range f.Kinds {
			kinds[i] = string(k)
		}
		and("kind = ANY($%d::text[])", kinds)
	}
	for _, c := range []struct{ condition, value string }{
		{"reason = $%d", f.Reason}, {"actor = $%d", f.Actor}, {"subject = $%d", f.Subject},
		{"target = $%d", f.Target}, {"jti = $%d", f.JTI}, {"txn = $%d", f.Txn},
	} {
		if c.value != "" {
			and(c.condition, c.value)
		}
	}
	if !f.Since.IsZero() {
		and("at >= $%d", f.Since)
	}
	if !f.Until.IsZero() {
		and("at < $%d", f.Until)
	}
	return sql, args
}

func pageLimit(limit int) int {
	if limit <= 0 {
		return pageSize
	}
	return min(limit, maxPageSize)
}

// eventRow is an event and its place in the trail.
type eventRow struct {
	audit.Event
	seq int64
}

func scanEvent(row pgx.CollectableRow) (r eventRow, err error) {
	var detail *string
	err = row.Scan(&r.seq, &r.ID, &r.Time, &r.Kind, &r.Reason, &r.Actor, &r.Subject, &r.Target,
		&r.JTI, &r.Parent, &r.Txn, &r.Change, &r.Count, &detail)
	r.Time = r.Time.UTC()
	if detail != nil {
		r.Detail = []byte(*detail)
	}
	return r, err
}

// PurgeReplay forgets the single-use keys that expired longer than a margin ago,
// by the database's clock, and returns how many. A key must be kept for as long
// as anybody would accept what it stands for: one replica's clock is no measure.
func (db *DB) PurgeReplay(ctx context.Context, margin time.Duration) (int64, error) {
	return db.purge(ctx, "purging replay keys", `
		WITH gone AS (DELETE FROM tokenry.replay_keys WHERE (space, hash) IN (
			SELECT space, hash FROM tokenry.replay_keys WHERE expires < now() - $1::interval LIMIT $2
			FOR UPDATE SKIP LOCKED) RETURNING 1)
		SELECT count(*) FROM gone`, margin)
}

// PurgeEvents removes the events older than their retention, by the database's
// clock, and returns how many. The store has no other way to remove one.
func (db *DB) PurgeEvents(ctx context.Context, retention time.Duration) (int64, error) {
	return db.purge(ctx, "purging events", `SELECT tokenry.purge_audit_events(now() - $1::interval, $2)`, retention)
}

// purge runs a statement that removes at most $2 rows until none is left.
func (db *DB) purge(ctx context.Context, doing, sql string, age time.Duration) (total int64, err error) {
	for {
		var n int64
		if err := db.desk.QueryRow(ctx, sql, age, purgeChunk).Scan(&n); err != nil {
			return total, fmt.Errorf("%s: %w", doing, err)
		}
		total += n
		if n < purgeChunk {
			return total, nil
		}
	}
}
