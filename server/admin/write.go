package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// write runs w in the caller's name. at says where in the body the object that
// is the i-th of w.Upserts stands.
func (s *server) write(ctx context.Context, w storage.Write, at func(i int) string) ([]storage.Result, error) {
	w.By = principalOf(ctx)
	w.Check = func(after []*registry.Object) error { return s.check(w, after, at) }
	results, err := s.DB.Apply(ctx, w)
	if err != nil {
		return nil, located(err, w, at)
	}
	if !w.DryRun {
		s.Written(ctx)
	}
	return results, nil
}

// located gives a conflict that the database found its place in the body.
func located(err error, w storage.Write, at func(i int) string) error {
	var held *storage.BindingConflict
	var issuer *storage.IssuerConflict
	var place ref
	var path, message string
	switch {
	case errors.As(err, &held):
		place, path = ref{registry.KindAgent, string(held.Agent)}, "spec.credentials"
		message = fmt.Sprintf("one of the subjects already stands for agent %q; a workload is one agent", held.Holder)
	case errors.As(err, &issuer):
		place, path = ref{registry.KindTrustedIssuer, string(issuer.Name)}, "spec"
		message = fmt.Sprintf("the name %q belongs for ever to whom it stood for first, because it is part of its users' sub; use another name", issuer.Name)
	}
	for i, o := range w.Upserts {
		if message != "" && place == (ref{o.Kind, o.Name}) {
			p := refuse(http.StatusConflict, api.CodeConflict, "the state of the registry does not allow this")
			p.Errors = []api.ProblemItem{item(join(at(i), path), message)}
			return p
		}
	}
	return err
}

// maxItems is how many problems one answer tells: a blueprint may be deleted
// under a hundred thousand agents.
const maxItems = 100

// check refuses a registry in which one object contradicts another. What is
// wrong with the objects of the request is told by its place in the body; an
// object that the request does not hold is told by its name, so that whoever
// deletes something reads who still refers to it.
func (s *server) check(w storage.Write, after []*registry.Object, at func(i int) string) error {
	place := make(map[ref]int, len(w.Upserts))
	for i, o := range w.Upserts {
		place[ref{o.Kind, o.Name}] = i
	}
	// Of two that claim one thing the later is told, so what is being written
	// comes last.
	rank := func(o *registry.Object) int {
		if _, written := place[ref{o.Kind, o.Name}]; written {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(after, func(a, b *registry.Object) int { return rank(a) - rank(b) })
	ours := s.unfetchable(w, at)
	var others []api.ProblemItem
	found := registry.ValidateAll(after, s.Issuer)
	for _, p := range found {
		if i, written := place[ref{p.Kind, p.Name}]; written {
			ours = append(ours, item(join(at(i), p.Path), p.Message))
		} else {
			others = append(others, api.ProblemItem{Message: p.String()})
		}
	}
	if len(ours)+len(others) == 0 {
		return nil
	}
	refused := invalid(first(append(ours, others...))...)
	switch {
	case w.Prune && len(found) > 0:
		refused.Errors = append(refused.Errors, api.ProblemItem{Message: "an object that is not in the request counts as deleted, because of prune"})
	case len(ours) == 0:
		refused.Problem = refuse(http.StatusConflict, api.CodeConflict, "this would break other objects, which are listed in errors").Problem
		refused.Errors = first(others)
	}
	return refused
}

// unfetchable tells of keys that this server would never fetch, and of clusters
// that it would never ask, before the names of issuers are given away for ever.
func (s *server) unfetchable(w storage.Write, at func(i int) string) []api.ProblemItem {
	if s.Fetchable == nil {
		return nil
	}
	var items []api.ProblemItem
	check := func(i int, path, url, what string) {
		if url != "" && s.Fetchable(url) != nil {
			items = append(items, item(join(at(i), path), "this server would never "+what+" here: it wants https and port 443 of a public address, or what trust.allow_http and trust.allow_networks allow besides"))
		}
	}
	for i, o := range w.Upserts {
		switch spec := o.Spec.(type) {
		case *registry.TrustedIssuer:
			path, url := spec.KeysURL()
			check(i, path, url, "fetch keys from")
			if spec.TokenReview != nil {
				check(i, "spec.tokenReview.url", spec.TokenReview.URL, "ask about tokens")
			}
		case *registry.Agent:
			check(i, "spec.jwksUrl", spec.JWKSURL, "fetch keys from")
		}
	}
	return items
}

func first(items []api.ProblemItem) []api.ProblemItem {
	if len(items) <= maxItems {
		return items
	}
	more := api.ProblemItem{Message: fmt.Sprintf("and %d more", len(items)-maxItems)}
	return append(items[:maxItems:maxItems], more)
}

// etag names one state of an object: the number of the write that made it so.
// Unlike its version it changes when the object is disabled, and never comes
// again when its name is deleted and taken anew.
func etag(o *registry.Object) string { return `"` + strconv.FormatInt(o.Change, 10) + `"` }

// ifMatch reads If-Match as storage takes it; 0 when it was not given.
func ifMatch(header string) (int64, error) {
	header = strings.TrimSpace(header)
	switch {
	case header == "":
		return 0, nil
	case header == "*": // RFC 9110, Section 13.1.1: any current representation
		return storage.Present, nil
	case strings.Contains(header, ","):
		return 0, invalid(item("header.If-Match", "give one ETag, or *"))
	}
	if _, err := strconv.ParseInt(header, 10, 64); err == nil {
		return 0, invalid(item("header.If-Match", "an ETag has double quotes, which belong to it"))
	}
	// What is not one of ours matches nothing, and neither does a weak one:
	// If-Match compares strongly (RFC 9110, Section 13.1.1).
	quoted, ok := strings.CutPrefix(header, `"`)
	text, closed := strings.CutSuffix(quoted, `"`)
	change, err := strconv.ParseInt(text, 10, 64)
	if !ok || !closed || err != nil || change <= 0 {
		return 0, storage.ErrVersion
	}
	return change, nil
}
