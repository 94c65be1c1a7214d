package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/registry"
)

// queryer is what reads alike inside and outside of a transaction.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const objectSelect = `
SELECT id, kind, name, labels, state, version, change, created, updated, deleted_at IS NOT NULL, spec, secret_hash
FROM tokenry.registry_objects `

// Object returns one live object by its name or its id.
func (db *DB) Object(ctx context.Context, kind registry.Kind, nameOrID string) (registry.Object, error) {
	o, err := object(ctx, db.desk, kind, nameOrID)
	if err != nil {
		return registry.Object{}, fmt.Errorf("reading %s: %w", subject(kind, nameOrID), err)
	}
	return o, nil
}

// object reads one live object. A name never begins like an id, so there is at
// most one.
func object(ctx context.Context, q queryer, kind registry.Kind, nameOrID string) (registry.Object, error) {
	rows, err := q.Query(ctx, objectSelect+`
		WHERE kind = $1 AND deleted_at IS NULL AND (name = $2 OR id = $2)`, string(kind), nameOrID)
	if err != nil {
		return registry.Object{}, err
	}
	o, err := pgx.CollectExactlyOneRow(rows, scanObject)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return o, err
}

// Objects returns one page of the live objects of a kind in the order of their
// names. cursor is empty or the next of the page before; next is empty on the
// last page. limit is at most 1000; 0 = 100.
func (db *DB) Objects(ctx context.Context, kind registry.Kind, cursor string, limit int) (page []registry.Object, next string, err error) {
	return db.page(ctx, "kind = $1 AND deleted_at IS NULL AND name > $2", limit, string(kind), cursor)
}

// AgentFilter selects agents; an empty field selects all.
type AgentFilter struct {
	Blueprint registry.BlueprintName
	Instances Instances
}

// Instances says what of instances is wanted.
type Instances string

// What of instances is wanted.
const (
	WithInstances    Instances = "" // beside the agents that somebody registered
	WithoutInstances Instances = "without"
	OnlyInstances    Instances = "only"
)

// Agents is Objects for agents, of which it returns those that f selects.
func (db *DB) Agents(ctx context.Context, f AgentFilter, cursor string, limit int) (page []registry.Object, next string, err error) {
	// The kind stands in the text, so that the planner may use the partial index.
	where, args := "kind = 'Agent' AND deleted_at IS NULL AND name > $1", []any{cursor}
	switch f.Instances {
	case WithInstances:
	case WithoutInstances:
		where += " AND NOT spec ? 'instance'"
	case OnlyInstances:
		where += " AND spec ? 'instance'"
	default:
		return nil, "", fmt.Errorf("reading objects: no such filter: %q", f.Instances)
	}
	if f.Blueprint != "" {
		args = append(args, string(f.Blueprint))
		where += " AND spec ->> 'blueprint' = $2"
	}
	return db.page(ctx, where, limit, args...)
}

// page returns the first objects that a condition selects, by name.
func (db *DB) page(ctx context.Context, where string, limit int, args ...any) (page []registry.Object, next string, err error) {
	limit = pageLimit(limit)
	args = append(args, limit+1)
	rows, err := db.desk.Query(ctx, objectSelect+"WHERE "+where+fmt.Sprintf(" ORDER BY name LIMIT $%d", len(args)), args...)
	if err == nil {
		page, err = pgx.CollectRows(rows, scanObject)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading objects: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].Name
	}
	return page, next, nil
}

// Changes returns what was written after a change number, in the order of
// writing, with tombstones of what was deleted, and the latest change number.
// After 0 these are all live objects.
//
// An object whose spec has members that this program does not know comes as
// disabled: a newer replica wrote it, and what we do not know may be a limit.
func (db *DB) Changes(ctx context.Context, after int64) (changed []registry.Object, latest int64, err error) {
	// The latest number comes from the rows, never from the sequence: the
	// sequence shows numbers of writes that have not committed. It is read also
	// when nothing changed, and is then below what the caller knows where a
	// failover or a restored backup has lost writes.
	batch := &pgx.Batch{}
	batch.Queue("SELECT coalesce(max(change), 0) FROM tokenry.registry_objects").QueryRow(func(row pgx.Row) error {
		return row.Scan(&latest)
	})
	batch.Queue(objectSelect+`
		WHERE change > $1 AND ($1 > 0 OR deleted_at IS NULL) ORDER BY change, id`, after).Query(func(rows pgx.Rows) error {
		changed, err = pgx.CollectRows(rows, scanStrict)
		return err
	})
	if err := db.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, 0, fmt.Errorf("reading the registry's changes: %w", err)
	}
	if n := len(changed); n > 0 {
		latest = max(latest, changed[n-1].Change)
	}
	return changed, latest, nil
}

// RulesAt returns the objects as they were when the change of that number had
// just been made, in the order of kind and name: of the agents those named, of
// everything else all. Secrets are not remembered.
//
// An instance that was not there yet is as it was when it was made: it was made
// by the very decision that names it, a moment after its rules were read.
func (db *DB) RulesAt(ctx context.Context, change int64, agents []registry.AgentName) ([]registry.Object, error) {
	names, instances := make([]string, len(agents)), []string{}
	for i, a := range agents {
		if names[i] = string(a); registry.ValidInstanceName(names[i]) {
			instances = append(instances, names[i])
		}
	}
	rows, err := db.desk.Query(ctx, `
		WITH rules AS (
			SELECT DISTINCT ON (id) * FROM tokenry.registry_history
			WHERE kind <> 'Agent' AND change <= $1 ORDER BY id, change DESC
		), agents AS (
			SELECT DISTINCT ON (id) * FROM tokenry.registry_history
			WHERE kind = 'Agent' AND change <= $1 AND name = ANY($2) ORDER BY id, change DESC
		), made AS (
			SELECT DISTINCT ON (id) * FROM tokenry.registry_history h
			WHERE kind = 'Agent' AND change > $1 AND name = ANY($3) AND NOT deleted
				AND NOT EXISTS (SELECT FROM agents a WHERE a.id = h.id AND NOT a.deleted)
			ORDER BY id, change
		)
		SELECT id, kind, name, labels, state, version, change, created, at, deleted, spec, NULL::bytea
		FROM (TABLE rules UNION ALL TABLE agents UNION ALL TABLE made) all_of_them
		WHERE NOT deleted ORDER BY kind, name`, change, names, instances)
	var objects []registry.Object
	if err == nil {
		objects, err = pgx.CollectRows(rows, scanObject)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the registry at change %d: %w", change, err)
	}
	return objects, nil
}

// scanObject reads a row of objectSelect.
func scanObject(row pgx.CollectableRow) (registry.Object, error) {
	o, raw, err := scanRow(row)
	if err == nil {
		err = json.Unmarshal(raw, o.Spec)
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", subject(o.Kind, o.Name), err)
	}
	return o, nil
}

// scanStrict reads a row of objectSelect and disables what it only half knows.
func scanStrict(row pgx.CollectableRow) (registry.Object, error) {
	o, raw, err := scanRow(row)
	if err != nil {
		return o, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if dec.Decode(o.Spec) != nil {
		o.State, o.Spec = registry.Disabled, registry.NewSpec(o.Kind)
		_ = json.Unmarshal(raw, o.Spec) // as far as it goes: it is disabled
	}
	return o, nil
}

// scanRow reads all but the spec, which is empty.
func scanRow(row pgx.CollectableRow) (o registry.Object, spec []byte, err error) {
	var labels []byte
	err = row.Scan(&o.ID, &o.Kind, &o.Name, &labels, &o.State, &o.Version, &o.Change, &o.Created, &o.Updated,
		&o.Deleted, &spec, &o.SecretHash)
	if err != nil {
		return o, nil, err
	}
	if len(labels) > len("{}") {
		err = json.Unmarshal(labels, &o.Labels)
	}
	o.Created, o.Updated = o.Created.UTC(), o.Updated.UTC()
	if o.Spec = registry.NewSpec(o.Kind); o.Spec == nil && err == nil {
		err = fmt.Errorf("unknown kind %q", o.Kind)
	}
	return o, spec, err
}

// subject names an object in an event and in an error: "agent/research-agent".
func subject(k registry.Kind, name string) string {
	switch k {
	case registry.KindTrustedIssuer:
		return "trusted-issuer/" + name
	case registry.KindResource:
		return "resource/" + name
	case registry.KindBlueprint:
		return "blueprint/" + name
	case registry.KindAgent:
		return "agent/" + name
	case registry.KindDelegationRule:
		return "delegation-rule/" + name
	}
	return string(k) + "/" + name
}
