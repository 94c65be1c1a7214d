package registry_test

import "testing"

// bp is a spec of blueprint researcher with one pattern credential.
func bp(issuer, subject, more string) string {
	return `{"resources":[{"name":"llm","scopes":["llm:read"]},{"name":"plain"}],"credentials":[{"name":"c","issuer":"` + issuer +
		`","subject":` + subject + `,"maxInstances":10` + more + `}]}`
}

// pat is a spec of an agent with one pattern credential.
func pat(issuer, subject, more string) string {
	return `{"credentials":[{"name":"c","issuer":"` + issuer + `","subject":` + subject + more + `}]}`
}

// What apply refuses because a workload would be two agents: FC-03, FC-07.
func TestValidateAllAmbiguity(t *testing.T) {
	t.Parallel()
	const agents = `{"prefix":"spiffe://prod.example/agents/"}`
	inside := `Agent z: spec.credentials[0].subject: lies inside credential "c" of blueprint "researcher", so this workload would be two agents; narrow that pattern or take this one out`
	overlap := func(who, other string) string {
		return who + `: spec.credentials[0].subject: overlaps with credential "c" of ` + other + `, so a workload could be two agents; make the two patterns exclude each other`
	}
	checkReferences(t, []reference{
		{"an exact subject inside a blueprint's pattern", edits{"Blueprint researcher": bp("spire", agents, ""), "Agent z": cred("spire", "spiffe://prod.example/agents/z", "")},
			inside, edits{"Blueprint researcher": bp("spire", agents, ""), "Agent z": cred("spire", "spiffe://prod.example/agents", "")}},
		{"an exact subject inside another agent's pattern", edits{"Agent y": pat("spire", agents, ""), "Agent z": cred("spire", "spiffe://prod.example/agents/z", "")},
			`Agent z: spec.credentials[0].subject: lies inside credential "c" of agent "y", so this workload would be two agents; narrow that pattern or take this one out`,
			edits{"Agent y": pat("spire", agents, ""), "Agent z": cred("spire", "spiffe://prod.example/agent/z", "")}},
		{"an exact subject inside a glob, with a condition", edits{"Agent y": pat("prod", `{"glob":"system:serviceaccount:prod:a-*"}`, ""), "Agent z": cred("prod", "system:serviceaccount:prod:a-1", `,"condition":"true"`)},
			`Agent z: spec.credentials[0].subject: lies inside credential "c" of agent "y", so this workload would be two agents; narrow that pattern or take this one out`,
			edits{"Agent y": pat("prod", `{"glob":"system:serviceaccount:prod:a-*"}`, ""), "Agent z": cred("prod", "system:serviceaccount:prod:b-1", "")}},
		{"one prefix below another", edits{"Blueprint researcher": bp("spire", agents, ""), "Agent z": pat("spire", `{"prefix":"spiffe://prod.example/agents/z/"}`, "")},
			overlap("Agent z", `blueprint "researcher"`),
			edits{"Blueprint researcher": bp("spire", agents, ""), "Agent z": pat("spire", `{"prefix":"spiffe://prod.example/other/"}`, "")}},
		{"two of one prefix", edits{"Agent y": pat("spire", agents, ""), "Agent z": pat("spire", agents, "")},
			overlap("Agent z", `agent "y"`), edits{"Agent y": pat("spire", agents, ""), "Agent z": pat("ci", `{"prefix":"spire:prod/"}`, "")}},
		{"two globs that meet", edits{"Agent y": pat("ci", `{"glob":"repo:acme/a*:x"}`, ""), "Agent z": pat("ci", `{"glob":"repo:acme/*b:x"}`, "")},
			overlap("Agent y", `agent "z"`), edits{"Agent y": pat("ci", `{"glob":"repo:acme/a*:x"}`, ""), "Agent z": pat("ci", `{"glob":"repo:acme/b*:x"}`, "")}},
		{"patterns that pins keep apart", edits{"Agent y": pat("spire", agents, `,"claims":{"a":"1"}`), "Agent z": pat("spire", agents, `,"claims":{"b":"2"}`)},
			overlap("Agent z", `agent "y"`), edits{"Agent y": pat("spire", agents, `,"claims":{"a":"1"}`), "Agent z": pat("spire", agents, `,"claims":{"a":"2"}`)}},
		{"patterns that audiences keep apart", edits{"Agent y": pat("spire", agents, `,"audience":"sts"`), "Agent z": pat("spire", agents, `,"audience":"sts"`)},
			overlap("Agent z", `agent "y"`), edits{"Agent y": pat("spire", agents, `,"audience":"sts"`), "Agent z": pat("spire", agents, `,"audience":"other"`)}},
		{"a condition beside a pattern that asks for nothing", edits{"Agent y": pat("spire", agents, `,"condition":"true"`), "Agent z": pat("spire", agents, "")},
			overlap("Agent z", `agent "y"`), edits{"Agent y": pat("spire", agents, `,"condition":"true"`), "Agent z": pat("spire", agents, `,"claims":{"a":"1"}`)}},
		{"two patterns of one blueprint that name one workload twice",
			edits{"Blueprint researcher": `{"resources":[{"name":"llm","scopes":["llm:read"]},{"name":"plain"}],"credentials":[
				{"name":"c","issuer":"spire","subject":` + agents + `,"maxInstances":1},
				{"name":"d","issuer":"spire","subject":{"prefix":"spiffe://prod.example/agents/x/"},"maxInstances":1}]}`},
			`Blueprint researcher: spec.credentials[1].subject: overlaps with credential "c" of blueprint "researcher", so a workload could be two agents; make the two patterns exclude each other`,
			edits{"Blueprint researcher": bp("spire", agents, "")}},
	})
}

// What apply refuses because it could never match, or matches too much.
func TestValidateAllPatterns(t *testing.T) {
	t.Parallel()
	const at = `Agent z: spec.credentials[0].subject`
	row := func(name, issuer, bad, want, good string) reference {
		return reference{name, edits{"Agent z": pat(issuer, bad, "")}, want, edits{"Agent z": pat(issuer, good, "")}}
	}
	broad := func(name, issuer, subject, of string) reference {
		kind := "prefix"
		if subject[2] == 'g' {
			kind = "glob"
		}
		with := func(more string) edits { // nobody else inside the pattern
			return edits{"Agent z": pat(issuer, subject, more), "Agent scout": `{"credentials":null}`, "Agent worker": `{"resources":` + read + `,"credentials":null}`}
		}
		return reference{name, with(""), at + "." + kind + `: admits ` + of + `; narrow it, or say that you mean it with allowBroad: true`,
			with(`,"allowBroad":true`)}
	}
	checkReferences(t, []reference{
		row("a prefix of another trust domain", "spire", `{"prefix":"spiffe://prod.example.org/a/"}`,
			at+`.prefix: must begin with "spiffe://prod.example/", without a wildcard in it: no other sub comes from this issuer`, `{"prefix":"spiffe://prod.example/a/"}`),
		row("a wildcard for the trust domain", "spire", `{"glob":"spiffe://*/a"}`,
			at+`.glob: must begin with "spiffe://prod.example/", without a wildcard in it: no other sub comes from this issuer`, `{"glob":"spiffe://prod.example/a/*"}`),
		row("a prefix that is no service account", "prod", `{"prefix":"system:node:"}`,
			at+`.prefix: must begin with "system:serviceaccount:", without a wildcard in it: no other sub comes from this issuer`, `{"glob":"system:serviceaccount:prod:a*"}`),
		row("SEC-AC-26 an unanchored glob", "ci", `{"glob":"*"}`, at+`.glob: is not anchored: begin it with text up to a "/" or ":", such as "repo:acme/"`, `{"glob":"repo:*"}`),
		broad("a whole trust domain", "spire", `{"prefix":"spiffe://prod.example/"}`, "the whole trust domain"),
		broad("SEC-K8-16 a whole namespace", "prod", `{"prefix":"system:serviceaccount:prod:"}`, "every service account of the namespace"),
		broad("SEC-K8-16 a whole namespace by a glob", "prod", `{"glob":"system:serviceaccount:prod:*"}`, "every service account of the namespace"),
		broad("an account of any namespace", "prod", `{"glob":"system:serviceaccount:*:research"}`, "service accounts of several namespaces"),
	})
}
