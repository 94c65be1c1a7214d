package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/oauth"
)

// issued is a successful answer of the token endpoint (RFC 6749, Section 5.1;
// RFC 8693, Section 2.2.1).
type issued struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	Scope           string `json:"scope,omitempty"`
}

// refused is an error of the token endpoint (RFC 6749, Section 5.2).
type refused struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	ErrorCode   string `json:"error_code"`
	DecisionID  string `json:"decision_id"`
}

// exitCode: a server that cannot decide is not a denial.
func (r refused) exitCode() int {
	switch oauth.Code(r.Code) {
	case oauth.ServerError, oauth.TemporarilyUnavailable, "":
		return ExitRefused
	}
	return ExitDenied
}

// answer is what the token endpoint said.
type answer struct {
	Status   string // "200 OK"
	Took     time.Duration
	Decision string
	Issued   *issued // nil = refused
	Refused  refused
	Body     json.RawMessage
}

// tokenRequest is one request to the token endpoint.
type tokenRequest struct {
	endpoint string
	form     url.Values
	clientID string // with secret: HTTP Basic
	secret   string
}

// post sends a request to the token endpoint.
func (a *app) post(ctx context.Context, r tokenRequest) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, strings.NewReader(r.form.Encode()))
	if err != nil {
		return answer{}, usage("%v", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r.secret != "" {
		// RFC 6749, Section 2.3.1: both are form-encoded before they are joined.
		req.SetBasicAuth(url.QueryEscape(r.clientID), url.QueryEscape(r.secret))
	}
	client := a.http()
	// A redirect would carry the credentials elsewhere.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxInput))
	if err != nil {
		return answer{}, unreachable(err)
	}
	ans := answer{Status: resp.Status, Took: time.Since(start), Decision: resp.Header.Get("Tokenry-Decision-Id"), Body: body}
	if resp.StatusCode == http.StatusOK {
		ans.Issued = new(issued)
		err = json.Unmarshal(body, ans.Issued)
	} else if err = json.Unmarshal(body, &ans.Refused); err == nil {
		ans.Decision = ans.Refused.DecisionID
	}
	if err != nil || ans.Issued != nil && ans.Issued.AccessToken == "" {
		hint := "; is it a token endpoint?"
		if resp.StatusCode == http.StatusBadRequest {
			hint = first(maybeTLS(r.endpoint), hint)
		}
		return answer{}, &Error{Code: ExitRefused, Err: fmt.Errorf("%s answered %s with neither a token nor an error%s", r.endpoint, resp.Status, hint)}
	}
	return ans, nil
}

func (a *app) exchangeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exchange",
		Short: "Ask the token endpoint for a token and print it",
		Long: "exchange asks for a token: by token exchange when --subject-token-file is given, else by client credentials.\n" +
			"It prints the access token alone; -o json prints the whole answer. Denied, it exits with 5 and names the decision.",
		Example: "  # for a user, as the agent of this pod's service account\n" +
			"  tokenry token exchange --client-assertion-file /var/run/secrets/tokens/sa --subject-token-file alice.jwt --scope llm:read\n\n" +
			"  # for the agent itself\n" +
			"  tokenry token exchange --client-assertion-file /var/run/secrets/tokens/sa --resource https://gateway.example\n\n" +
			"  # with a client secret\n" +
			"  tokenry token exchange --client-id legacy-agent --client-secret-file secret",
		Args: arguments(0, 0),
	}
	var x exchangeFlags
	x.bind(cmd, a.agentFlag)
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := a.exchangeRequest(x)
		if err != nil {
			return err
		}
		ans, err := a.post(cmd.Context(), r)
		if err != nil {
			return err
		}
		if ans.Issued == nil {
			return refusalError(ans)
		}
		if *f == tableFormat || *f == nameFormat {
			fmt.Fprintln(a.Stdout, printable(ans.Issued.AccessToken))
			return nil
		}
		return a.print(*f, view{value: ans.Issued})
	}
	return cmd
}

func refusalError(ans answer) error {
	r := ans.Refused
	text := "the server answered " + ans.Status
	if r.Code != "" {
		text = fmt.Sprintf("%s (%s): %s", r.Code, orDash(r.ErrorCode), r.Description)
	}
	if r.DecisionID != "" {
		text += "\n  why: tokenry explain " + r.DecisionID
	}
	return &Error{Code: r.exitCode(), Err: errors.New(text)}
}

// exchangeFlags are the parameters of a token request.
type exchangeFlags struct {
	issuer, clientID             string
	subjectFile, subjectType     string
	actorFile, actorType         string
	assertionFile, assertionType string
	secretFile                   string
	scopes, resources, audiences []string
}

func (x *exchangeFlags) bind(cmd *cobra.Command, agents cobra.CompletionFunc) {
	f := cmd.Flags()
	f.StringVar(&x.issuer, "issuer", "", "issuer to ask (default: of the context, unless --server names another server)")
	f.StringVar(&x.subjectFile, "subject-token-file", "", "file with the token of the subject, - for stdin")
	f.StringVar(&x.subjectType, "subject-token-type", "jwt", "its type: jwt, id_token, access_token, or a URN")
	f.StringVar(&x.actorFile, "actor-token-file", "", "file with the token of the actor, - for stdin")
	f.StringVar(&x.actorType, "actor-token-type", "jwt", "its type, as above")
	f.StringVar(&x.assertionFile, "client-assertion-file", "", "file with the credential of the agent, - for stdin")
	f.StringVar(&x.assertionType, "client-assertion-type", "jwt-bearer", "its type: jwt-bearer, jwt-spiffe (for a JWT-SVID), or a URN")
	f.StringVar(&x.clientID, "client-id", "", "name of the agent (default: the one that the credential stands for)")
	f.StringVar(&x.secretFile, "client-secret-file", "", "file with the client secret, - for stdin")
	f.StringArrayVar(&x.scopes, "scope", nil, "scopes to ask for, separated by spaces (default: all that is allowed); may be repeated")
	f.StringArrayVar(&x.resources, "resource", nil, "identifier (a URI) of the target resource (default: the blueprint's)")
	f.StringArrayVar(&x.audiences, "audience", nil, "name or identifier of the target resource (default: the blueprint's)")
	for _, flag := range []string{"subject-token-file", "actor-token-file", "client-assertion-file", "client-secret-file"} {
		complete(cmd, flag, files)
	}
	tokens := words("jwt", "id_token", "access_token")
	complete(cmd, "subject-token-type", tokens)
	complete(cmd, "actor-token-type", tokens)
	complete(cmd, "client-assertion-type", words("jwt-bearer", "jwt-spiffe"))
	complete(cmd, "client-id", agents)
}

// check refuses what can only be a slip of the finger.
func (x *exchangeFlags) check() error {
	switch {
	case x.subjectFile == "" && x.actorFile != "":
		return usage("--actor-token-file needs --subject-token-file: for whom does the actor act?")
	case x.secretFile != "" && x.clientID == "":
		return usage("--client-secret-file needs --client-id")
	case x.subjectFile == "" && x.assertionFile == "" && x.secretFile == "":
		return usage("who asks? give --client-assertion-file or --client-secret-file, and --subject-token-file to act for somebody")
	}
	for _, r := range x.resources {
		if r != "" && !isIdentifier(r) { // empty is absent: RFC 6749, Section 3.2
			return usage("--resource %s: it takes an identifier, which is a URI; a name goes to --audience", r)
		}
	}
	return nil
}

func (a *app) exchangeRequest(x exchangeFlags) (tokenRequest, error) {
	if err := x.check(); err != nil {
		return tokenRequest{}, err
	}
	endpoint, err := a.tokenEndpoint(x.issuer)
	if err != nil {
		return tokenRequest{}, err
	}
	r := tokenRequest{endpoint: endpoint, form: url.Values{"grant_type": {string(oauth.ClientCredentials)}}, clientID: x.clientID}
	form := r.form
	if x.subjectFile != "" {
		form.Set("grant_type", string(oauth.TokenExchange))
		form.Set("subject_token_type", tokenType(x.subjectType))
	}
	if x.actorFile != "" {
		form.Set("actor_token_type", tokenType(x.actorType))
	}
	if x.assertionFile != "" {
		form.Set("client_assertion_type", assertionType(x.assertionType))
	}
	for _, p := range []struct{ name, file string }{
		{"subject_token", x.subjectFile}, {"actor_token", x.actorFile}, {"client_assertion", x.assertionFile},
	} {
		if p.file == "" {
			continue
		}
		token, err := a.input(p.file)
		if err != nil {
			return r, err
		}
		form.Set(p.name, token)
	}
	if x.secretFile != "" {
		if r.secret, err = a.input(x.secretFile); err != nil {
			return r, err
		}
	} else if x.clientID != "" {
		form.Set("client_id", x.clientID)
	}
	target(form, x.scopes, x.resources, x.audiences)
	return r, nil
}

// isIdentifier tells the identifier of a resource, an absolute URI (RFC 8707,
// Section 2), from its name.
func isIdentifier(resource string) bool { return strings.Contains(resource, ":") }

// target adds what is asked for.
func target(form url.Values, scopes, resources, audiences []string) {
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	if len(resources) > 0 {
		form["resource"] = resources // RFC 8707, Section 2
	}
	if len(audiences) > 0 {
		form["audience"] = audiences // RFC 8693, Section 2.1
	}
}

// tokenEndpoint: every URL of a server derives from its issuer.
func (a *app) tokenEndpoint(issuer string) (string, error) {
	if issuer == "" {
		c, err := a.issuing()
		if err != nil {
			return "", err
		}
		issuer = first(c.Public, c.Issuer)
	}
	if issuer == "" {
		return "", usage("which server? start one with `tokenry dev`, or give --issuer")
	}
	if err := a.confidential(issuer); err != nil {
		return "", err
	}
	return strings.TrimRight(issuer, "/") + "/token", nil
}

// tokenType lets the last word of a token type stand for it (RFC 8693, Section 3).
func tokenType(s string) string {
	if strings.Contains(s, ":") {
		return s
	}
	return "urn:ietf:params:oauth:token-type:" + s
}

// assertionType lets the last word of an assertion type stand for it.
func assertionType(s string) string {
	if strings.Contains(s, ":") {
		return s
	}
	return "urn:ietf:params:oauth:client-assertion-type:" + s
}
