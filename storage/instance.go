package storage

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/registry"
)

// instanceAuthor is who makes and forgets instances, in the audit trail.
const instanceAuthor = "system:instances"

// What is done to instances, in the audit trail.
const (
	instanceCreated   = "created"
	instanceRevived   = "revived"
	instanceCollected = "collected"
)

// maxSubject keeps a subject within what a row of an index can hold.
const maxSubject = 2048

// AdmitInstances makes the instances that requests are the first use of, all in
// one transaction, and returns what became of each candidate. One that is there
// already is returned as it is, in whatever state. One that was forgotten comes
// back with its id and its state, so that nobody sheds a disable by being idle.
//
// Candidates come from a model that may be behind: blueprints, caps and who has
// which name are decided here again, under the lock of registry writes. The
// error is about all of them.
func (db *DB) AdmitInstances(ctx context.Context, candidates []registry.Candidate) ([]registry.Admission, error) {
	return db.admitInstances(ctx, candidates, true)
}

// TryInstances returns what AdmitInstances would, and makes nothing.
func (db *DB) TryInstances(ctx context.Context, candidates []registry.Candidate) ([]registry.Admission, error) {
	return db.admitInstances(ctx, candidates, false)
}

func (db *DB) admitInstances(ctx context.Context, candidates []registry.Candidate, keep bool) ([]registry.Admission, error) {
	if len(candidates) == 0 {
		return nil, nil
	}
	a := &admitting{candidates: candidates}
	err := db.alone(ctx, registryLock, func(tx pgx.Tx) error {
		if err := a.read(ctx, tx); err != nil {
			return err
		}
		all := make([]registry.Admission, len(candidates))
		for i := range candidates {
			all[i].Object, all[i].Err = a.admit(&candidates[i])
		}
		a.admissions = all
		if !keep {
			return nil
		}
		return a.write(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("admitting instances: %w", err)
	}
	return a.admissions, nil
}

// admitting is one batch on its way.
type admitting struct {
	candidates []registry.Candidate
	admissions []registry.Admission

	credentials map[counted]*registry.PatternCredential // those that admit
	counts      map[counted]int                         // live instances, with those of this batch
	bySubject   map[bound]*registry.Object              // instances, the forgotten ones too
	byName      map[string]bool                         // names of instances, of the forgotten ones too
	holders     map[bound]bool                          // subjects that live agents have

	fresh []*fresh
	more  map[counted]int // how many of fresh
}

// counted is what a cap is for.
type counted struct {
	blueprint  registry.BlueprintName
	credential string
}

// bound is whom an instance belongs to.
type bound struct {
	issuer  registry.IssuerName
	subject string
}

// fresh is an instance that is made, or comes back.
type fresh struct {
	*registry.Object
	operation string
}

// admit decides about one candidate, after those before it in the batch.
func (a *admitting) admit(c *registry.Candidate) (*registry.Object, error) {
	blueprint, _, ok := registry.SplitInstanceName(string(c.Name))
	key, who := counted{c.Blueprint, c.Credential}, bound{c.Issuer, c.Subject}
	by := a.credentials[key]
	if !ok || blueprint != c.Blueprint || by == nil || by.Issuer != c.Issuer || !storable(c) {
		return nil, registry.ErrInstanceOrphan
	}
	there := a.bySubject[who]
	switch {
	case there == nil && a.byName[string(c.Name)], there != nil && there.Name != string(c.Name):
		return nil, registry.ErrInstanceTaken
	case !fits(by, c):
		return nil, registry.ErrInstanceOrphan
	case there != nil && !there.Deleted:
		return there, nil
	case a.holders[who]: // somebody registered an agent of that subject
		return nil, registry.ErrInstanceTaken
	case a.counts[key] >= by.MaxInstances:
		return nil, registry.ErrInstanceCap
	}
	f := &fresh{made(c), instanceCreated}
	if there != nil {
		f = &fresh{revived(there, c), instanceRevived}
	}
	a.fresh = append(a.fresh, f)
	a.counts[key]++
	a.more[key]++
	a.bySubject[who], a.byName[f.Name] = f.Object, true
	return f.Object, nil
}

// fits says that the pattern, as it is now, gives the subject that name: a
// replica that has not read a change of it yet must not spend a name for ever.
func fits(by *registry.PatternCredential, c *registry.Candidate) bool {
	return by.Subject.Matches(c.Subject) && string(c.Name) == string(c.Blueprint)+"/"+by.Subject.Suffix(c.Subject)
}

// storable says that the database can hold what a candidate says. One that it
// cannot hold would fail its whole batch.
func storable(c *registry.Candidate) bool {
	good := func(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }
	for k, v := range c.Labels {
		if !good(k) || !good(v) {
			return false
		}
	}
	return c.Subject != "" && len(c.Subject) <= maxSubject && good(c.Subject)
}

// made is a new instance.
func made(c *registry.Candidate) *registry.Object {
	of := c.InstanceOf
	return &registry.Object{
		ID: newID(registry.KindAgent), Kind: registry.KindAgent, Name: string(c.Name), Labels: maps.Clone(c.Labels),
		State: registry.Active, Version: 1, Spec: &registry.Agent{Blueprint: c.Blueprint, Instance: &of},
	}
}

// revived is an instance that was forgotten, as it comes back: what its
// platform says of it is as of now, the rest is as it was.
func revived(there *registry.Object, c *registry.Candidate) *registry.Object {
	o, of := *there, c.InstanceOf
	spec := *there.Spec.(*registry.Agent)
	if spec.Instance.Credential != of.Credential || !maps.Equal(o.Labels, c.Labels) {
		o.Version++
	}
	spec.Instance = &of
	o.Spec, o.Labels, o.Deleted = &spec, maps.Clone(c.Labels), false
	return &o
}
