package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tokenry/tokenry/audit"
)

// WriteEvents makes a batch of events durable, with their replay keys, in one
// statement, and returns the indexes of those that lost a key. Such an event is
// kept as token.refused with its ReplayReason and without a jti: whether a
// token may leave is decided here and nowhere else.
//
// Of several events with one key exactly one wins: the first of a batch, and of
// batches at the same time, on any number of replicas, the one whose insert
// Postgres lets through. Keys count as spent even when their event lost by
// another key.
//
// After an error nothing of the batch is known to be kept. IsPoison tells
// whether one of its rows is to blame.
func (db *DB) WriteEvents(ctx context.Context, events []audit.Event) (replayed []int, err error) {
	if len(events) == 0 {
		return nil, nil
	}
	sql, args := ledgerStatement(events)
	replayed, err = db.runLedger(ctx, sql, args)
	if tryAgain(err) {
		replayed, err = db.runLedger(ctx, sql, args)
	}
	if err != nil {
		return nil, fmt.Errorf("writing %d events: %w", len(events), err)
	}
	return replayed, nil
}

// tryAgain says that nothing was done and that once more may do: Postgres chose
// us in a deadlock or a serialization failure, or the connection was dead
// before anything was sent.
func tryAgain(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40P01" || pg.Code == "40001"
	}
	return err != nil && pgconn.SafeToRetry(err)
}

func (db *DB) runLedger(ctx context.Context, sql string, args []any) ([]int, error) {
	rows, err := db.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]int(nil), rows, pgx.RowTo[int])
}

// insertEvents writes events that spend nothing.
const insertEvents = `
INSERT INTO tokenry.audit_events
	(id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail)
SELECT id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail::json
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
	$8::text[], $9::text[], $10::text[], $11::bigint[], $12::int[], $13::text[])
	AS e(id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail)`

// spendAndInsert writes events, some of which spend keys. $15 to $18 are the
// keys, each once, with the number of its event; $19 are the events that came
// too late within the batch.
//
// The keys are inserted in one order by everybody: two batches with the same
// keys in different orders would deadlock.
const spendAndInsert = `
WITH keys AS (
	SELECT n, space, hash, expires
	FROM unnest($15::int[], $16::text[], $17::bytea[], $18::timestamptz[]) AS k(n, space, hash, expires)
), fresh AS (
	INSERT INTO tokenry.replay_keys (space, hash, expires)
	SELECT space, hash, expires FROM keys ORDER BY space COLLATE "C", hash
	ON CONFLICT (space, hash) DO NOTHING
	RETURNING space, hash
), lost AS MATERIALIZED (
	SELECT n FROM keys LEFT JOIN fresh USING (space, hash) WHERE fresh.hash IS NULL
	UNION
	SELECT unnest($19::int[])
), written AS (
	INSERT INTO tokenry.audit_events
		(id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail)
	SELECT id, at,
		CASE WHEN lost.n IS NULL THEN kind ELSE '` + string(audit.TokenRefused) + `' END,
		CASE WHEN lost.n IS NULL THEN reason ELSE replay_reason END,
		actor, subject, target,
		CASE WHEN lost.n IS NULL THEN jti ELSE '' END,
		parent, txn, change, count, detail::json
	FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
		$8::text[], $9::text[], $10::text[], $11::bigint[], $12::int[], $13::text[], $14::text[])
		WITH ORDINALITY AS e(id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count,
			detail, replay_reason, ord)
	LEFT JOIN lost ON lost.n = e.ord - 1
)
SELECT n FROM lost ORDER BY n`

// ledgerStatement returns the statement for events and its arguments.
func ledgerStatement(events []audit.Event) (sql string, args []any) {
	s := spent(events)
	args = eventColumns(events)
	if len(s.hash) == 0 {
		return insertEvents, args
	}
	reasons := make([]string, len(events))
	for i := range events {
		reasons[i] = events[i].ReplayReason
	}
	return spendAndInsert, append(args, reasons, s.n, s.space, s.hash, s.expires, s.late)
}

// spending is the keys of a batch as columns.
type spending struct {
	n       []int32 // index of the event
	space   []string
	hash    [][]byte
	expires []time.Time
	late    []int32 // events with a key that an earlier event of the batch has
}

// spent collects the keys. A key that occurs twice goes into the statement
// once: an INSERT that meets its own row again would report neither as lost.
func spent(events []audit.Event) spending {
	type key struct {
		space string
		hash  [32]byte
	}
	var s spending
	total := 0
	for i := range events {
		total += len(events[i].Replay)
	}
	if total == 0 {
		return s
	}
	s.n, s.space = make([]int32, 0, total), make([]string, 0, total)
	s.hash, s.expires = make([][]byte, 0, total), make([]time.Time, 0, total)
	first := make(map[key]int32, total)
	for i := range events {
		n, late := int32(i), false
		for j := range events[i].Replay {
			r := &events[i].Replay[j]
			k := key{r.Space, r.Hash}
			if owner, seen := first[k]; seen {
				late = late || owner != n
				continue
			}
			first[k] = n
			s.n, s.space = append(s.n, n), append(s.space, r.Space)
			s.hash, s.expires = append(s.hash, r.Hash[:]), append(s.expires, r.Expires)
		}
		if late {
			s.late = append(s.late, n)
		}
	}
	return s
}

// eventColumns returns the arguments $1 to $13: one array for each column.
func eventColumns(events []audit.Event) []any {
	n := len(events)
	text := make([]string, 9*n) // one allocation for nine columns
	column := func(i int) []string { return text[i*n : (i+1)*n : (i+1)*n] }
	id, kind, reason, actor, subject := column(0), column(1), column(2), column(3), column(4)
	target, jti, parent, txn := column(5), column(6), column(7), column(8)
	at, change, count, detail := make([]time.Time, n), make([]int64, n), make([]int32, n), make([]*string, n)
	for i := range events {
		e := &events[i]
		id[i], at[i], kind[i], reason[i], actor[i] = e.ID, e.Time, string(e.Kind), e.Reason, e.Actor
		subject[i], target[i], jti[i], parent[i] = e.Subject, e.Target, e.JTI, e.Parent
		txn[i], change[i], count[i] = e.Txn, e.Change, int32(e.Count)
		if len(e.Detail) > 0 {
			d := string(e.Detail)
			detail[i] = &d
		}
	}
	args := make([]any, 0, 19) // room for the keys
	return append(args, id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail)
}
