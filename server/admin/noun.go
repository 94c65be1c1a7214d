package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// noun serves one kind. The five kinds differ in their specs alone, which
// package registry knows.
type noun struct {
	*server
	kind registry.Kind
}

// object is an answer that is one object.
type object struct {
	Status   int
	ETag     string `header:"ETag" doc:"Names this state of the object, for If-Match."`
	Location string `header:"Location" hidden:"true"` // of 201 alone
	Body     api.Object
}

// isID says that a name in a path is an id. No name begins like one.
func isID(kind registry.Kind, name string) bool {
	rest, ok := strings.CutPrefix(name, registry.IDPrefix(kind))
	return ok && registry.CheckName(rest) == nil
}

// known refuses what can be neither a name nor an id before it reaches the
// database, which cannot compare every text.
func (n *noun) known(name string) error {
	check := registry.CheckName
	if n.kind == registry.KindAgent {
		check = registry.CheckAgentName
	}
	if check(name) != nil && !isID(n.kind, name) {
		return storage.ErrNotFound
	}
	return nil
}

func (n *noun) list(ctx context.Context, in *struct{ Page }) (*struct{ Body api.ObjectList }, error) {
	list := api.Collection(n.kind)
	after, err := in.after(list)
	if err != nil {
		return nil, err
	}
	found, next, err := n.DB.Objects(ctx, n.kind, after, in.Limit)
	if err != nil {
		return nil, err
	}
	return n.pageOf(ctx, found, cursor(list, next))
}

func (n *noun) read(ctx context.Context, in *struct{ Named }) (*object, error) {
	if err := n.known(in.Name); err != nil {
		return nil, err
	}
	o, err := n.DB.Object(ctx, n.kind, in.Name)
	if err != nil {
		return nil, err
	}
	return n.answer(ctx, &o)
}

func (n *noun) create(ctx context.Context, in *struct {
	Writing
	Repeatable
	RawBody []byte
}) (*object, error) {
	o, err := manifestOf(in.RawBody, ref{kind: n.kind})
	if err != nil {
		return nil, err
	}
	w := storage.Write{Upserts: []*registry.Object{o}, Create: true, DryRun: in.DryRun}
	w.Once = in.once("create "+string(n.kind), in.RawBody)
	return n.upsert(ctx, w)
}

func (n *noun) put(ctx context.Context, in *struct {
	Named
	Writing
	IfMatch     string `header:"If-Match" doc:"The ETag that the object must still have, or * for any."`
	IfNoneMatch string `header:"If-None-Match" doc:"* = only if there is no such object."`
	RawBody     []byte
}) (*object, error) {
	w := storage.Write{DryRun: in.DryRun}
	var err error
	if w.IfMatch, err = ifMatch(in.IfMatch); err != nil {
		return nil, err
	}
	if w.Create = in.IfNoneMatch == "*"; in.IfNoneMatch != "" && !w.Create {
		return nil, invalid(item("header.If-None-Match", "must be *"))
	}
	name := in.Name
	if n.kind == registry.KindAgent && registry.ValidInstanceName(name) {
		return nil, madeOnFirstUse()
	}
	if isID(n.kind, name) {
		there, err := n.DB.Object(ctx, n.kind, name)
		if err != nil {
			return nil, err // no object is made with an id that somebody chose
		}
		if there.IsInstance() {
			return nil, madeOnFirstUse()
		}
		name = there.Name
		if w.IfMatch == 0 {
			w.IfMatch = there.Change // by now the name may be another object's
		}
	}
	o, err := manifestOf(in.RawBody, ref{n.kind, name})
	if err != nil {
		return nil, err
	}
	w.Upserts = []*registry.Object{o}
	out, err := n.upsert(ctx, w)
	if w.Create && errors.Is(err, storage.ErrExists) {
		// RFC 9110, Section 13.1.2: it is 412, as for If-Match.
		return nil, refuse(http.StatusPreconditionFailed, api.CodePreconditionFailed, "there is an object of this name already")
	}
	return out, err
}

// upsert writes one object.
func (n *noun) upsert(ctx context.Context, w storage.Write) (*object, error) {
	results, err := n.write(ctx, w, func(int) string { return "" })
	if err != nil {
		return nil, err
	}
	o := &results[0].Object
	if o.ID == "" { // it was made by this request when it came before
		there, err := n.DB.Object(ctx, n.kind, results[0].ID)
		if err != nil {
			return nil, err
		}
		o = &there
	}
	out, err := n.answer(ctx, o)
	switch {
	case err != nil:
		return nil, err
	case w.DryRun:
		out.ETag = ""
		if results[0].Outcome == storage.Created {
			out.Body.Status = nil // its id and its times would be others
		}
	case results[0].Outcome == storage.Created:
		out.Status = http.StatusCreated
		out.Location = api.Prefix + "/" + api.Collection(n.kind) + "/" + url.PathEscape(o.Name)
	}
	return out, nil
}

func (n *noun) delete(ctx context.Context, in *struct {
	Named
	Writing
	IfMatch string `header:"If-Match" doc:"The ETag that the object must still have, or * for any."`
}) (*struct{}, error) {
	match, err := ifMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := n.known(in.Name); err != nil {
		return nil, err
	}
	w := storage.Write{Deletes: []storage.Ref{{Kind: n.kind, Name: in.Name}}, IfMatch: match, DryRun: in.DryRun}
	if _, err := n.write(ctx, w, nil); err != nil {
		return nil, err
	}
	return &struct{}{}, nil
}

// stating is a request to disable or to enable.
type stating struct {
	Named
	Writing
	RawBody []byte
}

func (n *noun) disable(ctx context.Context, in *stating) (*object, error) {
	return n.setState(ctx, in, registry.Disabled)
}

func (n *noun) enable(ctx context.Context, in *stating) (*object, error) {
	return n.setState(ctx, in, registry.Active)
}

func (n *noun) setState(ctx context.Context, in *stating, to registry.State) (*object, error) {
	reason, err := reasonOf(in.RawBody)
	if err != nil {
		return nil, err
	}
	if err := n.known(in.Name); err != nil {
		return nil, err
	}
	if in.DryRun {
		o, err := n.DB.Object(ctx, n.kind, in.Name)
		if err != nil {
			return nil, err
		}
		o.State = to
		out, err := n.answer(ctx, &o)
		if err == nil {
			out.ETag = ""
		}
		return out, err
	}
	o, err := n.DB.SetState(ctx, principalOf(ctx), n.kind, in.Name, to, reason)
	if err != nil {
		return nil, err
	}
	n.Written(ctx)
	return n.answer(ctx, &o)
}
