package jose

import "errors"

// Fault says why a token or a key was refused. It is one word that may be shown
// to whoever sent the token, logged, and counted.
type Fault string

// The faults of a token's form.
const (
	FaultNotCompactJWS      Fault = "not_compact_jws"      // not three parts of base64url
	FaultNotCanonical       Fault = "not_canonical"        // base64url that has another spelling
	FaultTooLarge           Fault = "too_large"            // longer than 16 KiB
	FaultJWEUnsupported     Fault = "jwe_unsupported"      // five parts: encrypted
	FaultHeaderMalformed    Fault = "header_malformed"     // no strict JSON object with a usable alg
	FaultHeaderForbidden    Fault = "header_forbidden"     // a member that is never followed
	FaultHeaderTooLarge     Fault = "header_too_large"     // more than any issuer needs
	FaultAlgNotAllowed      Fault = "alg_not_allowed"      // none, symmetric or unknown
	FaultCrit               Fault = "crit"                 // crit, with whatever in it
	FaultNested             Fault = "nested"               // a JWT inside a JWT
	FaultTyp                Fault = "typ"                  // typ is no short printable string
	FaultKidMalformed       Fault = "kid_malformed"        // kid is no short printable string
	FaultJSONDuplicate      Fault = "json_duplicate"       // one member name twice
	FaultJSONInvalidUnicode Fault = "json_invalid_unicode" // not UTF-8, or half a surrogate pair
	FaultJSONMalformed      Fault = "json_malformed"       // no JSON object
	FaultControlChar        Fault = "control_char"         // NUL in a string
	FaultTooDeep            Fault = "too_deep"             // nested deeper than 32
	FaultClaimType          Fault = "claim_type"           // a claim of the wrong JSON type or out of range
)

// The faults of a token's signature and its key.
const (
	FaultKidMissing      Fault = "kid_missing"       // no kid, and not exactly one key that fits
	FaultKidUnknown      Fault = "kid_unknown"       // no key of this kid
	FaultKidAmbiguous    Fault = "kid_ambiguous"     // two keys of this kid fit
	FaultSignature       Fault = "signature"         // the key did not make it
	FaultKeyTypeMismatch Fault = "key_type_mismatch" // the key's type or curve is not the algorithm's
	FaultKeyAlgMismatch  Fault = "key_alg_mismatch"  // the key is for another algorithm
	FaultKeyUse          Fault = "key_use"           // the key is not for signatures
	FaultKeyOps          Fault = "key_ops"           // the key is not for verifying
	FaultKeyWeak         Fault = "key_weak"          // the key can be broken
	FaultKeyTooLarge     Fault = "key_too_large"     // the key costs too much to use
)

// Faults lists every Fault that this package returns.
func Faults() []Fault {
	return []Fault{
		FaultNotCompactJWS, FaultNotCanonical, FaultTooLarge, FaultJWEUnsupported, FaultHeaderMalformed,
		FaultHeaderForbidden, FaultHeaderTooLarge, FaultAlgNotAllowed, FaultCrit, FaultNested, FaultTyp,
		FaultKidMalformed, FaultJSONDuplicate, FaultJSONInvalidUnicode, FaultJSONMalformed, FaultControlChar,
		FaultTooDeep, FaultClaimType, FaultKidMissing, FaultKidUnknown, FaultKidAmbiguous, FaultSignature,
		FaultKeyTypeMismatch, FaultKeyAlgMismatch, FaultKeyUse, FaultKeyOps, FaultKeyWeak, FaultKeyTooLarge,
	}
}

// Error is a refusal. Every error about a token is one.
type Error struct {
	Fault Fault
	Err   error // what exactly was wrong; nil = the fault says it all
}

// Error never quotes the token: it may reach a log, and a token is a secret
// until it has expired.
func (e *Error) Error() string {
	if e.Err != nil {
		return string(e.Fault) + ": " + e.Err.Error()
	}
	return string(e.Fault)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// refuse is a refusal with its reason, which must not hold anything of the
// token.
func refuse(f Fault, why string) error {
	return &Error{Fault: f, Err: errors.New(why)}
}
