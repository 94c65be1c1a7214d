package admin

import (
	"context"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// agents lists agents. Of those that a blueprint makes there may be thousands
// beside a handful that somebody registered, so that it can tell them apart.
func (s *server) agents(ctx context.Context, in *struct {
	Page
	Blueprint string        `query:"blueprint" maxLength:"63" doc:"Only agents of this blueprint."`
	Instances api.Instances `query:"instances" enum:"include,exclude,only" default:"include" doc:"Whether to list instances: agents that a blueprint made on first use."`
}) (*struct{ Body api.ObjectList }, error) {
	if in.Blueprint != "" && registry.CheckName(in.Blueprint) != nil {
		return nil, invalid(item("query.blueprint", "is not the name of a blueprint"))
	}
	list := "agents " + string(in.Instances) + " " + in.Blueprint
	after, err := in.after(list)
	if err != nil {
		return nil, err
	}
	f := storage.AgentFilter{Blueprint: registry.BlueprintName(in.Blueprint)}
	switch in.Instances {
	case api.ExcludeInstances:
		f.Instances = storage.WithoutInstances
	case api.OnlyInstances:
		f.Instances = storage.OnlyInstances
	case api.IncludeInstances: // which is WithInstances
	}
	found, next, err := s.DB.Agents(ctx, f, after, in.Limit)
	if err != nil {
		return nil, err
	}
	return s.pageOf(ctx, found, cursor(list, next))
}

// madeOnFirstUse refuses to write an instance.
func madeOnFirstUse() *problem {
	return invalid(item("path.name", "is an instance, which its blueprint made on first use; change the blueprint, or disable or delete the instance"))
}
