package credential

import (
	"errors"
	"slices"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/registry"
)

// ErrUnavailable is inside the error when the keys of an issuer cannot be had
// or are too old to be trusted: the credential is neither good nor bad, and
// the request is answered with 503.
var ErrUnavailable = errors.New("the issuer's keys are unavailable")

// ErrReviewUnavailable is inside the error when the API server of a cluster
// cannot be asked whether a token still lives. It too is answered with 503.
var ErrReviewUnavailable = errors.New("the cluster's API server cannot be asked")

// Fault is why a credential was refused. Every error that this package returns
// is a *Fault.
type Fault struct {
	// Name is from Faults. It is the second half of a reason code:
	// "expired" becomes subject_token.expired, actor_token.expired or
	// client_auth.expired.
	Name string

	// Field is the part of the token that it is about ("azp", "tid", "typ") where
	// Name does not say it. What is shown may begin with it.
	Field string

	Shown  string // what the credential says; for explain only; never token text; at most 256 bytes
	Wanted string // what would have been accepted; as above

	Issuer registry.IssuerName // the trusted issuer that the credential was routed to; empty = none
	Tokens registry.Tokens     // what that issuer speaks of; empty = it was routed to none
	Agent  registry.AgentName  // the agent that it names or is bound to, once that is verified

	Checks []Check // in order; the last one failed
	Err    error   // the cause, when another package found the fault
}

// Error names the fault and never what was shown: it may reach a log.
func (f *Fault) Error() string {
	if f.Err != nil {
		return "credential refused: " + f.Name + ": " + f.Err.Error()
	}
	return "credential refused: " + f.Name
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Check is one step of a verification, for the trace of a decision.
type Check struct {
	Name   string // a Check… constant
	OK     bool
	Shown  string
	Wanted string
}

// Names of the checks, in the order in which they are made.
const (
	CheckForm      = "form"      // one strict compact JWS with strict JSON inside
	CheckIssuer    = "issuer"    // it names a trusted issuer that is enabled
	CheckType      = "type"      // it is the kind of token that this position takes
	CheckSignature = "signature" // a key of that issuer, and of no other, made it
	CheckAudience  = "audience"  // it was made for us
	CheckTimes     = "times"     // it is valid now and was not made to live too long
	CheckClaims    = "claims"    // what it says has the right shape and does not contradict itself
	CheckLeaf      = "leaf"      // certificates: the leaf is one that clients use, with keys that we take
	CheckChain     = "chain"     // certificates: it leads to an authority of that issuer, and of no other
	CheckBinding   = "binding"   // a workload's subject is bound to an agent
	CheckPins      = "pins"      // the claims that the binding pins are equal
	CheckCondition = "condition" // the binding's condition holds
	CheckShadow    = "shadow"    // what bindings in shadow mode would have done
	CheckMode      = "mode"      // issuer and binding enforce, and do not only record
	CheckReview    = "review"    // its cluster says that it still lives
)

// GoodForm is what CheckForm shows when it holds.
const GoodForm = "one strict compact JWS"

// GoodCertificate is what CheckForm shows of a certificate when it holds.
const GoodCertificate = "a leaf and its chain, within bounds"

// FaultUnavailable and FaultReviewUnavailable are the two faults that are not the
// credential's: ErrUnavailable or ErrReviewUnavailable is inside. They are not
// among Faults. The reason of the first is issuer.unavailable, that of the second
// is its name, in the area of the token: it is answered with 503 everywhere.
const (
	FaultUnavailable       = "keys_unavailable"
	FaultReviewUnavailable = "review_unavailable"
)

// Names of the faults that this package finds itself; package jose finds the
// rest.
const (
	FaultIssuerUnknown   = "issuer_unknown"
	FaultIssuerMissing   = "issuer_missing"
	FaultIssuerDisabled  = "issuer_disabled"
	FaultType            = "type"
	FaultSubject         = "sub"
	FaultSPIFFEID        = "spiffe_id"
	FaultAudience        = "aud"
	FaultAudienceMissing = "aud_missing"
	FaultAudienceMany    = "aud_multiple"
	FaultAuthorizedParty = "azp"           // a user's token issued to a client that is not listed
	FaultTenant          = "issuer_tenant" // its tenant is not that of its issuer
	FaultExpiryMissing   = "exp_missing"
	FaultExpired         = "expired"
	FaultNotYetValid     = "not_yet_valid"
	FaultIssuedMissing   = "iat_missing"
	FaultIssuedFuture    = "iat_future"
	FaultLifetime        = "lifetime"
	FaultClaimConflict   = "claim_conflict"
	FaultScopeType       = "scope_type"
	FaultActUntrusted    = "act_untrusted"
	FaultConfirmation    = "cnf"
	FaultNoBinding       = "no_binding"
	FaultImmutable       = "immutable_id_mismatch" // a claim that the binding pins has another value
	FaultAmbiguous       = "binding_ambiguous"     // bindings of two agents match
	FaultInstanceTaken   = "instance_taken"        // the instance's name is another workload's
	FaultShadow          = "shadow"                // issuer or binding only records
	FaultInactive        = "inactive"              // its cluster says that it lives no more
	FaultTooOld          = "too_old"               // its cluster cannot be asked, and it is not young enough to do without
	FaultUnknown         = "unknown"               // assertions only, as are those below: names no agent
	FaultIssuerSubject   = "iss_sub"               // self-issued: iss and sub differ
	FaultIDMissing       = "jti_missing"           // self-issued: no jti
	FaultIDMalformed     = "jti_malformed"         // self-issued: jti is empty, too long or no string
)

// Names of the faults of a client certificate.
const (
	FaultSVIDURICount      = "svid_uri_count"
	FaultSVIDURI           = "svid_uri"
	FaultSVIDConstraints   = "svid_constraints"
	FaultSVIDKey           = "svid_key"
	FaultSVIDTime          = "svid_time"
	FaultSVIDTrustDomain   = "svid_trust_domain"
	FaultSVIDChain         = "svid_chain"
	FaultCertMalformed     = "cert_malformed"
	FaultCertNotRegistered = "cert_not_registered" // the agent has no certificate; those below are about agents that have
	FaultCertMismatch      = "cert_mismatch"
	FaultCertConstraints   = "cert_constraints"
	FaultCertKey           = "cert_key"
	FaultCertTime          = "cert_time"
	FaultCertRoots         = "cert_roots"
	FaultCertChain         = "cert_chain"
)

// Faults lists every name that a Fault can have, sorted: those of package jose
// and those of this package.
func Faults() []string {
	names := []string{
		FaultIssuerUnknown, FaultIssuerMissing, FaultIssuerDisabled, FaultType, FaultSubject, FaultSPIFFEID,
		FaultAudience, FaultAudienceMissing, FaultAudienceMany, FaultAuthorizedParty, FaultTenant, FaultExpiryMissing, FaultExpired, FaultNotYetValid,
		FaultIssuedMissing, FaultIssuedFuture, FaultLifetime, FaultClaimConflict, FaultScopeType, FaultActUntrusted,
		FaultConfirmation, FaultNoBinding, FaultImmutable, FaultAmbiguous, FaultInstanceTaken, FaultShadow, FaultInactive, FaultTooOld, FaultUnknown, FaultIssuerSubject,
		FaultIDMissing, FaultIDMalformed,
		FaultSVIDURICount, FaultSVIDURI, FaultSVIDConstraints, FaultSVIDKey, FaultSVIDTime, FaultSVIDTrustDomain, FaultSVIDChain,
		FaultCertMalformed, FaultCertNotRegistered, FaultCertMismatch, FaultCertConstraints, FaultCertKey, FaultCertTime,
		FaultCertRoots, FaultCertChain,
	}
	for _, f := range jose.Faults() {
		names = append(names, string(f))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
