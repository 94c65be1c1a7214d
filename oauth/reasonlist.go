package oauth

import "net/http"

const (
	bad          = http.StatusBadRequest
	unauthorized = http.StatusUnauthorized
	unavailable  = http.StatusServiceUnavailable
)

// A cluster that cannot be asked is no fault of the token's, wherever that
// stands, and an assertion of it is no failed authentication.
const (
	faultReviewUnavailable = "review_unavailable"
	reviewText             = "the cluster of a token cannot be asked now"
	reviewMeaning          = "The API server that the trusted issuer's tokenReview names gave no answer, or does not accept our own token."
	reviewFix              = "Look for the cause in the server's log; check tokenReview's url, caFile and tokenFile, and that our account may create tokenreviews (system:auth-delegator)."
)

// reasons lists every reason that is not an (area, token fault) pair. The
// descriptions stay within the characters of RFC 6749, Section 5.2.
var reasons = []Definition{
	{ReasonClientAuth, InvalidClient, unauthorized, clientAuthText, "Client authentication failed; the decision says how.", "tokenry explain DECISION"},

	{ReasonHTTPMethod, InvalidRequest, http.StatusMethodNotAllowed, "the token endpoint takes POST", "The request used another method than POST.", "Send a POST."},
	{ReasonHTTPMediaType, InvalidRequest, bad, "the body must be application/x-www-form-urlencoded", "The body was JSON, multipart or of no declared type.", "Send a form body with its Content-Type."},
	{ReasonHTTPTooLarge, InvalidRequest, http.StatusRequestEntityTooLarge, "the request is too large", "The body was longer than limits.request_bytes.", "Send fewer or shorter parameters."},
	{ReasonHTTPLength, InvalidRequest, http.StatusLengthRequired, "a Content-Length is required", "The body came chunked.", "Send Content-Length."},
	{ReasonHTTPEncoding, InvalidRequest, http.StatusUnsupportedMediaType, "the body must not be compressed", "The request had a Content-Encoding.", "Send the form as it is."},
	{ReasonHTTPTimeout, InvalidRequest, http.StatusRequestTimeout, "the request body did not arrive in time", "The body came too slowly or was cut off.", "Check the network between the agent and the server."},
	{ReasonHeaderDuplicate, InvalidRequest, bad, "a header occurs twice", "Content-Type or Authorization occurred more than once.", "Send each header once."},

	{ReasonDuplicateParam, InvalidRequest, bad, "a parameter occurs twice", "A parameter other than resource and audience was repeated.", "Send each parameter once (RFC 6749, Section 3.2)."},
	{ReasonMalformed, InvalidRequest, bad, "the form cannot be read", "The form body has a bad percent escape or a semicolon separator.", "Encode the form as the URL standard says."},
	{ReasonControlChar, InvalidRequest, bad, "a parameter contains a control character", "A parameter contained NUL.", "Remove it."},
	{ReasonEncoding, InvalidRequest, bad, "a parameter is not UTF-8", "A parameter was not valid UTF-8.", "Encode the form in UTF-8."},
	{ReasonTooManyParams, InvalidRequest, bad, "too many parameters", "The form had more than 64 parameters.", "Send only what the grant needs."},
	{ReasonMissingParam, InvalidRequest, bad, "a required parameter is missing", "grant_type, or a parameter that the grant needs, was absent or empty.", "Add the parameter; an empty one counts as absent (RFC 6749, Section 3.2)."},
	{ReasonGrantType, UnsupportedGrantType, bad, "this grant type is not supported", "grant_type named a grant that this server does not have.", "Use one of grant_types_supported of the metadata."},
	{ReasonSubjectTokenType, InvalidRequest, bad, "subject_token_type is missing or not supported", "subject_token_type was absent or named a type that is not accepted here.", "Use access_token for tokens of this server, jwt or id_token for others."},
	{ReasonActorTokenType, InvalidRequest, bad, "actor_token and actor_token_type must come together, of a supported type", "One of the two was absent, or the type is not accepted.", "Send both or neither; the presenter is the actor anyway."},
	{ReasonRequestedTokenType, InvalidRequest, bad, "requested_token_type is not supported", "A token type was asked for that this server does not issue.", "Leave requested_token_type out, or ask for access_token."},
	{ReasonNoGrantTarget, InvalidTarget, bad, "no target takes a token of the requested type", "A JWT grant for another server was asked for; none is configured.", "Ask for an access token."},
	{ReasonScopeSyntax, InvalidScope, bad, "scope is malformed", "scope had characters outside RFC 6749, Section 3.3, or stray spaces.", "Separate scopes by single spaces."},
	{ReasonTooManyTargets, InvalidTarget, bad, "one target per token", "resource and audience named more than one target.", "Ask once per target."},
	{ReasonResponseType, UnsupportedResponseType, bad, "this server has no authorization endpoint", "Somebody opened /authorize, which exists for clients that insist on its presence.", "Use the token endpoint."},
	{ReasonTwoAuthMethods, InvalidRequest, bad, "two ways of client authentication in one request", "Basic credentials and client_secret came together.", "Use one (RFC 6749, Section 2.3)."},

	{ReasonAuthNone, InvalidClient, unauthorized, clientAuthText, "The request carried no client credentials, and its subject token is not a workload credential.", "Send a client assertion, or a workload credential as subject_token."},
	{ReasonAuthUnknown, InvalidClient, unauthorized, clientAuthText, "No agent has this client_id.", "Check the name with tokenry get agents."},
	{ReasonAuthAmbiguous, InvalidClient, unauthorized, clientAuthText, "The request authenticated twice, or client_id names another agent than the credential.", "Send one credential; leave client_id out or make it the agent's name."},
	{ReasonAuthMalformed, InvalidClient, unauthorized, clientAuthText, "The credentials could not be read, or client_assertion and client_assertion_type did not come together.", "Check the Authorization header or the assertion parameters."},
	{ReasonAuthMethod, InvalidClient, unauthorized, clientAuthText, "The agent's blueprint does not allow this way of authenticating.", "Use a method of the blueprint's clientAuth, or add this one to it."},
	{ReasonAuthSecret, InvalidClient, unauthorized, clientAuthText, "The client secret was wrong, or the agent has none.", "Rotate the secret: tokenry agent secret NAME."},
	{ReasonAuthDisabled, InvalidClient, unauthorized, clientAuthText, "The agent or its blueprint is disabled, quarantined, expired or deleted.", "tokenry describe agent NAME; tokenry agent enable NAME."},
	{ReasonAuthReplay, InvalidClient, unauthorized, clientAuthText, "A single-use assertion was used a second time.", "Make a new assertion with a new jti for every request."},
	{ReasonAuthRateLimited, TemporarilyUnavailable, http.StatusTooManyRequests, "too many failed authentications", "Too many wrong secrets for this client from this address.", "Wait, then send the right secret."},

	{ReasonGrantNotAllowed, UnauthorizedClient, bad, "this client may not use this grant", "The blueprint's grants do not list this grant type.", "Add it to spec.grants of the blueprint."},

	{ReasonSubjectMissing, InvalidRequest, bad, "subject_token is missing", "subject_token was absent or empty.", "Send the token of the user or workload."},
	{ReasonSubjectNotForClient, InvalidRequest, bad, "the subject token may not be exchanged by this client", "The token was neither issued to this agent, nor is the agent its resource, nor does a hand-off rule name it.", "Add the agent to the agents of the resource that is the token's aud, or write a DelegationRule from the token's actor to it."},
	{ReasonAssertionMissing, InvalidRequest, bad, "assertion is missing", "assertion was absent or empty.", "Send the token of the workload (RFC 7523, Section 2.1)."},
	{ReasonActorNotClient, InvalidRequest, bad, "the actor token does not belong to this client", "actor_token proves another identity than the authenticated agent.", "Leave actor_token out; the authenticated agent is the actor."},
	{ReasonBootstrapActor, InvalidRequest, bad, "an actor token needs client authentication", "An actor_token came with a request that has no client credentials.", "Authenticate the client, or leave actor_token out."},
	{ReasonNoBinding, InvalidRequest, bad, "the credential is not bound to an agent", "No federated credential of any agent matches this issuer and subject.", "Add a credential to the agent: issuer and exact subject as shown."},
	{ReasonImmutable, InvalidRequest, bad, "the credential is not the one that was registered", "A claim that the federated credential pins has another value: mostly an account that was deleted and made again under its name.", "Compare the claims with the credential's; pin the new value if that is right."},
	{ReasonAmbiguous, InvalidRequest, bad, "the credential is bound to more than one agent", "Federated credentials of two agents match this token; none comes before the other.", "Make their subjects or conditions exclude each other."},
	{ReasonMayAct, InvalidRequest, bad, "the subject token does not let this client act", "The token's may_act names somebody else (RFC 8693, Section 4.4).", "Ask the issuer for a token whose may_act names this agent."},
	{ReasonActorUnauthorized, InvalidRequest, bad, "this client may not act for this subject", "No delegation rule lets this agent act for this subject.", "Write a DelegationRule with this subject and this actor."},
	{ReasonBrokerNotAllowed, InvalidRequest, bad, "requested_actor is not allowed", "requested_actor was sent and no rule is brokered.", "Let the other agent exchange the token itself."},
	{ReasonActorDisabled, InvalidRequest, bad, "an actor in the subject token is not active", "An agent in the token's act chain is disabled, expired or deleted.", "tokenry describe agent NAME."},
	{ReasonSubjectDisabled, InvalidRequest, bad, "the subject of the token is not active", "The agent, or the issuer of the user, that the token speaks of is disabled or deleted.", "tokenry get agents; tokenry get issuers."},
	{ReasonCycle, InvalidRequest, bad, "the delegation chain would loop", "This agent already stands deeper in the token's chain.", "Let the agent use the token it has, or start a new chain."},
	{ReasonDepth, InvalidRequest, bad, "the delegation chain would be too long", "The chain would be longer than the rule, the blueprint or the server allows.", "Raise maxDepth, maxDelegationDepth or tokens.max_delegation_depth."},
	{ReasonScope, InvalidScope, bad, "a requested scope cannot be granted", "A scope lies outside the subject token, the rule, the agent, the blueprint or the resource, or nothing is left.", "Ask for less, or add the scope where explain shows it missing."},
	{ReasonTarget, InvalidTarget, bad, "the target is unknown or not allowed", "resource or audience named no resource within this agent's reach, or was malformed.", "Name a registered resource by its identifier (audience: or by its name), and add it to the blueprint and to the delegation rule."},
	{ReasonTargetDisabled, InvalidTarget, bad, "the target is unknown or not allowed", "The resource is disabled.", "Enable the resource."},
	{ReasonTargetMissing, InvalidTarget, bad, "no target was named and there is no default", "Neither resource nor audience was sent, and the blueprint leaves it open.", "Send resource, or set defaultResource in the blueprint."},
	{ReasonLifetime, InvalidRequest, bad, "too little lifetime is left", "Less than 10 seconds would remain until the issued token's exp.", "Send a fresher subject token."},
	{ReasonBindingRequired, InvalidRequest, bad, "the target needs a bound token", "The resource wants sender-constrained tokens.", "Prove a key."},
	{ReasonApprovalRequired, InvalidRequest, bad, "the request needs an approval that cannot be given yet", "A scope of high risk was asked for; this version has no approvals.", "Ask for scopes of low risk."},
	{ReasonInstances, TemporarilyUnavailable, http.StatusTooManyRequests, "there are as many instances as there may be", "The request would make an instance beyond maxInstances of its blueprint's credential.", "Raise maxInstances, or delete instances that are not needed: tokenry get agents --blueprint NAME."},
	{ReasonInstanceStore, TemporarilyUnavailable, unavailable, "the instance could not be registered now", "The database did not confirm a new instance.", "Check the database; the request may be sent again."},
	{ReasonQuota, TemporarilyUnavailable, http.StatusTooManyRequests, "too many requests by this client", "The agent asked more often than limits.token_per_agent.", "Keep tokens until they expire; ask once per target."},
	{ReasonLedgerFull, TemporarilyUnavailable, unavailable, "the server is busy", "The ledger's queue is full: Postgres is slower than the requests.", "Look at Postgres' commit latency."},
	{ReasonLedgerUnavailable, TemporarilyUnavailable, unavailable, "the server cannot record the request now", "Postgres did not confirm the event in time; nothing was issued.", "Check Postgres; the server recovers by itself."},
	{ReasonRegistryStale, TemporarilyUnavailable, unavailable, "the server cannot decide now", "The registry could not be read for longer than 4 seconds.", "Check Postgres; the server recovers by itself."},
	{ReasonIssuerUnavailable, TemporarilyUnavailable, unavailable, "the keys of an issuer cannot be read now", "The keys of the issuer, or those at an agent's jwksUrl, are neither cached nor reachable, or too old.", "Check the key source of the trusted issuer or the agent."},
	{TokenFault(AreaSubject, faultReviewUnavailable), TemporarilyUnavailable, unavailable, reviewText, reviewMeaning, reviewFix},
	{TokenFault(AreaActor, faultReviewUnavailable), TemporarilyUnavailable, unavailable, reviewText, reviewMeaning, reviewFix},
	{TokenFault(AreaClient, faultReviewUnavailable), TemporarilyUnavailable, unavailable, reviewText, reviewMeaning, reviewFix},
	{ReasonNoSigningKey, TemporarilyUnavailable, unavailable, "the server has no signing key now", "No signing key is active.", "Check keys.kek_file and the log of the replicas."},
	{ReasonInternal, ServerError, http.StatusInternalServerError, "the server failed", "A fault of the server; its log has the decision's id.", "Report it with the decision id."},
}

// tokenFaults are the faults of packages jose and credential, in their words.
var tokenFaults = []struct{ fault, meaning, fix string }{
	{"not_compact_jws", "The token is no JWS in compact form.", "Send the JWT exactly as it was received."},
	{"not_canonical", "The token's base64url is not canonical.", "Send the JWT exactly as it was received."},
	{"too_large", "The token is longer than 16 KiB.", "Have the issuer put less into it."},
	{"header_malformed", "The token's header cannot be read strictly.", "Check the issuer's library."},
	{"header_forbidden", "The token's header carries members that are never followed (jwk, jku, x5u, x5c, zip, …).", "Have the issuer leave them out."},
	{"header_too_large", "The token's header is too large.", "Have the issuer put less into it."},
	{"alg_not_allowed", "The token's alg is none, symmetric, unknown, or not among the issuer's algorithms.", "Set algorithms of the trusted issuer."},
	{"crit", "The token's header has crit.", "Have the issuer leave crit out."},
	{"nested", "The token is a nested JWT.", "Send the inner token."},
	{"typ", "The token's typ is not a string of sensible length.", "Check the issuer's library."},
	{"kid_malformed", "The token's kid is too long or unprintable.", "Check the issuer's library."},
	{"kid_missing", "The token has no kid and the issuer more than one key.", "Have the issuer set kid."},
	{"kid_unknown", "The token's kid is not among the issuer's keys.", "Check that the key source is the right one; a rotation is noticed within 30 s."},
	{"kid_ambiguous", "The token's kid fits two keys.", "Have the issuer give every key its own kid."},
	{"jwe_unsupported", "The token is encrypted; this server never decrypts.", "Send a signed token."},
	{"json_duplicate", "The token has a duplicate member.", "Check the issuer's library."},
	{"json_invalid_unicode", "The token has invalid Unicode.", "Check the issuer's library."},
	{"control_char", "The token has a NUL character in a string.", "Check the issuer's library."},
	{"json_malformed", "The token's JSON cannot be read strictly.", "Check the issuer's library."},
	{"too_deep", "The token is nested too deeply.", "Check the issuer's library."},
	{"claim_type", "The token has a claim of the wrong JSON type.", "Check the issuer's claims."},
	{"signature", "The token's signature is not valid.", "Check that the key source belongs to this issuer."},
	{"key_type_mismatch", "The token's alg does not fit the type of its key.", "Check the issuer's keys."},
	{"key_alg_mismatch", "The token's alg is not the one its key is for.", "Check the issuer's keys."},
	{"key_use", "The token's key is not for signatures.", "Check `use` of the issuer's keys."},
	{"key_ops", "The token's key is not for verifying.", "Check `key_ops` of the issuer's keys."},
	{"key_weak", "The token's key is too weak.", "Use RSA of 2048 bits or more, or an elliptic curve."},
	{"key_too_large", "The token's key is too large.", "Use RSA of at most 8192 bits."},
	{"key_revoked", "The token was signed by a key that was revoked.", "Get a new token."},
	{"issuer_unknown", "The token's iss is no trusted issuer, byte for byte.", "Apply a TrustedIssuer with this iss."},
	{"issuer_missing", "The token has no iss.", "Have the issuer set iss."},
	{"issuer_disabled", "The token's issuer is disabled.", "Enable the trusted issuer."},
	{"type", "The token is of another kind than its declared type, or not meant for this place.", "Check subject_token_type and the token's typ."},
	{"aud", "The token's aud is not what the issuer's audiences ask for.", "Ask the issuer for a token for this server, or set audiences."},
	{"aud_missing", "The token has no aud.", "Ask the issuer for a token for this server."},
	{"aud_multiple", "The token names more than one audience.", "Ask for a token for this server alone."},
	{"exp_missing", "The token has no exp.", "Have the issuer set exp."},
	{"expired", "The token has expired.", "Send a fresh one."},
	{"not_yet_valid", "The token is not valid yet.", "Check the clocks."},
	{"iat_future", "The token was issued in the future.", "Check the clocks."},
	{"iat_missing", "The token has no iat.", "Have the issuer set iat."},
	{"lifetime", "The token lives longer than allowed.", "Ask for a shorter one, or raise maxTokenAge."},
	{"too_old", "The token's cluster cannot be asked, and the token is older than tokenReview.offlineMaxAge.", "Send a fresh one, mend the way to the API server, or raise offlineMaxAge."},
	{"inactive", "The token's cluster says that it lives no more: its pod or account was deleted.", "Send a token of a pod that runs."},
	{"claim_conflict", "The token's claims contradict each other.", "Check the issuer."},
	{"sub", "The token's sub is missing, empty or no string.", "Check the issuer's claims."},
	{"scope_type", "The token's scope is no string.", "Check the issuer's claims."},
	{"spiffe_id", "The token's sub is no valid SPIFFE ID.", "Check the SVID."},
	{"act_untrusted", "The token has act, which this issuer may not assert.", "Exchange the user's own token."},
	{"cnf", "The token is bound to a key that the request did not prove.", "Send an unbound token."},
	{"no_binding", "The token's subject is not bound to an agent.", "Add a credential to the agent: issuer and exact subject as shown."},
	{"binding_disabled", "The token's binding is disabled.", "Enable it."},
	{"immutable_id_mismatch", "The token has another value for a claim that the binding pins: mostly an account that was deleted and made again under its name.", "Compare the claims; pin the new value if that is right."},
	{"binding_ambiguous", "The token matches credentials of two agents.", "Make their subjects or conditions exclude each other."},
	{"shadow", "The token is of an issuer, or only matches credentials, in mode shadow: these record and never admit.", "Set mode to enforce."},
	{"replay", "The token was used before.", "Make a new one for every request."},
	{"unknown", "The token names no agent.", "tokenry get agents."},
	{"iss_sub", "The token's iss and sub differ.", "A self-issued assertion names the agent in both (RFC 7523, Section 3)."},
	{"jti_missing", "The token has no jti.", "Add a random jti."},
	{"jti_malformed", "The token's jti is empty, too long or no string.", "Use 16 to 64 random characters."},
	{"revoked", "The token was revoked.", "Get a new one."},
	{"disabled", "The token names an agent that is not active.", "tokenry describe agent NAME."},
	{"not_for_client", "The token may not be used by this client.", "See the decision's checks."},
	{"missing", "The token is missing.", "Send it."},
	{"ambiguous", "The token names another agent than client_id.", "Leave client_id out."},
}
