package admin

import (
	"context"
	"strings"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// federatedCredentials lists which workloads stand for which agents: those of
// registered agents, and the patterns of blueprints, which make instances. They
// are written with their agents and blueprints.
func (s *server) federatedCredentials(ctx context.Context, in *struct{ Page }) (*struct{ Body api.FederatedCredentialList }, error) {
	const list = "federated-credentials"
	position, err := in.after(list)
	if err != nil {
		return nil, err
	}
	kind, name, _ := strings.Cut(position, "/")
	holders, more, err := s.DB.Holders(ctx, storage.Ref{Kind: registry.Kind(kind), Name: name}, in.Limit)
	if err != nil {
		return nil, err
	}
	var blueprints []string
	for i := range holders {
		if holders[i].Kind == registry.KindBlueprint {
			blueprints = append(blueprints, holders[i].Name)
		}
	}
	made, err := s.DB.InstanceCounts(ctx, blueprints)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body api.FederatedCredentialList }{}
	out.Body.Items = []api.FederatedCredential{}
	for i := range holders {
		out.Body.Items = append(out.Body.Items, credentialsOf(&holders[i], made)...)
	}
	if more {
		last := &holders[len(holders)-1]
		out.Body.NextCursor = cursor(list, string(last.Kind)+"/"+last.Name)
	}
	return out, nil
}

// credentialsOf are the credentials of one agent or blueprint.
func credentialsOf(o *registry.Object, made map[[2]string]int) []api.FederatedCredential {
	var all []api.FederatedCredential
	switch spec := o.Spec.(type) {
	case *registry.Agent:
		for i := range spec.Credentials {
			c := wireCredential(&spec.Credentials[i])
			c.Agent = o.Name
			all = append(all, c)
		}
	case *registry.Blueprint:
		for i := range spec.Credentials {
			c := wireCredential(&spec.Credentials[i].Credential)
			n := made[[2]string{o.Name, c.Name}]
			c.Blueprint, c.MaxInstances, c.Instances = o.Name, spec.Credentials[i].MaxInstances, &n
			all = append(all, c)
		}
	}
	return all
}

func wireCredential(c *registry.Credential) api.FederatedCredential {
	return api.FederatedCredential{
		Name: c.Name, Issuer: string(c.Issuer), Subject: c.Subject, Audience: c.Audience, Condition: c.Condition,
		Claims: c.Claims, Mode: c.Mode,
	}
}
