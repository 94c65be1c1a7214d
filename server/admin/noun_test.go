package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// TestNouns takes an object of each kind through its life.
func TestNouns(t *testing.T) {
	t.Parallel()
	p := start(t)
	ctx := t.Context()
	for _, o := range standard() {
		made, err := p.Create(ctx, o, api.WriteOptions{})
		if err != nil {
			t.Fatalf("create %s: %v", o.Metadata.Name, err)
		}
		if made.APIVersion != api.Version || made.Kind != o.Kind || made.Metadata.Name != o.Metadata.Name || made.Status.Version != 1 ||
			made.Status.State != registry.Active || time.Since(made.Status.Created) > time.Minute || made.Status.Updated.Before(made.Status.Created) {
			t.Errorf("created %+v %+v", made, made.Status)
		}
		for _, name := range []string{o.Metadata.Name, made.Status.ID} {
			got, err := p.Object(ctx, o.Kind, name)
			if err != nil {
				t.Fatalf("read %s: %v", name, err)
			}
			if d := cmp.Diff(made, got); d != "" {
				t.Errorf("%s: -created +read:\n%s", name, d)
			}
		}
		_, err = p.Create(ctx, o, api.WriteOptions{})
		refused(t, err, http.StatusConflict, api.CodeExists)

		o.Metadata.Labels = map[string]string{"team": "research"}
		put, err := p.Put(ctx, o, api.WriteOptions{})
		if err != nil {
			t.Fatalf("put %s: %v", o.Metadata.Name, err)
		}
		if put.Status.Version != 2 || put.Status.ID != made.Status.ID || !put.Status.Created.Equal(made.Status.Created) || put.Metadata.Labels["team"] != "research" {
			t.Errorf("put %+v %+v", put, put.Status)
		}
		off, err := p.SetState(ctx, o.Kind, put.Status.ID, registry.Disabled, "on holiday")
		if err != nil || off.Status.State != registry.Disabled || off.Status.Version != 2 {
			t.Errorf("disable %s: %+v, %v", o.Metadata.Name, off.Status, err)
		}
		on, err := p.SetState(ctx, o.Kind, o.Metadata.Name, registry.Active, "")
		if err != nil || on.Status.State != registry.Active {
			t.Errorf("enable %s: %+v, %v", o.Metadata.Name, on.Status, err)
		}
	}
	all := standard()
	for i := range all { // what is referred to goes last
		o := all[len(all)-1-i]
		if err := p.Delete(ctx, o.Kind, o.Metadata.Name, api.WriteOptions{}); err != nil {
			t.Errorf("delete %s: %v", o.Metadata.Name, err)
		}
		_, err := p.Object(ctx, o.Kind, o.Metadata.Name)
		refused(t, err, http.StatusNotFound, api.CodeNotFound)
		refused(t, p.Delete(ctx, o.Kind, o.Metadata.Name, api.WriteOptions{}), http.StatusNotFound, api.CodeNotFound)
	}
	if got, want := int(p.written.Load()), 5*len(all); got != want {
		t.Errorf("this replica was told of %d writes, want %d", got, want)
	}
	p.quiet(t)
}

// TestPut: a PUT replaces in full, creates what is not there, and believes the
// path.
func TestPut(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	const path = "/resources/mail"
	made := p.send(t, request{method: http.MethodPut, path: path, body: `{"spec":{"identifier":"https://mail.example","maxTtl":"5m"}}`})
	if made.status != http.StatusCreated || made.header.Get("Location") != api.Prefix+path || made.header.Get("ETag") == "" { // RFC 9110, Section 15.3.2
		t.Errorf("created: %d %v %s", made.status, made.header, made.body)
	}
	again := p.send(t, request{method: http.MethodPut, path: path, body: `{"kind":"Resource","metadata":{"name":"mail"},"spec":{"identifier":"https://mail.example"}}`})
	if again.status != http.StatusOK || again.header.Get("Location") != "" || strings.Contains(again.body, "maxTtl") {
		t.Errorf("replaced: %d %v %s", again.status, again.header, again.body)
	}
	for name, body := range map[string]string{
		"metadata.name": `{"metadata":{"name":"other"},"spec":{"identifier":"https://mail.example"}}`,
		"kind":          `{"kind":"Agent","spec":{"identifier":"https://mail.example"}}`,
		"apiVersion":    `{"apiVersion":"tokenry/v2","spec":{"identifier":"https://mail.example"}}`,
		"spec":          `{"metadata":{}}`,
		"status":        `{"spec":{"identifier":"https://mail.example"},"status":{"state":"active"}}`, // AM-07
		"id":            `{"spec":{"identifier":"https://mail.example"},"id":"res_1"}`,
		"Spec":          `{"Spec":{"identifier":"https://mail.example"}}`,
	} {
		a := p.send(t, request{method: http.MethodPut, path: path, body: body}).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
		if got := locations(a.problem); got != name {
			t.Errorf("%s: refused at %q, want %q", body, got, name)
		}
	}
	p.quiet(t)
}

// TestPutByID: an id in the path names an object that is there, and makes none.
func TestPutByID(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	o, err := p.Object(t.Context(), registry.KindResource, "calendar")
	if err != nil {
		t.Fatal(err)
	}
	path := "/resources/" + o.Status.ID
	const spec = `{"spec":{"identifier":"https://calendar.example","scopes":[{"name":"calendar.read"}]}}`
	if a := p.send(t, request{method: http.MethodPut, path: path, body: spec}); a.status != http.StatusOK || !strings.Contains(a.body, `"name":"calendar"`) {
		t.Errorf("by id: %d %s", a.status, a.body)
	}
	p.send(t, request{method: http.MethodPut, path: path, body: strings.Replace(spec, "{", `{"metadata":{"name":"other"},`, 1)}).
		want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
	p.send(t, request{method: http.MethodPut, path: path + "x", body: spec}).want(t, http.StatusNotFound, api.CodeNotFound)
	if err := p.Delete(t.Context(), registry.KindDelegationRule, "staff", api.WriteOptions{}); err != nil {
		t.Error(err)
	}
}

// TestRecreated: a name that was deleted is another object when it comes again;
// nothing of the old one is left, and its ETag names nothing (AM-31).
func TestRecreated(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	ctx := t.Context()
	if _, err := p.RotateSecret(ctx, "research-agent"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SetState(ctx, registry.KindAgent, "research-agent", registry.Disabled, ""); err != nil {
		t.Fatal(err)
	}
	old, etag, err := p.ObjectWithETag(ctx, registry.KindAgent, "research-agent")
	if err != nil || !old.Status.Secret {
		t.Fatal(old.Status, err)
	}
	if err := p.Delete(ctx, registry.KindAgent, old.Status.ID, api.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	made, err := p.Create(ctx, agent("research-agent", "research"), api.WriteOptions{})
	if err != nil || made.Status.ID == old.Status.ID || made.Status.Secret || made.Status.State != registry.Active || made.Status.Version != 1 {
		t.Errorf("recreated %+v, %v; was %+v", made.Status, err, old.Status)
	}
	_, err = p.Put(ctx, agent("research-agent", "other"), api.WriteOptions{IfMatch: etag})
	refused(t, err, http.StatusPreconditionFailed, api.CodePreconditionFailed)
	_, err = p.Object(ctx, registry.KindAgent, old.Status.ID)
	refused(t, err, http.StatusNotFound, api.CodeNotFound)
}

// TestDeleteReferred: what somebody refers to stays, and the answer says who.
func TestDeleteReferred(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	for _, row := range []struct {
		kind    registry.Kind
		name    string
		holders []string
	}{
		{registry.KindTrustedIssuer, "prod", []string{"Agent research-agent"}},
		{registry.KindTrustedIssuer, "corp", []string{"DelegationRule staff"}},
		{registry.KindResource, "calendar", []string{"Blueprint researcher", "DelegationRule staff"}},
		{registry.KindBlueprint, "researcher", []string{"Agent research-agent", "DelegationRule staff"}},
	} {
		problem := refused(t, p.Delete(t.Context(), row.kind, row.name, api.WriteOptions{}), http.StatusConflict, api.CodeConflict)
		text := ""
		for _, i := range problem.Errors {
			text += i.Message + "\n"
		}
		for _, holder := range row.holders {
			if !strings.Contains(text, holder) {
				t.Errorf("%s %s: the answer does not name %s:\n%s", row.kind, row.name, holder, text)
			}
		}
		if _, err := p.Object(t.Context(), row.kind, row.name); err != nil {
			t.Errorf("%s %s: %v", row.kind, row.name, err)
		}
	}
}

// TestNames: a path names an object by its name or id, however it is encoded,
// and whatever else it says names nothing (AM-25).
func TestNames(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	for _, name := range []string{"research%2Dagent", "%72esearch-agent"} {
		if a := p.send(t, request{method: http.MethodGet, path: "/agents/" + name}); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, name := range []string{
		"nobody", "Research-Agent", "research-agent%00", "research-agent%2F..", "..%2Fagents%2Fresearch-agent", "%00", "%ff", "agt_", "agt_nobody",
		"agt_%00", "AGT_NOBODY", "res_1", "%27%20OR%201=1--", "research-agent%0A", strings.Repeat("a", 10<<10), "%EF%BD%81gent",
	} {
		for _, r := range []request{
			{method: http.MethodGet, path: "/agents/" + name},
			{method: http.MethodDelete, path: "/agents/" + name},
			{method: http.MethodPost, path: "/agents/" + name + ":disable"},
			{method: http.MethodPost, path: "/agents/" + name + ":rotate-secret"},
			{method: http.MethodGet, path: "/decisions/" + name},
		} {
			if a := p.send(t, r); a.status != http.StatusNotFound && a.status != http.StatusUnprocessableEntity {
				t.Errorf("%s %.80s: %d %s", r.method, r.path, a.status, a.body)
			}
		}
	}
	// A name that cannot be is refused for what it is (AM-18, AM-19, AM-42).
	for _, name := range []string{"Research", "%3Cimg%20src=x%3E", "a%0Ab", "a%E2%80%AEb", "%00", "%EF%BD%81gent", "res_chosen", "-a", strings.Repeat("a", 64)} {
		a := p.send(t, request{method: http.MethodPut, path: "/resources/" + name, body: `{"spec":{"identifier":"https://x.example"}}`})
		if a.status != http.StatusUnprocessableEntity && a.status != http.StatusNotFound {
			t.Errorf("PUT %s: %d %s", name, a.status, a.body)
		}
	}
	// An action is the last part, and only a known one.
	for _, path := range []string{"/agents/research-agent:explode", "/agents/research-agent", "/agents/:disable", "/agents/research-agent:disable:", "/resources/calendar:rotate-secret"} {
		a := p.send(t, request{method: http.MethodPost, path: path})
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed && a.status != http.StatusUnprocessableEntity {
			t.Errorf("POST %s: %d %s", path, a.status, a.body)
		}
	}
	p.quiet(t)
	if o, err := p.Object(t.Context(), registry.KindAgent, "research-agent"); err != nil || o.Status.State != registry.Active {
		t.Errorf("the agent is %+v, %v", o.Status, err)
	}
}

// TestRefusedSpecs: each is wrong in a way that would let somebody in.
func TestRefusedSpecs(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	for _, row := range []struct {
		name, path, spec, at string
	}{
		{"ourselves as an issuer (AM-34)", "/trusted-issuers/self", `{"type":"oidc","issuer":"` + issuer + `","keys":{"discovery":true}}`, "spec.issuer"},
		{"a user's issuer for an agent", "/agents/a", `{"blueprint":"researcher","owner":"o","sponsor":"s","credentials":[{"name":"c","issuer":"corp","subject":{"exact":"x"}}]}`, "spec.credentials[0].issuer"},
		{"no subject (AM-33)", "/agents/a", `{"blueprint":"researcher","owner":"o","sponsor":"s","credentials":[{"name":"c","issuer":"prod","subject":{}}]}`, "spec.credentials[0].subject"},
		{"a pattern (AM-33)", "/agents/a", `{"blueprint":"researcher","owner":"o","sponsor":"s","credentials":[{"name":"c","issuer":"prod","subject":{"exact":"*"}}]}`, "spec.credentials[0].subject.exact"},
		{"another's workload", "/agents/z", `{"blueprint":"researcher","owner":"o","sponsor":"s","credentials":[{"name":"c","issuer":"prod","subject":{"exact":"spiffe://prod.example/research"}}]}`, "spec.credentials[0].subject"},
		{"wider than its blueprint", "/agents/a", `{"blueprint":"researcher","owner":"o","sponsor":"s","resources":[{"name":"calendar","scopes":["calendar.write"]}]}`, "spec.resources[0].scopes[0]"},
		{"a field that nothing enforces", "/resources/r", `{"identifier":"https://r.example","signingAlgorithm":"ES256"}`, "spec.signingAlgorithm"},
		{"an unknown field", "/resources/r", `{"identifier":"https://r.example","maxTTL":"5m"}`, "spec.maxTTL"},
		{"a field given twice", "/resources/r", `{"identifier":"https://r.example","identifier":"https://s.example"}`, "spec.identifier"},
		{"no blueprint", "/agents/a", `{"blueprint":"nobody","owner":"o","sponsor":"s"}`, "spec.blueprint"},
	} {
		a := p.send(t, request{method: http.MethodPut, path: row.path, body: `{"spec":` + row.spec + `}`}).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
		if got := locations(a.problem); !strings.Contains(" "+got+" ", " "+row.at+" ") {
			t.Errorf("%s: refused at %q, want %q", row.name, got, row.at)
		}
		p.send(t, request{method: http.MethodGet, path: row.path}).want(t, http.StatusNotFound, api.CodeNotFound)
	}
	// A change that leaves others without what they need names them.
	a := p.send(t, request{method: http.MethodPut, path: "/resources/calendar", body: `{"spec":{"identifier":"https://calendar.example"}}`}).
		want(t, http.StatusConflict, api.CodeConflict)
	if !strings.Contains(a.body, "Blueprint researcher") {
		t.Errorf("does not name the blueprint: %s", a.body)
	}
	// The name of an issuer is part of its users' sub, for ever.
	a = p.send(t, request{method: http.MethodPut, path: "/trusted-issuers/corp", body: `{"spec":{"type":"oidc","issuer":"https://other.example","keys":{"discovery":true}}}`}).
		want(t, http.StatusConflict, api.CodeConflict)
	if got := locations(a.problem); !strings.Contains(got, "spec") || !strings.Contains(a.body, "corp") {
		t.Errorf("does not name the issuer: %s", a.body)
	}
	p.quiet(t)
}

// TestNoSecretsInAnswers: neither a hash nor a sealed key is in the answer or
// in its schema (AM-43).
func TestNoSecretsInAnswers(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	if _, err := p.RotateSecret(t.Context(), "research-agent"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/agents/research-agent", "/agents", "/audit-events", "/keys", "/openapi.json"} {
		a := p.send(t, request{method: http.MethodGet, path: path})
		if a.status != http.StatusOK || !json.Valid([]byte(a.body)) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		for _, word := range []string{"hash", "sealed", "Hash", "Sealed"} {
			if strings.Contains(a.body, word) {
				t.Errorf("%s says %q: %s", path, word, a.body)
			}
		}
	}
}
