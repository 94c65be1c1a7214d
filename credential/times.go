package credential

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// maxAge is the longest life of a token of the issuer.
func maxAge(spec *registry.TrustedIssuer) time.Duration {
	if spec.MaxTokenAge > 0 {
		return time.Duration(spec.MaxTokenAge)
	}
	return time.Hour
}

// times checks exp, nbf and iat (RFC 7519, Section 4.1). most is the longest
// life that the token may have been given; dated says that it must have iat.
//
// Skew is granted where another clock may be ahead (nbf, iat) and never at
// exp: what we would issue could not live anyway. That a token is older than
// most needs no check of its own: it would have expired.
func (e *exam) times(most time.Duration, dated bool) error {
	if e.claims["exp"] == nil { // absent, or null: RFC 7523, Section 3, rule 4
		return e.fail(CheckTimes, FaultExpiryMissing, "", "exp")
	}
	exp, _, err := e.claims.Time("exp")
	if err != nil {
		return e.refused(CheckTimes, err)
	}
	iat, hasIssued, err := e.claims.Time("iat")
	if err != nil {
		return e.refused(CheckTimes, err)
	}
	if !exp.After(e.now) {
		return e.fail(CheckTimes, FaultExpired, stamp("exp", exp), stamp("later than", e.now))
	}
	from := iat
	if !hasIssued {
		from = e.now
	}
	// Before iat is looked at: a token in milliseconds is one that lives too
	// long, not one from the year 58000.
	if exp.Sub(from) > most {
		return e.fail(CheckTimes, FaultLifetime, exp.Sub(from).String(), "at most "+most.String())
	}
	if dated && !hasIssued {
		return e.fail(CheckTimes, FaultIssuedMissing, "", "iat")
	}
	latest := e.now.Add(e.config.Skew)
	if hasIssued && iat.After(latest) {
		return e.fail(CheckTimes, FaultIssuedFuture, stamp("iat", iat), stamp("at most", latest))
	}
	if err := e.notBefore(exp, latest); err != nil {
		return err
	}
	e.identity.Expires = exp
	if hasIssued {
		e.identity.IssuedAt = iat
	}
	e.pass(CheckTimes, stamp("exp", exp), stamp("now", e.now))
	return nil
}

// notBefore checks nbf against exp and the latest instant that may be now.
func (e *exam) notBefore(exp, latest time.Time) error {
	nbf, ok, err := e.claims.Time("nbf")
	if err != nil {
		if farFuture(e.claims["nbf"]) {
			return e.fail(CheckTimes, FaultNotYetValid, "nbf", stamp("at most", latest))
		}
		return e.refused(CheckTimes, err)
	}
	switch {
	case ok && nbf.After(exp):
		return e.fail(CheckTimes, FaultClaimConflict, stamp("nbf", nbf), stamp("at most", exp))
	case ok && nbf.After(latest):
		return e.fail(CheckTimes, FaultNotYetValid, stamp("nbf", nbf), stamp("at most", latest))
	}
	return nil
}

// farFuture reports whether v is a number beyond any date.
func farFuture(v any) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return err == nil && f > 1<<53
}

func stamp(name string, t time.Time) string { return name + " " + t.UTC().Format(time.RFC3339) }
