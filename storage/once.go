package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrReused says that the key of a request was that of another one before.
var ErrReused = errors.New("the idempotency key belongs to another request")

// Once names a request that may come again. Within a day the same request with
// the same key, of the same author, is answered with what became of it the first
// time and changes nothing.
type Once struct {
	Key     string            // as the sender chose it; empty = the request is a new one each time
	Request [sha256.Size]byte // SHA-256 of everything that the request says
}

// before finds what became of a request; found is false when it is new.
// It runs under the lock of registry writes, so that of two at once one waits.
func (o Once) before(ctx context.Context, tx pgx.Tx, by string) (results []Result, found bool, err error) {
	if o.Key == "" {
		return nil, false, nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM tokenry.idempotency_keys WHERE created < now() - interval '1 day'`); err != nil {
		return nil, false, err
	}
	var request, raw []byte
	err = tx.QueryRow(ctx, `SELECT request, results FROM tokenry.idempotency_keys WHERE actor = $1 AND key = $2`, by, o.Key).Scan(&request, &raw)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case !bytes.Equal(request, o.Request[:]):
		return nil, false, ErrReused
	}
	if err := json.Unmarshal(raw, &results); err != nil {
		return nil, false, fmt.Errorf("reading the results: %w", err)
	}
	return results, true, nil
}

// keep remembers what became of a request, in its own transaction.
func (o Once) keep(ctx context.Context, tx pgx.Tx, by string, results []Result) error {
	if o.Key == "" {
		return nil
	}
	raw, err := json.Marshal(results)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO tokenry.idempotency_keys (actor, key, request, results) VALUES ($1, $2, $3, $4)`,
		by, o.Key, o.Request[:], raw)
	return err
}
