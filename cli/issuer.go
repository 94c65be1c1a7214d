package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

func (a *app) issuerCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "issuer", Short: "Test tokens of trusted issuers, stop an issuer, let it go on"})
	cmd.AddCommand(a.issuerTestCommand())
	cmd.AddCommand(a.stateCommands(stoppable{
		kind:  registry.KindTrustedIssuer,
		short: "Stop an issuer: nothing it signs is taken, anywhere, within 5 seconds",
		stops: "has the tokens of a trusted issuer refused, on every replica: those of its users, and those with which agents\n" +
			"authenticate. Tokens of this server that speak of its users are exchanged no further.",
		enables:  "What the issuer signs is taken again.",
		examples: []string{"corp-idp"},
	})...)
	return cmd
}

func (a *app) issuerTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test --token-file FILE",
		Short: "Say which agent a token stands for, or the one thing that is wrong with it",
		Long: "test sends a token to the admin API of the server, which holds it against its trusted issuers and their credentials\n" +
			"as it would in a request, and says which issuer, key, credential and agent it matched. Of the nearest credentials that\n" +
			"it did not match it shows what the token has and what they want. The server neither keeps nor logs the token,\n" +
			"and nothing is issued; with tokenReview it asks the cluster, which then sees the token. When the token is refused\n" +
			"the exit code is 5.\n\n" +
			"--token-file is the token to test; the admin token is that of the context, or of TOKENRY_TOKEN_FILE.",
		Example: "  tokenry issuer test --token-file /var/run/secrets/tokens/sa\n" +
			"  kubectl create token research -n prod --audience https://sts.example.com | tokenry issuer test --token-file -\n" +
			"  tokenry issuer test --token-file alice.jwt --token-type id_token -o json",
		Args: arguments(0, 0),
	}
	// It hides the flag of the same name for the admin token: what is tested is
	// what everybody means here.
	file := cmd.Flags().String("token-file", "", "file with the token to test, - for stdin")
	typ := cmd.Flags().String("token-type", "", "test it as jwt or id_token (default: what its issuer takes)")
	complete(cmd, "token-file", files)
	complete(cmd, "token-type", words("jwt", "id_token"))
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a.flagTaken = true
		switch {
		case *file == "":
			return usage("test which token? give --token-file FILE, or - for stdin")
		case *typ != "" && *typ != "jwt" && *typ != "id_token":
			return usage("--token-type %s: there are jwt, id_token", *typ)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		token, err := a.input(*file)
		if err != nil {
			return err
		}
		r, err := c.TestCredential(cmd.Context(), api.CredentialTest{Token: token, TokenType: *typ})
		if err != nil {
			return a.failure(err)
		}
		name := nonEmpty(string(r.Agent))
		if err := a.print(*f, view{value: r, names: name, table: func(w io.Writer) { a.tested(w, r) }}); err != nil {
			return err
		}
		if !r.Admitted {
			return silent(ExitDenied)
		}
		return nil
	}
	return cmd
}

// tested prints a report for people: the verdict, what the token says, the
// checks, and what was near.
func (a *app) tested(w io.Writer, r api.CredentialReport) {
	p := a.palette()
	if r.Admitted {
		fmt.Fprintf(w, "%sadmitted%s as agent %s", p.good, p.end, printable(string(r.Agent)))
		if r.Credential != "" {
			fmt.Fprintf(w, " by credential %s of issuer %s", printable(r.Credential), printable(string(r.Issuer)))
		}
		if r.Made {
			fmt.Fprint(w, "; its first use would make it")
		}
		fmt.Fprintln(w)
	} else {
		fmt.Fprintf(w, "%srefused%s: %s\n", p.bad, p.end, printable(r.Wrong))
		if r.Fix != "" {
			fmt.Fprintf(w, "Fix: %s\n", printable(fixFor(string(r.Agent), r.ErrorCode, r.Fix)))
		}
	}
	fmt.Fprintln(w)
	a.testedClaims(w, r)
	fmt.Fprintln(w)
	a.checks(w, r.Checks)
	a.nearBindings(w, r)
	a.nearIssuers(w, r.Issuers)
}

func (a *app) testedClaims(w io.Writer, r api.CredentialReport) {
	says := "what it says is signed by its issuer"
	if !r.Verified {
		says = "what it says is not verified"
	}
	fmt.Fprintf(w, "%s; %s\n", printable(r.Kind), says)
	var lines [][]string
	for _, l := range [][]string{
		{"issuer", string(r.Issuer)}, {"iss", r.IssuerURL}, {"sub", r.Subject}, {"aud", strings.Join(r.Audience, ", ")},
		{"alg", r.Algorithm}, {"kid", r.KeyID}, {"typ", r.Type}, {"exp", expires(r.Expires, a.Now())},
		{"tested as", strings.TrimSpace(r.Parameter + " " + r.TokenType)}, {"error_code", r.ErrorCode},
	} {
		if l[1] != "" {
			lines = append(lines, []string{"  " + l[0], l[1]})
		}
	}
	rows(w, lines)
}

func expires(at *time.Time, now time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(time.RFC3339) + ", " + expiryText(*at, now)
}

// nearBindings prints the credentials that the token was held against: one line
// for each, then one for each check that failed.
func (a *app) nearBindings(w io.Writer, r api.CredentialReport) {
	if len(r.Bindings) == 0 {
		return
	}
	fmt.Fprintf(w, "\nnearest credentials of issuer %s:\n", printable(string(r.Issuer)))
	lines := [][]string{{"  CREDENTIAL", "CHECK", "SHOWN", "WANTED", ""}}
	for _, b := range r.Bindings {
		name := "  " + string(b.Agent) + " / " + b.Credential
		if b.Admits {
			lines = append(lines, []string{name, "all", "✓", "", b.Inactive})
			continue
		}
		for _, c := range b.Checks {
			if c.OK {
				continue
			}
			why := b.Inactive
			if c.Name == "binding" {
				c.Name, why = "sub", strings.Join(nonEmpty(b.Why, b.Inactive), "; ")
			}
			lines = append(lines, []string{name, c.Name, orDash(c.Shown), orDash(c.Wanted), why})
			name = ""
		}
	}
	rows(w, lines)
}

func (a *app) nearIssuers(w io.Writer, issuers []api.UnlikelyIssuer) {
	if len(issuers) == 0 {
		return
	}
	fmt.Fprintln(w, "\nnearest trusted issuers:")
	lines := [][]string{{"  ISSUER", "WANTED", "STATE", ""}}
	for _, i := range issuers {
		lines = append(lines, []string{"  " + string(i.Name), i.Wanted, string(i.State), i.Why})
	}
	rows(w, lines)
}
