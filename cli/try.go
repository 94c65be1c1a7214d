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

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/oauth"
)

// trial is one real exchange against a running `dev`.
type trial struct {
	user, agent string
	scopes      []string
	target      string // identifier or name of a resource; empty = the server's default
}

func (a *app) tryCommand() *cobra.Command {
	var t trial
	cmd := &cobra.Command{
		Use:   "try",
		Short: "Do a real exchange against a running dev and show every check",
		Long: "try signs a demo user in, takes the service-account token of a demo agent, exchanges both at the token endpoint,\n" +
			"prints every check of the decision, and verifies the token offline. When the request is denied it exits with 5.",
		Example: "  tokenry try\n  tokenry try --scope payments:write\n  tokenry try --user mallory\n  tokenry try --agent analysis-agent --scope llm:read",
		Args:    arguments(0, 0),
	}
	cmd.Flags().StringVar(&t.user, "user", "alice", "demo user: alice (staff) or mallory (not staff)")
	cmd.Flags().StringVar(&t.agent, "agent", "research-agent", "demo agent that acts: research-agent, analysis-agent or writer-agent")
	cmd.Flags().StringArrayVar(&t.scopes, "scope", nil, "scopes to ask for (default: all that is allowed); may be repeated")
	cmd.Flags().StringVar(&t.target, "resource", "", "identifier or name of the resource (default: the blueprint's)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := a.current()
		if err != nil {
			return err
		}
		if c.Demo == "" {
			return usage("try needs a running dev: start `tokenry dev` in another terminal")
		}
		err = a.try(cmd.Context(), c, t)
		if e := asErrorOrNil(err); e != nil && e.Code == ExitUnreachable {
			return &Error{Code: ExitUnreachable, Err: fmt.Errorf("%w; is `tokenry dev` running?", e)}
		}
		return err
	}
	return cmd
}

func asErrorOrNil(err error) *Error {
	if err == nil {
		return nil
	}
	return asError(err)
}

// demoToken is what the demo's token endpoints answer.
type demoToken struct {
	Token   string `json:"token"`
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// try does the exchange and prints it.
func (a *app) try(ctx context.Context, c Context, t trial) error {
	user, err := a.demoToken(ctx, c.Demo+"/idp/token?"+url.Values{"user": {t.user}}.Encode())
	if err != nil {
		return err
	}
	platform, err := a.demoToken(ctx, c.Demo+"/cluster/token?"+url.Values{"sa": {t.agent}}.Encode())
	if err != nil {
		return err
	}
	// RFC 8693, Section 2.1; the agent authenticates with what its platform
	// gave it, as a client assertion: RFC 7523, Section 2.2.
	form := url.Values{
		"grant_type":            {string(oauth.TokenExchange)},
		"subject_token":         {user.Token},
		"subject_token_type":    {string(oauth.JWTType)},
		"client_assertion":      {platform.Token},
		"client_assertion_type": {string(oauth.JWTBearerAssertion)},
	}
	if strings.Contains(t.target, ":") {
		target(form, t.scopes, []string{t.target}, nil)
	} else {
		target(form, t.scopes, nil, nonEmpty(t.target))
	}
	w, p := a.Stdout, a.palette()
	endpoint := c.Public + "/token"
	fmt.Fprintf(w, "%s%s signs in at the demo provider; %s acts for her.%s\n\n", p.bold, title(t.user), t.agent, p.end)
	fmt.Fprintf(w, "POST %s\n", endpoint)
	rows(w, [][]string{
		{"  grant_type", string(oauth.TokenExchange)},
		{"  subject_token", "user " + user.Subject + ", signed by " + user.Issuer},
		{"  client_assertion", platform.Subject + ", signed by " + platform.Issuer},
		{"  scope", first(form.Get("scope"), "(all that is allowed)")},
		{"  target", first(t.target, "(the blueprint's default)")},
	})
	fmt.Fprintln(w)
	ans, err := a.post(ctx, tokenRequest{endpoint: endpoint, form: form})
	if err != nil {
		return err
	}
	d, err := a.tryDecision(ctx, ans)
	if err != nil {
		return err
	}
	a.checks(w, d.Checks)
	if ans.Issued == nil {
		return a.tryRefused(w, ans, d)
	}
	return a.tryIssued(ctx, w, c, ans)
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// tryDecision reads the trace through the admin API.
func (a *app) tryDecision(ctx context.Context, ans answer) (api.Decision, error) {
	if ans.Decision == "" {
		return api.Decision{}, &Error{Code: ExitRefused, Err: fmt.Errorf("the server answered %s without a decision", ans.Status)}
	}
	client, err := a.client()
	if err != nil {
		return api.Decision{}, err
	}
	return decision(ctx, client, ans.Decision)
}

func (a *app) tryIssued(ctx context.Context, w io.Writer, c Context, ans answer) error {
	p := a.palette()
	fmt.Fprintf(w, "\n%s%s%s in %.1f ms   decision %s\n\n", p.good, ans.Status, p.end, float64(ans.Took.Microseconds())/1000, ans.Decision)
	d, err := decode(ans.Issued.AccessToken)
	if err != nil {
		return &Error{Code: ExitRefused, Err: fmt.Errorf("the server issued what is no token: %w", err)}
	}
	fmt.Fprint(w, "access ")
	d.show(w, a.Now(), "")
	if err := a.verify(ctx, ans.Issued.AccessToken, c.Issuer, ""); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s✓%s verified offline with %s/.well-known/jwks.json\n\n", p.good, p.end, c.Issuer)
	rows(w, [][]string{
		{"Now break it:", "tokenry try --scope payments:write"},
		{"See it again:", "tokenry explain " + ans.Decision},
	})
	return nil
}

// tryRefused shows the refusal as the client got it, and from the decision what
// the client does not get to see.
func (a *app) tryRefused(w io.Writer, ans answer, d api.Decision) error {
	p := a.palette()
	r := ans.Refused
	fmt.Fprintf(w, "\n%s%s%s   error=%s  error_code=%s\n", p.bad, ans.Status, p.end, r.Code, r.ErrorCode)
	fmt.Fprintf(w, "decision %s   nothing was issued\n", orDash(ans.Decision))
	reason := oauth.Reason(first(d.ErrorCode, r.ErrorCode))
	if string(reason) != r.ErrorCode {
		// An outsider must not learn which agents exist; the operator may.
		fmt.Fprintf(w, "The client is not told, but it was %s.\n", reason)
	}
	def := reason.Definition()
	fmt.Fprintf(w, "%s\n", first(d.Meaning, def.Meaning))
	fmt.Fprintf(w, "Fix: %s\n", first(d.Fix, def.Fix))
	return silent(r.exitCode())
}

func (a *app) demoToken(ctx context.Context, from string) (demoToken, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return demoToken{}, usage("%v", err)
	}
	resp, err := a.http().Do(req)
	if err != nil {
		return demoToken{}, unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxInput))
	if err != nil {
		return demoToken{}, unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return demoToken{}, &Error{Code: ExitUsage, Err: errors.New(printable(strings.TrimSpace(string(body))))}
	}
	var t demoToken
	if err := json.Unmarshal(body, &t); err != nil {
		return t, &Error{Code: ExitRefused, Err: fmt.Errorf("the demo answered something else than a token: %w", err)}
	}
	return t, nil
}
