package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// fleet makes instances of the blueprint researcher, which gets a credential
// for them.
func (p *plane) fleet(t *testing.T, suffixes ...string) {
	t.Helper()
	c := registry.PatternCredential{MaxInstances: 20_000}
	c.Name, c.Issuer, c.Subject.Prefix = "fleet", "prod", "spiffe://prod.example/fleet/"
	b, err := p.db.Object(t.Context(), registry.KindBlueprint, "researcher")
	if err != nil {
		t.Fatal(err)
	}
	b.Spec.(*registry.Blueprint).Credentials = []registry.PatternCredential{c}
	if _, err := p.db.Apply(t.Context(), storage.Write{By: principal, Upserts: []*registry.Object{&b}}); err != nil {
		t.Fatal(err)
	}
	all := make([]registry.Candidate, len(suffixes))
	for i, s := range suffixes {
		all[i] = registry.Candidate{
			Name: registry.AgentName("researcher/" + s), Blueprint: "researcher",
			InstanceOf: registry.InstanceOf{Credential: "fleet", Issuer: "prod", Subject: "spiffe://prod.example/fleet/" + s},
		}
	}
	for part := range slices.Chunk(all, 500) {
		admissions, err := p.db.AdmitInstances(t.Context(), part)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range admissions {
			if a.Err != nil {
				t.Fatal(a.Err)
			}
		}
	}
}

func agentNames(list []api.Object) string {
	all := make([]string, len(list))
	for i, o := range list {
		all[i] = o.Metadata.Name
	}
	return strings.Join(all, " ")
}

// TestInstance: an instance is read, stopped, let go on and deleted like every
// agent, by its name as one segment.
func TestInstance(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	suffixes := []string{"r7", "a:b", "deep/er", "Up.per_-", "x:disable", "..x", "a/b.", strings.Repeat("x", 200)}
	p.fleet(t, suffixes...)
	for _, s := range suffixes {
		name := "researcher/" + s
		o, etag, err := p.ObjectWithETag(t.Context(), registry.KindAgent, name)
		if err != nil || o.Metadata.Name != name || etag == "" || string(o.Spec) != `{"blueprint":"researcher","owner":"","sponsor":""}` {
			t.Errorf("%s: %+v %s, %v", name, o, o.Spec, err)
			continue
		}
		i := o.Status.Instance
		if i == nil || i.Credential != "fleet" || i.Issuer != "prod" || i.Subject != "spiffe://prod.example/fleet/"+s || time.Since(i.LastUsed) > time.Minute {
			t.Errorf("%s was made from %+v", name, i)
		}
		for _, state := range []registry.State{registry.Disabled, registry.Active} {
			o, err := p.SetState(t.Context(), registry.KindAgent, name, state, "")
			if err != nil || o.Status.State != state || o.Status.Instance == nil || o.Status.Instance.LastUsed != i.LastUsed {
				t.Errorf("%s to %s: %+v, %v", name, state, o.Status, err)
			}
		}
		refused(t, p.Delete(t.Context(), registry.KindAgent, name, api.WriteOptions{IfMatch: etag}), http.StatusPreconditionFailed, api.CodePreconditionFailed)
		if err := p.Delete(t.Context(), registry.KindAgent, name, api.WriteOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err = p.Object(t.Context(), registry.KindAgent, name)
		refused(t, err, http.StatusNotFound, api.CodeNotFound)
	}
	p.quiet(t)
}

// TestInstancePaths: the action is the last part of the segment, however it is
// written; what is no name reaches nothing.
func TestInstancePaths(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	p.fleet(t, "a:b", "a", "a:b:enable")
	for _, row := range []struct {
		method, path string
		want         int
		name         string
	}{
		{http.MethodGet, "researcher%2Fa%3Ab", http.StatusOK, "researcher/a:b"},
		{http.MethodGet, "researcher%2Fa:b", http.StatusOK, "researcher/a:b"},
		{http.MethodPost, "researcher%2Fa%3Ab:disable", http.StatusOK, "researcher/a:b"},
		{http.MethodPost, "researcher%2fa:b:enable", http.StatusOK, "researcher/a:b"},
		{http.MethodPost, "researcher%2Fa:disable", http.StatusOK, "researcher/a"},
		{http.MethodPost, "researcher%2Fa:b:enable:disable", http.StatusOK, "researcher/a:b:enable"},
		{http.MethodPost, "researcher%2Fa:b", http.StatusNotFound, ""}, // no action
		{http.MethodGet, "researcher/a", http.StatusNotFound, ""},      // two segments
		{http.MethodGet, "researcher%252Fa", http.StatusNotFound, ""},  // encoded twice
		{http.MethodGet, "researcher%2F", http.StatusNotFound, ""},     // no suffix
		{http.MethodGet, "researcher%2Fa%00", http.StatusNotFound, ""}, //
		{http.MethodGet, "%2Fa", http.StatusNotFound, ""},              //
		{http.MethodGet, "researcher%2F" + strings.Repeat("x", 201), 404, ""},
		{http.MethodGet, "researcher%2F" + strings.Repeat("x", 300), 422, ""},
	} {
		a := p.send(t, request{method: row.method, path: "/agents/" + row.path})
		var o api.Object
		if a.status == http.StatusOK {
			if err := json.Unmarshal([]byte(a.body), &o); err != nil {
				t.Fatal(err)
			}
		}
		if a.status != row.want || o.Metadata.Name != row.name {
			t.Errorf("%s %s: %d %s, want %d %q", row.method, row.path, a.status, a.body, row.want, row.name)
		}
	}
	// Of the other kinds no name has a slash.
	for _, c := range []string{"resources", "blueprints"} {
		p.send(t, request{method: http.MethodGet, path: "/" + c + "/researcher%2Fa"}).want(t, http.StatusNotFound, api.CodeNotFound)
	}
	p.quiet(t)
}

// TestInstanceIsNotDeclared: nobody writes an instance, by name or id, alone or
// among others, and it has no secret.
func TestInstanceIsNotDeclared(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	p.fleet(t, "r7")
	o, err := p.Object(t.Context(), registry.KindAgent, "researcher/r7")
	if err != nil {
		t.Fatal(err)
	}
	const spec = `"spec":{"blueprint":"researcher","owner":"o","sponsor":"s"}`
	for _, row := range []struct {
		request
		at string
	}{
		{request{method: http.MethodPut, path: "/agents/researcher%2Fr7", body: `{` + spec + `}`}, "path.name"},
		{request{method: http.MethodPut, path: "/agents/researcher%2Fr8", body: `{` + spec + `}`}, "path.name"},
		{request{method: http.MethodPut, path: "/agents/" + o.Status.ID, body: `{` + spec + `}`}, "path.name"},
		{request{method: http.MethodPost, path: "/agents", body: `{"metadata":{"name":"researcher/r8"},` + spec + `}`}, "metadata.name"},
		{request{method: http.MethodPost, path: "/apply", body: `{"objects":[{"kind":"Agent","metadata":{"name":"researcher/r8"},` + spec + `}]}`}, "objects[0].metadata.name"},
		{request{method: http.MethodPut, path: "/agents/x", body: `{"spec":{"blueprint":"researcher","owner":"o","sponsor":"s","instance":{"credential":"c","issuer":"prod","subject":"s"}}}`}, "spec.instance"},
	} {
		a := p.send(t, row.request).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
		if got := locations(a.problem); got != row.at {
			t.Errorf("%s %s: refused at %q, want %q", row.method, row.path, got, row.at)
		}
	}
	_, err = p.RotateSecret(t.Context(), "researcher/r7")
	refused(t, err, http.StatusUnprocessableEntity, api.CodeSecretNotAllowed)
	// The subject is taken for an agent that somebody registers, also when the
	// pattern that made the instance is gone.
	if _, err := p.Put(t.Context(), standard()[3], api.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	pinned := agent("pinned", "fleet/r7")
	_, err = p.Create(t.Context(), pinned, api.WriteOptions{})
	problem := refused(t, err, http.StatusConflict, api.CodeConflict)
	if !strings.Contains(fmt.Sprint(problem.Errors), `"researcher/r7"`) {
		t.Errorf("the conflict does not name its holder: %+v", problem.Errors)
	}
	p.quiet(t)
}

// TestInstancesNamed: rules and resources may name an instance, which is then
// in use; its blueprint may go all the same.
func TestInstancesNamed(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	p.fleet(t, "r7")
	front := object("Resource", "front", `{"identifier":"https://front.example","agents":["researcher/r7"]}`)
	if _, err := p.Create(t.Context(), front, api.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	refused(t, p.Delete(t.Context(), registry.KindAgent, "researcher/r7", api.WriteOptions{}), http.StatusConflict, api.CodeConflict)
	missing := object("Resource", "other", `{"identifier":"https://other.example","agents":["researcher/r8"]}`)
	_, err := p.Create(t.Context(), missing, api.WriteOptions{})
	if got := locations(refused(t, err, http.StatusUnprocessableEntity, api.CodeInvalid)); got != "spec.agents[0]" {
		t.Errorf("an instance that is not there was refused at %q", got)
	}
	if _, err := p.Apply(t.Context(), api.ApplyRequest{Prune: true, Objects: []api.Object{front}}); err != nil {
		t.Errorf("nothing but instances refers to the rest, and it is held: %v", err)
	}
	list, err := p.AllAgents(t.Context(), api.AgentFilter{})
	if err != nil || agentNames(list) != "researcher/r7" {
		t.Errorf("left: %s, %v; want the instance alone", agentNames(list), err)
	}
	p.quiet(t)
}

// TestAgentList: agents are told apart by blueprint and by who made them, with
// pages through ten thousand, and a cursor is for one filter.
func TestAgentList(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	suffixes := make([]string, 10_000)
	for i := range suffixes {
		suffixes[i] = fmt.Sprintf("r%04d", i)
	}
	p.fleet(t, suffixes...)
	for _, row := range []struct {
		f     api.AgentFilter
		n     int
		first string
	}{
		{api.AgentFilter{}, 10_001, "research-agent"},
		{api.AgentFilter{Instances: api.IncludeInstances}, 10_001, "research-agent"},
		{api.AgentFilter{Instances: api.ExcludeInstances}, 1, "research-agent"},
		{api.AgentFilter{Instances: api.OnlyInstances}, 10_000, "researcher/r0000"},
		{api.AgentFilter{Blueprint: "researcher", Instances: api.OnlyInstances}, 10_000, "researcher/r0000"},
		{api.AgentFilter{Blueprint: "nobody"}, 0, ""},
	} {
		list, err := p.AllAgents(t.Context(), row.f)
		if err != nil || len(list) != row.n || row.n > 0 && list[0].Metadata.Name != row.first {
			t.Errorf("%+v: %d, %v; want %d from %s", row.f, len(list), err, row.n, row.first)
		}
		if !slices.IsSortedFunc(list, func(a, b api.Object) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) }) {
			t.Errorf("%+v: not in order", row.f)
		}
	}
	page, err := p.Agents(t.Context(), api.AgentFilter{Instances: api.OnlyInstances}, api.Page{Limit: 1})
	if err != nil || page.NextCursor == "" {
		t.Fatal(page, err)
	}
	next := url.QueryEscape(page.NextCursor)
	for query, at := range map[string]string{
		"instances=true": "query.instances", "instances=": "query.instances", "blueprint=No": "query.blueprint", "blueprint=a%2Fb": "query.blueprint",
		"cursor=" + next: "query.cursor", "instances=only&blueprint=researcher&cursor=" + next: "query.cursor",
	} {
		a := p.send(t, request{method: http.MethodGet, path: "/agents?" + query}).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
		if got := locations(a.problem); got != at {
			t.Errorf("%s: refused at %q, want %q", query, got, at)
		}
	}
	bindings, err := p.FederatedCredentials(t.Context(), api.Page{})
	if err != nil || len(bindings.Items) != 2 || bindings.NextCursor != "" {
		t.Fatalf("bindings %+v, %v; want that of the registered agent and the pattern, on one page", bindings, err)
	}
	if got := bindings.Items[1]; got.Agent != "" || got.Blueprint != "researcher" || got.MaxInstances != 20_000 || got.Instances == nil || *got.Instances == 0 {
		t.Errorf("the pattern of the blueprint: %+v", got)
	}
	one, err := p.FederatedCredentials(t.Context(), api.Page{Limit: 1})
	if err != nil || len(one.Items) != 1 || one.NextCursor == "" {
		t.Fatalf("one binding: %+v, %v", one, err)
	}
	if rest, err := p.FederatedCredentials(t.Context(), api.Page{Cursor: one.NextCursor}); err != nil || len(rest.Items) != 1 || rest.Items[0].Blueprint != "researcher" {
		t.Errorf("the page after: %+v, %v", rest, err)
	}
	if _, err := p.Decisions(t.Context(), api.DecisionFilter{Agent: "researcher/r0001"}, api.Page{}); err != nil {
		t.Errorf("decisions of an instance: %v", err)
	}
	p.quiet(t)
}
