package admin

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// decisions lists the outcomes of token requests. A decision whose token could
// not be signed is there twice, as the trail has it: as issued, and above that
// as undelivered.
func (s *server) decisions(ctx context.Context, in *struct {
	Page
	Outcome api.DecisionOutcome `query:"outcome" enum:"issued,refused,undelivered" doc:"Only decisions that ended like this."`
	Agent   string              `query:"agent" maxLength:"264" doc:"Only decisions about this presenter, by name."`
}) (*struct{ Body api.DecisionList }, error) {
	f := storage.EventFilter{Kinds: kindsOf(in.Outcome), Actor: in.Agent}
	if in.Agent != "" && registry.CheckAgentName(in.Agent) != nil {
		return nil, invalid(item("query.agent", "is not the name of an agent"))
	}
	events, next, err := s.events(ctx, f, in.Page, "decisions "+string(in.Outcome)+" "+in.Agent)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body api.DecisionList }{}
	out.Body = api.DecisionList{Items: make([]api.Decision, len(events)), NextCursor: next}
	for i, e := range events {
		out.Body.Items[i] = Decision(e)
	}
	return out, nil
}

func kindsOf(o api.DecisionOutcome) []audit.Kind {
	switch o {
	case api.Issued:
		return []audit.Kind{audit.TokenIssued}
	case api.Refused:
		return []audit.Kind{audit.TokenRefused}
	case api.Undelivered:
		return []audit.Kind{audit.TokenUndelivered}
	}
	return []audit.Kind{audit.TokenIssued, audit.TokenRefused, audit.TokenUndelivered}
}

// decision explains one decision.
func (s *server) decision(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"128" doc:"dec_…"`
}) (*struct{ Body api.Decision }, error) {
	rest, ok := strings.CutPrefix(in.ID, "dec_")
	if !ok || registry.CheckName(rest) != nil {
		return nil, storage.ErrNotFound
	}
	d, err := s.Explain(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body api.Decision }{d}, nil
}

// Decision is what the event of a decision says without its checks, which
// Config.Explain adds.
func Decision(e audit.Event) api.Decision {
	d := api.Decision{
		ID: e.ID, Time: e.Time, Agent: e.Actor, Subject: e.Subject, Resource: e.Target, JTI: e.JTI, Txn: e.Txn, Parent: e.Parent,
	}
	switch e.Kind {
	case audit.TokenIssued:
		d.Outcome = api.Issued
		var inputs grants.Inputs
		_ = json.Unmarshal(e.Detail, &inputs) // what cannot be read is left out of a list
		d.Scopes = inputs.Granted
	case audit.TokenUndelivered:
		d.Outcome = api.Undelivered
		var closed struct {
			Decision string `json:"decision"`
		}
		if json.Unmarshal(e.Detail, &closed) == nil && closed.Decision != "" {
			d.ID = closed.Decision
		}
	default:
		d.Outcome = api.Refused
		reason := oauth.Reason(e.Reason).Definition()
		d.Error, d.ErrorCode, d.Meaning, d.Fix = string(reason.Code), e.Reason, reason.Meaning, reason.Fix
	}
	return d
}

// events reads one page of the trail.
func (s *server) events(ctx context.Context, f storage.EventFilter, p Page, list string) (found []audit.Event, next string, err error) {
	after, err := p.after(list)
	if err != nil {
		return nil, "", err
	}
	found, next, err = s.DB.Events(ctx, f, after, p.Limit)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, "", noCursor()
	}
	return found, cursor(list, next), err
}

// auditEvents lists the trail.
func (s *server) auditEvents(ctx context.Context, in *struct{ Page }) (*struct{ Body api.AuditEventList }, error) {
	events, next, err := s.events(ctx, storage.EventFilter{}, in.Page, "audit-events")
	if err != nil {
		return nil, err
	}
	out := &struct{ Body api.AuditEventList }{}
	out.Body = api.AuditEventList{Items: make([]api.AuditEvent, len(events)), NextCursor: next}
	for i, e := range events {
		out.Body.Items[i] = api.AuditEvent{
			ID: e.ID, Time: e.Time, Kind: string(e.Kind), Reason: e.Reason, Actor: e.Actor, Subject: e.Subject, Target: e.Target,
			JTI: e.JTI, Parent: e.Parent, Txn: e.Txn, Change: e.Change, Count: e.Count, Detail: e.Detail,
		}
	}
	return out, nil
}
