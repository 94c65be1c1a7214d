package token

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// Reason says why one of our tokens is refused. The words are those of the
// reason codes that `explain` shows behind "subject_token.".
type Reason string

// Reasons of Verify. What is wrong below the claims is a *jose.Error, and what
// Key says is returned as it is.
const (
	ReasonType        Reason = "type"          // `typ` is not that of an access token
	ReasonClaims      Reason = "claim_type"    // a claim is missing or of another type
	ReasonIssuer      Reason = "issuer"        // another `iss`
	ReasonAudience    Reason = "aud"           // another `aud`
	ReasonExpired     Reason = "expired"       // `exp` is over
	ReasonNotYetValid Reason = "not_yet_valid" // `nbf` is to come
	ReasonIssuedAt    Reason = "iat_future"    // `iat` is to come
	ReasonLifetime    Reason = "lifetime"      // `exp` is not after `iat`
)

// Error is a token refused. Its text never quotes the token; Shown and Wanted
// are for `explain` alone.
type Error struct {
	Reason Reason
	Shown  string
	Wanted string
	Err    error
}

// Error names the reason.
func (e *Error) Error() string {
	if e.Err == nil {
		return "token refused: " + string(e.Reason)
	}
	return fmt.Sprintf("token refused: %s: %v", e.Reason, e.Err)
}

// Unwrap is the cause, if there is one.
func (e *Error) Unwrap() error { return e.Err }

// VerifyConfig says what a token must be. Issuer and Key are required.
type VerifyConfig struct {
	Issuer   string                                  // exact `iss`
	Audience string                                  // exact `aud`; required unless AnyAudience
	Key      func(alg, kid string) (jose.Key, error) // keys.Ring.Public, or a key of the JWKS
	Now      func() time.Time                        // nil = time.Now
	Skew     time.Duration                           // how far the issuer's clock may be ahead; 0 = not at all. Never granted at exp

	// AnyAudience accepts tokens for whomever, for a caller that decides on
	// `aud` elsewhere or only shows the token.
	AnyAudience bool
}

// Verify checks compact as RFC 9068, Section 4 says and returns its claims. The
// order is: shape, type, key, signature, then the claims, so that nobody
// learns anything from the claims of a token that we did not sign.
func Verify(compact string, cfg VerifyConfig) (*Claims, error) {
	if cfg.Issuer == "" || cfg.Key == nil || (cfg.Audience == "") != cfg.AnyAudience {
		return nil, errors.New("token: VerifyConfig.Issuer, Key and one of Audience and AnyAudience are required")
	}
	t, err := jose.Parse(compact)
	if err != nil {
		return nil, err
	}
	// RFC 9068, Section 4; media types are case-insensitive and the prefix may
	// be left out: RFC 7515, Section 4.1.9.
	if typ := strings.ToLower(t.Typ); typ != Type && typ != "application/"+Type {
		return nil, &Error{Reason: ReasonType, Shown: t.Typ, Wanted: Type}
	}
	// The key decides the algorithm, not the token: RFC 8725, Section 3.1.
	key, err := cfg.Key(t.Alg, t.Kid)
	if err != nil {
		return nil, err
	}
	if err := t.Verify(key); err != nil {
		return nil, err
	}
	c, err := Parse(t.Claims, t.Payload())
	if err != nil {
		return nil, err
	}
	notBefore, _, err := t.Claims.Time("nbf")
	if err != nil {
		return nil, &Error{Reason: ReasonClaims, Err: err}
	}
	if err := cfg.check(c, notBefore); err != nil {
		return nil, err
	}
	return c, nil
}

// check compares verified claims with what was asked for.
func (cfg *VerifyConfig) check(c *Claims, notBefore time.Time) error {
	now := time.Now
	if cfg.Now != nil {
		now = cfg.Now
	}
	at := now()
	refuse := func(reason Reason, shown, wanted string) error {
		return &Error{Reason: reason, Shown: shown, Wanted: wanted}
	}
	switch {
	case c.Issuer != cfg.Issuer: // RFC 9068, Section 4: an exact match
		return refuse(ReasonIssuer, c.Issuer, cfg.Issuer)
	case !cfg.AnyAudience && c.Audience != cfg.Audience:
		return refuse(ReasonAudience, c.Audience, cfg.Audience)
	case !c.Expires.After(c.IssuedAt):
		return refuse(ReasonLifetime, stamp(c.Expires), "after "+stamp(c.IssuedAt))
	case !at.Before(c.Expires): // RFC 7519, Section 4.1.4: on or after
		return refuse(ReasonExpired, stamp(c.Expires), "after "+stamp(at))
	case c.IssuedAt.After(at.Add(cfg.Skew)):
		return refuse(ReasonIssuedAt, stamp(c.IssuedAt), "not after "+stamp(at))
	case notBefore.After(at.Add(cfg.Skew)): // RFC 7519, Section 4.1.5
		return refuse(ReasonNotYetValid, stamp(notBefore), "not after "+stamp(at))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
