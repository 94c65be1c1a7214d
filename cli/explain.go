package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/oauth"
)

func (a *app) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain DECISION | --last-denied",
		Short: "Show every check of a decision, with what was shown and what was wanted",
		Long: "Every answer of the token endpoint names its decision, as decision_id in an error and in the header\n" +
			"Tokenry-Decision-Id. explain tells what the client was not told. Its exit code is 0 for a refusal too.",
		Example: "  tokenry explain dec_06h101g5ray36176dx65qn8jc8\n  tokenry explain --last-denied\n  tokenry explain --last-denied --agent research-agent",
		Args:    arguments(0, 1), ValidArgsFunction: a.completeDecision,
	}
	last := cmd.Flags().Bool("last-denied", false, "the latest refusal")
	agent := cmd.Flags().String("agent", "", "with --last-denied: of this agent")
	complete(cmd, "agent", a.agentFlag)
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case (len(args) == 1) == *last:
			return usage("explain which decision? give its id (dec_…), or --last-denied")
		case *agent != "" && !*last:
			return usage("--agent goes with --last-denied; a decision's id needs nothing else")
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		id := ""
		if *last {
			if id, err = a.lastDenied(cmd.Context(), c, *agent); err != nil {
				return err
			}
		} else {
			id = args[0]
		}
		d, err := c.Decision(cmd.Context(), id)
		if err != nil {
			if e := asError(a.failure(err)); e.Code == ExitNotFound {
				return &Error{Code: ExitNotFound, Err: fmt.Errorf("no decision %q; one that is older than audit.retention is gone", id)}
			}
			return a.failure(err)
		}
		return a.print(*f, view{value: d, names: []string{d.ID}, table: func(w io.Writer) { a.explain(w, d) }})
	}
	return cmd
}

func (a *app) lastDenied(ctx context.Context, c *api.Client, agent string) (string, error) {
	list, err := c.Decisions(ctx, api.DecisionFilter{Outcome: api.Refused, Agent: agent}, api.Page{Limit: 1})
	if err != nil {
		return "", a.failure(err)
	}
	if len(list.Items) == 0 {
		text := "nothing was refused"
		if agent != "" {
			text += fmt.Sprintf(" to agent %q; a request whose agent was not recognised is found without --agent", agent)
		}
		return "", &Error{Code: ExitNotFound, Err: errors.New(text)}
	}
	return list.Items[0].ID, nil
}

// decision reads a decision that was made a moment ago. A refusal before
// authentication is written behind its answer, so it may take a moment.
func (a *app) decision(ctx context.Context, c *api.Client, id string) (api.Decision, error) {
	for wait := 20 * time.Millisecond; ; wait *= 2 {
		d, err := c.Decision(ctx, id)
		var e *api.Error
		if err == nil || !errors.As(err, &e) || e.Status != http.StatusNotFound || wait > time.Second {
			return d, a.failure(err)
		}
		select {
		case <-ctx.Done():
			return d, a.failure(err)
		case <-time.After(wait):
		}
	}
}

// explain prints a decision for people.
func (a *app) explain(w io.Writer, d api.Decision) {
	p := a.palette()
	colour := p.good
	if d.Outcome != api.Issued {
		colour = p.bad
	}
	fmt.Fprintf(w, "%s  %s%s%s  %s\n", printable(d.ID), colour, printable(string(d.Outcome)), p.end, d.Time.UTC().Format(time.RFC3339))
	var lines [][]string
	for _, l := range [][]string{{"agent", d.Agent}, {"subject", d.Subject}, {"resource", d.Resource},
		{"scope", strings.Join(d.Scopes, " ")}, {"jti", d.JTI}, {"txn", d.Txn}, {"parent", d.Parent}} {
		if l[1] != "" {
			lines = append(lines, []string{"  " + l[0], l[1]})
		}
	}
	rows(w, lines)
	fmt.Fprintln(w)
	a.checks(w, d.Checks)
	a.refusal(w, d)
}

// checks prints one line per check, and what was wanted below a failed one.
func (a *app) checks(w io.Writer, checks []api.Check) {
	width := 0
	for _, c := range checks {
		width = max(width, utf8.RuneCountInString(c.Name))
	}
	p := a.palette()
	for _, c := range checks {
		name := printable(c.Name)
		name += strings.Repeat(" ", width-utf8.RuneCountInString(name))
		shown, wanted := printable(c.Shown), printable(c.Wanted)
		if c.OK {
			if shown != "" && wanted != "" {
				wanted = "  " + p.dim + "(" + wanted + ")" + p.end
			}
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %s✓%s %s  %s%s", p.good, p.end, name, shown, wanted), " "))
			continue
		}
		pad := strings.Repeat(" ", width)
		fmt.Fprintf(w, "  %s✗%s %s  shown:  %s\n", p.bad, p.end, name, orDash(shown))
		fmt.Fprintf(w, "    %s  wanted: %s\n", pad, orDash(wanted))
	}
}

// refusal says what a refusal means and what mends it.
func (a *app) refusal(w io.Writer, d api.Decision) {
	if d.Outcome == api.Issued {
		return
	}
	p := a.palette()
	fmt.Fprintf(w, "\n%s%s%s  error_code=%s  decision=%s  nothing was issued\n",
		p.bad, printable(orDash(d.Error)), p.end, printable(orDash(d.ErrorCode)), printable(d.ID))
	if d.Meaning != "" {
		fmt.Fprintf(w, "%s\n", printable(d.Meaning))
	}
	if d.Fix != "" {
		fmt.Fprintf(w, "Fix: %s\n", printable(fixFor(d.Agent, d.ErrorCode, d.Fix)))
	}
}

// fixFor puts the agent's name into a fix that is about the agent which asked.
// The one for a disabled actor is about another, further up the chain.
func fixFor(agent, code, fix string) string {
	switch oauth.Reason(code) {
	case oauth.ReasonAuthSecret, oauth.ReasonAuthDisabled:
		return strings.ReplaceAll(fix, "NAME", first(agent, "NAME"))
	}
	return fix
}
