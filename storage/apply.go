package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/registry"
)

// Write is a set of changes to the registry that happen together or not at all.
type Write struct {
	By string // the admin principal; required

	Upserts []*registry.Object // Kind, Name, Labels and Spec count, the rest is ignored
	Deletes []Ref              // ErrNotFound when one is not there
	Prune   bool               // delete every object that is not in Upserts, but no instance: no manifest declares one

	Create  bool  // every one of Upserts must be new, else ErrExists
	IfMatch int64 // Change that each object named must have, else ErrVersion; 0 = any, or none, Present = any
	DryRun  bool  // do everything, but commit nothing
	Once    Once  // what to know the request by if it comes again; ErrReused

	// Check sees all objects as they would be, in the order of kind and name,
	// and refuses by an error, which Apply returns as it is. The objects of
	// Upserts are among them, completed, as copies with the same Spec. Nil = no
	// check.
	Check func(after []*registry.Object) error
}

// Present as IfMatch: the object must be there, in whatever state.
const Present int64 = -1

// matches says that an object that is there is the one that the writer means.
func (w Write) matches(change int64) bool {
	return w.IfMatch == 0 || w.IfMatch == Present || w.IfMatch == change
}

// Ref names an object, by its name or its id.
type Ref struct {
	Kind registry.Kind
	Name string
}

// Result is what became of one object.
type Result struct {
	Kind    registry.Kind
	Name    string
	ID      string
	Version int
	Outcome Outcome

	// Object is the object as the write left it; of a deleted one, as it was.
	// After a dry run its Change and its times are those of no write.
	// It is empty for a request that was there before (Once).
	Object registry.Object `json:"-"`
}

// Outcome is what a write did to an object.
type Outcome string

// Outcomes.
const (
	Created    Outcome = "created"
	Configured Outcome = "configured"
	Unchanged  Outcome = "unchanged"
	Deleted    Outcome = "deleted"
)

// errDryRun rolls a dry run back.
var errDryRun = errors.New("dry run")

// Apply writes w in one transaction and returns what became of each object:
// first the upserts in their order, then what was deleted. An object whose spec
// and labels are already so is not written. States are not part of a spec:
// Apply keeps them.
//
// Errors besides those named in Write are *BindingConflict, *IssuerConflict and
// what the database has to say.
func (db *DB) Apply(ctx context.Context, w Write) ([]Result, error) {
	if w.By == "" {
		return nil, errNobody
	}
	if w.DryRun {
		w.Once = Once{} // what was not done needs no remembering
	}
	p, err := newPlan(w)
	if err != nil {
		return nil, err
	}
	var refused error
	var results []Result
	err = db.alone(ctx, registryLock, func(tx pgx.Tx) error {
		before, found, err := w.Once.before(ctx, tx, w.By)
		if err != nil || found {
			results = before
			return err
		}
		if err := p.read(ctx, tx); err != nil {
			return err
		}
		if refused = p.check(ctx, tx); refused != nil {
			return refused
		}
		if err := p.write(ctx, tx); err != nil {
			return err
		}
		if results = p.results(); w.DryRun {
			return errDryRun
		}
		return w.Once.keep(ctx, tx, w.By, results)
	})
	switch {
	case refused != nil:
		return nil, refused
	case err != nil && !errors.Is(err, errDryRun):
		return nil, fmt.Errorf("writing the registry: %w", err)
	}
	return results, nil
}

// plan is a Write on its way.
type plan struct {
	w       Write
	upserts []*upsert
	byName  map[Ref]*upsert
	deletes []registry.Object
	change  int64
}

// upsert is one object to be written.
type upsert struct {
	registry.Object
	spec, labels []byte // JSON
	outcome      Outcome
}

// newPlan checks w for itself.
func newPlan(w Write) (*plan, error) {
	p := &plan{w: w, byName: make(map[Ref]*upsert, len(w.Upserts))}
	for _, o := range w.Upserts {
		u, err := newUpsert(o)
		if err != nil {
			return nil, err
		}
		ref := Ref{o.Kind, o.Name}
		if p.byName[ref] != nil {
			return nil, fmt.Errorf("%s: %w: it is there twice", subject(o.Kind, o.Name), ErrConflict)
		}
		p.byName[ref] = u
		p.upserts = append(p.upserts, u)
	}
	return p, nil
}

// results are the outcomes in the order that Apply promises.
func (p *plan) results() []Result {
	all := make([]Result, 0, len(p.upserts)+len(p.deletes))
	for _, u := range p.upserts {
		all = append(all, Result{u.Kind, u.Name, u.ID, u.Version, u.outcome, u.Object})
	}
	for _, d := range p.deletes {
		all = append(all, Result{d.Kind, d.Name, d.ID, d.Version, Deleted, d})
	}
	return all
}

// read finds what is there of the objects named, and decides the outcomes.
func (p *plan) read(ctx context.Context, tx pgx.Tx) error {
	if err := p.readUpserts(ctx, tx); err != nil {
		return err
	}
	for _, ref := range p.w.Deletes {
		o, err := object(ctx, tx, ref.Kind, ref.Name)
		switch {
		case err != nil:
			return fmt.Errorf("deleting %s: %w", subject(ref.Kind, ref.Name), err)
		case p.byName[Ref{o.Kind, o.Name}] != nil:
			return fmt.Errorf("%s: %w: it is to be written and deleted at once", subject(o.Kind, o.Name), ErrConflict)
		case !p.w.matches(o.Change):
			return fmt.Errorf("deleting %s: %w", subject(o.Kind, o.Name), ErrVersion)
		case slices.ContainsFunc(p.deletes, func(d registry.Object) bool { return d.ID == o.ID }):
			continue
		}
		p.deletes = append(p.deletes, o)
	}
	if p.w.Prune {
		return p.readPruned(ctx, tx)
	}
	return nil
}

// readUpserts lets Postgres compare: jsonb knows that the order of members and
// the form of numbers mean nothing.
func (p *plan) readUpserts(ctx context.Context, tx pgx.Tx) error {
	n := len(p.upserts)
	if n == 0 {
		return nil
	}
	kinds, names, labels, specs := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, u := range p.upserts {
		kinds[i], names[i], labels[i], specs[i] = string(u.Kind), u.Name, string(u.labels), string(u.spec)
	}
	rows, err := tx.Query(ctx, `
		SELECT o.kind, o.name, o.id, o.state, o.version, o.change, o.created, o.updated, o.secret_hash,
			o.spec = w.spec::jsonb AND o.labels = w.labels::jsonb
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w(kind, name, labels, spec)
		JOIN tokenry.registry_objects o ON o.kind = w.kind AND o.name = w.name AND o.deleted_at IS NULL`,
		kinds, names, labels, specs)
	if err != nil {
		return err
	}
	var ref Ref
	var o registry.Object
	var same bool
	into := []any{&ref.Kind, &ref.Name, &o.ID, &o.State, &o.Version, &o.Change, &o.Created, &o.Updated, &o.SecretHash, &same}
	_, err = pgx.ForEachRow(rows, into, func() error {
		u := p.byName[ref]
		u.ID, u.State, u.SecretHash = o.ID, o.State, slices.Clone(o.SecretHash)
		u.Change, u.Created, u.Updated = o.Change, o.Created.UTC(), o.Updated.UTC()
		u.Version, u.outcome = o.Version, Unchanged
		if !same {
			u.Version, u.outcome = o.Version+1, Configured
		}
		switch {
		case p.w.Create:
			return fmt.Errorf("%s: %w", subject(ref.Kind, ref.Name), ErrExists)
		case !p.w.matches(o.Change):
			return fmt.Errorf("%s: %w", subject(ref.Kind, ref.Name), ErrVersion)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, u := range p.upserts {
		if u.outcome == Created && p.w.IfMatch != 0 { // RFC 9110, Section 13.1.1: no current representation
			return fmt.Errorf("%s: %w", subject(u.Kind, u.Name), ErrVersion)
		}
	}
	return nil
}

// readPruned adds all that is not in Upserts to what is deleted. Instances are
// not declared by anybody, so that their absence says nothing.
func (p *plan) readPruned(ctx context.Context, tx pgx.Tx) error {
	gone := make(map[string]bool, len(p.deletes))
	for _, d := range p.deletes {
		gone[d.ID] = true
	}
	live, err := readLive(ctx, tx)
	if err != nil {
		return err
	}
	for _, o := range live {
		if p.byName[Ref{o.Kind, o.Name}] == nil && !gone[o.ID] && !o.IsInstance() {
			p.deletes = append(p.deletes, *o)
		}
	}
	return nil
}

// check shows the caller the registry as it would be.
func (p *plan) check(ctx context.Context, tx pgx.Tx) error {
	if p.w.Check == nil {
		return nil
	}
	live, err := readLive(ctx, tx)
	if err != nil {
		return fmt.Errorf("writing the registry: %w", err)
	}
	gone := make(map[string]bool, len(p.deletes))
	for _, d := range p.deletes {
		gone[d.ID] = true
	}
	after := make([]*registry.Object, 0, len(live)+len(p.upserts))
	for _, o := range live {
		if !gone[o.ID] && p.byName[Ref{o.Kind, o.Name}] == nil {
			after = append(after, o)
		}
	}
	for _, u := range p.upserts {
		o := u.Object
		after = append(after, &o)
	}
	sortObjects(after)
	return p.w.Check(after)
}

// readLive reads every live object in the order of kind and name.
func readLive(ctx context.Context, q queryer) ([]*registry.Object, error) {
	rows, err := q.Query(ctx, objectSelect+`WHERE deleted_at IS NULL`)
	if err != nil {
		return nil, err
	}
	live, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*registry.Object, error) {
		o, err := scanObject(row)
		return &o, err
	})
	sortObjects(live)
	return live, err
}

func sortObjects(list []*registry.Object) {
	order := make(map[registry.Kind]int)
	for i, k := range registry.Kinds() {
		order[k] = i
	}
	slices.SortFunc(list, func(a, b *registry.Object) int {
		if a.Kind != b.Kind {
			return order[a.Kind] - order[b.Kind]
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// write does what was decided, if it is anything.
func (p *plan) write(ctx context.Context, tx pgx.Tx) (err error) {
	var written []*upsert
	for _, u := range p.upserts {
		if u.outcome != Unchanged {
			written = append(written, u)
		}
	}
	if len(written)+len(p.deletes) == 0 {
		return nil
	}
	if p.change, err = nextChange(ctx, tx); err != nil {
		return err
	}
	if err := claimIssuers(ctx, tx, written); err != nil {
		return err
	}
	if err := p.writeRows(ctx, tx, written); err != nil {
		return err
	}
	if err := p.writeBindings(ctx, tx, written); err != nil {
		return err
	}
	events, err := p.events(written)
	if err != nil {
		return err
	}
	return finish(ctx, tx, p.change, events)
}

// events says what was done, one event for each object.
func (p *plan) events(written []*upsert) ([]audit.Event, error) {
	var events []audit.Event
	add := func(o *registry.Object, outcome Outcome) error {
		e, err := adminEvent(p.w.By, p.change, o.Kind, o.Name,
			adminDetail{Operation: string(outcome), ID: o.ID, Version: o.Version})
		events = append(events, e)
		return err
	}
	for _, u := range written {
		if err := add(&u.Object, u.outcome); err != nil {
			return nil, err
		}
	}
	for i := range p.deletes {
		if err := add(&p.deletes[i], Deleted); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// newID makes an id that says its kind.
func newID(k registry.Kind) string {
	return audit.NewID(strings.TrimSuffix(registry.IDPrefix(k), "_"), time.Now())
}
