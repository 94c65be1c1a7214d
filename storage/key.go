package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/keys"
)

// self is who acts when no person does.
const self = "tokenry"

// SigningKeys returns every row of the ring, oldest first.
func (db *DB) SigningKeys(ctx context.Context) ([]keys.Row, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT kid, alg, sealed, created, active_from, retired, revoked
		FROM tokenry.signing_keys ORDER BY created`)
	var all []keys.Row
	if err == nil {
		all, err = pgx.CollectRows(rows, scanKey)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the signing keys: %w", err)
	}
	return all, nil
}

func scanKey(row pgx.CollectableRow) (r keys.Row, err error) {
	err = row.Scan(&r.Kid, &r.Alg, &r.Sealed, &r.Created, &r.ActiveFrom, &r.Retired, &r.Revoked)
	r.Created, r.ActiveFrom = r.Created.UTC(), r.ActiveFrom.UTC()
	for _, t := range []*time.Time{r.Retired, r.Revoked} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return r, err
}

// InsertSigningKey adds a row, but returns keys.ErrRaced and adds nothing unless
// the row with the greatest Created has the kid expectedNewest ("" = there is
// none).
func (db *DB) InsertSigningKey(ctx context.Context, row keys.Row, expectedNewest string) error {
	err := db.alone(ctx, keyLock, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO tokenry.signing_keys (kid, alg, sealed, created, active_from, retired, revoked)
			SELECT $1, $2, $3, $4, $5, $6, $7
			WHERE coalesce((SELECT kid FROM tokenry.signing_keys ORDER BY created DESC LIMIT 1), '') = $8`,
			row.Kid, row.Alg, row.Sealed, row.Created, row.ActiveFrom, row.Retired, row.Revoked, expectedNewest)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return keys.ErrRaced
		}
		return writeKeyEvent(ctx, tx, self, row.Kid, keyDetail{Operation: "created", Alg: row.Alg, ActiveFrom: &row.ActiveFrom})
	})
	if err != nil {
		return fmt.Errorf("inserting signing key %s: %w", row.Kid, err)
	}
	return nil
}

// RetireSigningKey ends the signing of a key; tokens that it signed stay good.
// A key that is retired already stays as it is.
func (db *DB) RetireSigningKey(ctx context.Context, by, kid, reason string) error {
	return db.stopKey(ctx, by, kid, "retired", reason, `
		UPDATE tokenry.signing_keys SET retired = coalesce(retired, now()) WHERE kid = $1`)
}

// RevokeSigningKey ends a key and every token that it signed. It cannot be
// undone.
func (db *DB) RevokeSigningKey(ctx context.Context, by, kid, reason string) error {
	return db.stopKey(ctx, by, kid, "revoked", reason, `
		UPDATE tokenry.signing_keys SET revoked = coalesce(revoked, now()) WHERE kid = $1`)
}

func (db *DB) stopKey(ctx context.Context, by, kid, operation, reason, sql string) error {
	if by == "" {
		return errNobody
	}
	err := db.alone(ctx, keyLock, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sql, kid)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return writeKeyEvent(ctx, tx, by, kid, keyDetail{Operation: operation, Reason: reason})
	})
	if err != nil {
		return fmt.Errorf("signing key %s: %w", kid, err)
	}
	return nil
}

// keyDetail is the detail of a KeyChanged event.
type keyDetail struct {
	Operation  string     `json:"operation"` // created, retired, revoked
	Alg        string     `json:"alg,omitempty"`
	ActiveFrom *time.Time `json:"active_from,omitempty"`
	Reason     string     `json:"reason,omitempty"`
}

func writeKeyEvent(ctx context.Context, tx pgx.Tx, by, kid string, d keyDetail) error {
	detail, err := json.Marshal(d)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	_, err = tx.Exec(ctx, insertEvents, eventColumns([]audit.Event{{
		ID: audit.NewID("evt", now), Time: now, Kind: audit.KeyChanged, Actor: by, Subject: "key/" + kid, Detail: detail,
	}})...)
	return err
}
