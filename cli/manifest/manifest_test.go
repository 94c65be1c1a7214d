package manifest_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/cli/manifest"
	"github.com/tokenry/tokenry/registry"
)

const stream = `# Two objects and three empty documents.
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: research-agent, labels: { team: research, example.com/a.b: "7" } }
spec:
  sponsor: research-leads
  owner: alice@example.com
  blueprint: researcher
  expiresAt: 2027-01-31T12:00:00Z
  credentials:
    - name: k8s
      issuer: prod-cluster
      subject: { exact: "system:serviceaccount:prod:research" }
      condition: |
        claims.sub != "" &&
        claims.groups.size() < 3
    - { name: spire, issuer: prod-spire,
        subject: { exact: spiffe://prod.example/research } }
---
# nothing
---
---
apiVersion: "tokenry/v1"
kind: 'TrustedIssuer'
metadata:
  name: idp
spec: {"type": "oidc", "issuer": "https://idp.example", "keys": {"discovery": True}, "assertsActors": FALSE}
...
`

func parse(t *testing.T, yaml string) []manifest.Document {
	t.Helper()
	docs, err := manifest.Parse("dir/a.yaml", strings.NewReader(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func TestParse(t *testing.T) {
	t.Parallel()
	docs := parse(t, stream)
	if len(docs) != 2 {
		t.Fatalf("%d documents, want 2", len(docs))
	}
	want := []api.Object{{
		APIVersion: "tokenry/v1", Kind: registry.KindAgent,
		Metadata: api.Metadata{Name: "research-agent", Labels: map[string]string{"team": "research", "example.com/a.b": "7"}},
		Spec: json.RawMessage(`{"sponsor":"research-leads","owner":"alice@example.com","blueprint":"researcher",` +
			`"expiresAt":"2027-01-31T12:00:00Z","credentials":[{"name":"k8s","issuer":"prod-cluster",` +
			`"subject":{"exact":"system:serviceaccount:prod:research"},` +
			`"condition":"claims.sub != \"\" &&\nclaims.groups.size() < 3\n"},` +
			`{"name":"spire","issuer":"prod-spire","subject":{"exact":"spiffe://prod.example/research"}}]}`),
	}, {
		APIVersion: "tokenry/v1", Kind: registry.KindTrustedIssuer,
		Metadata: api.Metadata{Name: "idp"},
		Spec:     json.RawMessage(`{"type":"oidc","issuer":"https://idp.example","keys":{"discovery":true},"assertsActors":false}`),
	}}
	if diff := cmp.Diff(want, []api.Object{docs[0].Object(), docs[1].Object()}); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if docs[0].File != "dir/a.yaml" {
		t.Errorf("file %q", docs[0].File)
	}
}

// TestValuesStayWhatTheyAre: numbers are not texts, texts that look like
// something else stay texts, and so do times.
func TestValuesStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ yaml, want string }{
		{head("Blueprint", "b") + "  maxDelegationDepth: 3\n", `{"maxDelegationDepth":3}`},
		{head("Resource", "r") + "  identifier: https://r.example\n  scopes: [ { name: \"7\", description: 'no' } ]\n",
			`{"identifier":"https://r.example","scopes":[{"name":"7","description":"no"}]}`},
		{good + "  expiresAt: 2027-01-31T12:00:00+01:00\n",
			`{"blueprint":"researcher","owner":"alice@example.com","sponsor":"leads","expiresAt":"2027-01-31T12:00:00+01:00"}`},
		{head("Agent", "a") + "  { blueprint: b, owner: !0, sponsor: \"\\u00e9 <&>\" }\n", ``},
		{head("Agent", "a") + "  { blueprint: b, owner: yEs, sponsor: \"\\u00e9 <&>\" }\n", `{"blueprint":"b","owner":"yEs","sponsor":"é <&>"}`},
		{head("Agent", "a") + "  { blueprint: b, owner: 'y', sponsor: o, jwks: { keys: [ { kty: EC, kid: k, crv: P-256, x: AA, y: BB } ] } }\n",
			`{"blueprint":"b","owner":"y","sponsor":"o","jwks":{"keys":[{"kty":"EC","kid":"k","crv":"P-256","x":"AA","y":"BB"}]}}`},
	} {
		docs, err := manifest.Parse("a.yaml", strings.NewReader(test.yaml))
		switch {
		case test.want == "" && err == nil:
			t.Errorf("%s\nwas not refused", test.yaml)
		case test.want != "" && err != nil:
			t.Errorf("%s\n%v", test.yaml, err)
		case test.want != "" && string(docs[0].Spec) != test.want:
			t.Errorf("got  %s\nwant %s", docs[0].Spec, test.want)
		}
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	d := &parse(t, stream)[0]
	for _, test := range []struct {
		path         string
		line, column int
	}{
		{"", 3, 1},
		{"apiVersion", 3, 1},
		{"metadata", 5, 1},
		{"metadata.name", 5, 13},
		{"metadata.labels", 5, 35},
		{"metadata.labels.team", 5, 45},
		{"metadata.labels.example.com/a.b", 5, 61},
		{"metadata.labels.example.com/a.c", 5, 35}, // not written: its parent
		{"spec.blueprint", 9, 3},
		{"spec.maxTtl", 6, 1},
		{"spec.credentials", 11, 3},
		{"spec.credentials[0]", 12, 7},
		{"spec.credentials[0].condition", 15, 7},
		{"spec.credentials[1]", 18, 7},
		{"spec.credentials[1].condition", 18, 7},
		{"spec.credentials[1].subject.exact", 19, 20},
		{"spec.credentials[2].name", 11, 3},
		{"spec.credentialsX", 6, 1},
		{"status.state", 3, 1},
	} {
		want := manifest.Position{File: "dir/a.yaml", Line: test.line, Column: test.column}
		if got := d.Position(test.path); got != want {
			t.Errorf("%q is at %v column %d, want %v column %d", test.path, got, got.Column, want, want.Column)
		}
	}
	if got := d.Problem("spec.blueprint", "is gone").String(); got != "dir/a.yaml:9: Agent research-agent: spec.blueprint: is gone" {
		t.Error(got)
	}
	if got := d.Problem("", "is gone").String(); got != "dir/a.yaml:3: Agent research-agent: is gone" {
		t.Error(got)
	}
	bare := manifest.Document{File: "x"}
	if got := bare.Position("spec").String(); got != "x" {
		t.Errorf("a document that was not read is at %q", got)
	}
}

// TestPositionOfOddNames: package registry shows a long name, and one with odd
// characters, cut short and in quotes.
func TestPositionOfOddNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 50)
	d := &parse(t, strings.Replace(good, "agent }", "agent, labels: {\n  "+long+": x } }", 1))[0]
	for _, path := range []string{"metadata.labels." + long, `metadata.labels."` + long[:40] + `"`} {
		if got := d.Position(path).Line; got != 4 {
			t.Errorf("%s is in line %d, want 4", path, got)
		}
	}
}

// TestOurOwnManifests: the demo, its example, and whatever an editor made of
// their line ends.
func TestOurOwnManifests(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../demo/resources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	demo := strings.ReplaceAll(string(data), "DEMO_URL", "http://127.0.0.1:8090")
	docs := parse(t, demo)
	counted := map[registry.Kind]int{}
	for _, d := range docs {
		counted[d.Kind]++
	}
	if len(docs) != strings.Count(demo, "kind: ") || len(counted) != len(registry.Kinds()) {
		t.Errorf("%d documents of %d kinds", len(docs), len(counted))
	}
	if windows := parse(t, "\ufeff"+strings.ReplaceAll(demo, "\n", "\r\n")); len(windows) != len(docs) || windows[4].Position("spec") != docs[4].Position("spec") {
		t.Error("other line ends give other documents")
	}
	examples, err := manifest.Load("../../docs/examples", nil)
	if err != nil || len(examples) == 0 {
		t.Errorf("%d examples, %v", len(examples), err)
	}
}

func TestUnique(t *testing.T) {
	t.Parallel()
	a, b := parse(t, good), parse(t, "\n"+good)
	if err := manifest.Unique(a); err != nil {
		t.Error(err)
	}
	// An agent and a blueprint of one name are two objects.
	if err := manifest.Unique(append(parse(t, head("Blueprint", "research-agent")+"  {}\n"), a...)); err != nil {
		t.Error(err)
	}
	err := manifest.Unique(append(a, b...))
	const want = "dir/a.yaml:4: Agent research-agent: metadata.name: is there twice; the first is at dir/a.yaml:3"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat("# "+strings.Repeat("x", 1021)+"\n", 4096)
	full := good + filler[:4<<20-len(good)]
	if docs := parse(t, full); len(docs) != 1 {
		t.Errorf("%d documents in 4 MiB", len(docs))
	}
	wantProblems(t, full+"#", []string{"a.yaml: is larger than 4 MiB; split it"})

	// Each of these is no object, which is one problem more.
	most := strings.Repeat("--- x\n", 10_000)
	for _, test := range []struct{ yaml, last string }{
		{most, "a.yaml:10000: is not an object with apiVersion, kind, metadata and spec"},
		{most + "---\n" + good, "a.yaml:10002: is document 10001; no more than 10000 can be applied at once"},
	} {
		_, err := manifest.Parse("a.yaml", strings.NewReader(test.yaml))
		var e *manifest.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		if last := e.Problems[len(e.Problems)-1].String(); last != test.last {
			t.Errorf("got  %s\nwant %s", last, test.last)
		}
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("pipe broken")
	_, err := manifest.Parse("stdin", io.MultiReader(strings.NewReader(good), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || err.Error() != "reading stdin: pipe broken" {
		t.Error(err)
	}
}
