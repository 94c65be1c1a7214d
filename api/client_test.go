package api_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []api.Config{
		{Token: "t"}, {URL: "127.0.0.1:8081", Token: "t"}, {URL: "file:///etc/passwd", Token: "t"}, {URL: "http://", Token: "t"}, {URL: "http://%zz", Token: "t"}, {URL: "http://127.0.0.1:8081"},
	} {
		if _, err := api.New(c); err == nil {
			t.Errorf("%+v: taken", c)
		}
	}
}

// serve answers every request with handle.
func serve(t *testing.T, handle http.HandlerFunc) *api.Client {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	c, err := api.New(api.Config{URL: s.URL + "/ignored", Token: "t", HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNoRedirect: the token goes to the server that it was given for.
func TestNoRedirect(t *testing.T) {
	t.Parallel()
	var seen []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	_, err := c.Status(t.Context())
	var e *api.Error
	if !errors.As(err, &e) || e.Status != http.StatusTemporaryRedirect || len(seen) != 1 {
		t.Errorf("got %v after %v", err, seen)
	}
}

// TestAnswers: an answer that is no problem of ours is told by its status alone.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ media, body, want string }{
		{"text/html", "<h1>Bad Gateway</h1>", "the server answered 502"},
		{"application/problem+json", "{", "the server answered 502"},
		{"application/problem+json", `{"code":"invalid","detail":"no","errors":[{"location":"spec.x","message":"is wrong"},{"message":"and more"}]}`,
			"no (502 invalid)\n  spec.x: is wrong\n  and more"},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", row.media)
			w.WriteHeader(http.StatusBadGateway)
			w.Write([]byte(row.body))
		})
		if _, err := c.Status(t.Context()); err == nil || err.Error() != row.want {
			t.Errorf("%s: %q, want %q", row.body, err, row.want)
		}
	}
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("not JSON")) })
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "reading the answer") {
		t.Errorf("200 without JSON: %v", err)
	}
}

// TestPaths: a name stays one part of the path, whatever is in it.
func TestPaths(t *testing.T) {
	t.Parallel()
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.EscapedPath() + "?" + r.URL.RawQuery + " " + r.Header.Get("Authorization") + " " + r.Header.Get("If-Match")
		w.Write([]byte("{}"))
	})
	if err := c.Delete(t.Context(), registry.KindTrustedIssuer, "a/../b?c", api.WriteOptions{DryRun: true, IfMatch: `"7"`}); err != nil {
		t.Fatal(err)
	}
	if want := `DELETE /api/v1/trusted-issuers/a%2F..%2Fb%3Fc?dry_run=true Bearer t "7"`; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	if _, err := c.SetState(t.Context(), registry.KindAgent, "a", registry.Quarantined, ""); err == nil {
		t.Error("no action quarantines, but none was missed")
	}
}

func TestCollections(t *testing.T) {
	t.Parallel()
	if got, want := len(api.Kinds()), len(registry.Kinds()); got != want {
		t.Errorf("%d kinds, want %d", got, want)
	}
	for i, k := range registry.Kinds() {
		if api.Kinds()[i] != k || api.Collection(k) == "" {
			t.Errorf("%s is %q", k, api.Collection(k))
		}
	}
	if got := api.Collection("Nothing"); got != "" {
		t.Errorf("Nothing is %q", got)
	}
}
