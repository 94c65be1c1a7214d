package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// trail is the whole audit trail in short, oldest first.
func (p *plane) trail(t *testing.T) []string {
	t.Helper()
	list, err := p.AuditEvents(t.Context(), api.Page{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range slices.Backward(list.Items) {
		var d struct{ Operation, To, Reason string }
		if err := json.Unmarshal(e.Detail, &d); err != nil || e.ID == "" || e.Time.IsZero() || e.Change == 0 {
			t.Errorf("event %+v: %v", e, err)
		}
		all = append(all, strings.Join(strings.Fields(strings.Join([]string{e.Actor, d.Operation, e.Subject, d.To, d.Reason}, " ")), " "))
	}
	return all
}

// TestEvents: each write leaves one event for each object that it changed, with
// the name of whoever did it.
func TestEvents(t *testing.T) {
	t.Parallel()
	p := start(t)
	bob := p.client(t, "admin-token-of-bob")
	ctx := t.Context()
	if _, err := p.Apply(ctx, api.ApplyRequest{Objects: standard()[:4]}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { _, err := bob.Create(ctx, agent("a", "a"), api.WriteOptions{}); return err },
		func() error { _, err := p.Put(ctx, agent("a", "b"), api.WriteOptions{}); return err },
		func() error { _, err := p.Put(ctx, agent("a", "b"), api.WriteOptions{}); return err }, // changes nothing
		func() error {
			_, err := bob.SetState(ctx, registry.KindAgent, "a", registry.Disabled, "it leaks")
			return err
		},
		func() error { _, err := bob.SetState(ctx, registry.KindAgent, "a", registry.Disabled, ""); return err }, // neither
		func() error { _, err := p.SetState(ctx, registry.KindAgent, "a", registry.Active, ""); return err },
		func() error { _, err := bob.RotateSecret(ctx, "a"); return err },
		func() error { return bob.Delete(ctx, registry.KindAgent, "a", api.WriteOptions{}) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"alice created trusted-issuer/prod", "alice created trusted-issuer/corp", "alice created resource/calendar", "alice created blueprint/researcher",
		"bob created agent/a", "alice configured agent/a", "bob state agent/a disabled it leaks", "alice state agent/a active",
		"bob secret agent/a", "bob deleted agent/a",
	}
	if d := cmp.Diff(want, p.trail(t)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	// The trail is read, never written (AM-37).
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if a := p.send(t, request{method: method, path: "/audit-events"}); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
	}
}

// TestEventAndRowTogether: without its event no write happens, and the answer
// says nothing of why.
func TestEventAndRowTogether(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	before := p.state(t)
	p.sql(t, `
		CREATE FUNCTION tokenry.no_events() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the trail is full'; END $$;
		CREATE TRIGGER no_events BEFORE INSERT ON tokenry.audit_events FOR EACH ROW EXECUTE FUNCTION tokenry.no_events()`)
	for _, r := range []request{
		{method: http.MethodPut, path: "/agents/research-agent", body: `{"spec":` + string(agent("", "other").Spec) + `}`},
		{method: http.MethodPost, path: "/agents", body: `{"metadata":{"name":"new"},"spec":` + string(agent("", "new").Spec) + `}`},
		{method: http.MethodDelete, path: "/agents/research-agent"},
		{method: http.MethodPost, path: "/agents/research-agent:disable"},
		{method: http.MethodPost, path: "/agents/research-agent:rotate-secret"},
		{method: http.MethodPost, path: "/apply", body: `{"objects":[{"kind":"Resource","metadata":{"name":"r"},"spec":{"identifier":"https://r.example"}}],"prune":true}`},
	} {
		a := p.send(t, r).want(t, http.StatusInternalServerError, api.CodeInternal)
		if strings.Contains(a.body, "trail") || strings.Contains(a.body, "SQLSTATE") {
			t.Errorf("%s %s: %s", r.method, r.path, a.body)
		}
	}
	if d := cmp.Diff(before, p.state(t)); d != "" {
		t.Errorf("-before +after:\n%s", d)
	}
	if !strings.Contains(p.log.String(), "the trail is full") || strings.Count(p.log.String(), "\n") != 6 {
		t.Errorf("each failure is logged once: %s", p.log.String())
	}
	if n := p.written.Load(); n != 1 {
		t.Errorf("told of %d writes, want 1", n)
	}
}

// TestWithoutDatabase: what needs the database is answered with 503 and a line
// in the log, and nothing else is said.
func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	conn, err := pgx.Connect(t.Context(), storagetest.Cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	u, err := url.Parse(p.pg)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	if _, err := conn.Exec(t.Context(), "ALTER DATABASE "+name+" WITH ALLOW_CONNECTIONS false"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name); err != nil {
		t.Fatal(err)
	}
	for i, r := range []request{
		{method: http.MethodGet, path: "/agents"},
		{method: http.MethodGet, path: "/agents/research-agent"},
		{method: http.MethodGet, path: "/decisions"},
		{method: http.MethodGet, path: "/keys"},
		{method: http.MethodPost, path: "/agents/research-agent:disable"},
		{method: http.MethodPut, path: "/resources/r", body: `{"spec":{"identifier":"https://r.example"}}`},
	} {
		a := p.send(t, r).want(t, http.StatusServiceUnavailable, api.CodeUnavailable)
		if strings.Contains(a.body, name) || strings.Contains(a.body, "SQLSTATE") {
			t.Errorf("%s %s: %s", r.method, r.path, a.body)
		}
		if unsure := strings.Contains(a.body, "whether it has written is not known"); unsure != (r.method != http.MethodGet) {
			t.Errorf("%s %s: %s", r.method, r.path, a.body)
		}
		if n := strings.Count(p.log.String(), "\n"); n != i+1 {
			t.Errorf("%s %s: %d lines in the log, want %d: %s", r.method, r.path, n, i+1, p.log.String())
		}
	}
	if a := p.send(t, request{method: http.MethodGet, path: "/status"}); a.status != http.StatusOK {
		t.Errorf("status: %d %s", a.status, a.body)
	}
}
