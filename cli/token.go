package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/registry"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "token", Short: "Ask for tokens, look into them, verify them"})
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
	if json.Unmarshal(d.Claims, &times) != nil {
		return // `exp` is no number; the claims above show what it is
	}
	if exp, err := times.Exp.Float64(); err == nil {
		fmt.Fprintf(w, "%s  %s\n", indent, expiryText(time.Unix(int64(exp), 0), now))
	}
}

func expiryText(exp, now time.Time) string {
	left := exp.Sub(now).Round(time.Second)
	if left <= 0 {
		return fmt.Sprintf("expired %s ago", registry.Duration(-left))
	}
	return fmt.Sprintf("expires in %s", registry.Duration(left))
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

func (a *app) inspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect [FILE|-]",
		Short: "Show what a token says, without verifying it",
		Long: "inspect reads a JWT from a file or from stdin and shows its header and claims. What it shows may be forged.\n" +
			"A token that two readers could read in two ways, such as one with two `exp`, is refused.",
		Example: "  tokenry token inspect token.jwt\n  tokenry token exchange … | tokenry token inspect",
		Args:    arguments(0, 1), ValidArgsFunction: fileOnce,
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
