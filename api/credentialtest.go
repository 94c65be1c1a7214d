package api

import (
	"context"
	"net/http"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// CredentialTest asks what the server would make of a token.
type CredentialTest struct {
	Token     string `json:"token" doc:"The credential as the platform gave it out. It is not kept, not logged and not sent back." minLength:"1" maxLength:"16384"`
	TokenType string `json:"tokenType,omitempty" enum:"jwt,id_token" doc:"Absent = id_token where the issuer takes nothing else, jwt elsewhere."`
}

// CredentialReport is what would become of a token, and why. Its texts come from
// the token; nothing in it is the token.
type CredentialReport struct {
	Admitted bool   `json:"admitted" doc:"It would authenticate the agent."`
	Genuine  bool   `json:"genuine" doc:"Nothing is wrong with the token itself: a user's, or that of an agent that may not authenticate."`
	Verified bool   `json:"verified" doc:"Its signature is good. Otherwise anybody may have written what it says."`
	Kind     string `json:"kind" doc:"What it is, in words."`
	Wrong    string `json:"wrong,omitempty" doc:"The one thing that is wrong, in a sentence."`
	Fix      string `json:"fix,omitempty" doc:"What mends it."`
	// ErrorCode is what `explain` would show; a client may be told less.
	ErrorCode string `json:"errorCode,omitempty" doc:"Reason code of the refusal."`
	Fault     string `json:"fault,omitempty" doc:"What is wrong with the token, in one word."`

	Parameter string              `json:"parameter,omitempty" enum:"subject_token,client_assertion" doc:"Where in a request it was tested to stand."`
	TokenType string              `json:"tokenType,omitempty" doc:"As which it was tested: jwt or id_token."`
	Issuer    registry.IssuerName `json:"issuer,omitempty" doc:"The trusted issuer that it was routed to."`
	IssuerURL string              `json:"iss,omitempty"`
	Subject   string              `json:"sub,omitempty"`
	Audience  []string            `json:"aud,omitempty"`
	KeyID     string              `json:"kid,omitempty"`
	Algorithm string              `json:"alg,omitempty"`
	Type      string              `json:"typ,omitempty"`
	Expires   *time.Time          `json:"exp,omitempty" doc:"Of a genuine token."`

	Agent      registry.AgentName `json:"agent,omitempty" doc:"Whom it stands for."`
	Credential string             `json:"credential,omitempty" doc:"The federated credential that admitted it."`
	Made       bool               `json:"made,omitempty" doc:"The agent is an instance, and its first use would make it, or bring it back."`

	Checks   []Check          `json:"checks" doc:"In the order in which they ran."`
	Bindings []TestedBinding  `json:"bindings,omitempty" doc:"Credentials of the issuer held against what the token says, nearest first, at most 10."`
	Issuers  []UnlikelyIssuer `json:"issuers,omitempty" doc:"When its issuer is unknown: those that there are, nearest first, at most 10."`
}

// TestedBinding is a federated credential held against a token, to its last
// check.
type TestedBinding struct {
	Agent      registry.AgentName     `json:"agent" doc:"Whose it is; of a blueprint's credential the name of the instance, or BLUEPRINT/…"`
	Blueprint  registry.BlueprintName `json:"blueprint,omitempty" doc:"Of a blueprint's credential."`
	Credential string                 `json:"credential"`
	Admits     bool                   `json:"admits"`
	Why        string                 `json:"why,omitempty" doc:"How the subject differs, in words."`
	Inactive   string                 `json:"inactive,omitempty" doc:"Why the agent may have no tokens now."`
	Checks     []Check                `json:"checks"`
}

// UnlikelyIssuer is a trusted issuer that a token is not from.
type UnlikelyIssuer struct {
	Name   registry.IssuerName `json:"name"`
	Wanted string              `json:"wanted" doc:"Its iss, or its trust domain."`
	Why    string              `json:"why,omitempty" doc:"By what the token misses it, in words."`
	State  registry.State      `json:"state"`
}

// TestCredential asks what the server would make of a token; tokenType is jwt,
// id_token or empty. A token that is refused is no error.
func (c *Client) TestCredential(ctx context.Context, t CredentialTest) (CredentialReport, error) {
	var r CredentialReport
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/credential-tests", body: t, into: &r})
	return r, err
}
