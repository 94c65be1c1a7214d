package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/server/admin"
	"github.com/tokenry/tokenry/storage"
)

// administrator is the principal of the bootstrap token.
const administrator = "bootstrap"

// admin is the handler of the admin listener.
func (s *Server) admin() (http.Handler, error) {
	if s.cfg.BootstrapToken == "" {
		return nil, errors.New("no admin token: nobody could use the admin API")
	}
	return admin.New(admin.Config{
		DB: s.DB, Model: s.Model, Issuer: s.cfg.Issuer, Fetchable: s.outbound.Check,
		Authenticate: admin.Tokens(map[string]string{administrator: s.cfg.BootstrapToken}),
		Explain:      s.explain, Test: s.endpoint.Test, Schema: s.schema, Written: s.written,
		MaxTTL: s.cfg.Tokens.MaxTTL, Version: s.cfg.Version, Now: s.cfg.Now, Log: s.cfg.Log,
	})
}

// written has this replica decide by what it has just written.
func (s *Server) written(ctx context.Context) {
	// Not for as long as the client waits: the model's own loop waits for us. A
	// failed read is reported by that loop, and the write stands.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = s.Model.Poll(ctx)
}

// explain computes the trace of a decision again, on the registry as it was.
func (s *Server) explain(ctx context.Context, id string) (api.Decision, error) {
	ev, err := s.DB.Event(ctx, id)
	if err != nil {
		return api.Decision{}, err
	}
	objects, err := s.DB.RulesAt(ctx, ev.Change, grants.Agents(ev))
	if err != nil {
		return api.Decision{}, err
	}
	then := registry.NewModel(registry.ModelConfig{Fetch: func(context.Context, int64) ([]registry.Object, int64, error) {
		return objects, ev.Change, nil
	}})
	if err := then.Poll(ctx); err != nil {
		return api.Decision{}, fmt.Errorf("reading the registry at change %d: %w", ev.Change, err)
	}
	x, err := grants.Explain(ev, then, s.limits())
	if err != nil {
		return api.Decision{}, err
	}
	d := admin.Decision(ev)
	for _, c := range x.Checks {
		d.Checks = append(d.Checks, api.Check{Name: c.Name, OK: c.OK, Shown: c.Shown, Wanted: c.Wanted})
	}
	return d, nil
}

// schema tells where the database's schema is.
func (s *Server) schema(ctx context.Context) (api.Schema, error) {
	st, err := storage.MigrationStatus(ctx, s.directURL())
	if err != nil {
		return api.Schema{}, err
	}
	return api.Schema{Version: st.Version, Wanted: st.Latest}, nil
}
