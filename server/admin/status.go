package admin

import (
	"context"

	"github.com/tokenry/tokenry/api"
)

// status says what is running. Without the database nobody knows whether the
// schema fits, so the whole answer is then that it is away.
func (s *server) status(ctx context.Context, _ *struct{}) (*struct{ Body api.ServerStatus }, error) {
	schema, err := s.Schema(ctx)
	if err != nil {
		return nil, err
	}
	return &struct{ Body api.ServerStatus }{api.ServerStatus{
		Version: s.Version, Schema: schema,
		Replica: api.Replica{Fresh: s.Model.Fresh(), LastRead: s.Model.LastRead(), Change: s.Model.Rules().Change},
	}}, nil
}
