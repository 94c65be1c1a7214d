package credential

import (
	"strings"

	"github.com/tokenry/tokenry/jose"
)

func (e *exam) wrongClaims(f *Fault) (sentence, fix string) {
	switch f.Name {
	case FaultIDMissing, FaultIDMalformed:
		return is("jti", map[string]string{FaultIDMalformed: "malformed"}[f.Name], "a text of 1 to 256 bytes, new in each assertion", "it is spent by its first use"), ""
	case FaultClaimConflict:
		return is("what kubernetes.io says of the account", quoted(f.Shown), quoted(f.Wanted), "so says sub"), ""
	case FaultLifetime: // times looks at all others
		return is("claim "+f.Shown, "there", f.Wanted, "the cluster has made the token live long for old clients of its own"), "Project a serviceAccountToken, or take one of kubectl create token."
	case FaultSubject:
		shown := quoted(f.Shown)
		if e.claims["sub"] == nil {
			shown = ""
		} else if f.Shown == "" {
			shown = "empty"
		}
		return is("sub", shown, strings.TrimPrefix(f.Wanted, "sub: "), ""), ""
	case FaultScopeType:
		if f.Field == "" {
			return f.Shown + "; wanted is " + f.Wanted + ": the narrower one might be the true one", ""
		}
		return is(f.Field, "not as it must be", strings.TrimPrefix(f.Wanted, f.Field+": "), ""), ""
	case FaultActUntrusted, FaultConfirmation:
		return is("claim "+f.Shown, "there", f.Wanted, ""), ""
	}
	return unnamed(f)
}

// wrongShape: a claim is of another JSON type than its name promises, or out of
// bounds.
func (e *exam) wrongShape(f *Fault) (sentence, fix string) {
	if f.Field != "" {
		shown := "not as it must be"
		if _, has := e.claims[f.Field]; !has {
			shown = ""
		}
		return is("claim "+f.Field, shown, strings.TrimPrefix(f.Wanted, f.Field+": "), ""), ""
	}
	// Package jose says which claim, and what it is not, in its error alone.
	name, wanted, _ := strings.Cut(strings.TrimPrefix(f.Shown, string(jose.FaultClaimType)+": "), " is not ")
	field := "claim " + strings.Trim(name, `"`)
	if !strings.HasPrefix(name, `"`) {
		field = name + " in the claims"
	}
	return is(field, "not as it must be", orElse(wanted, "one that can be read exactly"), ""), ""
}
