package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/cli"
)

// hides fails the test when the output holds one of texts.
func hides(t *testing.T, r result, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(r.out+r.errors, text) {
			t.Errorf("it shows %q:\n%s%s", text, r.out, r.errors)
		}
	}
}

// TestTerminalIsNotSteered: a server says nothing that a terminal obeys, be it
// an escape sequence, its one-byte form, or what turns text round.
func TestTerminalIsNotSteered(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b]0;owned\x07\u009b31m\u202eb\x7f"
	quoted := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(evil, "\x1b", `\u001b`), "\x07", `\u0007`), "\x7f", `\u007f`)
	object := `{"kind":"Agent","metadata":{"name":"E","labels":{"k":"E"}},"spec":{"blueprint":"E","owner":"E"},"status":{"id":"E","state":"E","version":1}}`
	answers := map[string]string{
		"GET /api/v1/agents":                  `{"items":[` + object + `]}`,
		"GET /api/v1/agents/a":                object,
		"POST /api/v1/apply":                  `{"results":[{"kind":"E","name":"E","outcome":"E"}]}`,
		"GET /api/v1/decisions":               `{"items":[{"id":"E","outcome":"refused","agent":"E"}]}`,
		"GET /api/v1/decisions/dec_a":         `{"id":"E","outcome":"E","error":"E","errorCode":"E","meaning":"E","fix":"E","agent":"E","scopes":["E"],"checks":[{"name":"E","ok":true,"shown":"E","wanted":"E"},{"name":"E","shown":"E","wanted":"E"}]}`,
		"POST /token":                         `{"access_token":"E","token_type":"E"}`,
		"POST /api/v1/agents/a:rotate-secret": `{"clientId":"E","secret":"E"}`,
	}
	mux := http.NewServeMux()
	for route, answer := range answers {
		method, path, _ := strings.Cut(route, " ")
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != method {
				http.NotFound(w, r)
				return
			}
			w.Write([]byte(strings.ReplaceAll(answer, "E", quoted)))
		})
	}
	refusal := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		w.Write([]byte(strings.ReplaceAll(`{"code":"conflict","detail":"E","errors":[{"location":"E","message":"E"}],"error":"E","error_code":"E","error_description":"E","decision_id":"E"}`, "E", quoted)))
	}
	mux.HandleFunc("/api/v1/rules/a", refusal)
	mux.HandleFunc("/api/v1/delegation-rules/a", refusal)
	mux.HandleFunc("/refused/token", refusal)
	srv := httptest.NewServer(mux)
	defer srv.Close()
	u := newTerminal(t)
	token := u.write(t, "token", "secret")
	u.contexts(t, cli.Contexts{Current: "x", Contexts: map[string]cli.Context{"x": {Server: srv.URL, TokenFile: token, Public: srv.URL}}})
	file := u.write(t, "a.yaml", "apiVersion: tokenry/v1\nkind: Resource\nmetadata: { name: a }\nspec: { identifier: https://a.example }\n")

	exchange := []string{"token", "exchange", "--client-assertion-file", token}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"get", "agents"}, cli.ExitOK},
		{[]string{"describe", "agent", "a"}, cli.ExitOK},
		{[]string{"apply", "-f", file}, cli.ExitOK},
		{[]string{"explain", "dec_a"}, cli.ExitOK},
		{[]string{"__complete", "explain", ""}, cli.ExitOK},
		{[]string{"__complete", "get", "agents", ""}, cli.ExitOK},
		{[]string{"agent", "secret", "a"}, cli.ExitOK},
		{exchange, cli.ExitOK},
		{append(exchange, "--issuer", srv.URL+"/refused"), cli.ExitDenied},
		{[]string{"get", "rule", "a"}, cli.ExitConflict},
		{[]string{"delete", "rule", "a"}, cli.ExitConflict},
		{[]string{"get", "agents", "-o", "json"}, cli.ExitOK},
		{[]string{"get", "agents", "-o", "name"}, cli.ExitOK},
	} {
		r := u.run(c.args...)
		if r.code != c.code || r.out+r.errors == "" {
			t.Errorf("%q: exit code %d: %s", c.args, r.code, r.errors)
		}
		hides(t, r, "\x1b", "\x07", "\u009b", "\u202e", "\x7f")
	}
	// YAML for programs quotes what is no text, and keeps it.
	hides(t, u.run("get", "agents", "-o", "yaml"), "\x1b", "\x07", "\u009b", "\x7f")

	var list struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	r := u.run("get", "agents", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || list.Items[0].Metadata.Name != evil {
		t.Errorf("-o json has lost something: %v, %q", err, r.out)
	}
}
