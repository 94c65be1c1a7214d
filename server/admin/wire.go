package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// answer is one object as its readers see it.
func (s *server) answer(ctx context.Context, o *registry.Object) (*object, error) {
	bodies, err := s.wire(ctx, []registry.Object{*o})
	if err != nil {
		return nil, err
	}
	return &object{Status: http.StatusOK, ETag: etag(o), Body: bodies[0]}, nil
}

// pageOf is one page of objects as its readers see it.
func (s *server) pageOf(ctx context.Context, found []registry.Object, next string) (*struct{ Body api.ObjectList }, error) {
	items, err := s.wire(ctx, found)
	out := &struct{ Body api.ObjectList }{api.ObjectList{Items: items, NextCursor: next}}
	return out, err
}

// wire is objects as their readers see them: no secret, and no hash of one.
func (s *server) wire(ctx context.Context, objects []registry.Object) ([]api.Object, error) {
	var instances []string
	for i := range objects {
		if objects[i].IsInstance() {
			instances = append(instances, objects[i].ID)
		}
	}
	used, err := s.DB.LastUsed(ctx, instances)
	if err != nil {
		return nil, err
	}
	all := make([]api.Object, len(objects))
	for i := range objects {
		o := &objects[i]
		status := &api.Status{
			ID: o.ID, State: o.State, Version: o.Version, Created: o.Created, Updated: o.Updated, Secret: o.SecretHash != nil,
		}
		spec := o.Spec
		if agent, ok := spec.(*registry.Agent); ok && agent.Instance != nil {
			// No manifest says it, so it is shown where the server's words are.
			of, declared := agent.Instance, *agent
			declared.Instance, spec = nil, &declared
			status.Instance = &api.Instance{
				Credential: of.Credential, Issuer: string(of.Issuer), Subject: of.Subject, LastUsed: used[o.ID],
			}
		}
		raw, err := json.Marshal(spec)
		if err != nil {
			return nil, fmt.Errorf("writing %s %s: %w", o.Kind, o.Name, err)
		}
		all[i] = api.Object{
			APIVersion: api.Version, Kind: o.Kind, Metadata: api.Metadata{Name: o.Name, Labels: o.Labels}, Spec: raw, Status: status,
		}
	}
	return all, nil
}
