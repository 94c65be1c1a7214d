package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
)

type claims = authtest.Claims

func byJob(change claims) func(*testing.T, *near) string {
	return func(t *testing.T, n *near) string { return n.job(t, change) }
}

func byAccount(name string, change claims) func(*testing.T, *near) string {
	return func(t *testing.T, n *near) string { return n.ServiceAccount(t, name, change) }
}

func byPath(path string, change claims) func(*testing.T, *near) string {
	return func(t *testing.T, n *near) string { return n.SVID(t, path, change) }
}

// at is a NumericDate some time from now.
func at(n *near, d time.Duration) int64 { return n.Clock.Now().Add(d).Unix() }

func nearMisses() []nearMiss {
	return slices.Concat(issuerMisses(), partyMisses(), subjectMisses(), tokenMisses(), reviewMisses(), agentMisses())
}

const mainCredential = ` of credential "main" of agent "build-agent"`

// TestNearMisses: of a token that is wrong in one thing the report names that
// thing, with what it shows and what is wanted, and nothing else.
func TestNearMisses(t *testing.T) {
	t.Parallel()
	n := startNear(t)
	for _, c := range nearMisses() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := n.test(t, c.token(t, n), "")
			if r.Admitted || r.Fault != c.fault || r.ErrorCode != c.code {
				t.Errorf("admitted %v, fault %q, code %q; want fault %q, code %q", r.Admitted, r.Fault, r.ErrorCode, c.fault, c.code)
			}
			want := strings.NewReplacer("OURS", n.Issuer, "CLUSTER", n.Cluster.URL).Replace(c.wrong)
			begin, end, open := strings.Cut(want, "…")
			if r.Wrong != want && !(open && strings.HasPrefix(r.Wrong, begin) && strings.HasSuffix(r.Wrong, end)) {
				t.Errorf("it says\n%s\nwant\n%s", r.Wrong, want)
			}
			if r.Fix == "" {
				t.Error("nothing is said of what mends it")
			}
			failed := 0
			for _, check := range r.Checks {
				if !check.OK {
					failed++
				}
			}
			if failed != 1 {
				t.Errorf("%d checks failed: %+v", failed, r.Checks)
			}
		})
	}
}

func issuerMisses() []nearMiss {
	const code = "subject_token.issuer_unknown"
	from := func(iss string) func(*testing.T, *near) string { return byJob(claims{"iss": iss}) }
	wanted := func(shown, why string) string {
		return `iss is "` + shown + `"; wanted is "https://ci.example/Org" of trusted issuer "ci": ` + why
	}
	return []nearMiss{
		{"iss in another case", from("https://ci.example/org"), "issuer_unknown", code, wanted("https://ci.example/org", "it differs only in case")},
		{"iss with a slash", from("https://ci.example/Org/"), "issuer_unknown", code, wanted("https://ci.example/Org/", "it has a slash at its end")},
		{"iss over http", from("http://ci.example/Org"), "issuer_unknown", code, wanted("http://ci.example/Org", "it begins with http:// instead of https://")},
		{"iss with :443", from("https://ci.example:443/Org"), "issuer_unknown", code, wanted("https://ci.example:443/Org", "it names the port, which goes without saying")},
		{"iss with a space", from("https://ci.example/Org "), "issuer_unknown", code, wanted("https://ci.example/Org ", "it has a space at its end")},
		{"iss misspelt", from("https://ci.exmaple/Org"), "issuer_unknown", code, wanted("https://ci.exmaple/Org", "it is spelt in another way")},
		{"unknown issuer", from("https://elsewhere.example.net/realms/blue"), "issuer_unknown", code, `iss is "https://elsewhere.example.net/realms/blue"; wanted is that of a trusted issuer: none is like it`},
		{"no iss", byJob(claims{"iss": nil}), "issuer_missing", "subject_token.issuer_missing", `iss is missing; wanted is that of a trusted issuer`},
		{"neither issuer nor agent", from("build-agnt"), "iss_sub", "client_auth.iss_sub", `sub is "repo:acme/app:ref:refs/heads/main"; wanted is "build-agnt": …`},
		{"other trust domain", byPath("/x", claims{"sub": "spiffe://staging.example/agents/a"}), "issuer_unknown", code, `the trust domain of sub is "staging.example"; wanted is that of a trusted issuer: none is like it`},
		{"trust domain misspelt", byPath("/x", claims{"sub": "spiffe://prod.exmaple/agents/a"}), "issuer_unknown", code, `the trust domain of sub is "prod.exmaple"; wanted is "prod.example" of trusted issuer "prod-spire": it is spelt in another way`},
		{"issuer disabled", func(t *testing.T, n *near) string {
			return n.closed.Sign(t, "", n.jobClaims("https://closed.example", nil))
		}, "issuer_disabled", "subject_token.issuer_disabled", `trusted issuer "closed" is disabled; wanted is active`},
		{"issuer in shadow", func(t *testing.T, n *near) string {
			return n.shadow.Sign(t, "", n.jobClaims("https://watched.example", claims{"sub": "job:nightly"}))
		}, "shadow", "subject_token.shadow", `mode of issuer "watched" is "shadow"; wanted is "enforce": it would be admitted as build-agent`},
		{"a token of this server", func(t *testing.T, n *near) string {
			a := n.Post(t, itself()(t, n.Server))
			authtest.WantIssued(t, a)
			return a.AccessToken
		}, "type", "subject_token.type", `iss is "OURS"; wanted is another issuer: this server issued the token itself`},
	}
}

// partyMisses are of tokens that are from the right issuer, and not from the right
// client or tenant of it.
func partyMisses() []nearMiss {
	return []nearMiss{
		{"user's token of another client", func(t *testing.T, n *near) string {
			return n.ci.Sign(t, "JWT", n.jobClaims("https://listed.example", claims{"sub": "alice", "azp": "other"}))
		}, "azp", "subject_token.azp", `azp is "other"; wanted is one of authorizedParties, "portal, app"`},
		{"user's token of no client", func(t *testing.T, n *near) string {
			return n.ci.Sign(t, "JWT", n.jobClaims("https://listed.example", claims{"sub": "alice"}))
		}, "azp", "subject_token.azp", `azp is missing; wanted is one of authorizedParties, "portal, app"`},
		{"tid of another tenant", func(t *testing.T, n *near) string {
			return n.ci.Sign(t, "JWT", n.jobClaims(entraIssuer, claims{"tid": "22222222-0000-4000-8000-000000000000"}))
		}, "issuer_tenant", "subject_token.issuer_tenant", `tid is "22222222-0000-4000-8000-000000000000"; wanted is "11111111-0000-4000-8000-000000000000": that is the tenant in iss`},
		{"no tid", func(t *testing.T, n *near) string {
			return n.ci.Sign(t, "JWT", n.jobClaims(entraIssuer, nil))
		}, "issuer_tenant", "subject_token.issuer_tenant", `tid is missing; wanted is "11111111-0000-4000-8000-000000000000": that is the tenant in iss`},
	}
}

// reviewMisses are of tokens that are good offline.
func reviewMisses() []nearMiss {
	asked := func(name string, spoil func(*authtest.APIServer), change claims, more ...string) func(*testing.T, *near) string {
		return func(t *testing.T, n *near) string {
			c := cluster(t, n.Server, name, true, more...)
			token := c.Token(t, n.Issuer, "prod/runner", change)
			spoil(c)
			return token
		}
	}
	away := func(c *authtest.APIServer) { c.BreakStatus(http.StatusServiceUnavailable) }
	server := func(name string) string { return `the API server of issuer "` + name + `"` }
	return []nearMiss{
		{"pod deleted", asked("near-inactive", func(c *authtest.APIServer) { c.Delete("pod/prod/runner-0") }, nil), "inactive", "subject_token.inactive",
			`what ` + server("near-inactive") + ` says is that the token lives no more; wanted is status.authenticated: true: its pod, account or namespace was deleted or made anew`},
		{"cluster away", asked("near-away", away, nil), "review_unavailable", "subject_token.review_unavailable",
			`the answer of ` + server("near-away") + ` is missing; wanted is one that says whether the token lives: the cluster's API server cannot be asked: …`},
		{"cluster away, and too old", func(t *testing.T, n *near) string {
			return asked("near-old", away, claims{"iat": at(n, -20*time.Minute), "exp": at(n, 10*time.Minute)}, "onOutage: offline")(t, n)
		}, "too_old", "subject_token.too_old",
			`the age of the token is 20m…; wanted is at most 10m0s while the API server gives no answer: ` + server("near-old") + ` cannot be asked`},
		{"another account", asked("near-account", func(c *authtest.APIServer) {
			c.Change(func(s map[string]any) { s["user"].(map[string]any)["username"] = "system:serviceaccount:prod:other" })
		}, nil), "claim_conflict", "subject_token.claim_conflict",
			`the account for which ` + server("near-account") + ` vouches is "system:serviceaccount:prod:other"; wanted is "system:serviceaccount:prod:runner": so says sub`},
	}
}

func subjectMisses() []nearMiss {
	const code = "exchange.no_binding"
	account := func(sub, namespace, name string) func(*testing.T, *near) string {
		return byAccount(name, claims{"sub": sub, "kubernetes.io": claims{"namespace": namespace, "serviceaccount": claims{"name": name, "uid": "u"}}})
	}
	k8s := func(shown, why string) string {
		return `sub is "` + shown + `"; wanted is "system:serviceaccount:prod:research" of credential "k8s" of agent "research-agent": ` + why
	}
	return []nearMiss{
		{"sub in another case", byJob(claims{"sub": "repo:acme/App:ref:refs/heads/main"}), "no_binding", code,
			`sub is "repo:acme/App:ref:refs/heads/main"; wanted is "repo:acme/app:ref:refs/heads/main"` + mainCredential + `: it differs only in case`},
		{"sub with a slash", byJob(claims{"sub": "repo:acme/app:ref:refs/heads/main/"}), "no_binding", code,
			`sub is "repo:acme/app:ref:refs/heads/main/"; wanted is "repo:acme/app:ref:refs/heads/main"` + mainCredential + `: it has a slash at its end`},
		{"another branch", byJob(claims{"sub": "repo:acme/app:ref:refs/heads/dev"}), "no_binding", code,
			`sub is "repo:acme/app:ref:refs/heads/dev"; wanted is "repo:acme/app:ref:refs/heads/main"` + mainCredential + `: one segment is "dev" instead of "main"`},
		{"outside a glob", byJob(claims{"sub": "repo:acme/tool:ref:refs/tags/1.0"}), "no_binding", code,
			`sub is "repo:acme/tool:ref:refs/tags/1.0"; wanted is "glob repo:acme/tool:ref:refs/tags/v*" of credential "tags" of agent "build-agent": its segment "1.0" is not "v*"`},
		{"beyond a glob", byJob(claims{"sub": "repo:acme/tool:ref:refs/tags/v1/x"}), "no_binding", code,
			`sub is "repo:acme/tool:ref:refs/tags/v1/x"; wanted is "glob repo:acme/tool:ref:refs/tags/v*" of credential "tags" of agent "build-agent": it has 8 segments, and the glob 7`},
		{"other namespace", account("system:serviceaccount:dev:research", "dev", "research"), "no_binding", code, k8s("system:serviceaccount:dev:research", `the namespace is "dev" instead of "prod"`)},
		{"other service account", account("system:serviceaccount:prod:researcher", "prod", "researcher"), "no_binding", code, k8s("system:serviceaccount:prod:researcher", `the service account is "researcher" instead of "research"`)},
		{"sibling of a prefix", byPath("/jobs-x/a", nil), "no_binding", code,
			`sub is "spiffe://prod.example/jobs-x/a"; wanted is "prefix spiffe://prod.example/jobs/" of credential "dir" of agent "dir-agent": "/jobs-x/a" does not begin with "/jobs/"`},
		{"the prefix itself", byPath("/fleet", nil), "no_binding", code,
			`sub is "spiffe://prod.example/fleet"; wanted is "prefix spiffe://prod.example/fleet/" of credential "pods" of blueprint "fleet": it ends where the prefix does, and something must follow`},
		{"suffix of an instance", byPath("/fleet/"+strings.Repeat("x", 201), nil), "no_binding", code,
			`what follows the pattern in sub is "` + strings.Repeat("x", 201) + `"; wanted is a suffix of 1 to 200 letters, digits and . _ : / -: credential "pods" of blueprint "fleet" makes the name of the instance of it`},
		{"condition false", byJob(claims{"runner": "own"}), "no_binding", code,
			`runner is "own"; wanted is claims.runner == "hosted": the condition of credential "main" of agent "build-agent"`},
		{"condition on a claim that is not there", byJob(claims{"repository_owner": nil}), "no_binding", code,
			`no claim repository_owner; wanted is claims.repository_owner == "acme": the condition of credential "main" of agent "build-agent"`},
		{"condition with a misspelt claim", byJob(claims{"sub": "repo:acme/typo:ref:refs/heads/main"}), "no_binding", code,
			`no claim repository_ownr (the token has repository_owner); wanted is claims.repository_ownr == "acme": the condition of credential "typo" of agent "build-agent"`},
		{"pin differs", byJob(claims{"sub": "repo:acme/lib:ref:refs/heads/main", "repository_id": 4712}), "immutable_id_mismatch", "exchange.immutable_id_mismatch",
			`claim repository_id is "4712"; wanted is "4711" of credential "pinned" of agent "build-agent": the credential pins it; an account made again under its name has another`},
		{"pin absent", byJob(claims{"sub": "repo:acme/lib:ref:refs/heads/main", "repository_id": nil}), "no_binding", code,
			`claim repository_id is missing; wanted is "4711" of credential "pinned" of agent "build-agent": the credential pins it`},
		{"audience of the credential", byJob(claims{"sub": "repo:acme/site:ref:refs/heads/main"}), "aud", "subject_token.aud",
			`aud is "OURS"; wanted is "https://deploy.example" of credential "deploy" of agent "build-agent"`},
		{"two agents", byJob(claims{"sub": "repo:acme/twin:ref:refs/heads/main"}), "binding_ambiguous", "exchange.binding_ambiguous",
			`the token is admitted by twin-a / one and twin-b / two; wanted is credentials of one agent`},
		{"credential in shadow", byJob(claims{"sub": "repo:acme/trial:ref:refs/heads/main"}), "shadow", "subject_token.shadow",
			`mode of credential build-agent / trial is "shadow"; wanted is "enforce": it would admit the token`},
	}
}

func tokenMisses() []nearMiss {
	timed := func(change func(*near) claims) func(*testing.T, *near) string {
		return func(t *testing.T, n *near) string { return n.job(t, change(n)) }
	}
	return []nearMiss{
		{"other audience", byAccount("research", claims{"aud": []string{"https://vault.example"}}), "aud", "subject_token.aud", `aud is "https://vault.example"; wanted is "OURS"`},
		{"audience is the token endpoint", func(t *testing.T, n *near) string {
			return n.ServiceAccount(t, "research", claims{"aud": n.Issuer + "/token"})
		}, "aud", "subject_token.aud", `aud is "OURS/token"; wanted is "OURS": it is the token endpoint, and wanted is the issuer identifier (RFC 10070)`},
		{"audience with a slash", func(t *testing.T, n *near) string {
			return n.ServiceAccount(t, "research", claims{"aud": n.Issuer + "/"})
		}, "aud", "subject_token.aud", `aud is "OURS/"; wanted is "OURS": it has a slash at its end`},
		{"two audiences", func(t *testing.T, n *near) string {
			return n.ServiceAccount(t, "research", claims{"aud": []string{n.Issuer, "vault"}})
		}, "aud_multiple", "subject_token.aud_multiple", `aud is "OURS, vault"; wanted is one value, "OURS": every other audience could use the token here`},
		{"audience of the API server", func(t *testing.T, n *near) string {
			return n.ServiceAccount(t, "research", claims{"aud": []string{n.Cluster.URL}})
		}, "aud", "subject_token.aud", `aud is "CLUSTER"; wanted is no audience of the API server: a token for the API server must not leave the cluster`},
		{"no audience", byAccount("research", claims{"aud": nil}), "aud_missing", "subject_token.aud_missing", `aud is missing; wanted is "OURS"`},
		{"expired", timed(func(n *near) claims { return claims{"iat": at(n, -10*time.Minute), "exp": at(n, -5*time.Minute)} }), "expired", "subject_token.expired", `exp is 2… ago`},
		{"not yet valid", timed(func(n *near) claims { return claims{"nbf": at(n, 3*time.Minute)} }), "not_yet_valid", "subject_token.not_yet_valid", `nbf is 2… ahead of the clock here`},
		{"issued in the future", timed(func(n *near) claims { return claims{"iat": at(n, 3*time.Minute)} }), "iat_future", "subject_token.iat_future", `iat is 2… ahead of the clock here`},
		{"no exp", byJob(claims{"exp": nil}), "exp_missing", "subject_token.exp_missing", `exp is missing; wanted is a time in seconds since 1970`},
		{"lives too long", timed(func(n *near) claims { return claims{"iat": at(n, 0), "exp": at(n, 2*time.Hour)} }), "lifetime", "subject_token.lifetime",
			`the life of the token, exp minus iat, is 2h0m0s; wanted is at most 1h0m0s: maxTokenAge`},
		{"unknown key", func(t *testing.T, n *near) string {
			return n.ci.SignHeader(t, claims{"alg": "ES256", "kid": "k9"}, n.jobClaims("https://ci.example/Org", nil))
		}, "kid_unknown", "subject_token.kid_unknown", `kid is "k9"; wanted is a key that issuer "ci" publishes now: there is none of this name`},
		{"no kid", func(t *testing.T, n *near) string {
			return n.Cluster.SignHeader(t, claims{"alg": "ES256"}, claims{"iss": n.Cluster.URL, "sub": "system:serviceaccount:prod:research"})
		}, "kid_missing", "subject_token.kid_missing", `kid is missing; wanted is the name of a key of issuer "prod-cluster"`},
		{"signed by another key", func(t *testing.T, n *near) string {
			return n.closed.Sign(t, "", n.jobClaims("https://ci.example/Org", nil))
		}, "signature", "subject_token.signature", `the signature is not made by key "k1"; wanted is one of that key of issuer "ci": …`},
		{"algorithm", func(t *testing.T, n *near) string {
			return n.ci.SignHeader(t, claims{"alg": "RS512", "kid": "k1"}, n.jobClaims("https://ci.example/Org", nil))
		}, "alg_not_allowed", "subject_token.alg_not_allowed", `alg is "RS512"; wanted is ES256, RS256: those are the algorithms of issuer "ci"`},
		{"typ", func(t *testing.T, n *near) string {
			return n.Cluster.Sign(t, "at+jwt", claims{"iss": n.Cluster.URL, "sub": "system:serviceaccount:prod:research"})
		}, "type", "subject_token.type", `typ is "at+jwt"; wanted is JWT`},
		{"two accounts", byAccount("research", claims{"kubernetes.io": claims{"namespace": "dev", "serviceaccount": claims{"name": "research", "uid": "u"}}}), "claim_conflict", "subject_token.claim_conflict",
			`what kubernetes.io says of the account is "dev:research"; wanted is "prod:research": so says sub`},
		{"bound to a key", byJob(claims{"cnf": claims{"jkt": "x"}}), "cnf", "subject_token.cnf", `claim cnf is there; wanted is a token that is bound to no key`},
		{"no token", func(*testing.T, *near) string { return "a.b" }, "not_compact_jws", "subject_token.not_compact_jws", `the text is no token as it must be: not_compact_jws: not three parts`},
	}
}

func agentMisses() []nearMiss {
	return []nearMiss{
		{"agent disabled", byJob(claims{"sub": "job:stopped"}), "", "client_auth.disabled", `agent is "stopped-agent is disabled"; wanted is an active agent of an active blueprint`},
		{"blueprint disabled", byJob(claims{"sub": "job:orphan"}), "", "client_auth.disabled", `agent is "blueprint stopped is disabled"; wanted is an active agent of an active blueprint`},
		{"agent expired", byJob(claims{"sub": "job:expired"}), "", "client_auth.disabled", `agent is "expired-agent has expired"; wanted is an active agent of an active blueprint`},
		{"a user's token", func(t *testing.T, n *near) string { return n.User(t, "alice", nil) }, "", "client_auth.none",
			`sub is user "alice" of issuer "corp-idp", which has tokens "user"; wanted is an issuer with tokens "workload": the token is good as subject_token of an agent, and proves none`},
		{"assertion of an unknown agent", func(t *testing.T, n *near) string {
			return n.Assertion(t, "", claims{"iss": "key-agnt", "sub": "key-agnt"})
		}, "unknown", "client_auth.unknown", `iss is "key-agnt"; wanted is that of a trusted issuer, or the name of an agent: there is neither`},
		{"assertion for the token endpoint", func(t *testing.T, n *near) string {
			return n.Assertion(t, "", claims{"aud": n.Issuer + "/token"})
		}, "aud", "client_auth.aud", `aud is "OURS/token"; wanted is "OURS": it is the token endpoint, and wanted is the issuer identifier (RFC 10070)`},
		{"assertion without jti", func(t *testing.T, n *near) string { return n.Assertion(t, "", claims{"jti": nil}) }, "jti_missing", "client_auth.jti_missing", `jti is missing; wanted is a text of 1 to 256 bytes, new in each assertion: it is spent by its first use`},
	}
}
