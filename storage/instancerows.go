package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/registry"
)

// read reads everything that is decided on, in one round trip.
func (a *admitting) read(ctx context.Context, tx pgx.Tx) error {
	a.credentials, a.counts, a.more = map[counted]*registry.PatternCredential{}, map[counted]int{}, map[counted]int{}
	a.bySubject, a.byName, a.holders = map[bound]*registry.Object{}, map[string]bool{}, map[bound]bool{}
	n := len(a.candidates)
	blueprints, names, issuers, subjects := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, c := range a.candidates {
		blueprints[i] = clean(string(c.Blueprint))
		names[i], issuers[i], subjects[i] = clean(string(c.Name)), clean(string(c.Issuer)), clean(c.Subject)
	}
	batch := &pgx.Batch{}
	batch.Queue(objectSelect+`
		WHERE kind = 'Blueprint' AND deleted_at IS NULL AND name = ANY($1::text[])`, blueprints).Query(a.readBlueprints)
	batch.Queue(objectSelect+`
		WHERE id IN (
			SELECT agent_id FROM tokenry.instances i
			JOIN unnest($1::text[], $2::text[]) AS w(issuer, subject) ON i.issuer = w.issuer AND i.subject = w.subject
			UNION SELECT agent_id FROM tokenry.instances WHERE name = ANY($3::text[]))`,
		issuers, subjects, names).Query(a.readInstances)
	batch.Queue(`
		SELECT b.issuer, b.subject FROM tokenry.bindings b
		JOIN unnest($1::text[], $2::text[]) AS w(issuer, subject) ON b.issuer = w.issuer AND b.subject = w.subject`,
		issuers, subjects).Query(func(rows pgx.Rows) error {
		var b bound
		_, err := pgx.ForEachRow(rows, []any{&b.issuer, &b.subject}, func() error { a.holders[b] = true; return nil })
		return err
	})
	batch.Queue(`SELECT blueprint, credential, n FROM tokenry.instance_counts WHERE blueprint = ANY($1::text[])`, blueprints).
		Query(func(rows pgx.Rows) error {
			var key counted
			var n int
			_, err := pgx.ForEachRow(rows, []any{&key.blueprint, &key.credential, &n}, func() error { a.counts[key] = n; return nil })
			return err
		})
	return tx.SendBatch(ctx, batch).Close()
}

// clean is a text that the database can be asked about; what it changes is
// refused by storable or is no name.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
}

// readBlueprints keeps the credentials that admit. Of a blueprint that a newer
// replica wrote we may not know a limit: scanStrict disables it.
func (a *admitting) readBlueprints(rows pgx.Rows) error {
	found, err := pgx.CollectRows(rows, scanStrict)
	for i := range found {
		spec, ok := found[i].Spec.(*registry.Blueprint)
		if !ok || found[i].State != registry.Active {
			continue
		}
		for j := range spec.Credentials {
			if c := &spec.Credentials[j]; c.Mode != registry.Shadow {
				a.credentials[counted{registry.BlueprintName(found[i].Name), c.Name}] = c
			}
		}
	}
	return err
}

func (a *admitting) readInstances(rows pgx.Rows) error {
	found, err := pgx.CollectRows(rows, scanStrict)
	for i := range found {
		o := &found[i]
		if !o.IsInstance() {
			return fmt.Errorf("%s does not say what it was made from", subject(o.Kind, o.Name))
		}
		of := o.Spec.(*registry.Agent).Instance
		a.bySubject[bound{of.Issuer, of.Subject}], a.byName[o.Name] = o, true
	}
	return err
}

// errCounts says that counts have changed under the lock, which cannot be.
var errCounts = errors.New("the instances would be more than maxInstances")

// write writes what is new; nothing new, nothing written.
func (a *admitting) write(ctx context.Context, tx pgx.Tx) error {
	if len(a.fresh) == 0 {
		return nil
	}
	change, err := nextChange(ctx, tx)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	a.queueCounts(batch)
	if err := a.queueRows(batch, change); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	events := make([]audit.Event, len(a.fresh))
	for i, f := range a.fresh {
		if events[i], err = adminEvent(instanceAuthor, change, f.Kind, f.Name,
			adminDetail{Operation: f.operation, ID: f.ID, Version: f.Version}); err != nil {
			return err
		}
	}
	return finish(ctx, tx, change, events)
}

// queueCounts counts up. The condition is what holds the cap.
func (a *admitting) queueCounts(batch *pgx.Batch) {
	var blueprints, credentials []string
	var more, most []int64
	for key, n := range a.more {
		blueprints, credentials = append(blueprints, string(key.blueprint)), append(credentials, key.credential)
		more, most = append(more, int64(n)), append(most, int64(a.credentials[key].MaxInstances))
	}
	batch.Queue(`
		INSERT INTO tokenry.instance_counts (blueprint, credential, n)
		SELECT blueprint, credential, 0 FROM unnest($1::text[], $2::text[]) AS w(blueprint, credential)
		ON CONFLICT (blueprint, credential) DO NOTHING`, blueprints, credentials)
	batch.Queue(`
		UPDATE tokenry.instance_counts c SET n = c.n + w.more
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS w(blueprint, credential, more, most)
		WHERE c.blueprint = w.blueprint AND c.credential = w.credential AND c.n + w.more <= w.most
		RETURNING c.n`, blueprints, credentials, more, most).Query(func(rows pgx.Rows) error {
		counted, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err == nil && len(counted) != len(more) {
			err = errCounts
		}
		return err
	})
}

// queueRows writes the objects, what they were made from, and their subjects.
func (a *admitting) queueRows(batch *pgx.Batch, change int64) error {
	n := len(a.fresh)
	id, name, labels, spec, version := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]int32, n)
	blueprint, credential, issuer, sub := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	byID := make(map[string]*fresh, n)
	for i, f := range a.fresh {
		agent := f.Spec.(*registry.Agent)
		l, err := labelsJSON(f.Labels)
		if err != nil {
			return err
		}
		// Owner and sponsor are left out: nobody registered it.
		s, err := json.Marshal(struct {
			Blueprint registry.BlueprintName `json:"blueprint"`
			Instance  *registry.InstanceOf   `json:"instance"`
		}{agent.Blueprint, agent.Instance})
		if err != nil {
			return err
		}
		id[i], name[i], labels[i], spec[i], version[i] = f.ID, f.Name, string(l), string(s), int32(f.Version)
		blueprint[i], credential[i] = string(agent.Blueprint), agent.Instance.Credential
		issuer[i], sub[i] = string(agent.Instance.Issuer), agent.Instance.Subject
		byID[f.ID] = f
	}
	// What a newer replica has put into the spec of one that comes back stays.
	batch.Queue(`
		INSERT INTO tokenry.registry_objects AS o (id, kind, name, labels, spec, version, change, created, updated)
		SELECT id, 'Agent', name, labels::jsonb, spec::jsonb, version, $6, clock_timestamp(), clock_timestamp()
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[]) AS w(id, name, labels, spec, version)
		ON CONFLICT (id) DO UPDATE SET labels = excluded.labels, spec = o.spec || excluded.spec, version = excluded.version,
			change = excluded.change, updated = excluded.updated, deleted_at = NULL
		RETURNING id, created, updated`,
		id, name, labels, spec, version, change).Query(func(rows pgx.Rows) error {
		var one string
		var created, updated time.Time
		_, err := pgx.ForEachRow(rows, []any{&one, &created, &updated}, func() error {
			f := byID[one]
			f.Change, f.Created, f.Updated = change, created.UTC(), updated.UTC()
			return nil
		})
		return err
	})
	batch.Queue(`
		INSERT INTO tokenry.instances (agent_id, blueprint, credential, issuer, subject, name, live, last_used)
		SELECT id, blueprint, credential, issuer, subject, name, true, clock_timestamp()
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
			AS w(id, blueprint, credential, issuer, subject, name)
		ON CONFLICT (agent_id) DO UPDATE SET credential = excluded.credential, live = true, last_used = excluded.last_used`,
		id, blueprint, credential, issuer, sub, name)
	batch.Queue(`
		INSERT INTO tokenry.bindings (issuer, subject, agent_id, credential)
		SELECT issuer, subject, id, credential
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w(issuer, subject, id, credential)`,
		issuer, sub, id, credential)
	return nil
}
