package registry_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/registry"
)

const ours = "https://sts.example"

// town is a registry in which all kinds refer to each other, and nothing is
// wrong. Keys are kind and name, values what is put over a good spec.
func town() map[string]string {
	return map[string]string{
		"TrustedIssuer ci":     `{"issuer":"https://ci.example","tokens":"workload"}`,
		"TrustedIssuer corp":   `{}`,
		"TrustedIssuer prod":   `{"type":"kubernetes","issuer":"https://k8s.example"}`,
		"TrustedIssuer spire":  `{` + spiffe + `,"audiences":["sts","other"]}`,
		"Resource llm":         `{"scopes":[{"name":"llm:read"},{"name":"llm:write"}]}`,
		"Resource mail":        `{"identifier":"https://mail.example","scopes":[{"name":"mail:read","description":"Read mail","risk":"high"}],"agents":["clerk","researcher"]}`,
		"Resource plain":       `{"identifier":"https://plain.example","scopes":null}`,
		"Blueprint researcher": `{"resources":[{"name":"llm","scopes":["llm:read"]},{"name":"plain"}]}`,
		"Blueprint writer":     `{"resources":[{"name":"mail","scopes":["mail:read"]}],"clientAuth":["private_key_jwt","federated"]}`,
		"Agent clerk":          `{"blueprint":"writer","credentials":null,"jwks":{"keys":[{"kty":"EC","kid":"a"}]}}`,
		"Agent scout":          `{"credentials":[{"name":"svid","issuer":"spire","subject":{"exact":"spiffe://prod.example/scout"}}]}`,
		"Agent tester":         `{"resources":[],"credentials":[{"name":"ci","issuer":"ci","subject":{"exact":"repo:acme/app"},"audience":"https://sts.example"}]}`,
		"Agent worker":         `{"resources":[{"name":"llm","scopes":["llm:read"]}]}`,
		"DelegationRule staff": `{"actors":{"blueprints":["researcher"],"agents":["worker"]}}`,
		"DelegationRule hands": `{"subjects":{"agents":["scout"],"blueprints":["writer"]},"actors":{"agents":["clerk"]},"resources":[{"name":"mail","scopes":["mail:read"]}]}`,
	}
}

const (
	read  = `[{"name":"llm","scopes":["llm:read"]}]`
	plain = `[{"name":"plain"}]`
)

// cred is a spec of an agent with one credential.
func cred(issuer, subject, more string) string {
	return `{"credentials":[{"name":"c","issuer":"` + issuer + `","subject":{"exact":"` + subject + `"}` + more + `}]}`
}

// a reference is a change of the town that ValidateAll refuses, and one near it
// that is fine.
type reference struct {
	name string
	bad  map[string]string // "" deletes
	want string            // all problems, one a line
	good map[string]string
}

type edits = map[string]string

func TestValidateAll(t *testing.T) {
	t.Parallel()
	checkReferences(t, []reference{
		{"SEC-ID-32 issuer twice", edits{"TrustedIssuer z": `{}`},
			`TrustedIssuer z: spec.issuer: is the same as, or only differs by case or a trailing slash from, that of trusted issuer "corp"; keep one`,
			edits{"TrustedIssuer z": `{"issuer":"https://idp.example/z"}`}},
		{"SEC-ID-32 issuer three times", edits{"TrustedIssuer y": `{}`, "TrustedIssuer z": `{}`},
			"TrustedIssuer y: spec.issuer: is the same as, or only differs by case or a trailing slash from, that of trusted issuer \"corp\"; keep one\n" +
				`TrustedIssuer z: spec.issuer: is the same as, or only differs by case or a trailing slash from, that of trusted issuer "corp"; keep one`,
			edits{"TrustedIssuer y": `{"issuer":"https://y.example"}`, "TrustedIssuer z": `{"issuer":"https://z.example"}`}},
		{"SEC-ID-32 issuer with a slash", edits{"TrustedIssuer z": `{"issuer":"https://idp.example//"}`},
			`TrustedIssuer z: spec.issuer: is the same as, or only differs by case or a trailing slash from, that of trusted issuer "corp"; keep one`,
			edits{"TrustedIssuer z": `{"issuer":"https://idp.example.org/"}`}},
		{"SEC-ID-02 issuer in another case", edits{"TrustedIssuer z": `{"issuer":"https://IDP.example"}`},
			`TrustedIssuer z: spec.issuer: is the same as, or only differs by case or a trailing slash from, that of trusted issuer "corp"; keep one`,
			edits{"TrustedIssuer z": `{"issuer":"https://idp2.example"}`}},
		{"SEC-ID-03 issuer with a port", edits{"TrustedIssuer z": `{"issuer":"https://idp.example:443/"}`},
			`TrustedIssuer z: spec.issuer: is the same as, or only differs by case or a trailing slash from, that of trusted issuer "corp"; keep one`,
			edits{"TrustedIssuer z": `{"issuer":"https://idp.example:8443"}`}},
		{"issuer of two types", edits{"TrustedIssuer z": `{"type":"kubernetes"}`},
			`TrustedIssuer z: spec.issuer: is the same as, or only differs by case or a trailing slash from, that of trusted issuer "corp"; keep one`,
			edits{"TrustedIssuer z": `{"type":"kubernetes","issuer":"https://z.example"}`}},
		{"trust domain twice", edits{"TrustedIssuer z": `{` + spiffe + `}`},
			`TrustedIssuer z: spec.trustDomain: is the same as, or only differs by case or a trailing slash from, that of trusted issuer "spire"; keep one`,
			edits{"TrustedIssuer z": `{` + spiffe + `,"trustDomain":"z.example"}`}},
		{"SEC-AM-34 issuer that is us", edits{"TrustedIssuer z": `{"issuer":"` + ours + `"}`},
			`TrustedIssuer z: spec.issuer: is this server itself; its own tokens need no trusted issuer`,
			edits{"TrustedIssuer z": `{"issuer":"` + ours + `/z"}`}},
		{"SEC-AM-34 issuer that is nearly us", edits{"TrustedIssuer z": `{"type":"kubernetes","issuer":"https://STS.example:443/"}`},
			`TrustedIssuer z: spec.issuer: is this server itself; its own tokens need no trusted issuer`,
			edits{"TrustedIssuer z": `{` + spiffe + `,"trustDomain":"sts.example"}`}},

		{"identifier twice", edits{"Resource z": `{}`}, `Resource z: spec.identifier: is already that of resource "llm"`,
			edits{"Resource z": `{"identifier":"https://llm.example/z"}`}},
		{"resource that is us", edits{"Resource z": `{"identifier":"` + ours + `/"}`},
			`Resource z: spec.identifier: is this server itself; give the resource its own identifier`, edits{"Resource z": `{"identifier":"` + ours + `/api"}`}},
		{"scope of another description", edits{"Resource z": `{"identifier":"urn:z","scopes":[{"name":"a"},{"name":"mail:read","description":"Read mails","risk":"high"}]}`},
			`Resource z: spec.scopes[1]: resource "mail" has a scope of this name with another description or risk; make them equal or choose another name`,
			edits{"Resource z": `{"identifier":"urn:z","scopes":[{"name":"mail:read","description":"Read mail","risk":"high"}]}`}},
		{"scope of another risk", edits{"Resource z": `{"identifier":"urn:z","scopes":[{"name":"mail:read","description":"Read mail"}]}`},
			`Resource z: spec.scopes[0]: resource "mail" has a scope of this name with another description or risk; make them equal or choose another name`,
			edits{"Resource z": `{"identifier":"urn:z","scopes":[{"name":"Mail:read"}]}`}},
		{"scope of a higher risk", edits{"Resource z": `{"identifier":"urn:z","scopes":[{"name":"llm:read","risk":"high"}]}`},
			`Resource z: spec.scopes[0]: resource "llm" has a scope of this name with another description or risk; make them equal or choose another name`,
			edits{"Resource z": `{"identifier":"urn:z","scopes":[{"name":"llm:read","risk":"low"}]}`}},
		{"party that is not there", edits{"Resource plain": `{"identifier":"urn:p","scopes":null,"agents":["worker","workr"]}`},
			`Resource plain: spec.agents[1]: there is no such agent or blueprint; did you mean "worker"?`, edits{"Resource plain": `{"identifier":"urn:p","scopes":null,"agents":["worker","writer"]}`}},
		{"SEC-TX-17 party that is two", edits{"Agent writer": `{"credentials":null}`, "Resource plain": `{"identifier":"urn:p","scopes":null,"agents":["writer"]}`},
			`Resource plain: spec.agents[0]: is both an agent and a blueprint; rename one of them`, edits{"Agent writer": `{"credentials":null}`}},

		{"ceiling without the resource", edits{"Blueprint z": `{"resources":[{"name":"llm","scopes":["llm:read"]},{"name":"lm"}]}`},
			`Blueprint z: spec.resources[1].name: there is no such resource; did you mean "llm"?`, edits{"Blueprint z": `{}`}},
		{"ceiling without the scope", edits{"Blueprint z": `{"resources":[{"name":"llm","scopes":["llm:read","llm:reed"]}]}`},
			`Blueprint z: spec.resources[0].scopes[1]: resource "llm" has no such scope; did you mean "llm:read"?`, edits{"Blueprint z": `{"resources":[{"name":"llm","scopes":["llm:read","llm:write"]}]}`}},
		{"ceiling with the scope of another", edits{"Blueprint z": `{"resources":[{"name":"llm","scopes":["mail:read"]}]}`},
			`Blueprint z: spec.resources[0].scopes[0]: resource "llm" has no such scope`, edits{"Blueprint z": `{"resources":[{"name":"mail","scopes":["mail:read"]}]}`}},
		{"ceiling without a scope", edits{"Blueprint z": `{"resources":[{"name":"llm"}]}`},
			`Blueprint z: spec.resources[0].scopes: names no scope of resource "llm"; name at least one`, edits{"Blueprint z": `{"resources":` + plain + `}`}},

		{"rule for users of nobody", edits{"DelegationRule z": `{"subjects":{"issuer":"corpo"}}`},
			`DelegationRule z: spec.subjects.issuer: there is no such trusted issuer; did you mean "corp"?`, edits{"DelegationRule z": `{}`}},
		{"rule for users of workloads", edits{"DelegationRule z": `{"subjects":{"issuer":"ci"}}`},
			`DelegationRule z: spec.subjects.issuer: trusted issuer "ci" speaks of workloads; name their agents instead`, edits{"DelegationRule z": `{"subjects":{"agents":["tester"]}}`}},
		{"rule for users of a trust domain", edits{"DelegationRule z": `{"subjects":{"issuer":"spire"}}`},
			`DelegationRule z: spec.subjects.issuer: trusted issuer "spire" speaks of workloads; name their agents instead`, edits{"DelegationRule z": `{"subjects":{"issuer":"corp"}}`}},
		{"rule for subjects that are not there", edits{"DelegationRule z": `{"subjects":{"agents":["scout","researcher"],"blueprints":["scouts"]}}`},
			"DelegationRule z: spec.subjects.agents[1]: there is no such agent\n" +
				"DelegationRule z: spec.subjects.blueprints[0]: there is no such blueprint", edits{"DelegationRule z": `{"subjects":{"agents":["scout"],"blueprints":["researcher"]}}`}},
		{"rule for actors that are not there", edits{"DelegationRule z": `{"actors":{"agents":["worker","wrker"],"blueprints":["reseacher"]}}`},
			"DelegationRule z: spec.actors.agents[1]: there is no such agent; did you mean \"worker\"?\n" +
				"DelegationRule z: spec.actors.blueprints[0]: there is no such blueprint; did you mean \"researcher\"?", edits{"DelegationRule z": `{"actors":{"agents":["worker"]}}`}},
		{"rule for a blueprint that is not there", edits{"DelegationRule z": `{"actors":{"blueprints":["none"]}}`},
			`DelegationRule z: spec.actors.blueprints[0]: there is no such blueprint`, edits{"DelegationRule z": `{}`}},
		{"rule without the resource", edits{"DelegationRule z": `{"resources":[{"name":"llm2"}]}`},
			`DelegationRule z: spec.resources[0].name: there is no such resource; did you mean "llm"?`, edits{"DelegationRule z": `{"resources":` + read + `}`}},
		{"rule without the scope", edits{"DelegationRule z": `{"resources":[{"name":"llm","scopes":["x"]}]}`},
			`DelegationRule z: spec.resources[0].scopes[0]: resource "llm" has no such scope`, edits{"DelegationRule z": `{"resources":` + plain + `}`}},
	})
}

// A rule never raises a ceiling: what no actor may have, it can never give.
func TestValidateAllRuleOutsideCeilings(t *testing.T) {
	t.Parallel()
	const never = `lies outside what its actors may have, so it could never apply; widen their blueprint or take it out`
	both := `[{"name":"llm","scopes":["llm:read"]},{"name":"mail","scopes":["mail:read"]}]`
	checkReferences(t, []reference{
		{"of a blueprint", edits{"DelegationRule z": `{"resources":` + both + `}`}, `DelegationRule z: spec.resources[1]: ` + never,
			edits{"DelegationRule z": `{"resources":` + both + `,"actors":{"blueprints":["researcher","writer"]}}`}},
		{"by its scope", edits{"DelegationRule z": `{"resources":[{"name":"llm","scopes":["llm:write"]}]}`}, `DelegationRule z: spec.resources[0]: ` + never,
			edits{"DelegationRule z": `{"resources":[{"name":"llm","scopes":["llm:write","llm:read"]}]}`}},
		{"of an agent that has less", edits{"DelegationRule z": `{"actors":{"agents":["worker"]},"resources":` + plain + `}`}, `DelegationRule z: spec.resources[0]: ` + never,
			edits{"DelegationRule z": `{"actors":{"agents":["scout"]},"resources":` + plain + `}`}},
		{"of an agent that has nothing", edits{"DelegationRule z": `{"actors":{"agents":["tester"]}}`}, `DelegationRule z: spec.resources[0]: ` + never,
			edits{"DelegationRule z": `{"actors":{"agents":["tester","worker"]}}`}},
		{"of an agent's blueprint", edits{"DelegationRule z": `{"actors":{"agents":["scout"]},"resources":[{"name":"mail","scopes":["mail:read"]}]}`},
			`DelegationRule z: spec.resources[0]: ` + never, edits{"DelegationRule z": `{"actors":{"agents":["clerk"]},"resources":[{"name":"mail","scopes":["mail:read"]}]}`}},
		{"of an agent without a blueprint", edits{"Agent worker": `{"blueprint":"none"}`, "DelegationRule staff": `{"actors":{"agents":["worker"]}}`},
			"Agent worker: spec.blueprint: there is no such blueprint\nDelegationRule staff: spec.resources[0]: " + never, edits{"Agent worker": `{}`}},
	})
}

func TestValidateAllAgent(t *testing.T) {
	t.Parallel()
	checkReferences(t, []reference{
		{"without the blueprint", edits{"Agent z": `{"blueprint":"writr","credentials":null}`},
			`Agent z: spec.blueprint: there is no such blueprint; did you mean "writer"?`, edits{"Agent z": `{"blueprint":"writer","credentials":null}`}},
		{"wider by a resource", edits{"Agent worker": `{"resources":[{"name":"llm","scopes":["llm:read"]},{"name":"mail","scopes":["mail:read"]}]}`},
			`Agent worker: spec.resources[1].name: is wider than blueprint "researcher", which does not have this resource`, edits{"Agent worker": `{"resources":` + read + `}`}},
		{"wider by a scope", edits{"Agent worker": `{"resources":[{"name":"llm","scopes":["llm:read","llm:write"]}]}`},
			`Agent worker: spec.resources[0].scopes[1]: is wider than blueprint "researcher", which does not have this scope`, edits{"Agent worker": `{"resources":[{"name":"plain"},{"name":"llm","scopes":["llm:read"]}]}`}},
		{"with a resource that is not there", edits{"Agent worker": `{"resources":[{"name":"llm","scopes":["llm:read"]},{"name":"zzzz"}]}`},
			"Agent worker: spec.resources[1].name: there is no such resource\n" +
				`Agent worker: spec.resources[1].name: is wider than blueprint "researcher", which does not have this resource`, edits{"Agent tester": `{"resources":` + plain + `,"credentials":null}`}},
		{"with a resource without a scope", edits{"Agent worker": `{"resources":[{"name":"llm"}]}`, "DelegationRule staff": ``},
			`Agent worker: spec.resources[0].scopes: names no scope of resource "llm"; name at least one`, edits{"Agent worker": `{"resources":` + plain + `}`}},
		{"with keys that nobody takes", edits{"Agent z": `{"credentials":null,"jwks":{"keys":[{"kty":"EC","kid":"a"}]}}`},
			`Agent z: spec.jwks: has no effect: blueprint "researcher" does not list private_key_jwt in clientAuth`, edits{"Agent z": `{"blueprint":"writer","credentials":null,"jwks":{"keys":[{"kty":"EC","kid":"a"}]}}`}},
		{"with keys that nobody takes at a URL", edits{"Agent z": `{"credentials":null,"jwksUrl":"https://k.example"}`},
			`Agent z: spec.jwksUrl: has no effect: blueprint "researcher" does not list private_key_jwt in clientAuth`, edits{"Agent z": `{"blueprint":"writer","credentials":null,"jwksUrl":"https://k.example"}`}},
		{"with a certificate that nobody takes", edits{"Agent z": `{"credentials":null,"tls":{"sanDns":"z.example"}}`},
			`Agent z: spec.tls: has no effect: blueprint "researcher" does not list tls in clientAuth`,
			edits{"Blueprint z": `{"clientAuth":["tls"]}`, "Agent z": `{"blueprint":"z","credentials":null,"tls":{"sanDns":"z.example"}}`}},
		{"with credentials that nobody takes", edits{"Blueprint z": `{"clientAuth":["private_key_jwt"]}`, "Agent z": strings.Replace(cred("ci", "z", ""), `{`, `{"blueprint":"z",`, 1)},
			`Agent z: spec.credentials: has no effect: blueprint "z" does not list federated in clientAuth`, edits{"Blueprint z": `{"clientAuth":["secret"]}`, "Agent z": `{"blueprint":"z","credentials":null}`}},
		{"with credentials taken by name", edits{"Blueprint z": `{"clientAuth":["secret"]}`, "Agent z": strings.Replace(cred("ci", "z", ""), `{`, `{"blueprint":"z",`, 1)},
			`Agent z: spec.credentials: has no effect: blueprint "z" does not list federated in clientAuth`, edits{"Agent z": strings.Replace(cred("ci", "z", ""), `{`, `{"blueprint":"writer",`, 1)}},
	})
}

// A scope is of a resource: its name at another one is another permission.
func TestValidateAllScopesOfTwoResources(t *testing.T) {
	t.Parallel()
	const both = `"scopes":[{"name":"read"},{"name":"write"}]`
	shared := func(at, scope string) edits {
		return edits{
			"Resource a": `{"identifier":"urn:a",` + both + `}`, "Resource b": `{"identifier":"urn:b",` + both + `}`,
			"Blueprint z":      `{"resources":[{"name":"a","scopes":["read"]},{"name":"b","scopes":["write"]}]}`,
			"Agent z":          `{"blueprint":"z","credentials":null,"resources":[{"name":"` + at + `","scopes":["` + scope + `"]}]}`,
			"DelegationRule z": `{"actors":{"blueprints":["z"]},"resources":[{"name":"` + at + `","scopes":["` + scope + `"]}]}`,
		}
	}
	checkReferences(t, []reference{{"crosswise", shared("a", "write"),
		"Agent z: spec.resources[0].scopes[0]: is wider than blueprint \"z\", which does not have this scope\n" +
			"DelegationRule z: spec.resources[0]: lies outside what its actors may have, so it could never apply; widen their blueprint or take it out",
		shared("b", "write")}})
}

func TestValidateAllCredential(t *testing.T) {
	t.Parallel()
	const at = `Agent z: spec.credentials[0].`
	const svid = at + `subject.exact: must be a SPIFFE ID like "spiffe://prod.example/agents/research"`
	const account = at + `subject.exact: must be system:serviceaccount:<namespace>:<name>`
	path := strings.Repeat("a", 2048-len("spiffe://prod.example/"))
	label := strings.Repeat("a", 63)
	rows := []struct{ name, bad, want, good string }{
		{"issuer that is not there", cred("ce", "x", ""), at + `issuer: there is no such trusted issuer; did you mean "ci"?`, cred("ci", "x", "")},
		{"SEC-ID-14 user as an agent", cred("corp", "system:serviceaccount:prod:payer", ""),
			at + `issuer: trusted issuer "corp" speaks of users; a credential needs one with tokens: workload`, cred("prod", "system:serviceaccount:prod:payer", "")},
		{"SEC-ID-14 user as an agent of another's subject", cred("corp", "spiffe://prod.example/z", `,"audience":"x"`),
			at + `issuer: trusted issuer "corp" speaks of users; a credential needs one with tokens: workload`, cred("ci", "user:z", "")},
		{"subject of another agent", cred("ci", "repo:acme/app", ""),
			at + `subject: this issuer and subject already stand for agent "tester" (credential "ci"); a workload is one agent`, cred("ci", "repo:acme/App", "")},
		{"subject of another agent under a condition", cred("ci", "repo:acme/app", `,"condition":"claims.a == 1"`),
			at + `subject: this issuer and subject already stand for agent "tester" (credential "ci"); a workload is one agent`, cred("ci", "repo:acme/app2", `,"condition":"claims.a == 1"`)},
		{"subject twice in one agent", `{"credentials":[{"name":"a","issuer":"ci","subject":{"exact":"x"}},{"name":"b","issuer":"ci","subject":{"exact":"x"}}]}`,
			`Agent z: spec.credentials[1].subject: credential "a" of this agent already has this issuer and subject; keep one`,
			`{"credentials":[{"name":"a","issuer":"ci","subject":{"exact":"x"}},{"name":"b","issuer":"ci","subject":{"exact":"y"}}]}`},
		{"audience that is not ours", cred("ci", "x", `,"audience":"https://sts.example/"`), at + `audience: is not among the audiences of trusted issuer "ci"; add it there or leave it out`, cred("ci", "x", `,"audience":"https://sts.example"`)},
		{"audience that is not the issuer's", cred("spire", "spiffe://prod.example/z", `,"audience":"https://sts.example"`),
			at + `audience: is not among the audiences of trusted issuer "spire"; add it there or leave it out`, cred("spire", "spiffe://prod.example/z", `,"audience":"other"`)},

		{"text for an SVID", cred("spire", "z", ""), svid, cred("spire", "spiffe://prod.example/z", "")},
		{"SEC-ID-16 SVID of another scheme", cred("spire", "SPIFFE://prod.example/z", ""), svid, cred("spire", "spiffe://prod.example/Z", "")},
		{"SEC-ID-17 SVID in upper case", cred("spire", "spiffe://Prod.example/z", ""), svid, cred("spire", "spiffe://prod.example/z", "")},
		{"SEC-ID-18 SVID with a slash at the end", cred("spire", "spiffe://prod.example/z/", ""), svid, cred("spire", "spiffe://prod.example/z/z", "")},
		{"SEC-ID-18 SVID with dots", cred("spire", "spiffe://prod.example/a/../z", ""), svid, cred("spire", "spiffe://prod.example/a/...z", "")},
		{"SEC-ID-19 SVID with a query", cred("spire", "spiffe://prod.example/z?a", ""), svid, cred("spire", "spiffe://prod.example/z", "")},
		{"SEC-ID-21 SVID too long", cred("spire", "spiffe://prod.example/a"+path, ""), svid, cred("spire", "spiffe://prod.example/"+path, "")},
		{"SEC-ID-24 SVID of another domain", cred("spire", "spiffe://prod.example.evil.example/z", ""), at + `subject.exact: must be inside the issuer's trust domain: spiffe://prod.example/…`, cred("spire", "spiffe://prod.example/z", "")},
		{"SEC-ID-20 SVID of the domain itself", cred("spire", "spiffe://prod.example", ""), at + `subject.exact: must have a path: without one it is the trust domain itself`, cred("spire", "spiffe://prod.example/a", "")},

		{"text for a service account", cred("prod", "prod/payer", ""), account, cred("prod", "system:serviceaccount:prod:payer", "")},
		{"account without a name", cred("prod", "system:serviceaccount:prod:", ""), account, cred("prod", "system:serviceaccount:p:a", "")},
		{"account without a namespace", cred("prod", "system:serviceaccount::payer", ""), account, cred("prod", "system:serviceaccount:0:0", "")},
		{"account after something", cred("prod", "xsystem:serviceaccount:prod:payer", ""), account, cred("prod", "system:serviceaccount:prod:pay.er-1", "")},
		{"account before something", cred("prod", "system:serviceaccount:prod:payer:x", ""), account, cred("prod", "system:serviceaccount:prod:payer", "")},
		{"account in upper case", cred("prod", "system:serviceaccount:prod:Payer", ""), account, cred("prod", "system:serviceaccount:prod:payer", "")},
		{"account with dots in the namespace", cred("prod", "system:serviceaccount:pr.od:payer", ""), account, cred("prod", "system:serviceaccount:pr-od:payer", "")},
		{"account with a namespace too long", cred("prod", "system:serviceaccount:a"+label+":x", ""), account, cred("prod", "system:serviceaccount:"+label+":x", "")},

		{"SEC-ID-15 SVID from an OIDC provider", cred("ci", "spiffe://prod.example/z", ""), at + `subject.exact: is a SPIFFE ID, which is accepted only from an issuer of type spiffe`, cred("ci", "spiffe:prod", "")},
		{"SEC-ID-15 SVID in upper case from an OIDC provider", cred("ci", "SPIFFE://prod.example/z", ""), at + `subject.exact: is a SPIFFE ID, which is accepted only from an issuer of type spiffe`, cred("ci", "https://prod.example/z", "")},
	}
	var all []reference
	for _, r := range rows {
		all = append(all, reference{r.name, edits{"Agent z": r.bad}, r.want, edits{"Agent z": r.good}})
	}
	checkReferences(t, all)
}

// A deletion shows as problems of everybody who refers to what is gone.
func TestValidateAllDeletions(t *testing.T) {
	t.Parallel()
	without := func(list ...string) edits {
		e := edits{}
		for _, key := range list {
			e[key] = ""
		}
		return e
	}
	checkReferences(t, []reference{
		{"workload issuer", without("TrustedIssuer prod"), `Agent worker: spec.credentials[0].issuer: there is no such trusted issuer`,
			without("TrustedIssuer prod", "Agent worker", "DelegationRule staff")},
		{"user issuer", without("TrustedIssuer corp"), `DelegationRule staff: spec.subjects.issuer: there is no such trusted issuer`, without("TrustedIssuer corp", "DelegationRule staff")},
		{"resource", without("Resource llm"),
			"Blueprint researcher: spec.resources[0].name: there is no such resource\n" +
				"Agent worker: spec.resources[0].name: there is no such resource\n" +
				"DelegationRule staff: spec.resources[0].name: there is no such resource",
			edits{"Resource llm": "", "Blueprint researcher": `{"resources":` + plain + `}`, "Agent worker": "", "DelegationRule staff": ""}},
		{"blueprint", without("Blueprint writer"),
			"Agent clerk: spec.blueprint: there is no such blueprint\nDelegationRule hands: spec.subjects.blueprints[0]: there is no such blueprint\n" +
				"DelegationRule hands: spec.resources[0]: lies outside what its actors may have, so it could never apply; widen their blueprint or take it out",
			edits{"Blueprint writer": "", "Agent clerk": "", "DelegationRule hands": "", "Resource mail": ""}},
		{"agent", without("Agent clerk"),
			"Resource mail: spec.agents[0]: there is no such agent or blueprint\nDelegationRule hands: spec.actors.agents[0]: there is no such agent",
			edits{"Agent clerk": "", "DelegationRule hands": "", "Resource mail": strings.Replace(town()["Resource mail"], `"clerk",`, ``, 1)}},
		{"rule", edits{"DelegationRule hands": "", "DelegationRule staff": `{"subjects":{"issuer":"x"}}`}, `DelegationRule staff: spec.subjects.issuer: there is no such trusted issuer`, without("DelegationRule hands", "DelegationRule staff")},
		{"private_key_jwt", edits{"Blueprint writer": `{"resources":[{"name":"mail","scopes":["mail:read"]}],"clientAuth":["secret"]}`},
			`Agent clerk: spec.jwks: has no effect: blueprint "writer" does not list private_key_jwt in clientAuth`,
			edits{"Blueprint writer": `{"resources":[{"name":"mail","scopes":["mail:read"]}],"clientAuth":["private_key_jwt"]}`}},
	})
}

// What refers to something may come before it, and each problem says which
// object of the slice has it.
func TestValidateAllIndexes(t *testing.T) {
	t.Parallel()
	objects := state(t, nil)
	slices.Reverse(objects)
	if ps := registry.ValidateAll(objects, ours); len(ps) > 0 {
		t.Errorf("the order matters:\n%s", allLines(ps))
	}
	for _, k := range registry.Kinds() {
		objects = append(objects, object(t, k, "twin", ""))
	}
	n := len(objects)
	twins := append(objects, objects[n-5:]...)
	named := map[int]string{}
	for _, p := range registry.ValidateAll(twins, ours) {
		if p.Path == "metadata.name" {
			named[p.Index] = string(p.Kind) + " " + p.Name + " " + p.Message
		}
	}
	want := map[int]string{
		n:     "TrustedIssuer twin is there twice; a name is one TrustedIssuer",
		n + 1: "Resource twin is there twice; a name is one Resource",
		n + 2: "Blueprint twin is there twice; a name is one Blueprint",
		n + 3: "Agent twin is there twice; a name is one Agent",
	}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Error(diff)
	}
}

// Without our own identifier nothing is compared with it: a caller that does
// not know it, like a check of files alone, gets no false problems.
func TestValidateAllWithoutOurs(t *testing.T) {
	t.Parallel()
	// An unset iss and an unset "ours" are not the same server.
	odd := object(t, registry.KindTrustedIssuer, "z", `{"issuer":null}`)
	none := object(t, registry.KindResource, "z", `{"identifier":null}`)
	if ps := registry.ValidateAll(append(state(t, nil), odd, none), ""); len(ps) > 0 {
		t.Error(allLines(ps))
	}
}

// Twice in one resource is for Validate to say, not for the meeting of two.
func TestValidateAllLeavesOneResourceAlone(t *testing.T) {
	t.Parallel()
	r := object(t, registry.KindResource, "z", `{"scopes":[{"name":"a"},{"name":"a","risk":"high"}]}`)
	if ps := registry.ValidateAll([]*registry.Object{r}, ours); len(ps) > 0 {
		t.Error(allLines(ps))
	}
}

// An empty subject, which Validate refuses, is not taken for one that two
// agents share.
func TestValidateAllEmptySubjects(t *testing.T) {
	t.Parallel()
	objects := append(state(t, nil), object(t, registry.KindAgent, "y", cred("ci", "", "")), object(t, registry.KindAgent, "z", cred("ci", "", "")))
	if ps := registry.ValidateAll(objects, ours); len(ps) > 0 {
		t.Error(allLines(ps))
	}
}

// With very many names no correction is looked for: that would take longer
// than the write.
func TestValidateAllSuggestsAmongFew(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]bool{1000: true, 1001: false} {
		var objects []*registry.Object
		for i := range n {
			objects = append(objects, object(t, registry.KindBlueprint, fmt.Sprintf("blueprint-%d", i), `{"resources":null}`))
		}
		objects = append(objects, object(t, registry.KindAgent, "z", `{"blueprint":"bluprint-7","credentials":null}`))
		got := allLines(registry.ValidateAll(objects, ours))
		if strings.Contains(got, `; did you mean "blueprint-7"?`) != want {
			t.Errorf("%d names: %s", n, got)
		}
	}
}

func checkReferences(t *testing.T, rows []reference) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(row.want, allLines(registry.ValidateAll(state(t, row.bad), ours))); diff != "" {
				t.Errorf("%v\n%s", row.bad, diff)
			}
			if ps := registry.ValidateAll(state(t, row.good), ours); len(ps) > 0 {
				t.Errorf("the good neighbour %v is refused:\n%s", row.good, allLines(ps))
			}
		})
	}
}

// state returns the town after edits, in the order in which apply writes it.
func state(t testing.TB, e edits) []*registry.Object {
	t.Helper()
	all := town()
	maps.Copy(all, e)
	var objects []*registry.Object
	for _, k := range registry.Kinds() {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			kind, name, _ := strings.Cut(key, " ")
			if registry.Kind(kind) == k && all[key] != "" {
				objects = append(objects, object(t, k, name, all[key]))
			}
		}
	}
	return objects
}

func allLines(ps []registry.ObjectProblem) string {
	var all []string
	for _, p := range ps {
		all = append(all, p.String())
	}
	return strings.Join(all, "\n")
}
