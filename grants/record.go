package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/token"
)

// Inputs are what an issued event keeps: with the event itself and the registry
// as it was at Event.Change enough to compute the trace again. What follows
// from those is left out and names are short: an allowed event stays under
// 1 KB.
type Inputs struct {
	Grant     oauth.GrantType        `json:"g"`
	Method    string                 `json:"m"`
	Proofs    []Proof                `json:"p,omitempty"`  // credentials verified, in order
	Named     bool                   `json:"t,omitempty"`  // the request named its target
	Asked     bool                   `json:"q,omitempty"`  // … and its scopes
	Own       bool                   `json:"o,omitempty"`  // the subject token was ours …
	ClientID  string                 `json:"oc,omitempty"` // … issued to
	Audience  registry.ResourceName  `json:"oa,omitempty"` // … addressed to
	Limited   bool                   `json:"l,omitempty"`  // the subject token's scope set a limit
	Expires   int64                  `json:"sx,omitempty"` // `exp` of the subject token
	Chain     []registry.AgentName   `json:"c,omitempty"`  // its actors, outermost first
	Agent     bool                   `json:"sa,omitempty"` // the subject is an agent
	Rules     []registry.RuleName    `json:"u,omitempty"`  // rules applied
	Granted   []string               `json:"gs"`
	Until     int64                  `json:"x"`
	Blueprint registry.BlueprintName `json:"b"`
	Version   int                    `json:"v"`
}

// Places of a credential in a request, as the trace calls them.
const (
	placeClient  = "assertion" // client_assertion
	placeGrant   = "grant assertion"
	placeSubject = "subject token"
	placeActor   = "actor token"

	placeCertificate = "certificate"
)

// Proof is a credential that was verified.
type Proof struct {
	Place   string              `json:"w"` // where it stood
	Issuer  registry.IssuerName `json:"i,omitempty"`
	Binding string              `json:"b,omitempty"` // of a workload
	Alg     string              `json:"a"`
	Key     string              `json:"k"`
	Expires int64               `json:"x"`
	Shadow  []string            `json:"s,omitempty"` // credentials in shadow mode that would have admitted it
	Review  credential.Review   `json:"r,omitempty"` // of a Kubernetes token whose cluster is asked
}

// prove keeps what an issued event says of a credential.
func (d *Decision) prove(place string, id *credential.Identity) {
	d.verified(place, id.Checks)
	d.proofs = append(d.proofs, Proof{
		Place: place, Issuer: id.Issuer, Binding: id.Binding, Alg: id.Alg, Key: clip(id.KeyID, maxKeyID), Expires: id.Expires.Unix(),
		Shadow: few(id.Shadow),
		Review: id.Review,
	})
}

// few keeps an event small.
func few(names []string) []string {
	const most = 2
	if len(names) <= most {
		return names
	}
	return append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", len(names)-most))
}

// Trace is what a refused event keeps.
type Trace struct {
	Grant     oauth.GrantType `json:"grant,omitempty"`
	Error     oauth.Code      `json:"error"`
	Resources []string        `json:"resources,omitempty"`
	Scope     string          `json:"scope,omitempty"`
	Checks    []policy.Check  `json:"checks"`
}

func (d *Decision) issuedEvent(c *token.Claims) audit.Event {
	ev := d.event(audit.TokenIssued)
	ev.JTI, ev.Txn, ev.Subject, ev.Target = c.JTI, c.Txn, c.Subject, string(d.verdict.Resource.Name)
	if d.own != nil {
		ev.Parent = d.own.JTI
	}
	s := d.input.Subject
	in := Inputs{
		Grant: d.Request.GrantType, Method: d.Presenter.Method, Proofs: d.proofs,
		Named: len(d.Request.Resources)+len(d.Request.Audiences) > 0, Asked: d.input.Scope != nil,
		Own: s.Own, ClientID: s.ClientID, Limited: s.Scope != nil,
		Agent: s.Agent.Agent != nil, Rules: d.verdict.Applied, Granted: d.verdict.Scope, Until: c.Expires.Unix(),
		Blueprint: d.Presenter.Blueprint.Name, Version: d.Presenter.Blueprint.Version,
	}
	if r := d.rules.ResourceByIdentifier(s.Audience); r != nil {
		in.Audience = r.Name
	}
	if !s.Expires.IsZero() {
		in.Expires = s.Expires.Unix()
	}
	for _, p := range s.Chain {
		in.Chain = append(in.Chain, p.Agent.Name)
	}
	ev.Detail, _ = json.Marshal(in) // strings, numbers and lists: cannot fail
	return ev
}

func (d *Decision) event(kind audit.Kind) audit.Event {
	ev := audit.Event{
		ID: d.ID, Time: d.Time, Kind: kind, Actor: string(d.claimed), Change: d.rules.Change,
		Replay: d.replay,
	}
	if d.Presenter != nil {
		ev.Actor = string(d.Presenter.Agent.Name)
	}
	return ev
}

// Close ends the decision: one that was not recorded as issued is recorded as
// refused for cause. It returns what the client is to be told, which is cause
// itself unless recording failed.
//
// A request whose presenter authenticated spends its single-use keys, refused
// or not, and is answered after the commit; without the ledger it gets 503.
// One refused before that neither waits nor stands in the way of issuing.
func (e *Endpoint) Close(ctx context.Context, d *Decision, cause *oauth.Error) *oauth.Error {
	if d.recorded || cause == nil {
		return cause
	}
	d.recorded = true
	ev := d.event(audit.TokenRefused)
	ev.Reason = string(cause.Reason)
	ev.Subject, ev.Target = clip(d.input.Subject.Sub, maxShown), ""
	if d.verdict.Resource != nil {
		ev.Target = string(d.verdict.Resource.Name)
	}
	ev.Detail = d.trace(cause)
	if d.Presenter == nil {
		e.Ledger.Note(ev)
		return cause
	}
	receipt, err := e.Ledger.Append(ev)
	if err != nil {
		return oauth.Refuse(oauth.ReasonLedgerFull, err)
	}
	var replayed *audit.ReplayedError
	switch err := receipt.Wait(ctx); {
	case errors.As(err, &replayed):
		return oauth.Refuse(oauth.Reason(replayed.Reason), cause)
	case err != nil:
		return oauth.Refuse(oauth.ReasonLedgerUnavailable, err)
	}
	return cause
}

// undelivered closes an issued event whose token could not be signed, or was
// recorded too late.
func (e *Endpoint) undelivered(d *Decision, c *token.Claims, why oauth.Reason) {
	ev := d.event(audit.TokenUndelivered)
	ev.ID, ev.Replay, ev.JTI, ev.Subject = audit.NewID("evt", d.Time), nil, c.JTI, c.Subject
	ev.Reason = string(why)
	ev.Detail, _ = json.Marshal(map[string]string{"decision": d.ID}) // a string: cannot fail
	if r, err := e.Ledger.Append(ev); err == nil {
		_ = r.Wait(context.Background()) // as long as the ledger itself waits; the answer is a failure in any case
	}
}

// trace is a refusal's detail. What was shown is cut: it may be anything that
// a client sent.
func (d *Decision) trace(cause *oauth.Error) json.RawMessage {
	t := Trace{Grant: oauth.GrantType(clip(string(d.Request.GrantType), maxShown)), Error: cause.Code, Scope: clip(d.Request.Scope, maxShown), Checks: make([]policy.Check, len(d.checks))}
	for _, r := range append(append([]string{}, d.Request.Resources...), d.Request.Audiences...) {
		if len(t.Resources) < 8 {
			t.Resources = append(t.Resources, clip(r, maxShown))
		}
	}
	for i, c := range d.checks {
		t.Checks[i] = policy.Check{Name: c.Name, OK: c.OK, Shown: clip(c.Shown, maxShown), Wanted: clip(c.Wanted, maxShown)}
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return nil
	}
	return raw
}

// Most bytes of a value that a client sent, and of a key's id, in an event.
const (
	maxShown = 256
	maxKeyID = 64
)

// clip cuts s to most bytes, on a character's border.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
