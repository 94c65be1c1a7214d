package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/jose"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Ask for tokens, look into them, verify them", Args: arguments(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(a.exchangeCommand(), a.inspectCommand(), a.verifyCommand())
	return cmd
}

// decoded is a token as one can read it.
type decoded struct {
	Header map[string]string `json:"header"`
	Claims json.RawMessage   `json:"claims"`
	Name   string            `json:"-"`
}

// decode reads a token without verifying it. The strict parser comes first, so
// that what is shown is what any careful reader would see: no second `exp`
// behind the first.
func decode(compact string) (decoded, error) {
	t, err := jose.Parse(compact)
	if err != nil {
		return decoded{}, err
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
	if err != nil {
		return decoded{}, err
	}
	d := decoded{Header: map[string]string{"alg": t.Alg}, Claims: payload}
	for name, value := range map[string]string{"kid": t.Kid, "typ": t.Typ} {
		if value != "" {
			d.Header[name] = value
		}
	}
	d.Name, _, _ = t.Claims.String("jti")
	return d, nil
}

// show prints a token for people: the claims as they stand, the times also in
// words.
func (d decoded) show(w io.Writer, now time.Time, indent string) {
	typ := d.Header["typ"]
	fmt.Fprintf(w, "%stoken (%s)\n", indent, strings.Join(nonEmpty(typ, d.Header["alg"], prefixed("kid ", d.Header["kid"])), ", "))
	var b bytes.Buffer
	if json.Indent(&b, d.Claims, indent+"  ", "  ") != nil {
		return // the strict parser has read it, so this cannot be
	}
	var times struct {
		Exp json.Number `json:"exp"`
	}
	fmt.Fprintf(w, "%s  %s\n", indent, printableLines(b.String()))
	if json.Unmarshal(d.Claims, &times) == nil {
		if f, err := times.Exp.Float64(); err == nil {
			fmt.Fprintf(w, "%s  %s\n", indent, expiryText(time.Unix(int64(f), 0), now))
		}
	}
}

func expiryText(exp, now time.Time) string {
	left := exp.Sub(now).Round(time.Second)
	if left <= 0 {
		return fmt.Sprintf("expired %s ago", shortDuration(-left))
	}
	return fmt.Sprintf("expires in %s", shortDuration(left))
}

func nonEmpty(values ...string) []string {
	var list []string
	for _, v := range values {
		if v != "" {
			list = append(list, printable(v))
		}
	}
	return list
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// fileArg is FILE, or - for stdin, or nothing for stdin too. A token itself
// is recognised, so that the answer can say why it does not belong there.
func fileArg(args []string) (string, error) {
	if len(args) == 0 {
		return "-", nil
	}
	if strings.HasPrefix(args[0], "eyJ") && strings.Count(args[0], ".") == 2 {
		return "", usage("tokens are not taken as arguments, which other users of this machine can see; use a file or stdin")
	}
	return args[0], nil
}

func (a *app) inspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "inspect [FILE|-]",
		Short:   "Show what a token says, without verifying it",
		Example: "  tokenry token exchange … | tokenry token inspect",
		Args:    arguments(0, 1),
	}
	f := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		compact, err := a.tokenInput(args)
		if err != nil {
			return err
		}
		d, err := decode(compact)
		if err != nil {
			return usage("not a token: %v", err)
		}
		return a.print(*f, view{value: d, names: nonEmpty(d.Name), table: func(w io.Writer) {
			d.show(w, a.Now(), "")
			fmt.Fprintln(w, "  not verified; to verify: tokenry token verify")
		}})
	}
	return cmd
}

func (a *app) tokenInput(args []string) (string, error) {
	file, err := fileArg(args)
	if err != nil {
		return "", err
	}
	return a.input(file)
}

func (a *app) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [FILE|-]",
		Short: "Verify an access token offline, with the issuer's published keys",
		Long: "verify checks type, signature, issuer, audience and times, as a resource server does (RFC 9068, Section 4).\n" +
			"Whom to trust is said by --issuer or the context, never by the token.",
		Args: arguments(0, 1),
	}
	issuer := cmd.Flags().String("issuer", "", "issuer to trust (default: of the context)")
	audience := cmd.Flags().String("audience", "", "identifier of the resource that the token must be for (default: any)")
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		trusted, err := a.trustedIssuer(*issuer)
		if err != nil {
			return err
		}
		compact, err := a.tokenInput(args)
		if err != nil {
			return err
		}
		if err := a.verify(cmd.Context(), compact, trusted, *audience); err != nil {
			return err
		}
		d, err := decode(compact)
		if err != nil {
			return usage("%v", err)
		}
		return a.print(*f, view{value: d, names: nonEmpty(d.Name), table: func(w io.Writer) {
			d.show(w, a.Now(), "")
			fmt.Fprintf(w, "✓ verified with the keys of %s\n", trusted)
			if *audience == "" {
				fmt.Fprintln(w, "  any audience was accepted; a resource server gives its own: --audience")
			}
		}})
	}
	return cmd
}

func (a *app) trustedIssuer(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	c, _, err := a.current()
	if err != nil {
		return "", err
	}
	if c.Issuer == "" {
		return "", usage("whose tokens? start a server with `tokenry dev`, or give --issuer")
	}
	return c.Issuer, nil
}

// errNotValid marks a token that was read and refused.
var errNotValid = errors.New("the token is not valid")
