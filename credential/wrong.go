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
	at := f.Checks[len(f.Checks)-1].Name
	switch {
	case f.Name == FaultUnavailable:
		return fmt.Sprintf("the keys of issuer %q cannot be had: %v", f.Issuer, f.Err), "See that the issuer's keys can be fetched from here; the log of the server says why they cannot."
	case e.nearest != nil:
		return e.wrongBinding(r)
	}
	switch at {
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
	case CheckBinding:
		return e.wrongSubject(r)
	case CheckMode:
		return e.onlyRecords(f)
	}
	return e.wrongClaims(f)
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
		return is(fmt.Sprintf("trusted issuer %q", f.Issuer), f.Shown, f.Wanted, ""), "Enable it: POST /api/v1/trusted-issuers/" + string(f.Issuer) + ":enable."
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
	return is("iss", quoted(f.Shown), orElse(f.Wanted, "a text"), ""), ""
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
	field := "the token type"
	switch f.Shown {
	case e.token.Typ:
		field = "typ"
	case kubernetesClaim, "events":
		return is("claim "+f.Shown, "there", f.Wanted, ""), ""
	}
	if f.Name == FaultNoBinding {
		field = "sub"
	}
	return is(field, quoted(f.Shown), f.Wanted, ""), ""
}

func (e *exam) wrongSignature(f *Fault) (sentence, fix string) {
	of := "the agent that iss names"
	if e.issuer != nil {
		of = fmt.Sprintf("issuer %q", e.issuer.Name)
	}
	switch jose.Fault(f.Name) {
	case jose.FaultAlgNotAllowed:
		return is("alg", quoted(f.Shown), f.Wanted, "those are the algorithms of "+of), "Set algorithms of the trusted issuer, if it is right to sign like this."
	case jose.FaultKidMissing:
		return is("kid", "", "the name of a key of "+of, ""), ""
	case jose.FaultKidUnknown:
		return is("kid", quoted(e.token.Kid), "a key that "+of+" publishes now", "there is none of this name"), "See whether the token was signed by another environment; a new key is asked for at most once in 30 s."
	case jose.FaultSignature:
		return is("the signature", fmt.Sprintf("not made by key %q", e.token.Kid), "one of that key of "+of, "the token was changed, or signed by another key of the same name"), ""
	}
	return is(fmt.Sprintf("key %q of %s", e.token.Kid, of), "no good ("+f.Name+")", "one that verifies "+e.token.Alg, ""), ""
}

func (e *exam) wrongAudience(f *Fault) (sentence, fix string) {
	const ask = "Have the token made for this server: "
	field := "aud"
	shown, isParty := strings.CutPrefix(f.Shown, "azp ")
	if isParty {
		field = "azp"
	}
	values, _, _ := e.claims.Strings("aud")
	switch {
	case f.Name == FaultAudienceMany, len(values) > 1 && e.position == asAssertion && !isParty:
		wanted := list(e.wantedAudiences())
		return is(field, quoted(shown), "one value, "+quoted(wanted), "every other audience could use the token here"), ask + "audience " + wanted + " alone."
	case f.Wanted == noAPIServer:
		return is(field, quoted(shown), f.Wanted, "a token for the API server must not leave the cluster"), "Project a serviceAccountToken with audience " + list(e.wantedAudiences()) + "."
	}
	why := ""
	for _, wanted := range e.wantedAudiences() {
		if why == "" {
			why = slip(shown, wanted)
		}
	}
	return is(field, quoted(shown), quoted(list(e.wantedAudiences())), why), ask + "audience " + list(e.wantedAudiences()) + ", or name another under audiences of the issuer."
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
	field, value, found := strings.Cut(shown, " ")
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
	if !found {
		return is("a time", quoted(shown), orElse(wanted, "a number of seconds since 1970"), ""), ""
	}
	return is(field, value, "a time "+wanted, ""), ""
}

func (e *exam) wrongClaims(f *Fault) (sentence, fix string) {
	switch f.Name {
	case FaultIDMissing, FaultIDMalformed:
		return is("jti", map[string]string{FaultIDMalformed: "malformed"}[f.Name], "a text of 1 to 256 bytes, new in each assertion", "it is spent by its first use"), ""
	case FaultClaimConflict:
		return is("what kubernetes.io says of the account", quoted(f.Shown), quoted(f.Wanted), "so says sub"), ""
	case FaultSubject:
		return is("sub", quoted(f.Shown), f.Wanted, ""), ""
	case FaultActUntrusted, FaultConfirmation:
		return is("claim "+f.Shown, "there", f.Wanted, ""), ""
	}
	return is("a claim", quoted(f.Shown), orElse(f.Wanted, "one of the right type"), ""), ""
}
