package storage

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/registry"
)

// Holders returns one page of the agents and blueprints that have federated
// credentials: agents first, each kind in the order of names. Instances have
// none of their own. after is the last one of the page before, or empty; more
// says that there are others behind. limit is at most 1000; 0 = 100.
func (db *DB) Holders(ctx context.Context, after Ref, limit int) (page []registry.Object, more bool, err error) {
	limit = pageLimit(limit)
	rows, err := db.desk.Query(ctx, objectSelect+`
		WHERE kind IN ('Agent', 'Blueprint') AND deleted_at IS NULL AND spec ? 'credentials'
			AND (kind COLLATE "C", name) > ($1 COLLATE "C", $2)
		ORDER BY kind COLLATE "C", name LIMIT $3`, string(after.Kind), after.Name, limit+1)
	if err == nil {
		page, err = pgx.CollectRows(rows, scanObject)
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading who has credentials: %w", err)
	}
	if len(page) > limit {
		return page[:limit], true, nil
	}
	return page, false, nil
}

// InstanceCounts returns how many live instances each credential of the
// blueprints has, by blueprint and credential.
func (db *DB) InstanceCounts(ctx context.Context, blueprints []string) (map[[2]string]int, error) {
	counts := make(map[[2]string]int)
	rows, err := db.desk.Query(ctx, `
		SELECT blueprint, credential, n FROM tokenry.instance_counts WHERE blueprint = ANY($1::text[])`, blueprints)
	if err != nil {
		return nil, fmt.Errorf("counting instances: %w", err)
	}
	var key [2]string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&key[0], &key[1], &n}, func() error {
		counts[key] = n
		return nil
	}); err != nil {
		return nil, fmt.Errorf("counting instances: %w", err)
	}
	return counts, nil
}
