package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/registry"
)

// labelsJSON writes labels as their column has them: no labels are {}.
func labelsJSON(labels map[string]string) ([]byte, error) {
	if len(labels) == 0 {
		return []byte("{}"), nil
	}
	return json.Marshal(labels)
}

// newUpsert prepares an object for the table, as if it were new.
func newUpsert(o *registry.Object) (*upsert, error) {
	if want := registry.NewSpec(o.Kind); want == nil || reflect.TypeOf(o.Spec) != reflect.TypeOf(want) {
		return nil, fmt.Errorf("storage: %s has a spec of type %T", subject(o.Kind, o.Name), o.Spec)
	}
	if o.IsInstance() || registry.ValidInstanceName(o.Name) {
		// Written like this it would be counted by no cap and belong to no subject.
		return nil, fmt.Errorf("%s: %w: an instance is made by its first use alone", subject(o.Kind, o.Name), ErrConflict)
	}
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", subject(o.Kind, o.Name), err)
	}
	labels, err := labelsJSON(o.Labels)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", subject(o.Kind, o.Name), err)
	}
	return &upsert{
		Object: registry.Object{
			ID: newID(o.Kind), Kind: o.Kind, Name: o.Name, Labels: o.Labels, State: registry.Active, Version: 1, Spec: o.Spec,
		},
		spec: spec, labels: labels, outcome: Created,
	}, nil
}

// bury deletes objects: what they were stays as a tombstone. Agents lose their
// subjects, and of an instance's credential another one may be made.
func bury(ctx context.Context, tx pgx.Tx, change int64, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `
		UPDATE tokenry.registry_objects
		SET deleted_at = clock_timestamp(), updated = clock_timestamp(), change = $1, secret_hash = NULL
		WHERE id = ANY($2::text[])`, change, ids); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM tokenry.bindings WHERE agent_id = ANY($1::text[])`, ids); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		WITH gone AS (
			UPDATE tokenry.instances SET live = false WHERE agent_id = ANY($1::text[]) AND live
			RETURNING blueprint, credential
		), per AS (SELECT blueprint, credential, count(*) AS n FROM gone GROUP BY blueprint, credential)
		UPDATE tokenry.instance_counts c SET n = c.n - per.n
		FROM per WHERE c.blueprint = per.blueprint AND c.credential = per.credential`, ids)
	return err
}

// writeRows buries what is deleted and writes the rest.
func (p *plan) writeRows(ctx context.Context, tx pgx.Tx, written []*upsert) error {
	ids := make([]string, len(p.deletes))
	for i, d := range p.deletes {
		ids[i] = d.ID
	}
	if err := bury(ctx, tx, p.change, ids); err != nil {
		return err
	}
	n := len(written)
	id, kind, name := make([]string, n), make([]string, n), make([]string, n)
	labels, spec, version := make([]string, n), make([]string, n), make([]int32, n)
	for i, u := range written {
		id[i], kind[i], name[i] = u.ID, string(u.Kind), u.Name
		labels[i], spec[i], version[i] = string(u.labels), string(u.spec), int32(u.Version)
	}
	rows, err := tx.Query(ctx, `
		INSERT INTO tokenry.registry_objects AS o (id, kind, name, labels, spec, version, change, created, updated)
		SELECT id, kind, name, labels::jsonb, spec::jsonb, version, $7, clock_timestamp(), clock_timestamp()
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[])
			AS w(id, kind, name, labels, spec, version)
		ON CONFLICT (id) DO UPDATE SET labels = excluded.labels, spec = excluded.spec, version = excluded.version,
			change = excluded.change, updated = excluded.updated
		RETURNING id, created, updated`,
		id, kind, name, labels, spec, version, p.change)
	if err != nil {
		return err
	}
	byID := make(map[string]*upsert, n)
	for _, u := range written {
		byID[u.ID] = u
	}
	var one string
	var created, updated time.Time
	_, err = pgx.ForEachRow(rows, []any{&one, &created, &updated}, func() error {
		u := byID[one]
		u.Change, u.Created, u.Updated = p.change, created.UTC(), updated.UTC()
		return nil
	})
	return err
}

// writeBindings replaces the exact subjects of the agents written. All old ones
// go before the first new one comes, and those of deleted agents have gone
// already, so that a subject may move from one agent to another in one write.
func (p *plan) writeBindings(ctx context.Context, tx pgx.Tx, written []*upsert) error {
	var touched, issuers, subjects, agents, names []string
	holder := make(map[[2]string]string)
	for _, u := range written {
		spec, ok := u.Spec.(*registry.Agent)
		if !ok {
			continue
		}
		touched = append(touched, u.ID)
		for _, c := range spec.Credentials {
			if c.Subject.Exact == "" {
				continue
			}
			key := [2]string{string(c.Issuer), c.Subject.Exact}
			if other, taken := holder[key]; taken {
				return &BindingConflict{c.Issuer, c.Subject.Exact, registry.AgentName(u.Name), registry.AgentName(other)}
			}
			holder[key] = u.Name
			issuers, subjects = append(issuers, key[0]), append(subjects, key[1])
			agents, names = append(agents, u.ID), append(names, c.Name)
		}
	}
	if len(touched) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM tokenry.bindings WHERE agent_id = ANY($1::text[])`, touched); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `
		INSERT INTO tokenry.bindings (issuer, subject, agent_id, credential)
		SELECT issuer, subject, agent_id, credential
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w(issuer, subject, agent_id, credential)
		ON CONFLICT (issuer, subject) DO NOTHING
		RETURNING issuer, subject`, issuers, subjects, agents, names)
	if err != nil {
		return err
	}
	var key [2]string
	if _, err := pgx.ForEachRow(rows, []any{&key[0], &key[1]}, func() error {
		delete(holder, key)
		return nil
	}); err != nil {
		return err
	}
	for i := range issuers { // what was not inserted belongs to somebody
		key := [2]string{issuers[i], subjects[i]}
		if agent, left := holder[key]; left {
			return bindingConflict(ctx, tx, key, agent)
		}
	}
	return nil
}

// bindingConflict finds out who has a subject.
func bindingConflict(ctx context.Context, tx pgx.Tx, key [2]string, agent string) error {
	var other string
	err := tx.QueryRow(ctx, `
		SELECT o.name FROM tokenry.bindings b JOIN tokenry.registry_objects o ON o.id = b.agent_id
		WHERE b.issuer = $1 AND b.subject = $2`, key[0], key[1]).Scan(&other)
	if err != nil {
		return err
	}
	return &BindingConflict{registry.IssuerName(key[0]), key[1], registry.AgentName(agent), registry.AgentName(other)}
}

// claimIssuers binds the names of issuers to whom they stand for.
func claimIssuers(ctx context.Context, tx pgx.Tx, written []*upsert) error {
	want := make(map[string]string)
	var names, identities []string
	for _, u := range written {
		if spec, ok := u.Spec.(*registry.TrustedIssuer); ok {
			identity := spec.Issuer
			if spec.Type == registry.SPIFFE {
				identity = spec.TrustDomain
			}
			want[u.Name] = identity
			names, identities = append(names, u.Name), append(identities, identity)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO tokenry.issuer_identities (name, identity)
		SELECT name, identity FROM unnest($1::text[], $2::text[]) AS w(name, identity)
		ON CONFLICT (name) DO NOTHING`, names, identities); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT name, identity FROM tokenry.issuer_identities WHERE name = ANY($1::text[]) ORDER BY name`, names)
	if err != nil {
		return err
	}
	var name, had string
	_, err = pgx.ForEachRow(rows, []any{&name, &had}, func() error {
		if had != want[name] {
			return &IssuerConflict{registry.IssuerName(name), had, want[name]}
		}
		return nil
	})
	return err
}
