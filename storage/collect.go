package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/registry"
)

// TouchInstances notes that instances were in use at a time. A later note
// stays, and so does what is forgotten.
//
// A row that somebody else is writing is passed over: it is either being
// touched too or being buried, and two replicas that wait for each other's rows
// would deadlock.
func (db *DB) TouchInstances(ctx context.Context, ids []string, at time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := db.desk.Exec(ctx, `
		UPDATE tokenry.instances SET last_used = $2 WHERE agent_id IN (
			SELECT agent_id FROM tokenry.instances WHERE agent_id = ANY($1::text[]) AND live AND last_used < $2
			FOR NO KEY UPDATE SKIP LOCKED)`, ids, at)
	if err != nil {
		return fmt.Errorf("touching instances: %w", err)
	}
	return nil
}

// LastUsed returns when instances were last used, by their ids. What is no
// instance is not in it.
func (db *DB) LastUsed(ctx context.Context, ids []string) (map[string]time.Time, error) {
	used := make(map[string]time.Time, len(ids))
	if len(ids) == 0 {
		return used, nil
	}
	rows, err := db.desk.Query(ctx, `SELECT agent_id, last_used FROM tokenry.instances WHERE agent_id = ANY($1::text[])`, ids)
	if err == nil {
		var id string
		var at time.Time
		_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error { used[id] = at.UTC(); return nil })
	}
	if err != nil {
		return nil, fmt.Errorf("reading the use of instances: %w", err)
	}
	return used, nil
}

// CollectInstances forgets instances that nobody has used for the idle time of
// their credential, at most limit of them, and returns how many. One that comes
// back after that is revived (AdmitInstances).
//
// Only active ones: a disabled or quarantined one stays where an operator sees
// it. And none that a rule or a resource names: it would then name nobody, and
// no later write would be allowed.
func (db *DB) CollectInstances(ctx context.Context, now time.Time, limit int) (n int, err error) {
	err = db.alone(ctx, registryLock, func(tx pgx.Tx) error {
		idle, err := idleInstances(ctx, tx, now, limit)
		if err != nil || len(idle) == 0 {
			return err
		}
		n = len(idle)
		change, err := nextChange(ctx, tx)
		if err != nil {
			return err
		}
		ids, events := make([]string, n), make([]audit.Event, n)
		for i, o := range idle {
			ids[i] = o.ID
			if events[i], err = adminEvent(instanceAuthor, change, registry.KindAgent, o.Name,
				adminDetail{Operation: instanceCollected, ID: o.ID, Version: o.Version}); err != nil {
				return err
			}
		}
		if err := bury(ctx, tx, change, ids); err != nil {
			return err
		}
		return finish(ctx, tx, change, events)
	})
	if err != nil {
		return 0, fmt.Errorf("collecting instances: %w", err)
	}
	return n, nil
}

// idleInstances finds what is to be forgotten, the longest unused first. Only
// id, name and version are set.
func idleInstances(ctx context.Context, tx pgx.Tx, now time.Time, limit int) ([]registry.Object, error) {
	rows, err := tx.Query(ctx, objectSelect+`
		WHERE kind = 'Blueprint' AND deleted_at IS NULL AND jsonb_typeof(spec -> 'credentials') = 'array'`)
	if err != nil {
		return nil, err
	}
	blueprints, err := pgx.CollectRows(rows, scanObject)
	if err != nil {
		return nil, err
	}
	var names, credentials []string
	var before []time.Time
	for _, o := range blueprints {
		spec, ok := o.Spec.(*registry.Blueprint)
		if !ok {
			continue
		}
		for i := range spec.Credentials {
			c := &spec.Credentials[i]
			names, credentials, before = append(names, o.Name), append(credentials, c.Name), append(before, now.Add(-c.Idle()))
		}
	}
	rows, err = tx.Query(ctx, `
		WITH named AS (
			SELECT jsonb_array_elements_text(list) AS name
			FROM tokenry.registry_objects o,
				LATERAL (VALUES (o.spec -> 'agents'), (o.spec #> '{subjects,agents}'), (o.spec #> '{actors,agents}')) AS l(list)
			WHERE o.deleted_at IS NULL AND o.kind IN ('Resource', 'DelegationRule') AND jsonb_typeof(list) = 'array'
		)
		SELECT o.id, o.name, o.version
		FROM tokenry.instances i
		JOIN tokenry.registry_objects o ON o.id = i.agent_id AND o.deleted_at IS NULL AND o.state = 'active'
		LEFT JOIN unnest($1::text[], $2::text[], $3::timestamptz[]) AS w(blueprint, credential, before)
			ON w.blueprint = i.blueprint AND w.credential = i.credential
		WHERE i.live AND i.last_used < coalesce(w.before, $4) AND NOT EXISTS (SELECT FROM named n WHERE n.name = i.name)
		ORDER BY i.last_used, i.agent_id LIMIT $5`,
		names, credentials, before, now.Add(-registry.DefaultCollectAfter), limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o registry.Object, err error) {
		err = row.Scan(&o.ID, &o.Name, &o.Version)
		return o, err
	})
}
