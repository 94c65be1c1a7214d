package admin_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// many applies the standard objects and n agents w-000, w-001, …
func (p *plane) many(t *testing.T, n int) {
	t.Helper()
	objects := standard()[:4]
	for i := range n {
		objects = append(objects, agent(fmt.Sprintf("w-%03d", i), fmt.Sprint("w/", i)))
	}
	if _, err := p.Apply(t.Context(), api.ApplyRequest{Objects: objects}); err != nil {
		t.Fatal(err)
	}
}

// TestPages: cursors lead through a list longer than any page, in order, without
// gaps and repetitions, while it changes.
func TestPages(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.many(t, 230)
	all, err := p.AllObjects(t.Context(), registry.KindAgent)
	if err != nil || len(all) != 230 {
		t.Fatalf("%d agents, %v; want 230", len(all), err)
	}
	for i, o := range all {
		if want := fmt.Sprintf("w-%03d", i); o.Metadata.Name != want {
			t.Fatalf("at %d is %s, want %s", i, o.Metadata.Name, want)
		}
	}
	first, err := p.Objects(t.Context(), registry.KindAgent, api.Page{})
	if err != nil || len(first.Items) != 50 || first.NextCursor == "" {
		t.Fatalf("%d agents, cursor %q, %v; want 50 unless asked", len(first.Items), first.NextCursor, err)
	}
	// What is deleted meanwhile moves nothing.
	for _, name := range []string{"w-010", "w-049", "w-050"} {
		if err := p.Delete(t.Context(), registry.KindAgent, name, api.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	second, err := p.Objects(t.Context(), registry.KindAgent, api.Page{Cursor: first.NextCursor, Limit: 2})
	if err != nil || len(second.Items) != 2 || second.Items[0].Metadata.Name != "w-051" {
		t.Errorf("got %+v, %v; want w-051 first", second, err)
	}
	bindings, err := p.FederatedCredentials(t.Context(), api.Page{Limit: 200})
	if err != nil || len(bindings.Items) != 200 || bindings.NextCursor == "" {
		t.Fatalf("%d bindings, cursor %q, %v", len(bindings.Items), bindings.NextCursor, err)
	}
	rest, err := p.FederatedCredentials(t.Context(), api.Page{Limit: 200, Cursor: bindings.NextCursor})
	if err != nil || len(rest.Items) != 27 || rest.NextCursor != "" {
		t.Errorf("%d more bindings, cursor %q, %v", len(rest.Items), rest.NextCursor, err)
	}
	if got, want := bindings.Items[0], (api.FederatedCredential{Agent: "w-000", Name: "spire", Issuer: "prod", Subject: registry.SubjectMatch{Exact: "spiffe://prod.example/w/0"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	p.quiet(t)
}

// TestEmptyLists: an empty list is a list.
func TestEmptyLists(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, path := range []string{"/agents", "/federated-credentials", "/decisions", "/audit-events", "/keys"} {
		a := p.send(t, request{method: http.MethodGet, path: path})
		if a.status != http.StatusOK || strings.TrimSpace(a.body) != `{"items":[]}` {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// TestPageRefuses: a page that cannot be is refused, not guessed (AM-13 to
// AM-17).
func TestPageRefuses(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.many(t, 3)
	list, err := p.Objects(t.Context(), registry.KindAgent, api.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	cursor := list.NextCursor
	forged := func(position string) string {
		return base64.RawURLEncoding.EncodeToString([]byte("123456" + position))
	}
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=201", "limit=1000000000", "limit=9223372036854775808", "limit=x", "limit=1.5", "limit=", "limit=1&limit=2",
		"cursor=", "cursor=%00", "cursor=x", "cursor=" + cursor[:len(cursor)-3], "cursor=" + cursor + "AAAA", "cursor=" + cursor + "=", "cursor=w-000",
		"cursor=" + forged("w-000"), "cursor=" + forged("\x00"), "cursor=" + strings.Repeat("A", 2000), "cursor=" + cursor + "&cursor=" + cursor,
		"offset=1", "sort=secret_hash", "order=name", "filter=.*", "name=w-000", "LIMIT=1", "%zz",
	} {
		a := p.send(t, request{method: http.MethodGet, path: "/agents?" + query})
		if a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	for _, path := range []string{"/resources", "/federated-credentials", "/decisions", "/audit-events"} {
		a := p.send(t, request{method: http.MethodGet, path: path + "?cursor=" + cursor}).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
		if got := locations(a.problem); got != "query.cursor" {
			t.Errorf("%s: refused at %q", path, got)
		}
	}
	p.quiet(t)
}
