package admin

import (
	"context"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/storage"
)

// apply brings a set of objects into force, all or none.
func (s *server) apply(ctx context.Context, in *struct {
	Writing
	Repeatable
	RawBody []byte
}) (*struct{ Body api.ApplyResult }, error) {
	objects, prune, err := applyOf(in.RawBody)
	if err != nil {
		return nil, err
	}
	w := storage.Write{Upserts: objects, Prune: prune, DryRun: in.DryRun, Once: in.once("apply", in.RawBody)}
	results, err := s.write(ctx, w, func(i int) string { return index("objects", i) })
	if err != nil {
		return nil, err
	}
	out := &struct{ Body api.ApplyResult }{}
	out.Body.Results = make([]api.Result, len(results))
	for i, r := range results {
		out.Body.Results[i] = api.Result{Kind: r.Kind, Name: r.Name, ID: r.ID, Outcome: api.Outcome(r.Outcome)}
		if in.DryRun && r.Outcome == storage.Created {
			out.Body.Results[i].ID = "" // it would be another one
		}
	}
	return out, nil
}
