package credential

import (
	"fmt"
	"strings"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/registry"
)

// wrong puts the one thing that is wrong into a sentence, which names the field,
// what it shows and what is wanted, and says what mends it.
func (e *exam) wrong(r *Report) (sentence, fix string) {
	f := r.Fault
	if e.nearest != nil {
		return e.wrongBinding(r)
	}
	switch f.Name { // these are the same wherever they are found
	case FaultUnavailable:
		return fmt.Sprintf("the keys of %s cannot be had: %v", e.signer(), f.Err), "See that the keys can be fetched from here; the log of the server says why they cannot."
	case string(jose.FaultClaimType):
		return e.wrongShape(f)
	case FaultTenant:
		return is("tid", quoted(f.value()), quoted(f.Wanted), "that is the tenant in iss"), "Register the tenant that the token is from as a trusted issuer of its own."
	case FaultAuthorizedParty:
		return is(f.Field, quoted(f.value()), "one of authorizedParties, "+quoted(f.Wanted), ""), "Get the token through a listed client, or add this one to authorizedParties."
	}
	switch f.Checks[len(f.Checks)-1].Name {
	case CheckIssuer:
		return e.wrongIssuer(r)
	case CheckType:
		return e.wrongType(f)
	case CheckSignature:
		return e.wrongSignature(f)
	case CheckAudience:
		return e.wrongAudience(f)
	case CheckTimes:
		return e.wrongTimes(f)
	case CheckClaims:
		return e.wrongClaims(f)
	case CheckBinding:
		return e.wrongSubject(r)
	case CheckMode:
		return e.onlyRecords(f)
	case CheckReview:
		return e.wrongReview(f)
	}
	return unnamed(f)
}

// unnamed is said of a fault that has no sentence of its own. A test sees to it
// that there is none.
func unnamed(f *Fault) (sentence, fix string) {
	return is("something in the token", quoted(f.Shown), orElse(f.Wanted, "another"), f.Name), ""
}

// value is what f shows without the name of its field.
func (f *Fault) value() string { return strings.TrimPrefix(f.Shown, f.Field+" ") }

// signer says whose keys the token is verified with.
func (e *exam) signer() string {
	if e.issuer != nil {
		return fmt.Sprintf("issuer %q", e.issuer.Name)
	}
	return "the agent that iss names"
}

// is is the form of every sentence.
func is(field, shown, wanted, why string) string {
	if shown == "" {
		shown = "missing"
	}
	sentence := field + " is " + shown + "; wanted is " + wanted
	if why != "" {
		sentence += ": " + why
	}
	return sentence
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%q", s)
}

func (e *exam) wrongIssuer(r *Report) (sentence, fix string) {
	f := r.Fault
	field, shown := "iss", r.IssuerURL
	if claimsSPIFFE(r.Subject) && f.Name == FaultIssuerUnknown {
		field, shown = "the trust domain of sub", f.Shown
	}
	switch f.Name {
	case FaultIssuerDisabled:
		return is(fmt.Sprintf("trusted issuer %q", f.Issuer), f.Shown, f.Wanted, ""), "tokenry issuer enable " + string(f.Issuer) + "."
	case FaultIssuerUnknown:
		if len(r.Issuers) > 0 && r.Issuers[0].Why != "" {
			near := r.Issuers[0]
			return is(field, quoted(shown), fmt.Sprintf("%q of trusted issuer %q", near.Wanted, near.Name), near.Why),
				"Have the token made with the other, or register this one as a trusted issuer of its own: they are two."
		}
		return is(field, quoted(shown), "that of a trusted issuer", "none is like it"), "Register it as a TrustedIssuer."
	case FaultIssuerMissing:
		return is(field, "", "that of a trusted issuer", ""), "Only JWT-SVIDs do without iss."
	case FaultUnknown:
		return is(field, quoted(shown), "that of a trusted issuer, or the name of an agent", "there is neither"), "Check it with tokenry get issuers and tokenry get agents."
	case FaultIssuerSubject:
		return is("sub", quoted(f.Shown), quoted(f.Wanted), "an assertion that an agent signs itself has its own name as iss and as sub"), ""
	case FaultType:
		return is(field, quoted(shown), "another issuer", "this server issued the token itself"), "Test what the platform gave to the workload; tokens of this server are read with tokenry token verify."
	case FaultSPIFFEID:
		return is("sub", quoted(f.Shown), f.Wanted, errorText(f.Err)), ""
	case FaultNoBinding:
		return is("sub", quoted(f.Shown), f.Wanted, fmt.Sprintf("iss is that of issuer %q", f.Issuer)), ""
	}
	return unnamed(f)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func (e *exam) wrongType(f *Fault) (sentence, fix string) {
	field := orElse(f.Field, "the token type")
	switch f.Shown {
	case kubernetesClaim, "events":
		return is("claim "+f.Shown, "there", f.Wanted, ""), ""
	}
	switch f.Name {
	case FaultNoBinding:
		field = "sub"
	case FaultType, string(jose.FaultTyp):
	default:
		return unnamed(f)
	}
	if f.Field != "" && f.value() != f.Shown { // typ of the payload, and not of the header
		field = "claim " + field
	}
	return is(field, quoted(f.value()), f.Wanted, ""), ""
}

func (e *exam) wrongSignature(f *Fault) (sentence, fix string) {
	of := e.signer()
	key := fmt.Sprintf("key %q of %s", e.token.Kid, of)
	switch jose.Fault(f.Name) {
	case jose.FaultAlgNotAllowed:
		return is("alg", quoted(e.token.Alg), orElse(f.Wanted, "another"), "those are the algorithms of "+of), "Set algorithms of the trusted issuer, if it is right to sign like this."
	case jose.FaultKidMissing:
		return is("kid", "", "the name of a key of "+of, ""), ""
	case jose.FaultKidUnknown:
		return is("kid", quoted(e.token.Kid), "a key that "+of+" publishes now", "there is none of this name"), "See whether the token was signed by another environment; a new key is asked for at most once in 30 s."
	case jose.FaultKidAmbiguous:
		return is("kid", quoted(e.token.Kid), "the name of one key of "+of, "two have it"), ""
	case jose.FaultSignature:
		return is("the signature", fmt.Sprintf("not made by key %q", e.token.Kid), "one of that key of "+of, "the token was changed, or signed by another key of the same name"), ""
	case jose.FaultHeaderForbidden:
		return is("x5t", "of another certificate", "that of "+key, ""), ""
	case jose.FaultKeyTypeMismatch, jose.FaultKeyAlgMismatch:
		return is(key, "no key for "+e.token.Alg, "one that verifies "+e.token.Alg, reason(f)), ""
	case jose.FaultKeyUse, jose.FaultKeyOps:
		return is(key, "not for signatures", `one with use "sig" and key_ops "verify", or without them`, reason(f)), ""
	case jose.FaultKeyWeak, jose.FaultKeyTooLarge:
		return is(key, "not one that is used", "RSA of 2048 to 8192 bits, or an elliptic curve", reason(f)), ""
	}
	return unnamed(f)
}

// reason is what another package has found, or else the fault's name.
func reason(f *Fault) string { return orElse(errorText(f.Err), f.Name) }

func (e *exam) wrongAudience(f *Fault) (sentence, fix string) {
	const ask = "Have the token made for this server: "
	wanted := list(e.wantedAudiences())
	values, _, _ := e.claims.Strings("aud")
	switch {
	case f.Field == "azp":
		return is("azp", quoted(f.value()), quoted(f.Wanted), "of an ID token it must be an audience of the issuer"), "Get the token through a client that is among audiences of the issuer."
	case f.Wanted == anAudience:
		return is("aud", f.Shown, f.Wanted, ""), ""
	case f.Name == FaultAudienceMany, f.Name == FaultAudience && len(values) > 1 && e.position == asAssertion:
		return is("aud", quoted(f.Shown), "one value, "+quoted(wanted), "every other audience could use the token here"), ask + "audience " + wanted + " alone."
	case f.Wanted == noAPIServer:
		return is("aud", quoted(f.Shown), f.Wanted, "a token for the API server must not leave the cluster"), "Project a serviceAccountToken with audience " + wanted + "."
	case f.Name != FaultAudience && f.Name != FaultAudienceMissing:
		return unnamed(f)
	}
	why := ""
	for _, one := range e.wantedAudiences() {
		if why == "" {
			why = slip(f.Shown, one)
		}
	}
	return is("aud", quoted(f.Shown), quoted(wanted), why), ask + "audience " + wanted + ", or name another under audiences of the issuer."
}

// wantedAudiences are those that the exam has looked for.
func (e *exam) wantedAudiences() []string {
	switch {
	case e.issuer == nil:
		return []string{e.config.Issuer}
	case e.identity.Tokens == registry.UserTokens:
		return e.accepted()
	}
	return e.workloadAudiences()
}

func (e *exam) wrongTimes(f *Fault) (sentence, fix string) {
	shown, wanted := f.Shown, f.Wanted
	field, value, _ := strings.Cut(shown, " ")
	switch f.Name {
	case FaultExpiryMissing, FaultIssuedMissing:
		return is(f.Wanted, "", "a time in seconds since 1970", ""), ""
	case FaultLifetime:
		return is("the life of the token, exp minus iat,", shown, wanted, "maxTokenAge"), "Have it made for a shorter time, or raise maxTokenAge of the trusted issuer."
	case FaultExpired:
		exp, _, _ := e.claims.Time("exp")
		return is(field, value, "a time "+wanted, "it expired "+e.now.Sub(exp).Round(time.Second).String()+" ago"), "Take a fresh token; if this one is fresh, compare the clocks."
	case FaultNotYetValid, FaultIssuedFuture:
		why := ""
		if at, ok, err := e.claims.Time(field); ok && err == nil {
			why = "it is " + at.Sub(e.now).Round(time.Second).String() + " ahead of the clock here"
		}
		return is(field, orElse(value, "beyond any date"), "a time "+wanted, why), "Compare the clocks of the issuer and of this server."
	}
	if f.Name != FaultClaimConflict {
		return unnamed(f)
	}
	return is(field, value, "a time "+wanted, "it would never be valid"), "Have the issuer set nbf before exp."
}
