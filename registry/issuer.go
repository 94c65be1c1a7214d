package registry

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

const (
	maxTrustDomain = 255  // SPIFFE-ID, Section 2.1; go-spiffe does not check it
	maxSPIFFEID    = 2048 // SPIFFE-ID, Section 2.3; as above
)

// SubjectTokens returns whether the issuer speaks of workloads or of users,
// with the default of its type filled in.
func (t *TrustedIssuer) SubjectTokens() Tokens {
	switch {
	case t.Tokens != "":
		return t.Tokens
	case t.Type == OIDC && t.Preset == "":
		return UserTokens
	}
	return WorkloadTokens
}

// KeysURL returns the URL that the issuer's keys are fetched from, or found
// through, and where its spec says so; both empty when they are not fetched.
func (t *TrustedIssuer) KeysURL() (path, url string) {
	if len(t.Keys.sources()) == 0 && t.Preset != "" {
		path = "spec.preset"
	}
	switch k := t.KeySource(); {
	case path != "" && k.Discovery:
		return path, t.Issuer
	case path != "":
		return path, k.JWKSURL
	case k.BundleURL != "":
		return "spec.keys.bundleUrl", k.BundleURL
	case k.JWKSURL != "":
		return "spec.keys.jwksUrl", k.JWKSURL
	case k.Discovery:
		return "spec.issuer", t.Issuer
	}
	return "", ""
}

func validateIssuer(ps *problems, t *TrustedIssuer) {
	if t.Type == "" {
		ps.add("spec.type", "is missing; it is %s", oneOf([]string{"spiffe", "kubernetes", "oidc"}))
	}
	if (t.Type == SPIFFE || t.Type == Kubernetes) && t.Tokens == UserTokens {
		ps.add("spec.tokens", "must be workload: an issuer of type %s does not speak of users", t.Type)
	}
	validateIssuerIdentity(ps, t)
	validatePlatform(ps, t)
	validateKeySource(ps, t)
	validateAudiences(ps, t)
	validateTokenReview(ps, t)
	validateParties(ps, t)
	checkNotEmpty(ps, "spec.algorithms", t.Algorithms, "ES256 and RS256")
	checkUnique(ps, "spec.algorithms", t.Algorithms)
	if t.Type == SPIFFE {
		for i, alg := range t.Algorithms {
			if alg == "EdDSA" || alg == "Ed25519" {
				ps.add(fmt.Sprintf("spec.algorithms[%d]", i), "is not an algorithm of JWT-SVIDs; they use ES, RS and PS")
			}
		}
	}
	if t.MaxTokenAge < 0 {
		ps.add("spec.maxTokenAge", "must be longer than nothing; leave it out for 1h")
	}
}

// validateIssuerIdentity checks what its tokens are recognised by.
func validateIssuerIdentity(ps *problems, t *TrustedIssuer) {
	if t.Type == SPIFFE {
		if t.Issuer != "" {
			ps.add("spec.issuer", "must be left out: tokens of a SPIFFE issuer are known by their trust domain")
		}
		td, err := spiffeid.TrustDomainFromString(t.TrustDomain)
		switch {
		case t.TrustDomain == "":
			ps.add("spec.trustDomain", "is missing")
		case err != nil || td.Name() != t.TrustDomain:
			ps.add("spec.trustDomain", `must be a bare SPIFFE trust domain like "prod.example": lower case, without scheme, port and path`)
		case len(t.TrustDomain) > maxTrustDomain:
			ps.add("spec.trustDomain", "is longer than %d bytes", maxTrustDomain)
		}
		return
	}
	if t.TrustDomain != "" {
		ps.add("spec.trustDomain", "is only for an issuer of type spiffe; leave it out")
	}
	u := checkURL(ps, "spec.issuer", t.Issuer)
	// OpenID Connect Discovery 1.0, Section 2: "no query or fragment component".
	if u != nil && strings.Contains(t.Issuer, "?") {
		ps.add("spec.issuer", "must not have a query")
	}
}

// validateKeySource checks that there is exactly one source of keys, and that
// it fits the type.
func validateKeySource(ps *problems, t *TrustedIssuer) {
	k := t.Keys
	sources := k.sources()
	switch {
	case len(sources) == 0 && t.Preset == "":
		ps.add("spec.keys", "says nowhere to take keys from; set one of bundleUrl, bundleFile, workloadApi (spiffe), discovery, jwksUrl, jwks, jwksFile")
	case len(sources) > 1:
		ps.add("spec.keys", "has %s; keep one of them", strings.Join(sources, " and "))
	}
	for _, name := range sources {
		ofDomain := strings.HasPrefix(name, "bundle") || name == "workloadApi"
		if ofDomain && t.Type != SPIFFE && t.Type != "" {
			ps.add("spec.keys."+name, "is only for an issuer of type spiffe; use discovery, jwksUrl, jwks or jwksFile")
		}
	}
	if k.Discovery && t.Type == SPIFFE {
		ps.add("spec.keys.discovery", "needs an issuer URL, which a SPIFFE issuer does not have; use bundleUrl, bundleFile or workloadApi")
	}
	if k.BundleURL != "" {
		checkURL(ps, "spec.keys.bundleUrl", k.BundleURL)
	}
	if k.JWKSURL != "" {
		checkURL(ps, "spec.keys.jwksUrl", k.JWKSURL)
	}
	validateEndpoint(ps, t)
	checkWorkloadAPI(ps, "spec.keys.workloadApi", k.WorkloadAPI)
	if k.JWKS != nil {
		checkKeySet(ps, "spec.keys.jwks", k.JWKS, false)
	}
	checkPath(ps, "spec.keys.bundleFile", k.BundleFile)
	checkPath(ps, "spec.keys.jwksFile", k.JWKSFile)
	checkPath(ps, "spec.caFile", t.CAFile)
	reviews := t.TokenReview != nil && t.TokenReview.CAFile == ""
	if from := t.KeySource(); t.CAFile != "" && from.BundleURL == "" && from.JWKSURL == "" && !from.Discovery && !reviews {
		ps.add("spec.caFile", "has no effect: these keys are not fetched; leave it out")
	}
}

// sources names the places that keys are to come from.
func (k KeySource) sources() []string {
	set := map[string]bool{
		"bundleUrl": k.BundleURL != "", "bundleFile": k.BundleFile != "", "workloadApi": k.WorkloadAPI != "",
		"jwksUrl": k.JWKSURL != "", "discovery": k.Discovery, "jwks": k.JWKS != nil, "jwksFile": k.JWKSFile != "",
	}
	var sources []string
	for _, name := range []string{"bundleUrl", "bundleFile", "jwksUrl", "discovery", "jwks", "jwksFile", "workloadApi"} {
		if set[name] {
			sources = append(sources, name)
		}
	}
	return sources
}

// checkPath checks the path of a file that the server will read.
func checkPath(ps *problems, at, path string) {
	if path == "" {
		return
	}
	if !filepath.IsAbs(path) {
		ps.add(at, "must be an absolute path: it is read by the server, whose working folder is not yours")
	}
	checkText(ps, at, path, maxURL)
}

func validateAudiences(ps *problems, t *TrustedIssuer) {
	checkNotEmpty(ps, "spec.audiences", t.Audiences, "our own issuer")
	checkUnique(ps, "spec.audiences", t.Audiences)
	for i, aud := range t.Audiences {
		checkAudience(ps, fmt.Sprintf("spec.audiences[%d]", i), aud)
	}
	checkNotEmpty(ps, "spec.tokenTypes", t.TokenTypes, "jwt")
	checkUnique(ps, "spec.tokenTypes", t.TokenTypes)
	for i, typ := range t.TokenTypes {
		if typ != "jwt" && (t.Type == SPIFFE || t.Type == Kubernetes) {
			ps.add(fmt.Sprintf("spec.tokenTypes[%d]", i), "must be jwt: an issuer of type %s makes nothing else", t.Type)
		}
	}
	// The `aud` of an ID token is the client it was made for, never us: OpenID
	// Connect Core 1.0, Section 2.
	if slices.Contains(t.TokenTypes, "id_token") && len(t.Audiences) == 0 {
		ps.add("spec.audiences", "is needed for ID tokens: list the client ids of the applications whose users you accept")
	}
}

// validateParties checks the clients whose users' tokens are accepted. A
// workload has no client: its subject says who it is.
func validateParties(ps *problems, t *TrustedIssuer) {
	const at = "spec.authorizedParties"
	if t.AuthorizedParties != nil && t.SubjectTokens() != UserTokens {
		ps.add(at, "is only for an issuer of user tokens; leave it out")
		return
	}
	checkNotEmpty(ps, at, t.AuthorizedParties, "tokens of any client")
	checkUnique(ps, at, t.AuthorizedParties)
	for i, party := range t.AuthorizedParties {
		here := fmt.Sprintf("%s[%d]", at, i)
		if party == "" {
			ps.add(here, "must be the exact client id")
		}
		checkText(ps, here, party, maxURL)
	}
}

// checkAudience checks a value of `aud`.
func checkAudience(ps *problems, at, aud string) {
	if aud == "" || aud == "*" {
		ps.add(at, "must be the exact audience")
	}
	checkText(ps, at, aud, maxURL)
}

// PrivateMembers are the members of a JWK that only its owner may know: RFC 7518,
// Sections 6.2.2, 6.3.2 and 6.4.1, and `priv` of the keys that
// draft-ietf-cose-dilithium adds. Package jose, which this one must not import,
// has the same list; internal/arch holds them together.
func PrivateMembers() []string {
	return []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}
}

// checkKeySet checks the form of an inline JWK set. With kids, each key needs a
// `kid`. Whether a key can verify anything is found out by package jose.
func checkKeySet(ps *problems, at string, raw []byte, kids bool) {
	// Maps and no struct: encoding/json would take "Keys" for "keys", and the key
	// that is looked at here would not be the one that is used.
	var set map[string]json.RawMessage
	var keys []map[string]json.RawMessage
	if json.Unmarshal(raw, &set) != nil || json.Unmarshal(set["keys"], &keys) != nil || len(keys) == 0 {
		ps.add(at, `must be a JWK set with at least one key: {"keys": [...]}`)
		return
	}
	seen := map[string]bool{}
	for i, key := range keys {
		here := fmt.Sprintf("%s.keys[%d]", at, i)
		for _, name := range PrivateMembers() {
			if _, private := key[name]; private {
				ps.add(here, "holds the private member %q; take this key out of use and give its public half alone", name)
			}
		}
		kty, _ := member(key, "kty")
		if !slices.Contains([]string{"EC", "RSA", "OKP"}, kty) {
			ps.add(here+".kty", "must be EC, RSA or OKP")
		}
		kid, there := member(key, "kid")
		switch {
		case kids && kid == "":
			ps.add(here+".kid", "is missing; assertions name their key by it")
		case there && seen[kid]:
			ps.add(here+".kid", "is there twice; a kid names one key")
		}
		seen[kid] = there
		if use, there := member(key, "use"); there && use == "enc" {
			ps.add(here+".use", "is enc: this key verifies nothing")
		}
	}
}

// member returns a text member of a key; "" when it is none.
func member(key map[string]json.RawMessage, name string) (string, bool) {
	raw, ok := key[name]
	var text string
	if !ok || json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return text, true
}
