package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/jwks"
	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/token"
)

// verify checks an access token as a resource server does: with nothing but the
// issuer's published keys.
func (a *app) verify(ctx context.Context, compact, issuer, audience string) error {
	keys, err := a.keysOf(issuer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	unavailable := false
	_, err = token.Verify(compact, token.VerifyConfig{
		Issuer: issuer, Audience: audience, Now: a.Now, Skew: 5 * time.Second,
		Key: func(alg, kid string) (jose.Key, error) {
			key, err := keys.Key(ctx, alg, kid)
			unavailable = errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrStale)
			return key, err
		},
	})
	switch {
	case err == nil:
		return nil
	case unavailable:
		return &Error{Code: ExitUnreachable, Err: fmt.Errorf("the keys of %s cannot be read: %w", issuer, err)}
	}
	text := err.Error()
	var e *token.Error
	if errors.As(err, &e) && e.Shown != "" {
		text += fmt.Sprintf("; it shows %s, wanted is %s", printable(e.Shown), printable(e.Wanted))
	}
	return &Error{Code: ExitDenied, Err: fmt.Errorf("%w: %s", errNotValid, text)}
}

// keysOf finds the keys through the issuer's metadata. The user named the
// issuer, so private networks are his to reach; plain http is for loopback.
func (a *app) keysOf(issuer string) (*jwks.Set, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return nil, usage("%q is no issuer; write its URL", issuer)
	}
	loopback := u.Hostname() == "localhost"
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		loopback = addr.IsLoopback()
	}
	if u.Scheme == "http" && !loopback {
		return nil, usage("keys fetched over plain http prove nothing; use https (http is for loopback)")
	}
	client, err := outbound.New(outbound.Config{
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		AllowHTTP:     loopback,
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
