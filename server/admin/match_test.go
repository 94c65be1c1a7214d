package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// TestIfMatch: a writer that names the state it read loses against whoever was
// faster (RFC 9110, Section 13.1.1).
func TestIfMatch(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	ctx := t.Context()
	read := func() string {
		t.Helper()
		_, etag, err := p.ObjectWithETag(ctx, registry.KindAgent, "research-agent")
		if err != nil || etag == "" {
			t.Fatalf("ETag %q, %v", etag, err)
		}
		return etag
	}
	first := read()
	if again := read(); again != first {
		t.Errorf("the ETag went from %s to %s by reading", first, again)
	}
	put, err := p.Put(ctx, agent("research-agent", "second"), api.WriteOptions{IfMatch: first})
	if err != nil || put.Status.Version != 2 {
		t.Fatalf("with the ETag just read: %+v, %v", put.Status, err)
	}
	// AM-10
	_, err = p.Put(ctx, agent("research-agent", "third"), api.WriteOptions{IfMatch: first})
	refused(t, err, http.StatusPreconditionFailed, api.CodePreconditionFailed)
	refused(t, p.Delete(ctx, registry.KindAgent, "research-agent", api.WriteOptions{IfMatch: first}), http.StatusPreconditionFailed, api.CodePreconditionFailed)

	// Disabling is a change too: who did not see it must not write over it.
	second := read()
	if _, err := p.SetState(ctx, registry.KindAgent, "research-agent", registry.Disabled, ""); err != nil {
		t.Fatal(err)
	}
	_, err = p.Put(ctx, agent("research-agent", "third"), api.WriteOptions{IfMatch: second})
	refused(t, err, http.StatusPreconditionFailed, api.CodePreconditionFailed)

	third := read()
	for header, status := range map[string]int{
		third:                   http.StatusOK, // it is unchanged by then, and so stays its ETag
		"*":                     http.StatusOK,
		"W/" + third:            http.StatusPreconditionFailed,  // compared strongly
		third[1 : len(third)-1]: http.StatusUnprocessableEntity, // RFC 9110, Section 8.8.3: the quotes belong to it
		`"x"`:                   http.StatusPreconditionFailed,
		`"-1"`:                  http.StatusPreconditionFailed,
		`"0"`:                   http.StatusPreconditionFailed,
		third + `, "7"`:         http.StatusUnprocessableEntity,
	} {
		body := `{"spec":` + string(agent("research-agent", "second").Spec) + `}`
		if a := p.send(t, request{method: http.MethodPut, path: "/agents/research-agent", body: body, header: map[string]string{"If-Match": header}}); a.status != status {
			t.Errorf("If-Match: %s: %d %s, want %d", header, a.status, a.body, status)
		}
	}
	for _, match := range []string{"*", third} {
		_, err = p.Put(ctx, agent("nobody", "nobody"), api.WriteOptions{IfMatch: match})
		refused(t, err, http.StatusPreconditionFailed, api.CodePreconditionFailed)
	}
	if err := p.Delete(ctx, registry.KindAgent, "research-agent", api.WriteOptions{IfMatch: third}); err != nil {
		t.Error(err)
	}
}

// TestIfNoneMatch: "*" makes a PUT one that only creates (RFC 9110, Section
// 13.1.2).
func TestIfNoneMatch(t *testing.T) {
	t.Parallel()
	p := start(t)
	r := request{method: http.MethodPut, path: "/resources/mail", body: `{"spec":{"identifier":"https://mail.example"}}`, header: map[string]string{"If-None-Match": "*"}}
	if a := p.send(t, r); a.status != http.StatusCreated {
		t.Errorf("new: %d %s", a.status, a.body)
	}
	p.send(t, r).want(t, http.StatusPreconditionFailed, api.CodePreconditionFailed)
	r.header["If-None-Match"] = `"1"`
	p.send(t, r).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
}

// TestTwoWriters: of writers that read the same state exactly one wins (AM-11).
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	for round := range 5 {
		_, etag, err := p.ObjectWithETag(t.Context(), registry.KindAgent, "research-agent")
		if err != nil {
			t.Fatal(err)
		}
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = p.Put(t.Context(), agent("research-agent", fmt.Sprintf("%d/%d", round, i)), api.WriteOptions{IfMatch: etag})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			refused(t, err, http.StatusPreconditionFailed, api.CodePreconditionFailed)
		}
		if won != 1 {
			t.Errorf("round %d: %d writers won, want 1", round, won)
		}
	}
	p.quiet(t)
}

// TestDeleteWhileWriting: a write that read the object before it was deleted
// does not bring it back (AM-12).
func TestDeleteWhileWriting(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	_, etag, err := p.ObjectWithETag(t.Context(), registry.KindAgent, "research-agent")
	if err != nil {
		t.Fatal(err)
	}
	var put, gone error
	var wg sync.WaitGroup
	wg.Go(func() {
		_, put = p.Put(t.Context(), agent("research-agent", "late"), api.WriteOptions{IfMatch: etag})
	})
	wg.Go(func() {
		gone = p.Delete(t.Context(), registry.KindAgent, "research-agent", api.WriteOptions{IfMatch: etag})
	})
	wg.Wait()
	if (put == nil) == (gone == nil) {
		t.Fatalf("put: %v, delete: %v; want exactly one of them", put, gone)
	}
	_, err = p.Object(t.Context(), registry.KindAgent, "research-agent")
	if there := err == nil; there != (put == nil) {
		t.Errorf("put: %v, and then: %v", put, err)
	}
}

// TestPutByIDRace: an id means one object. When it is no longer as it was while
// the request waits for others, nothing is written to what has its name now.
func TestPutByIDRace(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	o, err := p.Object(t.Context(), registry.KindResource, "calendar")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), p.pg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	const registryLock = 0x746f6b656e727903 // that of package storage
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(registryLock)); err != nil {
		t.Fatal(err)
	}
	done := make(chan answer)
	go func() {
		defer close(done) // so that a failure to send ends the wait
		done <- p.send(t, request{method: http.MethodPut, path: "/resources/" + o.Status.ID, body: `{"metadata":{"labels":{"a":"b"}},"spec":` + string(o.Spec) + `}`})
	}()
	for waiting := false; !waiting; time.Sleep(5 * time.Millisecond) {
		select {
		case a := <-done:
			t.Fatalf("it did not wait: %d %s", a.status, a.body)
		default:
		}
		if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"UPDATE tokenry.registry_objects SET id = 'res_another', change = nextval('tokenry.registry_change') WHERE name = 'calendar'", "SELECT pg_advisory_unlock_all()"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	(<-done).want(t, http.StatusPreconditionFailed, api.CodePreconditionFailed)
	now, err := p.Object(t.Context(), registry.KindResource, "calendar")
	if err != nil || now.Status.ID != "res_another" || now.Metadata.Labels != nil {
		t.Errorf("got %+v, %v", now, err)
	}
}
