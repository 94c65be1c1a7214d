package registry

import (
	"encoding/json"
	"time"
)

// Kind names one of the five nouns.
type Kind string

// The kinds, in the order in which `apply` writes them.
const (
	KindTrustedIssuer  Kind = "TrustedIssuer"
	KindResource       Kind = "Resource"
	KindBlueprint      Kind = "Blueprint"
	KindAgent          Kind = "Agent"
	KindDelegationRule Kind = "DelegationRule"
)

// Names have a type for each noun, so that two cannot be swapped.
type (
	// IssuerName is the name of a trusted issuer.
	IssuerName string
	// ResourceName is the name of a resource.
	ResourceName string
	// BlueprintName is the name of a blueprint.
	BlueprintName string
	// AgentName is the name of an agent, which is its client_id.
	AgentName string
	// RuleName is the name of a delegation rule.
	RuleName string
)

// State is what an operator has done to an object. It is no part of the spec:
// `apply` never changes it.
type State string

// States. Only active objects take part in a decision.
const (
	Active      State = "active"
	Disabled    State = "disabled"
	Quarantined State = "quarantined" // agents only
)

// Duration is a time.Duration whose text form is "5m", "1h30m", "720h".
type Duration time.Duration

// TrustedIssuer says whose credentials are accepted (kind TrustedIssuer).
type TrustedIssuer struct {
	Type          IssuerType   `json:"type"`
	Tokens        Tokens       `json:"tokens,omitempty"`      // empty = workload for spiffe, kubernetes and presets, else user
	TrustDomain   string       `json:"trustDomain,omitempty"` // spiffe
	Issuer        string       `json:"issuer,omitempty"`      // oidc, kubernetes: the exact `iss`
	Keys          KeySource    `json:"keys,omitzero"`         // see KeySource; nothing = the preset's
	CAFile        string       `json:"caFile,omitempty"`      // PEM; TLS trust for fetching the keys
	Audiences     []string     `json:"audiences,omitempty"`   // what `aud` must hold; empty = our own issuer
	TokenTypes    []string     `json:"tokenTypes,omitempty"`  // id_token, access_token, jwt; empty = jwt
	AssertsActors bool         `json:"assertsActors,omitempty"`
	TokenReview   *TokenReview `json:"tokenReview,omitempty"` // kubernetes; nil = tokens are checked offline alone
	Mode          Mode         `json:"mode,omitempty"`        // empty = enforce
	Algorithms    []string     `json:"algorithms,omitempty"`  // empty = the preset's, else ES256, RS256
	MaxTokenAge   Duration     `json:"maxTokenAge,omitempty"` // longest exp-iat and age accepted; empty = 1h

	// Preset names a platform whose rules are known (a CI system, a cloud): which
	// `iss` it has, and which claims a credential must pin because subjects can be
	// registered again by somebody else. Empty = none.
	Preset            string   `json:"preset,omitempty"`
	AuthorizedParties []string `json:"authorizedParties,omitempty"` // users: the clients (`azp`, `client_id`) whose tokens are accepted; empty = any
}

// TokenReview says how the cluster's API server is asked whether a token still
// lives: a deleted pod's token is good offline until it expires.
type TokenReview struct {
	URL           string   `json:"url"`                     // of the API server
	TokenFile     string   `json:"tokenFile"`               // absolute path; our own token for it
	CAFile        string   `json:"caFile,omitempty"`        // absolute path; empty = the issuer's caFile
	OnOutage      string   `json:"onOutage,omitempty"`      // refuse | offline; empty = refuse
	OfflineMaxAge Duration `json:"offlineMaxAge,omitempty"` // with offline: oldest token that is accepted meanwhile; empty = 10m
}

// IssuerType is the family of a trusted issuer.
type IssuerType string

// Issuer types.
const (
	SPIFFE     IssuerType = "spiffe"
	Kubernetes IssuerType = "kubernetes"
	OIDC       IssuerType = "oidc"
)

// Tokens says whether an issuer speaks of workloads or of users; never both.
type Tokens string

// Kinds of token subject.
const (
	WorkloadTokens Tokens = "workload"
	UserTokens     Tokens = "user"
)

// Mode is enforce, or shadow (records only, never admits).
type Mode string

// Modes.
const (
	Enforce Mode = "enforce"
	Shadow  Mode = "shadow"
)

// KeySource says where an issuer's keys come from: exactly one source is set,
// none with a preset. bundleProfile and endpointSpiffeId belong to bundleUrl.
type KeySource struct {
	BundleURL        string          `json:"bundleUrl,omitempty"`
	BundleProfile    string          `json:"bundleProfile,omitempty"` // empty = https_web
	EndpointSPIFFEID string          `json:"endpointSpiffeId,omitempty"`
	BundleFile       string          `json:"bundleFile,omitempty"`
	WorkloadAPI      string          `json:"workloadApi,omitempty"`
	JWKSURL          string          `json:"jwksUrl,omitempty"`
	Discovery        bool            `json:"discovery,omitempty"`
	JWKS             json.RawMessage `json:"jwks,omitempty"` // inline JWK set: {"keys":[…]}
	JWKSFile         string          `json:"jwksFile,omitempty"`
}

// Resource is an API or resource agent that tokens are for (kind Resource).
type Resource struct {
	Identifier           string          `json:"identifier"` // the `aud`: an absolute URI without fragment
	Scopes               []Scope         `json:"scopes,omitempty"`
	Agents               []string        `json:"agents,omitempty"` // agents or blueprints that are this resource
	MaxTTL               Duration        `json:"maxTtl,omitempty"`
	Binding              string          `json:"binding,omitempty"` // none | dpop | mtls | any; empty = none
	SigningAlgorithm     string          `json:"signingAlgorithm,omitempty"`
	AuthorizationDetails json.RawMessage `json:"authorizationDetails,omitempty"`
}

// Scope is one permission that a resource understands (RFC 6749, Section 3.3).
type Scope struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Risk        Risk   `json:"risk,omitempty"` // empty = low
}

// Risk of a scope.
type Risk string

// Risks. A high-risk scope is granted only with an approval.
const (
	LowRisk  Risk = "low"
	HighRisk Risk = "high"
)

// Access is a resource and the scopes at it. In a Blueprint it is a ceiling,
// in an Agent a narrower one, in a DelegationRule what may be delegated.
type Access struct {
	Name   ResourceName `json:"name"`
	Scopes []string     `json:"scopes,omitempty"`
}

// Blueprint is the template that agents are made from (kind Blueprint).
type Blueprint struct {
	Resources          []Access            `json:"resources,omitempty"`
	DefaultResource    ResourceName        `json:"defaultResource,omitempty"`
	MaxTTL             Duration            `json:"maxTtl,omitempty"`
	MaxDelegationDepth *int                `json:"maxDelegationDepth,omitempty"` // nil = tokens.max_delegation_depth
	Rate               string              `json:"rate,omitempty"`
	ClientAuth         []ClientAuth        `json:"clientAuth,omitempty"` // empty = federated
	Grants             []string            `json:"grants,omitempty"`     // client_credentials, token_exchange, jwt_bearer; empty = all
	Credentials        []PatternCredential `json:"credentials,omitempty"`
	Binding            string              `json:"binding,omitempty"`
	Refresh            json.RawMessage     `json:"refresh,omitempty"`
	Quotas             json.RawMessage     `json:"quotas,omitempty"`
	Approval           json.RawMessage     `json:"approval,omitempty"`
}

// ClientAuth is a way in which agents of a blueprint may authenticate.
type ClientAuth string

// Client authentication methods. A secret is possible only by this opt-in.
const (
	FederatedAuth     ClientAuth = "federated"
	PrivateKeyJWTAuth ClientAuth = "private_key_jwt"
	TLSAuth           ClientAuth = "tls"
	SecretAuth        ClientAuth = "secret"
)

// Agent is one registered identity (kind Agent).
type Agent struct {
	Blueprint   BlueprintName      `json:"blueprint"`
	Owner       string             `json:"owner"`
	Sponsor     string             `json:"sponsor"`
	Credentials []Credential       `json:"credentials,omitempty"`
	Resources   []Access           `json:"resources,omitzero"` // nil = the blueprint's ceiling; empty = nothing, which omitempty would lose
	MaxTTL      Duration           `json:"maxTtl,omitempty"`
	JWKS        json.RawMessage    `json:"jwks,omitempty"` // keys of private_key_jwt; with tls.selfSigned also certificates
	JWKSURL     string             `json:"jwksUrl,omitempty"`
	TLS         *ClientCertificate `json:"tls,omitempty"`
	ExpiresAt   *time.Time         `json:"expiresAt,omitempty"`
	Card        json.RawMessage    `json:"card,omitempty"`

	Instance *InstanceOf `json:"instance,omitempty"` // written by the server alone; nil = somebody registered the agent
}

// ClientCertificate is the certificate of an agent that authenticates by mutual
// TLS; exactly one member is set (RFC 8705, Sections 2.1.2 and 2.2.2).
type ClientCertificate struct {
	SubjectDN  string `json:"subjectDn,omitempty"` // RFC 4514
	SANDNS     string `json:"sanDns,omitempty"`
	SANURI     string `json:"sanUri,omitempty"`
	SANIP      string `json:"sanIp,omitempty"`
	SANEmail   string `json:"sanEmail,omitempty"`
	SelfSigned bool   `json:"selfSigned,omitempty"` // one of the x5c certificates in spec.jwks
}

// Credential is a federated credential (binding): from a trusted issuer's
// subject to this agent.
type Credential struct {
	Name      string            `json:"name"`
	Issuer    IssuerName        `json:"issuer"`
	Subject   SubjectMatch      `json:"subject"`
	Audience  string            `json:"audience,omitempty"`  // narrower than the issuer's audiences
	Condition string            `json:"condition,omitempty"` // CEL over `claims`; must be true
	Claims    map[string]string `json:"claims,omitempty"`    // claim path -> exact value; see ClaimAt
	Labels    map[string]string `json:"labels,omitempty"`    // of instances: label -> claim path
	Mode      Mode              `json:"mode,omitempty"`      // empty = enforce

	// AllowBroad says that the operator knows how many this admits: a whole
	// namespace, a whole organisation.
	AllowBroad bool `json:"allowBroad,omitempty"`
}

// SubjectMatch matches the `sub` of a credential. Exactly one member is set.
type SubjectMatch struct {
	Exact  string `json:"exact,omitempty"`  // the whole `sub`, byte for byte
	Prefix string `json:"prefix,omitempty"` // ends at a border between segments: "/" or ":"
	Glob   string `json:"glob,omitempty"`   // of the whole `sub`; `*` and `?` never cross "/" or ":"
}

// PatternCredential is a credential of a blueprint: whoever matches it is an
// instance, an agent made on first use and called "<blueprint>/<suffix>".
type PatternCredential struct {
	Credential
	MaxInstances int      `json:"maxInstances"`           // at once; required
	CollectAfter Duration `json:"collectAfter,omitempty"` // idle time after which an active instance is forgotten; empty = 168h
}

// DelegationRule is an edge: actors may act for subjects (kind DelegationRule).
type DelegationRule struct {
	Subjects  Subjects        `json:"subjects"`
	Actors    Actors          `json:"actors"`
	Resources []Access        `json:"resources,omitempty" required:"true"`
	MaxDepth  *int            `json:"maxDepth,omitempty"` // nil = the blueprint's and the server's limit
	MaxTTL    Duration        `json:"maxTtl,omitempty"`
	Brokered  bool            `json:"brokered,omitempty"`
	Approval  json.RawMessage `json:"approval,omitempty"`
	Mode      Mode            `json:"mode,omitempty"`
}

// Subjects says for whom: users of an issuer, or other agents.
type Subjects struct {
	Issuer     IssuerName      `json:"issuer,omitempty"`
	Condition  string          `json:"condition,omitempty"` // CEL over `claims` of the user's token
	Agents     []AgentName     `json:"agents,omitempty"`
	Blueprints []BlueprintName `json:"blueprints,omitempty"`
}

// Actors says who may act.
type Actors struct {
	Agents     []AgentName     `json:"agents,omitempty"`
	Blueprints []BlueprintName `json:"blueprints,omitempty"`
}
