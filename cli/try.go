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

// account is the demo's service account of the agent: that of instance fleet/r7
// is fleet-r7, since such names have no slash.
func (t trial) account() string { return strings.ReplaceAll(t.agent, "/", "-") }

func (a *app) tryCommand() *cobra.Command {
	var t trial
	cmd := &cobra.Command{
		Use:   "try",
		Short: "Do a real exchange against a running dev and show every check",
		Long: "try signs a demo user in, takes the service-account token of a demo agent, exchanges both at the token endpoint,\n" +
			"prints every check of the decision, and verifies the token offline. When the request is denied it exits with 5.\n" +
			"It uses the server of the context, which `tokenry dev` has saved.\n\n" +
			"The demo's service account of an agent has its name. Such names have no slash: an instance A/B asks for service\n" +
			"account A-B.\n\n" +
			"With --print-token it asks the server nothing and prints the service-account token alone, to be used by hand.",
		Example: "  tokenry try\n  tokenry try --scope payments:write\n  tokenry try --user mallory\n  tokenry try --agent analysis-agent --scope llm:read\n" +
			"  tokenry try --agent fleet/r7\n  tokenry try --agent fleet/r8 --print-token | tokenry issuer test --token-file -",
		Args: arguments(0, 0),
	}
	cmd.Flags().StringVar(&t.user, "user", "alice", "demo user: alice (staff) or mallory (not staff)")
	cmd.Flags().StringVar(&t.agent, "agent", "research-agent", "demo agent that acts: research-agent, analysis-agent, writer-agent, or fleet/NAME, which is made on first use")
	cmd.Flags().StringArrayVar(&t.scopes, "scope", nil, "scopes to ask for (default: all that is allowed); may be repeated")
	cmd.Flags().StringVar(&t.target, "resource", "", "name or identifier (a URI) of the target resource (default: the blueprint's)")
	printToken := cmd.Flags().Bool("print-token", false, "only print the token that the demo cluster gives the agent")
	complete(cmd, "user", words("alice", "mallory"))
	complete(cmd, "agent", a.agentFlag)
	complete(cmd, "scope", nil)
	complete(cmd, "resource", a.resourceFlag)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.current()
		if err != nil {
			return err
		}
		if c.Demo == "" {
			return usage("try needs a running dev: start `tokenry dev` in another terminal")
		}
		if *printToken {
			for _, name := range []string{"user", "scope", "resource"} {
				if cmd.Flags().Changed(name) {
					return usage("--print-token asks for nothing: leave --%s out", name)
				}
			}
			return devAnswers(a.printPlatformToken(cmd.Context(), c, t))
		}
		decision, err := a.try(cmd.Context(), c, t)
		if err == nil {
			hints(a.Stdout, "Now break it:", "tokenry try --scope payments:write", "See it again:", "tokenry explain "+printable(decision))
		}
		return devAnswers(err)
	}
	return cmd
}

// devAnswers asks the obvious question when nobody answers.
func devAnswers(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) && e.Code == ExitUnreachable {
		return &Error{Code: ExitUnreachable, Err: fmt.Errorf("%w; is `tokenry dev` running?", e)}
	}
	return err
}

// hints prints what to do next: pairs of a purpose and a command.
func hints(w io.Writer, pairs ...string) {
	var lines [][]string
	for i := 0; i+1 < len(pairs); i += 2 {
		lines = append(lines, []string{pairs[i], pairs[i+1]})
	}
	fmt.Fprintln(w)
	rows(w, lines)
}

// demoToken is what the demo's token endpoints answer.
type demoToken struct {
	Token   string `json:"token"`
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// try does the exchange, prints it, and names the decision.
func (a *app) try(ctx context.Context, c Context, t trial) (string, error) {
	user, err := a.demoToken(ctx, c.Demo+"/idp/token?"+url.Values{"user": {t.user}}.Encode())
	if err != nil {
		return "", err
	}
	platform, err := a.platformToken(ctx, c, t)
	if err != nil {
		return "", err
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
	if isIdentifier(t.target) {
		target(form, t.scopes, []string{t.target}, nil)
	} else {
		target(form, t.scopes, nil, nonEmpty(t.target))
	}
	w, p := a.Stdout, a.palette()
	endpoint := c.Public + "/token"
	fmt.Fprintf(w, "%s%s acts for %s, who has signed in at the demo provider.%s\n\n", p.bold, printable(t.agent), printable(t.user), p.end)
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
		return "", err
	}
	d, err := a.tryDecision(ctx, c, ans)
	if err != nil {
		return "", err
	}
	a.checks(w, d.Checks)
	if ans.Issued == nil {
		return ans.Decision, a.tryRefused(w, ans, d)
	}
	return ans.Decision, a.tryIssued(ctx, w, c, ans)
}

// tryDecision reads the trace through the admin API of the server that has
// decided, whatever server the flags and variables name.
func (a *app) tryDecision(ctx context.Context, c Context, ans answer) (api.Decision, error) {
	if ans.Decision == "" {
		return api.Decision{}, &Error{Code: ExitRefused, Err: fmt.Errorf("the server answered %s without a decision", ans.Status)}
	}
	client, err := a.connect(c.Server, c.TokenFile)
	if err != nil {
		return api.Decision{}, err
	}
	return a.decision(ctx, client, ans.Decision)
}

func (a *app) tryIssued(ctx context.Context, w io.Writer, c Context, ans answer) error {
	p := a.palette()
	fmt.Fprintf(w, "\n%s%s%s in %.1f ms   decision %s\n\n", p.good, printable(ans.Status), p.end, float64(ans.Took.Microseconds())/1000, printable(ans.Decision))
	d, err := decode(ans.Issued.AccessToken)
	if err != nil {
		return &Error{Code: ExitRefused, Err: fmt.Errorf("the server issued what is no token: %w", err)}
	}
	fmt.Fprint(w, "access ")
	d.show(w, a.Now(), "")
	if err := a.verify(ctx, ans.Issued.AccessToken, c.Issuer, ""); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s✓%s verified offline with %s/.well-known/jwks.json\n", p.good, p.end, printable(c.Issuer))
	return nil
}

// tryRefused shows the refusal as the client got it, and from the decision what
// the client does not get to see.
func (a *app) tryRefused(w io.Writer, ans answer, d api.Decision) error {
	p := a.palette()
	r := ans.Refused
	fmt.Fprintf(w, "\n%s%s%s   error=%s  error_code=%s\n", p.bad, printable(ans.Status), p.end, printable(orDash(r.Code)), printable(orDash(r.ErrorCode)))
	fmt.Fprintf(w, "decision %s   nothing was issued\n", printable(ans.Decision))
	reason := oauth.Reason(first(d.ErrorCode, r.ErrorCode))
	if string(reason) != r.ErrorCode {
		// An outsider must not learn which agents exist; the operator may.
		fmt.Fprintf(w, "The client is not told, but it was %s.\n", printable(string(reason)))
	}
	def := reason.Definition()
	fmt.Fprintf(w, "%s\n", printable(first(d.Meaning, def.Meaning)))
	fmt.Fprintf(w, "Fix: %s\n", printable(fixFor(d.Agent, string(reason), first(d.Fix, def.Fix))))
	return silent(r.exitCode())
}

// platformToken gets what the demo's cluster projects into the agent's pod.
func (a *app) platformToken(ctx context.Context, c Context, t trial) (demoToken, error) {
	return a.demoToken(ctx, c.Demo+"/cluster/token?"+url.Values{"sa": {t.account()}}.Encode())
}

func (a *app) printPlatformToken(ctx context.Context, c Context, t trial) error {
	platform, err := a.platformToken(ctx, c, t)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Stdout, printable(platform.Token))
	return err
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
		return demoToken{}, usage("%s", strings.TrimSpace(string(body)))
	}
	var t demoToken
	if err := json.Unmarshal(body, &t); err != nil {
		return t, &Error{Code: ExitRefused, Err: fmt.Errorf("the demo answered something else than a token: %w", err)}
	}
	return t, nil
}
