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
// statement, and returns those that lost a key. Such an event is kept as
// token.refused, with the reason of the first key that it lost and without a
// jti: whether a token may leave is decided here and nowhere else.
//
// Of several events with one key exactly one wins: the first of a batch, and of
// batches at the same time, on any number of replicas, the one whose insert
// Postgres lets through. Keys count as spent even when their event lost by
// another key.
//
// After an error nothing of the batch is known to be kept. IsPoison tells
// whether one of its rows is to blame.
func (db *DB) WriteEvents(ctx context.Context, events []audit.Event) (lost []audit.Lost, err error) {
	if len(events) == 0 {
		return nil, nil
	}
	sql, args := ledgerStatement(events)
	lost, err = db.runLedger(ctx, sql, args)
	if tryAgain(err) {
		lost, err = db.runLedger(ctx, sql, args)
	}
	if err != nil {
		return nil, fmt.Errorf("writing %d events: %w", len(events), err)
	}
	return lost, nil
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

func (db *DB) runLedger(ctx context.Context, sql string, args []any) ([]audit.Lost, error) {
	rows, err := db.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]audit.Lost(nil), rows, pgx.RowToStructByPos[audit.Lost])
}

// insertEvents writes events that spend nothing.
const insertEvents = `
INSERT INTO tokenry.audit_events
	(id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail)
SELECT id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail::json
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
	$8::text[], $9::text[], $10::text[], $11::bigint[], $12::int[], $13::text[])
	AS e(id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail)`

// spendAndInsert writes events, some of which spend keys. $14 to $19 are the
// keys, each once, with the number of its event and its place among the keys of
// that event; $20 to $22 are the events that came too late within the batch, and
// the place and the reason of the key by which they did.
//
// The keys are inserted in one order by everybody: two batches with the same
// keys in different orders would deadlock.
const spendAndInsert = `
WITH keys AS (
	SELECT n, place, space, hash, expires, reason
	FROM unnest($14::int[], $15::int[], $16::text[], $17::bytea[], $18::timestamptz[], $19::text[])
		AS k(n, place, space, hash, expires, reason)
), fresh AS (
	INSERT INTO tokenry.replay_keys (space, hash, expires)
	SELECT space, hash, expires FROM keys ORDER BY space COLLATE "C", hash
	ON CONFLICT (space, hash) DO NOTHING
	RETURNING space, hash
), lost AS MATERIALIZED (
	SELECT DISTINCT ON (n) n, reason FROM (
		SELECT n, place, reason FROM keys LEFT JOIN fresh USING (space, hash) WHERE fresh.hash IS NULL
		UNION ALL
		SELECT n, place, reason FROM unnest($20::int[], $21::int[], $22::text[]) AS l(n, place, reason)
	) AS each ORDER BY n, place
), written AS (
	INSERT INTO tokenry.audit_events
		(id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail)
	SELECT id, at,
		CASE WHEN lost.n IS NULL THEN kind ELSE '` + string(audit.TokenRefused) + `' END,
		CASE WHEN lost.n IS NULL THEN e.reason ELSE lost.reason END,
		actor, subject, target,
		CASE WHEN lost.n IS NULL THEN jti ELSE '' END,
		parent, txn, change, count, detail::json
	FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
		$8::text[], $9::text[], $10::text[], $11::bigint[], $12::int[], $13::text[])
		WITH ORDINALITY AS e(id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count,
			detail, ord)
	LEFT JOIN lost ON lost.n = e.ord - 1
)
SELECT n, reason FROM lost ORDER BY n`

// ledgerStatement returns the statement for events and its arguments.
func ledgerStatement(events []audit.Event) (sql string, args []any) {
	s := spent(events)
	args = eventColumns(events)
	if len(s.hash) == 0 {
		return insertEvents, args
	}
	return spendAndInsert, append(args, s.n, s.place, s.space, s.hash, s.expires, s.reason, s.late.n, s.late.place, s.late.reason)
}

// spending is the keys of a batch as columns.
type spending struct {
	n       []int32 // index of the event
	place   []int32 // index of the key in the event
	space   []string
	hash    [][]byte
	expires []time.Time
	reason  []string

	// Events with a key that an earlier event of the batch has, and the first
	// such key of each.
	late struct {
		n, place []int32
		reason   []string
	}
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
	s.n, s.place, s.space = make([]int32, 0, total), make([]int32, 0, total), make([]string, 0, total)
	s.hash, s.expires, s.reason = make([][]byte, 0, total), make([]time.Time, 0, total), make([]string, 0, total)
	first := make(map[key]int32, total)
	for i := range events {
		n, late := int32(i), false
		for j := range events[i].Replay {
			r := &events[i].Replay[j]
			k := key{r.Space, r.Hash}
			if owner, seen := first[k]; seen {
				if owner != n && !late {
					late = true
					s.late.n, s.late.place, s.late.reason = append(s.late.n, n), append(s.late.place, int32(j)), append(s.late.reason, r.Reason)
				}
				continue
			}
			first[k] = n
			s.n, s.place, s.space = append(s.n, n), append(s.place, int32(j)), append(s.space, r.Space)
			s.hash, s.expires, s.reason = append(s.hash, r.Hash[:]), append(s.expires, r.Expires), append(s.reason, r.Reason)
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
	args := make([]any, 0, 22) // room for the keys
	return append(args, id, at, kind, reason, actor, subject, target, jti, parent, txn, change, count, detail)
}
