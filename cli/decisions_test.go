package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	u.run("explain", "--last-denied").want(t, cli.ExitNotFound, "nothing was refused")

	issued := as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil), "scope", "llm:read")))
	authtest.WantIssued(t, issued)
	u.run("explain", issued.DecisionID).want(t, cli.ExitOK, issued.DecisionID+"  issued  ", "\n  agent      research-agent\n", "\n  subject    corp-idp|alice\n",
		"\n  scope      llm:read\n", "\n  jti        at_", "  ✓ target", "gateway  (https://gateway.example)")
	if r := u.run("explain", issued.DecisionID); strings.Contains(r.out, "nothing was issued") {
		t.Errorf("nothing was issued?\n%s", r.out)
	}
	u.run("explain", "dec_x").want(t, cli.ExitNotFound, `no decision "dec_x"`)

	denied := as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil), "scope", "payments:write")))
	as.Event(t, denied.DecisionID)
	authtest.WantIssued(t, as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil)))))
	for _, args := range [][]string{{denied.DecisionID}, {"--last-denied"}, {"--last-denied", "--agent", "research-agent"}} {
		r := u.run(append([]string{"explain"}, args...)...)
		r.want(t, cli.ExitOK, denied.DecisionID+"  refused  ", "  ✗ scope", "shown:  payments:write\n", "wanted: ",
			"\ninvalid_scope  error_code=exchange.scope  decision="+denied.DecisionID+"  nothing was issued\n", "\nFix: ")
		if strings.Contains(r.out, "\x1b") {
			t.Error("colours in a pipe")
		}
	}
	u.run("explain", "--last-denied", "--agent", "writer-agent").want(t, cli.ExitNotFound, `nothing was refused to agent "writer-agent"`)
	var d api.Decision
	if r := u.run("explain", denied.DecisionID, "-o", "json"); json.Unmarshal([]byte(r.out), &d) != nil || d.ErrorCode != "exchange.scope" {
		t.Errorf("-o json printed %s%s", r.out, r.errors)
	}
	u.run("explain", denied.DecisionID, "-o", "yaml").want(t, cli.ExitOK, "errorCode: exchange.scope\n")
	u.run("explain", denied.DecisionID, "-o", "name").want(t, cli.ExitOK, denied.DecisionID+"\n")

	u.config.Color = true
	u.run("explain", denied.DecisionID).want(t, cli.ExitOK, "\x1b[31m✗\x1b[0m scope")
	if r := u.run("NO_COLOR=1", "explain", denied.DecisionID); strings.Contains(r.out, "\x1b") {
		t.Error("colours despite NO_COLOR") // https://no-color.org
	}
}

// demoFor plays the demo's token endpoints with the issuers of as.
func demoFor(t *testing.T, as *authtest.Server) string {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, token, issuer, subject string) {
		fmt.Fprintf(w, `{"token":%q,"issuer":%q,"subject":%q}`, token, issuer, subject)
	}
	mux.HandleFunc("GET /idp/token", func(w http.ResponseWriter, r *http.Request) {
		groups := map[string]any{"alice": []string{"staff"}, "mallory": []string{"guests"}}
		user := r.FormValue("user")
		if groups[user] == nil {
			http.Error(w, "no such demo user\x1b[2J", http.StatusNotFound)
			return
		}
		answer(w, as.User(t, user, authtest.Claims{"groups": groups[user]}), as.IDP.URL, user)
	})
	mux.HandleFunc("GET /cluster/token", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.FormValue("sa"), "/") {
			http.Error(w, "sa must be the name of a service account", http.StatusBadRequest)
			return
		}
		account := strings.TrimSuffix(r.FormValue("sa"), "-agent")
		answer(w, as.ServiceAccount(t, account, nil), as.Cluster.URL, "system:serviceaccount:prod:"+account)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestTry(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	c := cli.Context{Server: as.AdminURL, TokenFile: u.dir + "/admin_token", Issuer: as.Issuer, Public: as.PublicURL, Demo: demoFor(t, as)}
	u.contexts(t, cli.Contexts{Current: "test", Contexts: map[string]cli.Context{"test": c}})

	for _, resource := range []string{"gateway", "https://gateway.example"} {
		u.run("try", "--resource", resource).want(t, cli.ExitOK, "research-agent acts for alice, who has signed in at the demo provider.\n",
			"POST "+as.PublicURL+"/token\n", "  ✓ target", "\n200 OK in ", "access token (at+jwt, ES256, kid ", `"sub": "corp-idp|alice"`,
			"\n✓ verified offline with "+as.Issuer+"/.well-known/jwks.json\n\nNow break it:   tokenry try --scope payments:write\nSee it again:   tokenry explain dec_")
	}
	// It asks the server that has decided, whatever else is set.
	u.run("TOKENRY_SERVER=http://127.0.0.1:1", "TOKENRY_TOKEN_FILE=absent", "try", "--resource", "gateway").want(t, cli.ExitOK)

	denied := func(args ...string) string {
		t.Helper()
		r := u.run(append([]string{"try", "--resource", "gateway"}, args...)...)
		if r.code != cli.ExitDenied || r.errors != "" {
			t.Fatalf("exit code %d, %q\n%s", r.code, r.errors, r.out)
		}
		if strings.Contains(r.out, "verified") || !strings.Contains(r.out, "nothing was issued") {
			t.Errorf("it looks as if a token was issued:\n%s", r.out)
		}
		return r.out
	}
	if out := denied("--scope", "payments:write"); !strings.Contains(out, "\n400 Bad Request   error=invalid_scope  error_code=exchange.scope\n") || !strings.Contains(out, "\nFix: ") {
		t.Errorf("too much scope:\n%s", out)
	}
	if out := denied("--user", "mallory"); !strings.Contains(out, "✗ delegation rule") {
		t.Errorf("not staff:\n%s", out)
	}
	if out := denied("--agent", "nobody-agent"); !strings.Contains(out, "error_code=client_auth.failed\n") || !strings.Contains(out, "\nThe client is not told, but it was ") {
		t.Errorf("no such agent:\n%s", out)
	}
	u.run("agent", "disable", "research-agent").want(t, cli.ExitOK)
	const fix = "\nFix: tokenry describe agent research-agent; tokenry agent enable research-agent.\n"
	if out := denied(); !strings.Contains(out, fix) {
		t.Errorf("a disabled agent:\n%s", out)
	}
	u.run("explain", "--last-denied").want(t, cli.ExitOK, fix)
	u.run("try", "--user", "eve").want(t, cli.ExitUsage, "tokenry: no such demo user·[2J\n")
}

// A member of a fleet is called after its service account, and exists once it
// has tried.
func TestTryInstance(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: fleet }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  credentials: [ { name: pods, issuer: prod-cluster, subject: { glob: "system:serviceaccount:prod:fleet-*" }, maxInstances: 5 } ]
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: staff-to-fleet }
spec: { subjects: { issuer: corp-idp }, actors: { blueprints: [fleet] }, resources: [ { name: gateway, scopes: ["llm:read"] } ] }
`)
	u := at(t, as)
	c := cli.Context{Server: as.AdminURL, TokenFile: u.dir + "/admin_token", Issuer: as.Issuer, Public: as.PublicURL, Demo: demoFor(t, as)}
	u.contexts(t, cli.Contexts{Current: "test", Contexts: map[string]cli.Context{"test": c}})

	printed := u.run("try", "--agent", "fleet/r7", "--print-token")
	if token := authtest.Payload(t, strings.TrimSpace(printed.out)); token["sub"] != "system:serviceaccount:prod:fleet-r7" {
		t.Errorf("the token of %v", token["sub"])
	}
	u.pipe(printed.out, "issuer", "test", "--token-file", "-").want(t, cli.ExitOK, "admitted as agent fleet/r7 by credential pods", "its first use would make it")
	if r := u.run("get", "agents", "--instances", "only", "-o", "name"); r.out != "" {
		t.Errorf("a token that was only printed and tested made %s", r.out)
	}
	u.run("try", "--agent", "fleet/r7", "--resource", "gateway").want(t, cli.ExitOK, "fleet/r7 acts for alice", `"sub": "fleet/r7"`)
	u.run("get", "agents", "--instances", "only", "-o", "name").want(t, cli.ExitOK, "agent/fleet/r7\n")
	for _, flag := range []string{"user", "scope", "resource"} {
		u.run("try", "--print-token", "--"+flag, "x").want(t, cli.ExitUsage, "leave --"+flag+" out")
	}
}

func TestTryWithoutDev(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	u.contexts(t, cli.Contexts{Current: "dev", Contexts: map[string]cli.Context{"dev": {Server: "http://127.0.0.1:1", Demo: "http://127.0.0.1:1"}}})
	u.run("try").want(t, cli.ExitUnreachable, "cannot reach http://127.0.0.1:1: connection refused; is `tokenry dev` running?")
	u.run("try", "--print-token").want(t, cli.ExitUnreachable, "is `tokenry dev` running?")

	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }))
	defer page.Close()
	u.contexts(t, cli.Contexts{Current: "dev", Contexts: map[string]cli.Context{"dev": {Demo: page.URL}}})
	u.run("try").want(t, cli.ExitRefused, "the demo answered something else than a token")
}
