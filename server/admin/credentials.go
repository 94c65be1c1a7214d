package admin

import (
	"context"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// federatedCredentials lists which workloads stand for which agents, across all
// registered agents. They are written with their agents. Instances have none of
// their own: their blueprint's made them.
func (s *server) federatedCredentials(ctx context.Context, in *struct{ Page }) (*struct{ Body api.FederatedCredentialList }, error) {
	const list = "federated-credentials"
	after, err := in.after(list)
	if err != nil {
		return nil, err
	}
	agents, next, err := s.DB.Agents(ctx, storage.AgentFilter{Instances: storage.WithoutInstances}, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body api.FederatedCredentialList }{}
	out.Body = api.FederatedCredentialList{Items: []api.FederatedCredential{}, NextCursor: cursor(list, next)}
	for _, o := range agents {
		agent, ok := o.Spec.(*registry.Agent)
		if !ok {
			continue
		}
		for _, c := range agent.Credentials {
			out.Body.Items = append(out.Body.Items, api.FederatedCredential{
				Agent: o.Name, Name: c.Name, Issuer: string(c.Issuer), Subject: c.Subject, Audience: c.Audience, Condition: c.Condition,
			})
		}
	}
	return out, nil
}
