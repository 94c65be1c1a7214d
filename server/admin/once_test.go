package admin_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// TestIdempotencyKey: a request that comes again has the outcome of the first
// time, and is done once.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	key := map[string]string{"Idempotency-Key": "k1"}
	body := `{"metadata":{"name":"new"},"spec":` + string(agent("", "new").Spec) + `}`
	create := request{method: http.MethodPost, path: "/agents", body: body, header: key}
	first := p.send(t, create)
	again := p.send(t, create)
	if first.status != http.StatusCreated || again.status != first.status || again.body != first.body || again.header.Get("ETag") != first.header.Get("ETag") ||
		again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("first %d %s, again %d %s", first.status, first.body, again.status, again.body)
	}
	if n := strings.Count(strings.Join(p.trail(t), "\n"), "created agent/new"); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	// The key is of this request, of this author, and of no dry run.
	other := create
	other.body = strings.Replace(body, `"new"`, `"newer"`, 1)
	if got := locations(p.send(t, other).want(t, http.StatusUnprocessableEntity, api.CodeInvalid).problem); got != "header.Idempotency-Key" {
		t.Errorf("refused at %q", got)
	}
	other.path, other.body = "/apply", `{"objects":[{"kind":"Resource","metadata":{"name":"r"},"spec":{"identifier":"https://r.example"}}]}`
	p.send(t, other).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
	create.header = map[string]string{"Idempotency-Key": "k1", "Authorization": "Bearer admin-token-of-bob"}
	p.send(t, create).want(t, http.StatusConflict, api.CodeExists)
	for _, bad := range []string{strings.Repeat("k", 256), "k\xff", "\u00e9"} {
		create.header = map[string]string{"Idempotency-Key": bad}
		p.send(t, create).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
	}

	// What was made and deleted since does not come back.
	if err := p.Delete(t.Context(), registry.KindAgent, "new", api.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	create.header = key
	p.send(t, create).want(t, http.StatusNotFound, api.CodeNotFound)

	other.header = map[string]string{"Idempotency-Key": "k2"}
	dry := other
	dry.path += "?dry_run=true"
	p.send(t, dry)
	dry.body = strings.Replace(dry.body, "r.example", "s.example", 1) // it is of no consequence that the key was used
	if a := p.send(t, dry); a.status != http.StatusOK {
		t.Errorf("dry run: %d %s", a.status, a.body)
	}
	for range 2 {
		if a := p.send(t, other); a.status != http.StatusOK || !strings.Contains(a.body, `"outcome":"created"`) || !strings.Contains(a.body, `"id":"res_`) {
			t.Errorf("apply: %d %s", a.status, a.body)
		}
	}
	// After a day a key is as good as new.
	p.sql(t, "UPDATE tokenry.idempotency_keys SET created = created - interval '25 hours'")
	if a := p.send(t, other); a.status != http.StatusOK || !strings.Contains(a.body, `"outcome":"unchanged"`) {
		t.Errorf("the next day: %d %s", a.status, a.body)
	}
	p.quiet(t)
}

// TestIdempotencyKeyAtOnce: of equal requests at the same instant one is done,
// and all have its outcome.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	r := request{method: http.MethodPost, path: "/agents", header: map[string]string{"Idempotency-Key": "k"}}
	r.body = `{"metadata":{"name":"new"},"spec":` + string(agent("", "new").Spec) + `}`
	answers := make([]answer, 4)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = p.send(t, r) })
	}
	wg.Wait()
	for _, a := range answers {
		if a.status != http.StatusCreated || a.body != answers[0].body {
			t.Errorf("got %d %s, and %s", a.status, a.body, answers[0].body)
		}
	}
}

// TestIdempotencyKeyAndRow: a request that failed was not done, so that its key
// may try again.
func TestIdempotencyKeyAndRow(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	r := request{method: http.MethodPost, path: "/blueprints", header: map[string]string{"Idempotency-Key": "k"}}
	r.body = `{"metadata":{"name":"b"},"spec":{"resources":[{"name":"mail","scopes":["x"]}]}}`
	p.send(t, r).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
	if _, err := p.Create(t.Context(), object(registry.KindResource, "mail", `{"identifier":"https://mail.example","scopes":[{"name":"x"}]}`), api.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if a := p.send(t, r); a.status != http.StatusCreated {
		t.Errorf("got %d %s", a.status, a.body)
	}
}
