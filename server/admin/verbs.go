package admin

import (
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// verbs lets paths end in an action, /agents/{name}:disable. Echo reads a
// parameter up to the next slash, so the action arrives as part of the name; it
// is cut off here. It also decodes parameters, which echo leaves encoded
// whenever the path holds an encoded slash.
type verbs struct {
	huma.Adapter
	actions map[string]map[string]action // by path of the object, by verb
}

type action struct {
	op     *huma.Operation
	handle func(huma.Context)
}

// Handle registers a route. It is called at start-up only.
func (v *verbs) Handle(op *huma.Operation, handle func(huma.Context)) {
	base, verb, found := strings.Cut(op.Path, "}:")
	if !found {
		v.Adapter.Handle(op, func(ctx huma.Context) { handle(params{inner: ctx, op: op}) })
		return
	}
	base += "}"
	if actions, ok := v.actions[base]; ok {
		actions[verb] = action{op, handle}
		return
	}
	actions := map[string]action{verb: {op, handle}}
	v.actions[base] = actions
	v.Adapter.Handle(&huma.Operation{Method: op.Method, Path: base}, func(ctx huma.Context) {
		name := params{inner: ctx}.Param("name")
		// The last colon: names of instances may hold colons themselves.
		i := strings.LastIndex(name, ":")
		a, ok := actions[name[i+1:]]
		if i < 0 || !ok {
			a = action{op, notFoundRoute}
		}
		a.handle(params{inner: ctx, op: a.op, name: name[:max(i, 0)]})
	})
}

// inner is huma.Context by a name that none of its methods has.
type inner = huma.Context

// params is a context whose parameters are decoded, and whose name lacks the
// action.
type params struct {
	inner
	op   *huma.Operation
	name string // empty = as in the path
}

// Operation is the one that is running.
func (p params) Operation() *huma.Operation { return p.op }

// Param is a decoded path parameter, which is one segment: echo's last parameter
// takes slashes too. One that is not, or that cannot be decoded, names nothing.
func (p params) Param(name string) string {
	if name == "name" && p.name != "" {
		return p.name
	}
	value := p.inner.Param(name)
	u := p.inner.URL() // an encoded slash makes net/url keep RawPath
	if strings.Contains(value, "/") {
		return "/"
	}
	if u.RawPath == "" {
		return value // net/url decoded the path as a whole
	}
	if decoded, err := url.PathUnescape(value); err == nil {
		return decoded
	}
	return value
}
