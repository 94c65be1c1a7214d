package registry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/registry"
)

const (
	spiffe     = `"type":"spiffe","issuer":null,"trustDomain":"prod.example","keys":{"bundleUrl":"https://spire.example/bundle"}`
	kubernetes = `"type":"kubernetes"`
)

func TestValidateIssuer(t *testing.T) {
	t.Parallel()
	const k = registry.KindTrustedIssuer
	const bareDomain = `spec.trustDomain: must be a bare SPIFFE trust domain like "prod.example": lower case, without scheme, port and path`
	checkValidations(t, []validation{
		{"type missing", k, `{"type":null}`, `spec.type: is missing; it is one of spiffe, kubernetes, oidc`, `{"type":"oidc"}`},
		{"type unknown", k, `{"type":"saml"}`, `spec.type: must be one of spiffe, kubernetes, oidc`, `{"type":"kubernetes"}`},
		{"spiffe of users", k, `{` + spiffe + `,"tokens":"user"}`,
			`spec.tokens: must be workload: an issuer of type spiffe does not speak of users`, `{` + spiffe + `,"tokens":"workload"}`},
		{"kubernetes of users", k, `{"type":"kubernetes","tokens":"user"}`,
			`spec.tokens: must be workload: an issuer of type kubernetes does not speak of users`, `{"type":"oidc","tokens":"user"}`},

		{"spiffe with an iss", k, `{` + spiffe + `,"issuer":"https://spire.example"}`,
			`spec.issuer: must be left out: tokens of a SPIFFE issuer are known by their trust domain`, `{` + spiffe + `}`},
		{"spiffe without a domain", k, `{` + spiffe + `,"trustDomain":null}`, `spec.trustDomain: is missing`, `{` + spiffe + `}`},
		{"SEC-ID-17 domain in upper case", k, `{` + spiffe + `,"trustDomain":"Prod.example"}`, bareDomain, `{` + spiffe + `,"trustDomain":"prod_1.example-2"}`},
		{"SEC-ID-17 domain with a port", k, `{` + spiffe + `,"trustDomain":"prod.example:443"}`, bareDomain, `{` + spiffe + `}`},
		{"domain with a scheme", k, `{` + spiffe + `,"trustDomain":"spiffe://prod.example"}`, bareDomain, `{` + spiffe + `}`},
		{"domain with a path", k, `{` + spiffe + `,"trustDomain":"prod.example/a"}`, bareDomain, `{` + spiffe + `}`},
		{"SEC-ID-21 domain too long", k, `{` + spiffe + `,"trustDomain":"` + strings.Repeat("a", 256) + `"}`,
			`spec.trustDomain: is longer than 255 bytes`, `{` + spiffe + `,"trustDomain":"` + strings.Repeat("a", 255) + `"}`},
		{"oidc with a domain", k, `{"trustDomain":"prod.example"}`, `spec.trustDomain: is only for an issuer of type spiffe; leave it out`, `{}`},
		{"iss missing", k, `{"issuer":null}`, `spec.issuer: is missing`, `{"issuer":"https://idp.example/"}`},
		{"iss with a query", k, `{"issuer":"https://idp.example/?a=b"}`, `spec.issuer: must not have a query`, `{"issuer":"https://idp.example/a"}`},
		{"iss with an empty query", k, `{"issuer":"https://idp.example?"}`, `spec.issuer: must not have a query`, `{"issuer":"https://idp.example"}`},
		{"iss that is no URL, with a query", k, `{"issuer":"idp?a"}`, `spec.issuer: must be an absolute URI like "https://api.example.com"`, `{"issuer":"https://idp"}`},
		{"iss with a fragment", k, `{"issuer":"https://idp.example#"}`, `spec.issuer: must not have a fragment`, `{"issuer":"https://idp.example"}`},
		{"iss with a user", k, `{"issuer":"https://idp.example@evil.example"}`, `spec.issuer: must not have a user or a password`, `{"issuer":"https://evil.example"}`},

		{"SEC-AC-29 parties empty", k, `{"authorizedParties":[]}`,
			`spec.authorizedParties: is an empty list; leave it out for tokens of any client, or list something`, `{"authorizedParties":["web"]}`},
		{"SEC-AC-29 parties twice", k, `{"authorizedParties":["web","web"]}`, `spec.authorizedParties[1]: is there twice; keep one`, `{"authorizedParties":["web","app"]}`},
		{"SEC-AC-29 party without a name", k, `{"authorizedParties":[""]}`, `spec.authorizedParties[0]: must be the exact client id`, `{"authorizedParties":["*"]}`},
		{"SEC-AC-29 parties of workloads", k, `{"tokens":"workload","authorizedParties":["web"]}`,
			`spec.authorizedParties: is only for an issuer of user tokens; leave it out`, `{"tokens":"user","authorizedParties":["web"]}`},
		{"SEC-AC-08 audiences empty", k, `{"audiences":[]}`,
			`spec.audiences: is an empty list; leave it out for our own issuer, or list something`, `{"audiences":["web"]}`},
		{"audience empty", k, `{"audiences":["web",""]}`, `spec.audiences[1]: must be the exact audience`, `{"audiences":["web","app"]}`},
		{"audience of anybody", k, `{"audiences":["*"]}`, `spec.audiences[0]: must be the exact audience`, `{"audiences":["https://sts.example"]}`},
		{"audience that deceives", k, `{"audiences":["web\u200b"]}`, `spec.audiences[0]: holds a control or an invisible character`, `{"audiences":["web"]}`},
		{"audience too long", k, `{"audiences":["` + strings.Repeat("x", 2049) + `"]}`, `spec.audiences[0]: is longer than 2048 bytes`, `{"audiences":["` + strings.Repeat("x", 2048) + `"]}`},
		{"audience twice", k, `{"audiences":["web","web"]}`, `spec.audiences[1]: is there twice; keep one`, `{"audiences":["web","Web"]}`},
		{"token types empty", k, `{"tokenTypes":[]}`, `spec.tokenTypes: is an empty list; leave it out for jwt, or list something`, `{"tokenTypes":["jwt"]}`},
		{"token types twice", k, `{"tokenTypes":["jwt","jwt"]}`, `spec.tokenTypes[1]: is there twice; keep one`, `{"tokenTypes":["jwt","access_token"]}`},
		{"SEC-AC-19 SVIDs as ID tokens", k, `{` + spiffe + `,"audiences":["web"],"tokenTypes":["jwt","id_token"]}`,
			`spec.tokenTypes[1]: must be jwt: an issuer of type spiffe makes nothing else`, `{` + spiffe + `,"audiences":["web"],"tokenTypes":["jwt"]}`},
		{"cluster tokens as access tokens", k, `{` + kubernetes + `,"tokenTypes":["access_token"]}`,
			`spec.tokenTypes[0]: must be jwt: an issuer of type kubernetes makes nothing else`, `{` + kubernetes + `,"tokenTypes":["jwt"]}`},
		{"SEC-AC-02 ID tokens without audiences", k, `{"tokenTypes":["access_token","id_token"]}`,
			`spec.audiences: is needed for ID tokens: list the client ids of the applications whose users you accept`, `{"audiences":["web"],"tokenTypes":["id_token"]}`},

		{"algorithms empty", k, `{"algorithms":[]}`, `spec.algorithms: is an empty list; leave it out for ES256 and RS256, or list something`, `{"algorithms":["PS256"]}`},
		{"algorithms twice", k, `{"algorithms":["ES256","ES256"]}`, `spec.algorithms[1]: is there twice; keep one`, `{"algorithms":["ES256","ES384"]}`},
		{"algorithm none", k, `{"algorithms":["none"]}`,
			`spec.algorithms[0]: must be one of ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA, Ed25519`, `{"algorithms":["RS256"]}`},
		{"algorithm HS256", k, `{"algorithms":["ES256","HS256"]}`,
			`spec.algorithms[1]: must be one of ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA, Ed25519`, `{"algorithms":["ES256","Ed25519"]}`},
		{"SVIDs by EdDSA", k, `{` + spiffe + `,"algorithms":["ES256","EdDSA"]}`,
			`spec.algorithms[1]: is not an algorithm of JWT-SVIDs; they use ES, RS and PS`, `{"algorithms":["EdDSA"]}`},
		{"SVIDs by Ed25519", k, `{` + spiffe + `,"algorithms":["Ed25519"]}`,
			`spec.algorithms[0]: is not an algorithm of JWT-SVIDs; they use ES, RS and PS`, `{` + spiffe + `,"algorithms":["ES512"]}`},
		{"age below nothing", k, `{"maxTokenAge":"-1s"}`, `spec.maxTokenAge: must be longer than nothing; leave it out for 1h`, `{"maxTokenAge":"1s"}`},
	})
}

func TestValidateKeySource(t *testing.T) {
	t.Parallel()
	const k = registry.KindTrustedIssuer
	const set = `{"keys":[{"kty":"EC"}]}`
	const absolute = `must be an absolute path: it is read by the server, whose working folder is not yours`
	checkValidations(t, []validation{
		{"none", k, `{"keys":{}}`,
			`spec.keys: says nowhere to take keys from; set one of bundleUrl, bundleFile, workloadApi (spiffe), discovery, jwksUrl, jwks, jwksFile`, `{"keys":{"discovery":true}}`},
		{"none but a profile", k, `{` + spiffe + `,"keys":{"bundleProfile":"https_web"}}`,
			"spec.keys: says nowhere to take keys from; set one of bundleUrl, bundleFile, workloadApi (spiffe), discovery, jwksUrl, jwks, jwksFile\n" +
				"spec.keys.bundleProfile: has no effect without bundleUrl; leave it out", `{` + spiffe + `,"keys":{"bundleUrl":"https://x.example","bundleProfile":"https_web"}}`},
		{"two", k, `{"keys":{"discovery":true,"jwksUrl":"https://idp.example/keys"}}`, `spec.keys: has jwksUrl and discovery; keep one of them`, `{"keys":{"jwksUrl":"https://idp.example/keys"}}`},
		{"two inline", k, `{"keys":{"jwks":` + set + `,"jwksFile":"/etc/keys.json"}}`, `spec.keys: has jwks and jwksFile; keep one of them`, `{"keys":{"jwks":` + set + `}}`},
		{"two bundles", k, `{` + spiffe + `,"keys":{"bundleUrl":"https://x.example","bundleFile":"/a"}}`,
			`spec.keys: has bundleUrl and bundleFile; keep one of them`, `{` + spiffe + `,"keys":{"bundleFile":"/a"}}`},
		{"bundle URL for oidc", k, `{"keys":{"bundleUrl":"https://x.example"}}`,
			`spec.keys.bundleUrl: is only for an issuer of type spiffe; use discovery, jwksUrl, jwks or jwksFile`, `{"keys":{"jwksUrl":"https://x.example"}}`},
		{"bundle file for kubernetes", k, `{` + kubernetes + `,"keys":{"bundleFile":"/a"}}`,
			`spec.keys.bundleFile: is only for an issuer of type spiffe; use discovery, jwksUrl, jwks or jwksFile`, `{` + kubernetes + `,"keys":{"jwksFile":"/a"}}`},
		{"bundle for no type", k, `{"type":null,"keys":{"bundleUrl":"https://x.example"}}`, `spec.type: is missing; it is one of spiffe, kubernetes, oidc`,
			`{` + spiffe + `}`},
		{"discovery for spiffe", k, `{` + spiffe + `,"keys":{"discovery":true}}`,
			`spec.keys.discovery: needs an issuer URL, which a SPIFFE issuer does not have; use bundleUrl, bundleFile or workloadApi`, `{` + spiffe + `,"keys":{"jwksUrl":"https://x.example"}}`},
		{"bundle by http", k, `{` + spiffe + `,"keys":{"bundleUrl":"http://x.example"}}`,
			`spec.keys.bundleUrl: must begin with https://; http:// is only for this machine (localhost, 127.0.0.1, [::1])`, `{` + spiffe + `,"keys":{"bundleUrl":"http://127.0.0.1:8443/b"}}`},
		{"keys by http", k, `{"keys":{"jwksUrl":"http://x.example"}}`,
			`spec.keys.jwksUrl: must begin with https://; http:// is only for this machine (localhost, 127.0.0.1, [::1])`, `{"keys":{"jwksUrl":"http://localhost/keys?a=b"}}`},
		{"profile that is unknown", k, `{` + spiffe + `,"keys":{"bundleUrl":"https://x.example","bundleProfile":"http"}}`, `spec.keys.bundleProfile: must be one of https_web, https_spiffe`,
			`{` + spiffe + `,"keys":{"bundleUrl":"https://x.example","bundleProfile":"https_web"}}`},
		{"bundle file that is relative", k, `{` + spiffe + `,"keys":{"bundleFile":"b.json"}}`, `spec.keys.bundleFile: ` + absolute, `{` + spiffe + `,"keys":{"bundleFile":"/b.json"}}`},
		{"key file that is relative", k, `{"keys":{"jwksFile":"../k.json"}}`, `spec.keys.jwksFile: ` + absolute, `{"keys":{"jwksFile":"/k.json"}}`},
		{"key file with a control character", k, `{"keys":{"jwksFile":"/k\u0000.json"}}`, `spec.keys.jwksFile: holds a control or an invisible character`, `{"keys":{"jwksFile":"/k .json"}}`},
		{"roots that are relative", k, `{"caFile":"ca.pem"}`, `spec.caFile: ` + absolute, `{"caFile":"/ca.pem"}`},
		{"roots for a file", k, `{"caFile":"/ca.pem","keys":{"jwksFile":"/k"}}`, `spec.caFile: has no effect: these keys are not fetched; leave it out`,
			`{"caFile":"/ca.pem","keys":{"jwksUrl":"https://x.example"}}`},
		{"roots for a bundle file", k, `{` + spiffe + `,"caFile":"/ca.pem","keys":{"bundleFile":"/b"}}`, `spec.caFile: has no effect: these keys are not fetched; leave it out`,
			`{` + spiffe + `,"caFile":"/ca.pem"}`},
	})
}

func TestValidateTokenReview(t *testing.T) {
	t.Parallel()
	const k = registry.KindTrustedIssuer
	const absolute = `must be an absolute path: it is read by the server, whose working folder is not yours`
	review := func(members string) string { return `{` + kubernetes + `,"tokenReview":{` + members + `}}` }
	const url, file = `"url":"https://api.example:6443"`, `"tokenFile":"/t"`
	good := review(url + `,` + file)
	checkValidations(t, []validation{
		{"for oidc", k, `{"tokenReview":{` + url + `,` + file + `}}`, `spec.tokenReview: is only for an issuer of type kubernetes; leave it out`, good},
		{"without anything", k, review(``), "spec.tokenReview.url: is missing\nspec.tokenReview.tokenFile: is missing; the API server answers nobody without a token", good},
		{"by http", k, review(`"url":"http://api.example",` + file), `spec.tokenReview.url: must begin with https://; http:// is only for this machine (localhost, 127.0.0.1, [::1])`,
			review(`"url":"http://127.0.0.1:8001",` + file)},
		{"with a query", k, review(`"url":"https://api.example?a=b",` + file), `spec.tokenReview.url: must not have a query: the path of the API is added to it`,
			review(`"url":"https://rancher.example/k8s/clusters/c-1",` + file)},
		{"with a password", k, review(`"url":"https://a:b@api.example",` + file), `spec.tokenReview.url: must not have a user or a password`, good},
		{"token file that is relative", k, review(url + `,"tokenFile":"t"`), `spec.tokenReview.tokenFile: ` + absolute, good},
		{"roots that are relative", k, review(url + `,` + file + `,"caFile":"ca"`), `spec.tokenReview.caFile: ` + absolute, review(url + `,` + file + `,"caFile":"/ca"`)},
		{"outage that is unknown", k, review(url + `,` + file + `,"onOutage":"allow"`), `spec.tokenReview.onOutage: must be one of refuse, offline`, review(url + `,` + file + `,"onOutage":"refuse"`)},
		{"age without offline", k, review(url + `,` + file + `,"offlineMaxAge":"1h"`), `spec.tokenReview.offlineMaxAge: has no effect without onOutage: offline; leave it out`,
			review(url + `,` + file + `,"onOutage":"offline","offlineMaxAge":"1h"`)},
		{"age below nothing", k, review(url + `,` + file + `,"onOutage":"offline","offlineMaxAge":"-1s"`), `spec.tokenReview.offlineMaxAge: must be longer than nothing; leave it out for 10m`,
			review(url + `,` + file + `,"onOutage":"offline"`)},
		{"roots for nothing", k, `{` + kubernetes + `,"caFile":"/ca","keys":{"jwksFile":"/k"},"tokenReview":{` + url + `,` + file + `,"caFile":"/r"}}`,
			`spec.caFile: has no effect: these keys are not fetched; leave it out`,
			`{` + kubernetes + `,"caFile":"/ca","keys":{"jwksFile":"/k"},"tokenReview":{` + url + `,` + file + `}}`},
	})
}

func TestOffline(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		review registry.TokenReview
		age    time.Duration
		ok     bool
	}{
		{registry.TokenReview{}, 0, false},
		{registry.TokenReview{OnOutage: "refuse"}, 0, false},
		{registry.TokenReview{OnOutage: "offline"}, 10 * time.Minute, true},
		{registry.TokenReview{OnOutage: "offline", OfflineMaxAge: registry.Duration(time.Hour)}, time.Hour, true},
	} {
		if age, ok := row.review.Offline(); age != row.age || ok != row.ok {
			t.Errorf("%+v: %s, %v", row.review, age, ok)
		}
	}
}

func TestValidateKeySet(t *testing.T) {
	t.Parallel()
	const none = `spec.keys.jwks: must be a JWK set with at least one key: {"keys": [...]}`
	const good = `{"keys":[{"kty":"EC"}]}`
	rows := []struct{ name, bad, want, good string }{
		{"list", `[{"kty":"EC"}]`, none, good},
		{"one key", `{"kty":"EC"}`, none, good},
		{"empty", `{"keys":[]}`, none, good},
		{"keys that are none", `{"keys":["x"]}`, none, good},
		// Whoever uses the set reads "keys" alone: what is checked must be that.
		{"keys in another case", `{"Keys":[{"kty":"EC"}]}`, none, good},
		{"private key behind another case", `{"keys":[{"kty":"EC","d":"x"}],"KEYS":[{"kty":"EC"}]}`,
			`spec.keys.jwks.keys[0]: holds the private member "d"; take this key out of use and give its public half alone`, `{"keys":[{"kty":"EC"}],"KEYS":[{"d":1}]}`},
		{"null", `{"keys":[null]}`, `spec.keys.jwks.keys[0].kty: must be EC, RSA or OKP`, good},
		{"symmetric", `{"keys":[{"kty":"oct"}]}`, `spec.keys.jwks.keys[0].kty: must be EC, RSA or OKP`, `{"keys":[{"kty":"RSA"},{"kty":"OKP"}]}`},
		{"type that is a number", `{"keys":[{"kty":7}]}`, `spec.keys.jwks.keys[0].kty: must be EC, RSA or OKP`, good},
		{"kid twice", `{"keys":[{"kty":"EC","kid":"a"},{"kty":"EC"},{"kty":"EC","kid":"a"}]}`,
			`spec.keys.jwks.keys[2].kid: is there twice; a kid names one key`, `{"keys":[{"kty":"EC","kid":"a"},{"kty":"EC"},{"kty":"EC"},{"kty":"EC","kid":"b"}]}`},
		{"empty kid twice", `{"keys":[{"kty":"EC","kid":""},{"kty":"EC","kid":""}]}`,
			`spec.keys.jwks.keys[1].kid: is there twice; a kid names one key`, `{"keys":[{"kty":"EC","kid":""},{"kty":"EC"}]}`},
		{"for encryption", `{"keys":[{"kty":"EC","use":"enc"}]}`, `spec.keys.jwks.keys[0].use: is enc: this key verifies nothing`, `{"keys":[{"kty":"EC","use":"sig"}]}`},
	}
	for _, m := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} { // RFC 7518, Section 6
		rows = append(rows, struct{ name, bad, want, good string }{"private member " + m,
			`{"keys":[{"kty":"EC"},{"kty":"RSA","` + m + `":null}]}`,
			`spec.keys.jwks.keys[1]: holds the private member "` + m + `"; take this key out of use and give its public half alone`,
			`{"keys":[{"kty":"RSA","` + strings.ToUpper(m) + `":1}]}`})
	}
	var all []validation
	for _, r := range rows {
		all = append(all, validation{r.name, registry.KindTrustedIssuer, `{"keys":{"jwks":` + r.bad + `}}`, r.want, `{"keys":{"jwks":` + r.good + `}}`})
	}
	checkValidations(t, all)
}

func TestSubjectTokens(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		issuer registry.TrustedIssuer
		want   registry.Tokens
	}{
		{registry.TrustedIssuer{Type: registry.SPIFFE}, registry.WorkloadTokens},
		{registry.TrustedIssuer{Type: registry.Kubernetes}, registry.WorkloadTokens},
		{registry.TrustedIssuer{Type: registry.OIDC}, registry.UserTokens},
		{registry.TrustedIssuer{Type: registry.OIDC, Tokens: registry.WorkloadTokens}, registry.WorkloadTokens},
		{registry.TrustedIssuer{Type: registry.OIDC, Tokens: registry.UserTokens}, registry.UserTokens},
	} {
		if got := row.issuer.SubjectTokens(); got != row.want {
			t.Errorf("%s %q: %s, want %s", row.issuer.Type, row.issuer.Tokens, got, row.want)
		}
	}
}
