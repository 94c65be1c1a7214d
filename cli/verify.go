package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/jwks"
	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/token"
)

// skew is how far our clock and the server's may differ.
const skew = 5 * time.Second

func (a *app) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [FILE|-]",
		Short: "Verify an access token offline, with the issuer's published keys",
		Long: "verify checks type, signature, issuer, audience and times, as a resource server does (RFC 9068, Section 4).\n" +
			"Whom to trust is said by --issuer or the context, never by the token. A token that is not valid exits with 5.",
		Example: "  tokenry token verify --audience https://gateway.example token.jwt\n" +
			"  tokenry token verify --issuer https://sts.example.com --audience https://gateway.example < token.jwt",
		Args: arguments(0, 1), ValidArgsFunction: fileOnce,
	}
	issuer := cmd.Flags().String("issuer", "", "issuer to trust (default: of the context, unless --server names another server)")
	audience := cmd.Flags().String("audience", "", "identifier of the resource that the token must be for (default: any)")
	complete(cmd, "issuer", nil)
	complete(cmd, "audience", nil)
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
			p := a.palette()
			d.show(w, a.Now(), "")
			fmt.Fprintf(w, "%s✓%s verified with the keys of %s\n", p.good, p.end, printable(trusted))
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
	c, err := a.issuing()
	if err != nil {
		return "", err
	}
	if c.Issuer == "" {
		return "", usage("whose tokens? start a server with `tokenry dev`, or give --issuer")
	}
	return c.Issuer, nil
}

// verify checks an access token as a resource server does: with nothing but the
// issuer's published keys.
func (a *app) verify(ctx context.Context, compact, issuer, audience string) error {
	keys, err := a.keysOf(issuer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	_, err = token.Verify(compact, token.VerifyConfig{
		Issuer: issuer, Audience: audience, AnyAudience: audience == "", Now: a.Now, Skew: skew,
		Key: func(alg, kid string) (jose.Key, error) { return keys.Key(ctx, alg, kid) },
	})
	var e *token.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwks.ErrUnavailable), errors.Is(err, jwks.ErrStale):
		// Nobody knows whether the token is good.
		return &Error{Code: ExitUnreachable, Err: fmt.Errorf("issuer %s: %w", issuer, err)}
	case errors.As(err, &e) && e.Shown != "":
		return &Error{Code: ExitDenied, Err: fmt.Errorf("the token is not valid (%s): it shows %s, wanted is %s", e.Reason, e.Shown, e.Wanted)}
	}
	return &Error{Code: ExitDenied, Err: fmt.Errorf("the token is not valid: %w", err)}
}

// keysOf finds the keys through the issuer's metadata. The user named the
// issuer, so private networks are theirs to reach; plain http is for loopback.
func (a *app) keysOf(issuer string) (*jwks.Set, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return nil, usage("%q is no issuer; write its URL", issuer)
	}
	if u.Scheme == "http" && !loopback(u) {
		return nil, usage("keys fetched over plain http prove nothing; use https (http is for loopback)")
	}
	client, err := outbound.New(outbound.Config{
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		AllowHTTP:     u.Scheme == "http",
	})
	if err != nil {
		return nil, usage("%v", err)
	}
	set, err := jwks.New(jwks.Config{Source: jwks.Source{Discovery: issuer}, Client: client, Now: a.Now})
	if err != nil {
		return nil, usage("%v", err)
	}
	return set, nil
}
