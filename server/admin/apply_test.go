package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/server/admin"
)

// outcomes is what results say, in short.
func outcomes(r api.ApplyResult) string {
	var all []string
	for _, one := range r.Results {
		all = append(all, string(one.Outcome)+" "+one.Name)
	}
	return strings.Join(all, ", ")
}

func TestApply(t *testing.T) {
	t.Parallel()
	p := start(t)
	changed := standard()
	changed[4] = agent("research-agent", "other")
	for _, step := range []struct {
		name string
		r    api.ApplyRequest
		want string
	}{
		{"dry", api.ApplyRequest{Objects: standard(), DryRun: true}, "created prod, created corp, created calendar, created researcher, created research-agent, created staff"},
		{"for the first time", api.ApplyRequest{Objects: standard()}, "created prod, created corp, created calendar, created researcher, created research-agent, created staff"},
		{"again", api.ApplyRequest{Objects: standard()}, "unchanged prod, unchanged corp, unchanged calendar, unchanged researcher, unchanged research-agent, unchanged staff"},
		{"one", api.ApplyRequest{Objects: changed}, "unchanged prod, unchanged corp, unchanged calendar, unchanged researcher, configured research-agent, unchanged staff"},
		{"prune, dry", api.ApplyRequest{Objects: standard()[:4], Prune: true, DryRun: true}, "unchanged prod, unchanged corp, unchanged calendar, unchanged researcher, deleted research-agent, deleted staff"},
		{"prune", api.ApplyRequest{Objects: standard()[:4], Prune: true}, "unchanged prod, unchanged corp, unchanged calendar, unchanged researcher, deleted research-agent, deleted staff"},
	} {
		result, err := p.Apply(t.Context(), step.r)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := outcomes(result); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
		for _, r := range result.Results {
			made := r.Outcome == api.Created && step.r.DryRun
			if (r.ID == "") != made || r.Kind == "" {
				t.Errorf("%s: %+v", step.name, r)
			}
		}
	}
	p.quiet(t)
}

// TestApplyAllOrNothing: one bad object of a hundred, and none is written; the
// answer says which (AM-36).
func TestApplyAllOrNothing(t *testing.T) {
	t.Parallel()
	p := start(t)
	objects := standard()
	for i := range 94 {
		objects = append(objects, agent(fmt.Sprint("b", i), fmt.Sprint("w/", i)))
	}
	objects[57] = agent("a57", "research") // the workload of research-agent
	problem := refused(t, applyError(t, p, objects), http.StatusUnprocessableEntity, api.CodeInvalid)
	if got, want := locations(problem), "objects[4].spec.credentials[0].subject objects[57].spec.credentials[0].subject"; !strings.Contains(want, got) || got == "" {
		t.Errorf("refused at %q, want one of %q", got, want)
	}
	objects[57] = object(registry.KindAgent, "a57", `{"blueprint":"researcher","owner":"o","sponsor":7}`)
	problem = refused(t, applyError(t, p, objects), http.StatusUnprocessableEntity, api.CodeInvalid)
	if got := locations(problem); got != "objects[57].spec.sponsor" {
		t.Errorf("refused at %q", got)
	}
	for _, kind := range api.Kinds() {
		list, err := p.AllObjects(t.Context(), kind)
		if err != nil || len(list) != 0 {
			t.Errorf("%s: %d objects, %v; want none", kind, len(list), err)
		}
	}
	if n := p.written.Load(); n != 0 {
		t.Errorf("told of %d writes", n)
	}
}

func applyError(t *testing.T, p *plane, objects []api.Object) error {
	t.Helper()
	_, err := p.Apply(t.Context(), api.ApplyRequest{Objects: objects})
	return err
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	p := start(t)
	one := `{"kind":"Resource","metadata":{"name":"r"},"spec":{"identifier":"https://r.example"}}`
	for body, at := range map[string]string{
		`{}`:                          "objects",
		`{"objects":[]}`:              "objects", // with prune it would empty the registry
		`{"objects":[],"prune":true}`: "objects",
		`{"objects":null}`:            "objects",
		`{"objects":{}}`:              "objects",
		`{"objects":[` + one + `],"prune":"yes"}`:                                                   "prune",
		`{"objects":[` + one + `],"dryRun":true}`:                                                   "dryRun", // not where it goes, so it would not be dry
		`{"objects":[` + one + `,` + one + `]}`:                                                     "objects[1]",
		`{"objects":[null]}`:                                                                        "objects[0]",
		`{"objects":[{"metadata":{"name":"r"},"spec":{}}]}`:                                         "objects[0].kind",
		`{"objects":[{"kind":"Secret","metadata":{"name":"r"},"spec":{}}]}`:                         "objects[0].kind",
		`{"objects":[{"kind":"Resource","spec":{"identifier":"https://r.example"}}]}`:               "objects[0].metadata.name",
		`{"objects":[{"kind":"Resource","metadata":{"name":"r","labels":{"a":null}},"spec":{}}]}`:   "objects[0].metadata.labels.a",
		`{"objects":[` + strings.Repeat(`{},`, 10_000) + `{}]}`:                                     "objects",
		`{"objects":[{"kind":"Resource","metadata":{"name":"r","owner":"x"},"spec":{}}]}`:           "objects[0].metadata.owner",
		`{"objects":[{"kind":"Resource","metadata":[],"spec":{"identifier":"https://r.example"}}]}`: "objects[0].metadata",
	} {
		a := p.send(t, request{method: http.MethodPost, path: "/apply", body: body}).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
		if got := locations(a.problem); got != at {
			t.Errorf("%.100s: refused at %q, want %q", body, got, at)
		}
	}
	p.send(t, request{method: http.MethodPost, path: "/apply"}).want(t, http.StatusBadRequest, api.CodeMalformed)
	p.quiet(t)
}

// TestApplyTellsTheRightPlace: what is wrong is told where the request can mend
// it.
func TestApplyTellsTheRightPlace(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *admin.Config) {
		c.Fetchable = func(url string) error {
			if url == "" || strings.HasPrefix(url, "https://inside.") {
				return errors.New("blocked")
			}
			return nil
		}
	})
	p.standard(t)
	issuer := func(keys string) api.Object {
		return object("TrustedIssuer", "new", `{"type":"oidc","issuer":"https://inside.example","audiences":["a"],"keys":{`+keys+`}}`)
	}
	for name, row := range map[string]struct {
		objects []api.Object
		prune   bool
		want    string // places and the last message
	}{
		"a newcomer that sorts first claims what another has": {
			objects: []api.Object{object("Resource", "aaa", `{"identifier":"https://calendar.example"}`)},
			want:    `objects[0].spec.identifier: is already that of resource "calendar"`,
		},
		"keys inside by discovery": {
			objects: []api.Object{issuer(`"discovery":true`)},
			want:    "objects[0].spec.issuer: this server would never fetch keys from here",
		},
		"keys inside by URL": {
			objects: []api.Object{issuer(`"jwksUrl":"https://inside.example/keys"`)},
			want:    "objects[0].spec.keys.jwksUrl: this server would never fetch keys from here",
		},
		"a bundle inside": {
			objects: []api.Object{object("TrustedIssuer", "new", `{"type":"spiffe","trustDomain":"x.example","keys":{"bundleUrl":"https://inside.example/b"}}`)},
			want:    "objects[0].spec.keys.bundleUrl: this server would never fetch keys from here",
		},
		"keys of an agent inside": {
			objects: []api.Object{
				object("Blueprint", "keyed", `{"clientAuth":["private_key_jwt"]}`),
				object("Agent", "keyed-agent", `{"blueprint":"keyed","owner":"o","sponsor":"s","jwksUrl":"https://inside.example/keys"}`),
			},
			want: "objects[1].spec.jwksUrl: this server would never fetch keys from here",
		},
		"an API server inside": {
			objects: []api.Object{object("TrustedIssuer", "new", `{"type":"kubernetes","issuer":"https://outside.example","keys":{"jwksFile":"/k"},"tokenReview":{"url":"https://inside.example","tokenFile":"/t"}}`)},
			want:    "objects[0].spec.tokenReview.url: this server would never ask about tokens here",
		},
		"prune takes away what is referred to": {
			objects: []api.Object{object("Agent", "research-agent", `{"blueprint":"researcher","owner":"o","sponsor":"s"}`)},
			prune:   true,
			want:    ": an object that is not in the request counts as deleted",
		},
	} {
		_, err := p.Apply(t.Context(), api.ApplyRequest{Objects: row.objects, Prune: row.prune})
		var problem *api.Error
		if !errors.As(err, &problem) || len(problem.Problem.Errors) == 0 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		last := problem.Problem.Errors[len(problem.Problem.Errors)-1]
		if got := last.Location + ": " + last.Message; !strings.HasPrefix(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
	if _, err := p.Apply(t.Context(), api.ApplyRequest{Objects: []api.Object{issuer(`"jwksUrl":"https://outside.example/keys"`)}}); err != nil {
		t.Errorf("keys outside: %v", err)
	}
	if _, err := p.Apply(t.Context(), api.ApplyRequest{Objects: []api.Object{object("TrustedIssuer", "filed", `{"type":"spiffe","trustDomain":"f.example","keys":{"bundleFile":"/bundle"}}`)}}); err != nil {
		t.Errorf("keys in a file: %v", err)
	}
}

// TestManyProblems: an answer has an end.
func TestManyProblems(t *testing.T) {
	t.Parallel()
	p := start(t)
	var members []string
	for i := range 5000 {
		members = append(members, fmt.Sprintf(`"m%d":1`, i))
	}
	a := p.send(t, request{method: http.MethodPost, path: "/agents", body: `{` + strings.Join(members, ",") + `}`}).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
	if n := len(a.problem.Errors); n != 101 || a.problem.Errors[100].Message != "and 4900 more" {
		t.Errorf("%d problems, the last is %+v", n, a.problem.Errors[n-1])
	}
}

// TestDryRun: no call that says dry_run changes anything, and each refuses what
// the real one would.
func TestDryRun(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	before := p.state(t)
	spec := `{"spec":` + string(agent("", "new").Spec) + `}`
	for _, row := range []struct {
		request
		status int
	}{
		{request{method: http.MethodPost, path: "/agents?dry_run=true", body: `{"metadata":{"name":"new"},` + spec[1:]}, http.StatusOK},
		{request{method: http.MethodPost, path: "/agents?dry_run=true", body: `{"metadata":{"name":"research-agent"},` + spec[1:]}, http.StatusConflict},
		{request{method: http.MethodPut, path: "/agents/new?dry_run=true", body: spec}, http.StatusOK},
		{request{method: http.MethodPut, path: "/agents/research-agent?dry_run=true", body: spec}, http.StatusOK},
		{request{method: http.MethodPut, path: "/agents/new?dry_run=true", body: `{"spec":{}}`}, http.StatusUnprocessableEntity},
		{request{method: http.MethodDelete, path: "/agents/research-agent?dry_run=true"}, http.StatusNoContent},
		{request{method: http.MethodDelete, path: "/blueprints/researcher?dry_run=true"}, http.StatusConflict},
		{request{method: http.MethodPost, path: "/agents/research-agent:disable?dry_run=true"}, http.StatusOK},
		{request{method: http.MethodPost, path: "/agents/research-agent:enable?dry_run=true"}, http.StatusOK},
		{request{method: http.MethodPost, path: "/agents/nobody:disable?dry_run=true"}, http.StatusNotFound},
		{request{method: http.MethodPost, path: "/agents/research-agent:rotate-secret?dry_run=true"}, http.StatusOK},
		{request{method: http.MethodPost, path: "/agents/nobody:rotate-secret?dry_run=true"}, http.StatusNotFound},
		{request{method: http.MethodPost, path: "/apply?dry_run=true", body: `{"objects":[{"kind":"Resource","metadata":{"name":"r"},"spec":{"identifier":"https://r.example"}}]}`}, http.StatusOK},
		// What could be read as either is refused.
		{request{method: http.MethodDelete, path: "/agents/research-agent?dry_run"}, http.StatusUnprocessableEntity},
		{request{method: http.MethodDelete, path: "/agents/research-agent?dry_run="}, http.StatusUnprocessableEntity},
		{request{method: http.MethodDelete, path: "/agents/research-agent?dry_run=yes"}, http.StatusUnprocessableEntity},
		{request{method: http.MethodDelete, path: "/agents/research-agent?dryrun=true"}, http.StatusUnprocessableEntity},
		{request{method: http.MethodDelete, path: "/agents/research-agent?dry_run=true&dry_run=false"}, http.StatusUnprocessableEntity},
	} {
		a := p.send(t, row.request)
		if a.status != row.status || a.header.Get("ETag") != "" {
			t.Errorf("%s %s: %d %s, ETag %q; want %d", row.method, row.path, a.status, a.body, a.header.Get("ETag"), row.status)
		}
		if strings.Contains(row.path, "/new") && a.status == http.StatusOK && strings.Contains(a.body, `"status"`) {
			t.Errorf("%s: the answer has an id that nobody has: %s", row.path, a.body)
		}
		if strings.Contains(a.body, `"secret":"`) {
			t.Errorf("%s: shows a secret that is not one: %s", row.path, a.body)
		}
	}
	a := p.send(t, request{method: http.MethodPost, path: "/agents/research-agent:disable?dry_run=true"})
	if !strings.Contains(a.body, `"state":"disabled"`) {
		t.Errorf("the would-be object is %s", a.body)
	}
	if d := cmp.Diff(before, p.state(t)); d != "" {
		t.Errorf("-before +after:\n%s", d)
	}
	if n := p.written.Load(); n != 1 {
		t.Errorf("told of %d writes, want the one that was none of these", n)
	}
}

// state is everything that a write could change.
func (p *plane) state(t *testing.T) string {
	t.Helper()
	var all []any
	for _, kind := range api.Kinds() {
		list, err := p.AllObjects(t.Context(), kind)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list)
	}
	events, err := p.AuditEvents(t.Context(), api.Page{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.MarshalIndent(append(all, events), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
