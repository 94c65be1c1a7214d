package manifest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/cli/manifest"
)

// head is four lines; specs begin in line 5.
func head(kind, name string) string {
	return "apiVersion: tokenry/v1\nkind: " + kind + "\nmetadata: { name: " + name + " }\nspec:\n"
}

// good has its blueprint in line 5.
var good = head("Agent", "research-agent") + "  blueprint: researcher\n  owner: alice@example.com\n  sponsor: leads\n"

// nested is a flow sequence of depth n.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, yaml string
		want       []string // "%7" stands for "a.yaml:7: Agent research-agent"
	}{
		{"bad kind", strings.Replace(good, "Agent", "agent", 1), []string{`a.yaml:2: agent research-agent: kind: is not a kind; did you mean "Agent"?`}},
		{"misspelt kind", strings.Replace(good, "Agent", "TrustdIssuer", 1), []string{`a.yaml:2: TrustdIssuer research-agent: kind: is not a kind; did you mean "TrustedIssuer"?`}},
		{"foreign kind", strings.Replace(good, "Agent", "Deployment", 1), []string{
			"a.yaml:2: Deployment research-agent: kind: is not a kind; there are Agent, Blueprint, DelegationRule, Resource, TrustedIssuer"}},
		{"no kind", strings.Replace(good, "kind: Agent\n", "", 1), []string{
			"a.yaml:1: research-agent: kind: is missing; there are TrustedIssuer, Resource, Blueprint, Agent, DelegationRule"}},
		{"other version", strings.Replace(good, "v1", "v2", 1), []string{"%1: apiVersion: must be tokenry/v1"}},
		{"no version", strings.Replace(good, "apiVersion: tokenry/v1\n", "", 1), []string{"%1: apiVersion: is missing; write apiVersion: tokenry/v1"}},
		{"no spec", "apiVersion: tokenry/v1\nkind: Agent\nmetadata: { name: research-agent }\n", []string{"%1: spec: is missing"}},
		{"empty spec", head("Agent", "research-agent"), []string{"%4: spec: must be an object, not empty"}},
		{"list for spec", head("Agent", "research-agent") + "- a\n", []string{"%4: spec: must be an object, not a list"}},
		{"no metadata", strings.Replace(good, "metadata: { name: research-agent }\n", "", 1), []string{"a.yaml:1: Agent: metadata.name: is missing"}},
		{"text for metadata", strings.Replace(good, "{ name: research-agent }", "x", 1), []string{"a.yaml:3: Agent: metadata: must be an object with a name"}},
		{"no name", strings.Replace(good, "name: research-agent", "", 1), []string{"a.yaml:3: Agent: metadata.name: is missing"}},
		{"bad name", strings.Replace(good, "research-agent", "Research", 1), []string{
			"a.yaml:3: Agent Research: metadata.name: must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit"}},
		{"hostile name", strings.Replace(good, "research-agent", `"\e[2J"`, 1), []string{
			`a.yaml:3: Agent "\x1b[2J": metadata.name: must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`}},
		{"number for name", strings.Replace(good, "research-agent", "12", 1), []string{"a.yaml:3: Agent: metadata.name: must be a text; put it in quotes"}},
		{"list for name", strings.Replace(good, "research-agent", "[a]", 1), []string{"a.yaml:3: Agent: metadata.name: must be a text"}},
		{"namespace", strings.Replace(good, "agent }", "agent, namespace: x }", 1), []string{
			"%3: metadata.namespace: is not a field; there are labels, name"}},
		{"annotations", strings.Replace(good, "agent }", "agent,\n  lables: {} }", 1), []string{`%4: metadata.lables: is not a field; did you mean "labels"?`}},
		{"number for a label", strings.Replace(good, "agent }", "agent, labels: {\n team: 7 } }", 1), []string{"%4: metadata.labels.team: must be a text; put it in quotes"}},
		{"labels are a text", strings.Replace(good, "agent }", "agent, labels: x }", 1), []string{"%3: metadata.labels: must be an object of texts"}},
		{"label key with dots", strings.Replace(good, "agent }", "agent,\n labels: {\n  a: x,\n  a.b: \" x\" } }", 1), []string{
			"%6: metadata.labels.a.b: begins or ends with a space"}},
		{"label key with spaces", strings.Replace(good, "agent }", "agent,\n labels: {\n  \"a b\": x } }", 1), []string{
			`%5: metadata.labels."a b": must be made of letters, digits, '.', '_', '-' and '/', at most 63`}},
		{"status in the spec", good + "  status: { state: active }\n", []string{
			"%8: spec.status: is not a field; there are blueprint, card, credentials, expiresAt, jwks, jwksUrl, maxTtl, owner, resources, sponsor, tls"}},
		{"unknown at the top", good + "specs: {}\n", []string{`%8: specs: is not a field; did you mean "spec"?`}},
		{"unknown in the spec", good + "  zone: x\n", []string{`%8: spec.zone: is not a field; there are blueprint, card, credentials, expiresAt, jwks, jwksUrl, maxTtl, owner, resources, sponsor, tls`}},
		{"misspelt", good + "  maxTTL: 5m\n", []string{`%8: spec.maxTTL: is not a field; did you mean "maxTtl"?`}},
		{"name of a member for a terminal", good + "  \"x\\ey\": 5m\n", []string{
			`%8: spec."x\x1by": is not a field; there are blueprint, card, credentials, expiresAt, jwks, jwksUrl, maxTtl, owner, resources, sponsor, tls`}},
		{"deep", good + "  credentials:\n  - name: k\n    issuer: i\n    subject: { exact: x }\n  - name: l\n    issuer: j\n    subject:\n      exact: 7\n", []string{
			"%15: spec.credentials[1].subject.exact: must be a text, not a number; put it in quotes"}},
		{"not supported", good + "  card:\n    x: 1\n", []string{"%8: spec.card: card is not supported by this version"}},
		{"wrong in a list", good + "  credentials:\n  - name: k\n    issuer: i\n    subject:\n      prefix: x\n", []string{
			`%12: spec.credentials[0].subject.prefix: must end with "/" or ":", so that it ends where a segment does`}},
		{"value missing", head("Agent", "research-agent") + "  blueprint: researcher\n  owner: \"\"\n", []string{
			"%4: spec.sponsor: is missing; name the person or the team", "%6: spec.owner: is missing; name the person or the team"}},
		{"all at once", strings.Replace(good, "research-agent", "Big", 1) + "  maxTtl: 5 minutes\n  expiresAt: tomorrow\nextra: 1\n", []string{
			"a.yaml:3: Agent Big: metadata.name: must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit",
			`a.yaml:8: Agent Big: spec.maxTtl: must be a duration like "90s", "5m" or "1h30m"`,
			`a.yaml:9: Agent Big: spec.expiresAt: must be a time like "2027-01-31T12:00:00Z"`,
			"a.yaml:10: Agent Big: extra: is not a field; there are apiVersion, kind, metadata, spec"}},
		{"twice", good + "  owner: bob\n", []string{"%8: spec.owner: is there twice; the first is in line 6"}},
		{"twice at the top", good + "kind: Blueprint\n", []string{"%8: kind: is there twice; the first is in line 2"}},
		{"twice in metadata", strings.Replace(good, "agent }", "agent,\n  name: b }", 1), []string{"%4: metadata.name: is there twice; the first is in line 3"}},
		{"not an object", "- a\n", []string{"a.yaml:1: is not an object with apiVersion, kind, metadata and spec"}},
		{"null", "~\n", []string{"a.yaml:1: is not an object with apiVersion, kind, metadata and spec"}},
		{"every document", good + "  a: 1\n---\n\n" + strings.Replace(good, "research", "writer", 1) + "  b: 1\n", []string{
			"%8: spec.a: is not a field; there are blueprint, card, credentials, expiresAt, jwks, jwksUrl, maxTtl, owner, resources, sponsor, tls",
			"a.yaml:18: Agent writer-agent: spec.b: is not a field; there are blueprint, card, credentials, expiresAt, jwks, jwksUrl, maxTtl, owner, resources, sponsor, tls"}},
		{"same object", good + "---\n" + good, []string{"%11: metadata.name: is there twice; the first is at a.yaml:3"}},
		{"same object, both wrong", good + "  maxTtl: 2h\n---\n" + good + "  maxTtl: 1s\n", []string{
			"%8: spec.maxTtl: must be at most 1h: longer tokens are never issued",
			"%17: spec.maxTtl: must be at least 10s: shorter tokens are never issued",
			"%12: metadata.name: is there twice; the first is at a.yaml:3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantProblems(t, test.yaml, test.want)
		})
	}
}

// TestRefusesWhatReadsInTwoWays: YAML that another program, or another place of
// the file, may turn into something else.
func TestRefusesWhatReadsInTwoWays(t *testing.T) {
	t.Parallel()
	const bool11 = " is a text to one version of YAML and true or false to another; write true or false, or put it in quotes"
	const digits = "must be written in decimal digits if it is a number, and in quotes if it is a text"
	issuer := head("TrustedIssuer", "idp") + "  type: oidc\n  issuer: https://idp.example\n"
	blueprint := head("Blueprint", "bp") + "  maxDelegationDepth: "
	for _, test := range []struct {
		name, yaml string
		want       []string
	}{
		{"anchor and alias", strings.Replace(good, "owner: ", "owner: &a ", 1) + "  maxTtl: *a\n", []string{
			"%6: spec.owner: anchors are not supported; leave out &a", "%8: spec.maxTtl: aliases are not supported; write the value out"}},
		{"anchor of a mapping", strings.Replace(good, "metadata: ", "metadata: &a ", 1), []string{"a.yaml:3: Agent: metadata: anchors are not supported; leave out &a"}},
		{"anchor of labels", strings.Replace(good, "agent }", "agent, labels: &a {} }", 1), []string{"%3: metadata.labels: anchors are not supported; leave out &a"}},
		{"anchor of a name", strings.Replace(good, "name: ", "name: &a ", 1), []string{"a.yaml:3: Agent: metadata.name: anchors are not supported; leave out &a"}},
		{"anchor of a key", good + "  &a maxTtl: 5m\n", []string{"%8: spec: anchors are not supported; leave out &a"}},
		{"anchor of the document", "--- &a\n" + good, []string{"a.yaml:1: anchors are not supported; leave out &a"}},
		{"billion laughs", good + "  card:\n    a: &a [x, x, x]\n    b: &b [*a, *a]\n    c: [*b, *b]\n", []string{
			"%8: spec.card: card is not supported by this version",
			"%9: spec.card.a: anchors are not supported; leave out &a", "%10: spec.card.b: anchors are not supported; leave out &b",
			"%11: spec.card.c[0]: aliases are not supported; write the value out", "%11: spec.card.c[1]: aliases are not supported; write the value out"}},
		{"itself", good + "  card: &a [*a]\n", []string{"%8: spec.card: anchors are not supported; leave out &a"}},
		{"merge", head("Agent", "research-agent") + "  <<: { owner: a }\n  blueprint: b\n", []string{"%5: spec: merge keys are not supported; write the members out"}},
		{"merge at the top", "<<: { kind: Agent }\n", []string{"a.yaml:1: merge keys are not supported; write the members out"}},
		{"merge as a value", good + "  maxTtl: <<\n", []string{"%8: spec.maxTtl: must be a text; put it in quotes"}},
		{"tag", strings.Replace(good, "researcher", "!!str researcher", 1), []string{"%5: spec.blueprint: tags are not supported; leave out !!str, and put a text in quotes"}},
		{"tag of a program", strings.Replace(good, "researcher", "!exec researcher", 1), []string{"%5: spec.blueprint: tags are not supported; leave out !exec, and put a text in quotes"}},
		{"tag of a list", good + "  resources: !!set [a]\n", []string{"%8: spec.resources: tags are not supported; leave out !!set, and put a text in quotes"}},
		{"tag of a key", good + "  !!str maxTtl: 5m\n", []string{"%8: spec: tags are not supported; leave out !!str, and put a text in quotes"}},
		{"number as a key", good + "  7: 5m\n", []string{"%8: spec: has a member called 7, which is not a text; put it in quotes"}},
		{"number as a key among others", good + "  credentials:\n  - issuer: i\n    7: x\n    name: A b\n", []string{
			"%10: spec.credentials[0]: has a member called 7, which is not a text; put it in quotes", "%11: spec.credentials[0].name: must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit"}},
		{"null as a key", good + "  null: 5m\n", []string{`%8: spec: has a member called null, which is not a text; put it in quotes`}},
		{"list as a key", good + "  ? [a]\n  : 5m\n", []string{"%8: spec: has a member whose name is not a text"}},
		{"long key", good + "  " + strings.Repeat("k", 257) + ": 5m\n", []string{"%8: spec: has a member whose name is longer than 256 bytes"}},
		{"yes for a bool", issuer + "  keys: { discovery: yes }\n", []string{"a.yaml:7: TrustedIssuer idp: spec.keys.discovery: yes" + bool11}},
		{"On for a text", strings.Replace(good, "alice@example.com", "On", 1), []string{"%6: spec.owner: On" + bool11}},
		{"NO for a label", strings.Replace(good, "agent }", "agent, labels: { country: NO } }", 1), []string{"%3: metadata.labels.country: NO" + bool11}},
		{"y in a list", issuer + "  keys: { discovery: true }\n  audiences:\n  - a\n  - y\n", []string{"a.yaml:10: TrustedIssuer idp: spec.audiences[1]: y" + bool11}},
		{"text for a bool", issuer + "  keys: { discovery: \"true\" }\n", []string{"a.yaml:7: TrustedIssuer idp: spec.keys.discovery: must be true or false, not a text"}},
		{"octal", blueprint + "010\n", []string{"a.yaml:5: Blueprint bp: spec.maxDelegationDepth: " + digits}},
		{"hexadecimal", blueprint + "0x3\n", []string{"a.yaml:5: Blueprint bp: spec.maxDelegationDepth: " + digits}},
		{"underscore", blueprint + "1_0\n", []string{"a.yaml:5: Blueprint bp: spec.maxDelegationDepth: " + digits}},
		{"plus", blueprint + "+3\n", []string{"a.yaml:5: Blueprint bp: spec.maxDelegationDepth: " + digits}},
		{"infinity", blueprint + ".inf\n", []string{"a.yaml:5: Blueprint bp: spec.maxDelegationDepth: " + digits}},
		{"fraction", blueprint + "1.5\n", []string{"a.yaml:5: Blueprint bp: spec.maxDelegationDepth: must be a whole number"}},
		{"nested", good + "  card: " + nested(70) + "\n", []string{
			"%8: spec.card: card is not supported by this version", "%8: spec.card" + strings.Repeat("[0]", 32) + ": is nested more than 32 deep"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantProblems(t, test.yaml, test.want)
		})
	}
}

// look is the advice where the library stops behind the mistake, or before it.
const look = " (look at the indentation and the quotes there and in the lines around it)"

// TestSyntaxErrorsNameTheLine: the YAML library counts from 0 here and from 1
// there, and sometimes names no line.
func TestSyntaxErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, yaml, want string }{
		{"indent", "a: 1\nb: 2\n c: 3\n", "a.yaml:3: is not YAML: mapping values are not allowed in this context"},
		{"first line", "a: b: c\nd: 3\n", "a.yaml:1: is not YAML: mapping values are not allowed in this context"},
		{"outdent", "a: 1\nspec:\n  x: 1\n y: 2\nz: 3\n", "a.yaml:4: is not YAML: did not find expected key" + look},
		{"quote in the first line", "a: 'x' y\nb: 1\n", "a.yaml:1: is not YAML: did not find expected key" + look},
		{"open list", "a: 1\nb: [1, 2\nc: 3\nd: 4\n", "a.yaml:2: is not YAML: did not find expected ',' or ']'" + look},
		{"open quote", "a: 1\nb: \"abc\nc: 3\n", "a.yaml:2: is not YAML: found unexpected end of stream"},
		{"list among members", "a: 1\n- x\nc: 3\n", "a.yaml:2: is not YAML: did not find expected key" + look},
		{"text among members", "a: 1\nfoo\nc: 3\n", "a.yaml:2: is not YAML: could not find expected ':'" + look},
		{"tab", "a: 1\nb:\n\t- x\n", "a.yaml:3: is not YAML: found character that cannot start any token"},
		{"tab below members", "a: 1\nspec:\n  b: x\n\n\tc: y\n", "a.yaml:5: is not YAML: found a tab character that violates indentation"},
		{"tab behind spaces", "a: 1\nspec:\n  b: x\n  \tc: y\n", "a.yaml:4: is not YAML: found a tab character that violates indentation"},
		{"tab below a text with tabs", "a: |\n  z\n  \tx\nspec:\n  b: x\n\tc: y\n", "a.yaml:6: is not YAML: found a tab character that violates indentation"},
		{"tab below a line of tabs", "a: 1\nspec:\n  b: x\n\t\n\tc: y\n", "a.yaml:5: is not YAML: found a tab character that violates indentation"},
		{"tab in the line named", "a: 1\n\tb: 1\n", "a.yaml:2: is not YAML: found a tab character that violates indentation"},
		{"quote that ends at the next", "a: 1\nb: \"abc\nc: \"x\"\n", "a.yaml:3: is not YAML: did not find expected key" + look},
		{"tag handle", "a: 1\nb: !foo!bar x\nc: 1\n", "a.yaml:2: is not YAML: found undefined tag handle"},
		{"directive", "%FOO\na: 1\n", "a.yaml:1: is not YAML: found unknown directive name"},
		{"control character", "a: 1\nb: \x01\nd: 3\n", "a.yaml:2: is not YAML: control characters are not allowed"},
		{"control character in a long line", "a: 1\nb: " + strings.Repeat("x", 9000) + "\x01\nd: 3\n", "a.yaml:2: is not YAML: control characters are not allowed"},
		{"control character after a long line", "a: 1\nb: " + strings.Repeat("x", 9000) + "\nd: \x01\n", "a.yaml:3: is not YAML: control characters are not allowed"},
		{"alias spoken of", "a: 1 # *x\nfoo: *x\nc: 3\n", "a.yaml:2: aliases are not supported; write the value out"},
		{"alias of nothing", "a: 1\nfoo: *x\nc: 3\n", "a.yaml:2: aliases are not supported; write the value out"},
		{"alias in the last line", "a: 1\nfoo: *x", "a.yaml:2: aliases are not supported; write the value out"},
		{"no UTF-8", "a: é\nb: \xff\nd: 3\n", "a.yaml:2: is not UTF-8"},
		{"no UTF-8 at the end", "a: é\nb: \xe9", "a.yaml:2: is not UTF-8"},
		{"UTF-16", "\xff\xfea\x00:\x00", "a.yaml:1: is not UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantProblems(t, test.yaml, []string{test.want})
		})
	}
}

// TestProblemsBeforeASyntaxError: they are shown with it.
func TestProblemsBeforeASyntaxError(t *testing.T) {
	t.Parallel()
	wantProblems(t, good+"  maxTtl: 7d\n---\nkind: [\n", []string{
		`a.yaml:8: Agent research-agent: spec.maxTtl: must be a duration like "90s", "5m" or "1h30m"`,
		"a.yaml:10: is not YAML: did not find expected node content" + look,
	})
}

func TestErrorIsCutShort(t *testing.T) {
	t.Parallel()
	_, err := manifest.Parse("a.yaml", strings.NewReader(strings.Repeat("--- 1\n", 103)))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 101 || lines[100] != "and 3 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func wantProblems(t *testing.T, yaml string, want []string) {
	t.Helper()
	docs, err := manifest.Parse("a.yaml", strings.NewReader(yaml))
	var e *manifest.Error
	if !errors.As(err, &e) {
		t.Fatalf("no *manifest.Error but %v", err)
	}
	if docs != nil {
		t.Error("documents came with an error")
	}
	for i, line := range want {
		if rest, ok := strings.CutPrefix(line, "%"); ok {
			number, rest, _ := strings.Cut(rest, ":")
			want[i] = "a.yaml:" + number + ": Agent research-agent:" + rest
		}
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
