package oauth

import (
	"net/http"
	"sort"
	"strings"
)

// Reason is a stable reason code, "area.reason". It is public as `error_code`
// except for every failed client authentication, which says only
// ReasonClientAuth: which part failed is for `explain`.
type Reason string

// Areas of reasons that a token or a client can fall into. The second half of
// such a reason is a fault of package jose or credential.
const (
	AreaSubject = "subject_token"
	AreaActor   = "actor_token"
	AreaClient  = "client_auth"
	AreaGrant   = "assertion" // of the jwt-bearer grant
)

// Reasons that code names. The others are an area and a token fault.
const (
	ReasonClientAuth Reason = "client_auth.failed" // the one public name of every failed authentication

	ReasonHTTPMethod      Reason = "http.method"
	ReasonHTTPMediaType   Reason = "http.media_type"
	ReasonHTTPTooLarge    Reason = "http.too_large"
	ReasonHTTPLength      Reason = "http.length_required"
	ReasonHTTPEncoding    Reason = "http.content_encoding"
	ReasonHTTPTimeout     Reason = "http.timeout"
	ReasonHeaderDuplicate Reason = "request.header_duplicate"

	ReasonDuplicateParam     Reason = "request.duplicate_param"
	ReasonMalformed          Reason = "request.malformed"
	ReasonControlChar        Reason = "request.control_char"
	ReasonEncoding           Reason = "request.encoding"
	ReasonTooManyParams      Reason = "request.too_many_params"
	ReasonMissingParam       Reason = "request.missing_param"
	ReasonGrantType          Reason = "request.grant_type"
	ReasonSubjectTokenType   Reason = "request.subject_token_type"
	ReasonActorTokenType     Reason = "request.actor_token_type"
	ReasonRequestedTokenType Reason = "request.requested_token_type"
	ReasonNoGrantTarget      Reason = "request.requested_token_target"
	ReasonScopeSyntax        Reason = "request.scope_syntax"
	ReasonTooManyTargets     Reason = "request.too_many_targets"
	ReasonResponseType       Reason = "request.response_type"
	ReasonTwoAuthMethods     Reason = "request.two_auth_methods"

	ReasonAuthNone        Reason = "client_auth.none"
	ReasonAuthUnknown     Reason = "client_auth.unknown"
	ReasonAuthAmbiguous   Reason = "client_auth.ambiguous"
	ReasonAuthMalformed   Reason = "client_auth.malformed"
	ReasonAuthMethod      Reason = "client_auth.method"
	ReasonAuthSecret      Reason = "client_auth.secret"
	ReasonAuthDisabled    Reason = "client_auth.disabled"
	ReasonAuthReplay      Reason = "client_auth.replay"
	ReasonAuthRateLimited Reason = "client_auth.rate_limited"

	ReasonGrantNotAllowed Reason = "client.grant_not_allowed"

	ReasonSubjectMissing      Reason = "subject_token.missing"
	ReasonSubjectNotForClient Reason = "subject_token.not_for_client"
	ReasonAssertionMissing    Reason = "assertion.missing"
	ReasonActorNotClient      Reason = "actor_token.not_client"
	ReasonBootstrapActor      Reason = "actor_token.bootstrap"
	ReasonNoBinding           Reason = "exchange.no_binding"
	ReasonImmutable           Reason = "exchange.immutable_id_mismatch"
	ReasonAmbiguous           Reason = "exchange.binding_ambiguous"
	ReasonMayAct              Reason = "exchange.may_act"
	ReasonActorUnauthorized   Reason = "exchange.actor_unauthorized"
	ReasonBrokerNotAllowed    Reason = "exchange.broker_not_allowed"
	ReasonActorDisabled       Reason = "exchange.actor_disabled"
	ReasonSubjectDisabled     Reason = "exchange.subject_disabled"
	ReasonCycle               Reason = "exchange.cycle"
	ReasonDepth               Reason = "exchange.depth"
	ReasonScope               Reason = "exchange.scope"
	ReasonTarget              Reason = "exchange.target"
	ReasonTargetDisabled      Reason = "exchange.target_disabled"
	ReasonTargetMissing       Reason = "exchange.target_missing"
	ReasonLifetime            Reason = "exchange.lifetime_too_short"
	ReasonBindingRequired     Reason = "exchange.binding_required"
	ReasonApprovalRequired    Reason = "approval.required"
	ReasonQuota               Reason = "quota.exceeded"
	ReasonInstances           Reason = "quota.instances"
	ReasonInstanceStore       Reason = "instance.unavailable"
	ReasonLedgerFull          Reason = "ledger.full"
	ReasonLedgerUnavailable   Reason = "ledger.unavailable"
	ReasonRegistryStale       Reason = "registry.stale"
	ReasonIssuerUnavailable   Reason = "issuer.unavailable"
	ReasonNoSigningKey        Reason = "key.none"
	ReasonInternal            Reason = "server.internal"
)

// Definition is what the table says about a reason.
type Definition struct {
	Reason      Reason
	Code        Code
	Status      int    // HTTP status
	Description string // `error_description`: fixed, never quotes input (RFC 6749, Section 5.2)
	Meaning     string // for operators: what happened
	Fix         string // for operators: what usually mends it
}

// Definition of the reason. A reason that the table lacks is a fault of ours
// and reads as server_error, so that nothing unforeseen reaches a client.
func (r Reason) Definition() Definition {
	if d, ok := table[r]; ok {
		return d
	}
	d := table[ReasonInternal]
	d.Reason = r
	return d
}

// Public is the reason that a client may see: every failed authentication
// looks alike, or an outsider could learn which agents exist.
func (r Reason) Public() Reason {
	if r.Definition().Code == InvalidClient {
		return ReasonClientAuth
	}
	return r
}

// TokenFault is the reason for a token at position area failing with fault.
func TokenFault(area, fault string) Reason { return Reason(area + "." + fault) }

// Definitions lists the whole table in the order of its reasons.
func Definitions() []Definition {
	all := make([]Definition, 0, len(table))
	for _, d := range table {
		all = append(all, d)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Reason < all[j].Reason })
	return all
}

// table is built once from the lists of reasons and never changed.
var table = buildTable()

func buildTable() map[Reason]Definition {
	t := make(map[Reason]Definition)
	for _, d := range reasons {
		t[d.Reason] = d
	}
	for _, d := range certificateReasons {
		t[d.Reason] = d
	}
	for _, f := range tokenFaults {
		for _, p := range positions {
			r := TokenFault(p.area, f.fault)
			if _, special := t[r]; special || p.area == AreaSubject && unbound(f.fault) {
				continue
			}
			t[r] = Definition{
				Reason: r, Code: p.code, Status: p.status, Description: p.description,
				Meaning: strings.Replace(f.meaning, "The token", p.noun, 1), Fix: f.fix,
			}
		}
	}
	return t
}

// unbound says that a fault has a reason of its own, exchange.…, when the token
// is a subject token: then nothing is wrong with the token itself.
func unbound(fault string) bool {
	return fault == "no_binding" || fault == "immutable_id_mismatch" || fault == "binding_ambiguous"
}

// positions are the places where a token can stand in a request. A bad
// subject or actor token is invalid_request, never invalid_grant: RFC 8693,
// Section 2.2.2. A bad client assertion is invalid_client, a bad assertion that
// is the grant invalid_grant: RFC 7523, Sections 3.2 and 3.1.
var positions = []struct {
	area, noun, description string
	code                    Code
	status                  int
}{
	{AreaSubject, "The subject token", "the subject token was not accepted", InvalidRequest, http.StatusBadRequest},
	{AreaActor, "The actor token", "the actor token was not accepted", InvalidRequest, http.StatusBadRequest},
	{AreaClient, "The client assertion", clientAuthText, InvalidClient, http.StatusUnauthorized},
	{AreaGrant, "The assertion", "the assertion was not accepted", InvalidGrant, http.StatusBadRequest},
}

const clientAuthText = "client authentication failed"
