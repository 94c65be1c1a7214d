package registry_test

import (
	"strings"
	"testing"

	"github.com/tokenry/tokenry/registry"
)

func TestValidateAgent(t *testing.T) {
	t.Parallel()
	const k = registry.KindAgent
	const ec = `{"kty":"EC","kid":"a"}`
	checkValidations(t, []validation{
		{"blueprint missing", k, `{"blueprint":null}`, `spec.blueprint: is not a name: it is missing`, `{"blueprint":"b"}`},
		{"blueprint that is an id", k, `{"blueprint":"bp_1"}`, `spec.blueprint: is not a name: it must not begin with "bp_": ids begin like that`, `{"blueprint":"bp"}`},
		{"owner missing", k, `{"owner":null}`, `spec.owner: is missing; name the person or the team`, `{"owner":"Zoë"}`},
		{"owner that deceives", k, `{"owner":"alice\u202e"}`, `spec.owner: holds a control or an invisible character`, `{"owner":"alice"}`},
		{"owner too long", k, `{"owner":"` + strings.Repeat("x", 257) + `"}`, `spec.owner: is longer than 256 bytes`, `{"owner":"` + strings.Repeat("x", 256) + `"}`},
		{"sponsor missing", k, `{"sponsor":""}`, `spec.sponsor: is missing; name the person or the team`, `{"sponsor":"leads"}`},
		{"sponsor of nothing", k, `{"sponsor":" "}`, `spec.sponsor: begins or ends with a space`, `{"sponsor":"the leads"}`},
		{"ceiling twice", k, `{"resources":[{"name":"a"},{"name":"a"}]}`, `spec.resources[1].name: is there twice; put all its scopes into one entry`, `{"resources":[]}`},
		{"too short", k, `{"maxTtl":"1s"}`, `spec.maxTtl: must be at least 10s: shorter tokens are never issued`, `{"maxTtl":"10s"}`},
		{"keys that are none", k, `{"jwks":{"keys":[]}}`, `spec.jwks: must be a JWK set with at least one key: {"keys": [...]}`, `{"jwks":{"keys":[` + ec + `]}}`},
		{"key without a kid", k, `{"jwks":{"keys":[` + ec + `,{"kty":"EC"}]}}`, `spec.jwks.keys[1].kid: is missing; assertions name their key by it`, `{"jwks":{"keys":[` + ec + `]}}`},
		{"key with a kid that is a number", k, `{"jwks":{"keys":[{"kty":"EC","kid":1}]}}`, `spec.jwks.keys[0].kid: is missing; assertions name their key by it`, `{"jwks":{"keys":[` + ec + `]}}`},
		{"key twice", k, `{"jwks":{"keys":[` + ec + `,` + ec + `]}}`, `spec.jwks.keys[1].kid: is there twice; a kid names one key`, `{"jwks":{"keys":[` + ec + `,{"kty":"EC","kid":"A"}]}}`},
		{"keys by http", k, `{"jwksUrl":"http://x.example/k"}`, `spec.jwksUrl: must begin with https://; http:// is only for this machine (localhost, 127.0.0.1, [::1])`, `{"jwksUrl":"https://x.example/k?a=b"}`},
		{"keys here and there", k, `{"jwksUrl":"https://x.example/k","jwks":{"keys":[` + ec + `]}}`, `spec.jwksUrl: stands beside jwks; keep one of them`, `{"jwksUrl":"https://x.example/k"}`},
	})
}

func TestValidateCredential(t *testing.T) {
	t.Parallel()
	const at = `spec.credentials[0]`
	const pattern = at + `.subject.exact: is compared byte for byte and takes no pattern; give the whole sub, or use glob`
	const nobody = at + `.subject: is empty; give the sub of the workload as exact, or a prefix or glob of it`
	one := func(members string) string {
		return `{"credentials":[{` + members + `}]}`
	}
	const named, subject = `"name":"n","issuer":"i",`, `"subject":{"exact":"x"}`
	neighbour := one(named + subject)
	rows := []struct{ name, bad, want, good string }{
		{"without a name", one(`"issuer":"i",` + subject), at + `.name: is missing`, neighbour},
		{"with a name that is none", one(`"name":"N","issuer":"i",` + subject),
			at + `.name: must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`, neighbour},
		{"without an issuer", one(`"name":"n",` + subject), at + `.issuer: is not a name: it is missing`, neighbour},
		{"with the URL of an issuer", one(`"name":"n","issuer":"https://i.example",` + subject),
			at + `.issuer: is not a name: it must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`, neighbour},
		{"SEC-AM-33 without a subject", one(`"name":"n","issuer":"i"`), nobody, neighbour},
		{"SEC-AC-25 with an empty subject", one(named + `"subject":{}`), nobody, neighbour},
		{"SEC-AC-25 with a condition for a subject", one(named + `"condition":"claims.org == \"acme\""`), nobody, one(named + subject + `,"condition":"claims.org == \"acme\""`)},
		{"SEC-AC-26 with any subject", one(named + `"subject":{"exact":"*"}`), pattern, neighbour},
		{"SEC-AC-26 with any repository", one(named + `"subject":{"exact":"repo:acme/*"}`), pattern, one(named + `"subject":{"exact":"repo:acme/app:ref:refs/heads/main"}`)},
		{"SEC-ID-26 with an expression", one(named + `"subject":{"exact":"repo:acme/app.*"}`), pattern, one(named + `"subject":{"exact":"repo:acme/app."}`)},
		{"SEC-ID-23 with a prefix that ends within a segment", one(named + `"subject":{"prefix":"/agents"}`), at + `.subject.prefix: must end with "/" or ":", so that it ends where a segment does`, one(named + `"subject":{"prefix":"/agents/"}`)},
		{"with a prefix that has a wildcard", one(named + `"subject":{"prefix":"repo:acme/*/"}`), at + `.subject.prefix: is text and takes no wildcards; write a glob, or leave out what follows the last "/"`, neighbour},
		{"SEC-ID-26 with an expression as a glob", one(named + `"subject":{"glob":"repo:acme/(a|b)*"}`), at + `.subject.glob: looks like a regular expression; a glob knows * and ? alone`, one(named + `"subject":{"glob":"repo:acme/a*"}`)},
		{"with a glob that crosses segments", one(named + `"subject":{"glob":"repo:acme/**"}`), at + `.subject.glob: has "**"; a "*" stays within its segment, and a prefix takes what is below`, neighbour},
		{"with a glob without a wildcard", one(named + `"subject":{"glob":"repo:acme/app"}`), at + `.subject.glob: has no wildcard; make it an exact subject`, neighbour},
		{"with a glob beside a subject", one(named + `"subject":{"exact":"x","glob":"*"}`), at + `.subject: has more than one of exact, prefix and glob; keep one`, neighbour},
		{"with a pin that is no path", one(named + subject + `,"claims":{"a//b":"x"}`), at + `.claims.a//b: must be a path of claim names like "kubernetes.io/serviceaccount/uid"; a "/" within a name is written "~1"`, one(named + subject + `,"claims":{"a/b":"x"}`)},
		{"SEC-ID-30 with a pin that is wrongly escaped", one(named + subject + `,"claims":{"https:~2x":"x"}`), at + `.claims.https:~2x: has a "~" that is neither "~0" for "~" nor "~1" for "/"`, one(named + subject + `,"claims":{"https:~1~1x~1roles":"x"}`)},
		{"with a pin to nothing", one(named + subject + `,"claims":{"a":""}`), at + `.claims.a: is empty; give the text that the claim must have`, neighbour},
		{"with labels", one(named + subject + `,"labels":{"a":"b"}`), at + `.labels: is for credentials of blueprints, whose instances get them; label the agent in metadata.labels`, neighbour},
		{"with allowBroad for nothing", one(named + subject + `,"allowBroad":true`), at + `.allowBroad: has no effect: an exact subject admits one; leave it out`, neighbour},
		{"SEC-ID-10 with an invisible subject", one(named + `"subject":{"exact":"x\u200d"}`), at + `.subject.exact: holds a control or an invisible character`, neighbour},
		{"with a subject that ends with a space", one(named + `"subject":{"exact":"x "}`), at + `.subject.exact: begins or ends with a space`, neighbour},
		{"with a subject too long", one(named + `"subject":{"exact":"` + strings.Repeat("x", 2049) + `"}`), at + `.subject.exact: is longer than 2048 bytes`, one(named + `"subject":{"exact":"` + strings.Repeat("x", 2048) + `"}`)},
		{"for any audience", one(named + subject + `,"audience":"*"`), at + `.audience: must be the exact audience`, one(named + subject + `,"audience":"a"`)},
		{"with a condition that is none", one(named + subject + `,"condition":"nonsense"`),
			at + `.condition: does not compile: 1:1: nothing is called "nonsense"; the claims of the token are in "claims"`, one(named + subject + `,"condition":"true"`)},
		{"in no mode", one(named + subject + `,"mode":"off"`), at + `.mode: must be one of enforce, shadow`, one(named + subject + `,"mode":"shadow"`)},
		{"twice of one name", `{"credentials":[{` + named + subject + `},{` + named + `"subject":{"exact":"y"}}]}`,
			`spec.credentials[1].name: is there twice; give each credential its own name`, `{"credentials":[{` + named + subject + `},{"name":"m","issuer":"i","subject":{"exact":"y"}}]}`},
	}
	var all []validation
	for _, r := range rows {
		all = append(all, validation{r.name, registry.KindAgent, r.bad, r.want, r.good})
	}
	checkValidations(t, all)
}
