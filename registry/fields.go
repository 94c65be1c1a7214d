package registry

import (
	"slices"
	"strings"
	"sync"
)

// Type is what a field holds.
type Type string

// Types of field.
const (
	TextType     Type = "text"
	NumberType   Type = "number"
	BoolType     Type = "true or false"
	DurationType Type = "duration"
	TimeType     Type = "time"
	ListType     Type = "list" // of texts, or of objects when the table has fields below "name[]"
	ObjectType   Type = "object"
	MapType      Type = "map of texts"
	AnyType      Type = "any" // JSON that the decoder does not look into
)

// Field is one member of the spec of a kind.
type Field struct {
	Kind Kind
	Path string // "keys.jwksUrl", "scopes[].name"
	Type Type

	// Supported is false for a field that nothing enforces yet. Setting it is
	// refused: a limit that is stored and ignored is worse than none.
	Supported bool

	Values []string // of an enumeration (or of its list), those that are enforced; nil = free
	Later  []string // of an enumeration, those that are refused in this version
	Note   string   // what it does, in a few words
}

// on is a field that is enforced, off one that is refused.
func on(path string, t Type, note string) Field {
	return Field{Path: path, Type: t, Supported: true, Note: note}
}

func off(path string, t Type, note string) Field {
	return Field{Path: path, Type: t, Note: note}
}

func (f Field) values(v ...string) Field { f.Values = v; return f }
func (f Field) later(v ...string) Field  { f.Later = v; return f }

// Fields lists every field of every kind: what is refused as not supported,
// what a decoder knows and what the documentation shows all come from here.
func Fields() []Field { return slices.Clone(table()) }

var table = sync.OnceValue(func() []Field {
	var all []Field
	for _, k := range Kinds() {
		for _, f := range fieldsOf(k) {
			f.Kind = k
			all = append(all, f)
		}
	}
	return all
})

func fieldsOf(k Kind) []Field {
	switch k {
	case KindTrustedIssuer:
		return issuerFields()
	case KindResource:
		return resourceFields()
	case KindBlueprint:
		return blueprintFields()
	case KindAgent:
		return agentFields()
	case KindDelegationRule:
		return ruleFields()
	}
	return nil
}

func issuerFields() []Field {
	return []Field{
		on("type", TextType, "the family of the issuer").values("spiffe", "kubernetes", "oidc"),
		on("tokens", TextType, "whether it speaks of workloads or of users").values("workload", "user"),
		on("trustDomain", TextType, "the SPIFFE trust domain"),
		on("issuer", TextType, "the exact iss"),
		on("keys", ObjectType, "where its keys come from"),
		on("keys.bundleUrl", TextType, "a SPIFFE bundle endpoint"),
		on("keys.bundleProfile", TextType, "how the bundle endpoint is authenticated").values("https_web", "https_spiffe"),
		on("keys.endpointSpiffeId", TextType, "the SPIFFE ID of the bundle endpoint"),
		on("keys.bundleFile", TextType, "a file with a SPIFFE bundle"),
		on("keys.workloadApi", TextType, "the address of a SPIFFE Workload API"),
		on("keys.jwksUrl", TextType, "the URL of a JWK set"),
		on("keys.discovery", BoolType, "find the JWK set through the issuer's metadata"),
		on("keys.jwks", AnyType, "the JWK set itself"),
		on("keys.jwksFile", TextType, "a file with a JWK set"),
		on("caFile", TextType, "TLS roots for fetching the keys"),
		on("audiences", ListType, "what aud must hold"),
		on("tokenTypes", ListType, "the token types accepted").values("id_token", "access_token", "jwt"),
		on("assertsActors", BoolType, "its tokens may carry act").values("false").later("true"),
		on("tokenReview", ObjectType, "ask the cluster whether a token still lives"),
		on("tokenReview.url", TextType, "the cluster's API server"),
		on("tokenReview.tokenFile", TextType, "a file with our own token for it"),
		on("tokenReview.caFile", TextType, "TLS roots for asking it"),
		on("tokenReview.onOutage", TextType, "what happens while it cannot be asked").values("refuse", "offline"),
		on("tokenReview.offlineMaxAge", DurationType, "the oldest token accepted meanwhile"),
		on("mode", TextType, "enforce, or only record").values("enforce", "shadow"),
		on("algorithms", ListType, "the signature algorithms accepted").values(
			"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519"),
		on("maxTokenAge", DurationType, "the longest life and age of a token"),
		on("preset", TextType, "the platform whose rules it has").values(presetNames()...),
		on("authorizedParties", ListType, "the clients whose users' tokens are accepted"),
	}
}

func resourceFields() []Field {
	return []Field{
		on("identifier", TextType, "the aud of its tokens"),
		on("scopes", ListType, "what may be asked for"),
		on("scopes[].name", TextType, "the scope token"),
		on("scopes[].description", TextType, "what it permits"),
		on("scopes[].risk", TextType, "a high risk is granted only with an approval").values("low", "high"),
		on("agents", ListType, "agents and blueprints that are this resource"),
		on("maxTtl", DurationType, "the longest life of its tokens"),
		on("binding", TextType, "what its tokens must be bound to").values("none").later("dpop", "mtls", "any"),
		off("signingAlgorithm", TextType, "the algorithm of its tokens"),
		off("authorizationDetails", AnyType, "the authorization details it understands"),
	}
}

func blueprintFields() []Field {
	return []Field{
		on("resources", ListType, "the ceiling"),
		on("resources[].name", TextType, "a resource"),
		on("resources[].scopes", ListType, "scopes of that resource"),
		on("defaultResource", TextType, "the target when a request names none"),
		on("maxTtl", DurationType, "the longest life of a token"),
		on("maxDelegationDepth", NumberType, "the longest chain of actors"),
		off("rate", TextType, "requests per second"),
		on("clientAuth", ListType, "how its agents may authenticate").values("federated", "private_key_jwt", "tls", "secret"),
		on("grants", ListType, "the grants its agents may use").values("client_credentials", "token_exchange", "jwt_bearer"),
		on("credentials", ListType, "pattern credentials, which make instances"),
		on("credentials[].name", TextType, "a name within the blueprint"),
		on("credentials[].issuer", TextType, "a trusted issuer of workload tokens"),
		on("credentials[].subject", ObjectType, "which sub"),
		on("credentials[].subject.exact", TextType, "refused here: one workload is an agent of its own"),
		on("credentials[].subject.prefix", TextType, "the start of the sub"),
		on("credentials[].subject.glob", TextType, "a pattern of the sub"),
		on("credentials[].audience", TextType, "the one aud accepted"),
		on("credentials[].condition", TextType, "CEL over claims"),
		on("credentials[].claims", MapType, "claims that must be equal"),
		on("credentials[].labels", MapType, "labels of what it makes, from claims"),
		on("credentials[].mode", TextType, "enforce, or only record").values("enforce", "shadow"),
		on("credentials[].allowBroad", BoolType, "admit a whole namespace or organisation"),
		on("credentials[].maxInstances", NumberType, "how many it may make"),
		on("credentials[].collectAfter", DurationType, "idle time after which an instance is forgotten"),
		off("binding", TextType, "what tokens must be bound to"),
		off("refresh", AnyType, "refresh tokens"),
		off("quotas", AnyType, "quotas"),
		off("approval", AnyType, "when an approval is needed"),
	}
}

func agentFields() []Field {
	return []Field{
		on("blueprint", TextType, "what it is made from"),
		on("owner", TextType, "who answers for it"),
		on("sponsor", TextType, "who wants it"),
		on("credentials", ListType, "federated credentials that stand for it"),
		on("credentials[].name", TextType, "a name within the agent"),
		on("credentials[].issuer", TextType, "a trusted issuer of workload tokens"),
		on("credentials[].subject", ObjectType, "which sub"),
		on("credentials[].subject.exact", TextType, "the sub, byte for byte"),
		on("credentials[].subject.prefix", TextType, "the start of the sub"),
		on("credentials[].subject.glob", TextType, "a pattern of the sub"),
		on("credentials[].audience", TextType, "the one aud accepted"),
		on("credentials[].condition", TextType, "CEL over claims"),
		on("credentials[].claims", MapType, "claims that must be equal"),
		on("credentials[].labels", MapType, "refused here: label the agent in metadata.labels"),
		on("credentials[].mode", TextType, "enforce, or only record").values("enforce", "shadow"),
		on("credentials[].allowBroad", BoolType, "admit a whole namespace or organisation"),
		on("resources", ListType, "narrower than the blueprint's"),
		on("resources[].name", TextType, "a resource"),
		on("resources[].scopes", ListType, "scopes of that resource"),
		on("maxTtl", DurationType, "the longest life of a token"),
		on("jwks", AnyType, "the public keys of private_key_jwt"),
		on("jwksUrl", TextType, "where the public keys of private_key_jwt are"),
		on("tls", ObjectType, "the certificate of mutual TLS: exactly one of"),
		on("tls.subjectDn", TextType, "its subject, as RFC 4514 writes it"),
		on("tls.sanDns", TextType, "a DNS name in it"),
		on("tls.sanUri", TextType, "a URI in it"),
		on("tls.sanIp", TextType, "an address in it"),
		on("tls.sanEmail", TextType, "a mail address in it"),
		on("tls.selfSigned", BoolType, "it is one of the x5c certificates in jwks"),
		on("expiresAt", TimeType, "when the agent stops working"),
		off("card", AnyType, "its A2A agent card"),
	}
}

func ruleFields() []Field {
	return []Field{
		on("subjects", ObjectType, "for whom"),
		on("subjects.issuer", TextType, "users of a trusted issuer"),
		on("subjects.condition", TextType, "CEL over claims of the user's token"),
		on("subjects.agents", ListType, "agents"),
		on("subjects.blueprints", ListType, "agents of blueprints"),
		on("actors", ObjectType, "who may act"),
		on("actors.agents", ListType, "agents"),
		on("actors.blueprints", ListType, "agents of blueprints"),
		on("resources", ListType, "toward what"),
		on("resources[].name", TextType, "a resource"),
		on("resources[].scopes", ListType, "scopes of that resource"),
		on("maxDepth", NumberType, "the longest chain of actors"),
		on("maxTtl", DurationType, "the longest life of a token"),
		on("brokered", BoolType, "a subject may name its actor").values("false").later("true"),
		off("approval", AnyType, "who must approve"),
		on("mode", TextType, "enforce, or only record").values("enforce").later("shadow"),
	}
}

// schema finds the fields of one kind by path.
type schema struct {
	fields   map[string]Field
	children map[string][]string // names of the members below a path
}

var schemas = sync.OnceValue(func() map[Kind]schema {
	all := map[Kind]schema{}
	for _, f := range table() {
		s, ok := all[f.Kind]
		if !ok {
			s = schema{fields: map[string]Field{}, children: map[string][]string{}}
			all[f.Kind] = s
		}
		s.fields[f.Path] = f
		parent, name := "", f.Path
		if i := strings.LastIndexByte(f.Path, '.'); i >= 0 {
			parent, name = f.Path[:i], f.Path[i+1:]
		}
		s.children[parent] = append(s.children[parent], name)
	}
	return all
})

// join returns the path of a member of parent.
func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}
