package api

import (
	"encoding/json"
	"time"
)

// Decision is the outcome of one token request and, when asked for by its id,
// the trace of every check.
type Decision struct {
	ID        string          `json:"id" doc:"dec_…"`
	Time      time.Time       `json:"time"`
	Outcome   DecisionOutcome `json:"outcome" enum:"issued,refused,undelivered"`
	Error     string          `json:"error,omitempty" doc:"OAuth error code of a refusal."`
	ErrorCode string          `json:"errorCode,omitempty" doc:"Reason code of a refusal."`
	Meaning   string          `json:"meaning,omitempty" doc:"What the reason code means."`
	Fix       string          `json:"fix,omitempty" doc:"What usually mends it."`
	Agent     string          `json:"agent,omitempty" doc:"The presenter."`
	Subject   string          `json:"subject,omitempty" doc:"sub of the token."`
	Resource  string          `json:"resource,omitempty"`
	Scopes    []string        `json:"scopes,omitempty"`
	JTI       string          `json:"jti,omitempty" doc:"jti of the token issued."`
	Txn       string          `json:"txn,omitempty"`
	Parent    string          `json:"parent,omitempty" doc:"jti of our own subject token."`
	Checks    []Check         `json:"checks,omitempty" doc:"In the order in which they ran; only when one decision is read."`
}

// DecisionOutcome is how a decision ended.
type DecisionOutcome string

// Outcomes of decisions. Undelivered: decided and recorded, then not signed, or too late.
const (
	Issued      DecisionOutcome = "issued"
	Refused     DecisionOutcome = "refused"
	Undelivered DecisionOutcome = "undelivered"
)

// Check is one named check of a decision.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Shown  string `json:"shown,omitempty" doc:"What the request showed; never a token or a secret."`
	Wanted string `json:"wanted,omitempty" doc:"What would have passed; of a check that did, what it was held to."`
}

// DecisionList is one page of decisions, newest first, without checks.
type DecisionList struct {
	Items      []Decision `json:"items"`
	NextCursor string     `json:"next_cursor,omitempty"`
}

// AuditEvent is one line of the trail.
type AuditEvent struct {
	ID      string          `json:"id"`
	Time    time.Time       `json:"time"`
	Kind    string          `json:"kind" doc:"token.issued, token.refused, admin.changed, …"`
	Reason  string          `json:"reason,omitempty"`
	Actor   string          `json:"actor,omitempty" doc:"The presenting agent, or the admin principal."`
	Subject string          `json:"subject,omitempty" doc:"sub of the token, or the object of an admin write."`
	Target  string          `json:"target,omitempty"`
	JTI     string          `json:"jti,omitempty"`
	Parent  string          `json:"parent,omitempty"`
	Txn     string          `json:"txn,omitempty"`
	Change  int64           `json:"change,omitempty" doc:"Registry change number that it was decided at."`
	Count   int             `json:"count,omitempty" doc:"How many refusals a summary stands for."`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// AuditEventList is one page of events, newest first.
type AuditEventList struct {
	Items      []AuditEvent `json:"items"`
	NextCursor string       `json:"next_cursor,omitempty"`
}
