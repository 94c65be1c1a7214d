package cli_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tokenry/tokenry/cli"
)

// recorder is an admin API that knows no object and remembers who asked it.
type recorder struct {
	url string

	mu     sync.Mutex
	tokens []string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tokens = append(r.tokens, q.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"items":[]}`))
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

// asked returns the tokens that were shown since the last call.
func (r *recorder) asked() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := strings.Join(r.tokens, ",")
	r.tokens = nil
	return text
}

// requests counts what came since the last call.
func (r *recorder) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.tokens)
	r.tokens = nil
	return n
}

// TestWhichServer: flag, then variable, then context, and no token for a server
// that it is not meant for.
func TestWhichServer(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	dev, prod, other := newRecorder(t), newRecorder(t), newRecorder(t)
	token := func(name string) string { return u.write(t, name, "token-of-"+name) }
	u.contexts(t, cli.Contexts{Current: "dev", Contexts: map[string]cli.Context{
		"dev":  {Server: dev.url, TokenFile: token("dev")},
		"prod": {Server: prod.url, TokenFile: token("prod")},
	}})
	server, file := "TOKENRY_SERVER="+other.url, "TOKENRY_TOKEN_FILE="+token("other")

	for _, c := range []struct {
		name string
		args []string
		of   *recorder
		want string
	}{
		{"the current context", nil, dev, "dev"},
		{"TOKENRY_CONTEXT", []string{"TOKENRY_CONTEXT=prod"}, prod, "prod"},
		{"--context over TOKENRY_CONTEXT", []string{"TOKENRY_CONTEXT=prod", "--context=dev"}, dev, "dev"},
		{"TOKENRY_SERVER over the context", []string{server, file}, other, "other"},
		{"TOKENRY_SERVER over TOKENRY_CONTEXT", []string{"TOKENRY_CONTEXT=prod", server, file}, other, "other"},
		{"--context over TOKENRY_SERVER", []string{server, file, "--context=prod"}, prod, "prod"},
		{"--server over TOKENRY_SERVER", []string{server, file, "--server=" + prod.url}, prod, "other"},
		{"--token-file over TOKENRY_TOKEN_FILE", []string{server, file, "--token-file=" + token("flag")}, other, "flag"},
		{"--server of the context has its token", []string{"--server=" + dev.url}, dev, "dev"},
	} {
		args := append(c.args, "get", "agents")
		if r := u.run(args...); r.code != cli.ExitOK || !strings.Contains(r.out, "No agents.") {
			t.Errorf("%s: exit code %d: %s", c.name, r.code, r.errors)
		}
		if got := c.of.asked(); got != "Bearer token-of-"+c.want {
			t.Errorf("%s: it was asked with %q", c.name, got)
		}
	}

	u.run("get", "agents", "--server", other.url).want(t, cli.ExitUsage, "no admin token for "+other.url)
	u.run("TOKENRY_SERVER="+other.url, "get", "agents").want(t, cli.ExitUsage, "no admin token for "+other.url)
	for _, r := range []*recorder{dev, prod, other} {
		if got := r.asked(); got != "" {
			t.Errorf("a server was asked with %q, which is not for it", got)
		}
	}
	u.run("--context", "prd", "get", "agents").want(t, cli.ExitUsage, `no context "prd"; did you mean "prod"?`)
}

// TestWhichIssuer: the context's issuer is that of the context's server alone.
func TestWhichIssuer(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	dev, other := newRecorder(t), newRecorder(t)
	token := u.write(t, "token", "a.b.c")
	u.contexts(t, cli.Contexts{Current: "dev", Contexts: map[string]cli.Context{
		"dev": {Server: "http://127.0.0.1:1", TokenFile: token, Issuer: dev.url},
	}})
	exchange := []string{"token", "exchange", "--client-assertion-file", token}
	verify := []string{"token", "verify", token}

	for _, named := range []string{"--server=" + other.url, "TOKENRY_SERVER=" + other.url} {
		for _, command := range [][]string{exchange, verify} {
			// In front, for a variable.
			u.run(append([]string{named}, command...)...).want(t, cli.ExitUsage, "the issuer of "+other.url+" is not known here: give --issuer")
		}
	}
	if dev.requests()+other.requests() != 0 {
		t.Error("a server was asked")
	}
	for name, args := range map[string][]string{
		"no server named":           exchange,
		"the context's server":      append(exchange, "--server=http://127.0.0.1:1"),
		"--context over a variable": append([]string{"TOKENRY_SERVER=" + other.url, "--context=dev"}, exchange...),
		"--issuer":                  append(exchange, "--server="+other.url, "--issuer="+dev.url),
	} {
		u.run(args...)
		if dev.requests() != 1 || other.requests() != 0 {
			t.Errorf("%s: the context's issuer was not asked", name)
		}
	}
}

func TestContextsFile(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)

	u := newTerminal(t)
	u.run("--context", "prod", "get", "agents").want(t, cli.ExitUsage, `no context "prod": there is none yet`)

	u = newTerminal(t)
	u.write(t, ".config/tokenry/config.yaml", "contexts: [")
	u.run("get", "agents").want(t, cli.ExitUsage, "read the contexts: ", ".config/tokenry/config.yaml")
	token := u.write(t, "token", "secret")
	u.run("get", "agents", "--server", r.url, "--token-file", token).want(t, cli.ExitOK)

	u.config.Env = nil // a job without a home
	u.run("get", "agents", "--server", r.url, "--token-file", token).want(t, cli.ExitOK)
	u.run("get", "agents").want(t, cli.ExitUsage, "no server")
	u.run("--context", "prod", "get", "agents").want(t, cli.ExitUsage, "neither XDG_CONFIG_HOME nor HOME is set")

	u = newTerminal(t)
	token = u.write(t, "token", "secret")
	u.write(t, "xdg/tokenry/config.yaml", "current: x\ncontexts:\n  x: { server: "+r.url+", token_file: "+token+" }\n")
	u.run("XDG_CONFIG_HOME="+u.dir+"/xdg", "get", "agents").want(t, cli.ExitOK)
	// "All paths set in these environment variables must be absolute":
	// XDG Base Directory Specification, Environment variables.
	u.contexts(t, cli.Contexts{Current: "home", Contexts: map[string]cli.Context{"home": {Server: r.url, TokenFile: token}}})
	u.run("XDG_CONFIG_HOME=xdg", "get", "agents").want(t, cli.ExitOK)
}

func TestTokenInput(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	u := newTerminal(t)
	get := func(stdin, file string) result {
		return u.pipe(stdin, "get", "agents", "--server", r.url, "--token-file", file)
	}

	get(" secret\n", "-").want(t, cli.ExitOK)
	if got := r.asked(); got != "Bearer secret" {
		t.Errorf("the server was asked with %q", got)
	}
	get("", "-").want(t, cli.ExitUsage, "stdin is empty")
	get("", u.dir+"/absent").want(t, cli.ExitUsage, "no such file")
	get("", u.write(t, "empty", "\n")).want(t, cli.ExitUsage, "empty is empty")
	get("", u.write(t, "two", "one\ntwo\n")).want(t, cli.ExitUsage, "holds more than one token or secret")
	get("", u.write(t, "long", strings.Repeat("x", 1<<20+1))).want(t, cli.ExitUsage, "is longer than any token")
	u.pipe("x", "apply", "-f", "-", "-f", "-").want(t, cli.ExitUsage, "stdin")
	u.pipe("kind: Agent", "apply", "-f", "-", "-f", "-", "--server", r.url).want(t, cli.ExitUsage)
	if got := r.asked(); got != "" {
		t.Errorf("the server was asked with %q", got)
	}
}

// TestPlainHTTP: an admin token that crosses a network in the clear belongs to
// everybody on it (RFC 6750, Section 5.3).
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	token := u.write(t, "token", "secret")
	u.run("get", "agents", "--server", "http://sts.example.com", "--token-file", token).want(t, cli.ExitUsage, "would send secrets over plain http")
	u.run("token", "exchange", "--issuer", "http://sts.example.com", "--client-assertion-file", token).want(t, cli.ExitUsage, "would send secrets over plain http")
	// No loopback address, and yet no other machine.
	r := u.run("get", "agents", "--server", "http://0.0.0.0:1", "--token-file", token, "--insecure-plaintext")
	if hides(t, r, "plain http"); r.code == cli.ExitOK || r.code == cli.ExitUsage {
		t.Errorf("exit code %d: %s", r.code, r.errors)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	token := u.write(t, "token", "secret")
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	u.run("get", "agents", "--server", gone.URL, "--token-file", token).want(t, cli.ExitUnreachable, "tokenry: cannot reach "+gone.URL+": connection refused\n")
	u.run("token", "exchange", "--issuer", gone.URL, "--client-assertion-file", token).want(t, cli.ExitUnreachable, "cannot reach "+gone.URL)

	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("{"))
	}))
	defer broken.Close()
	u.run("get", "agents", "--server", broken.URL, "--token-file", token).want(t, cli.ExitUnreachable, "the answer broke off")

	// Something that answers, but is no server of ours.
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }))
	defer page.Close()
	u.run("get", "agents", "--server", page.URL, "--token-file", token).want(t, cli.ExitRefused, "reading the answer")
	u.run("token", "exchange", "--issuer", page.URL, "--client-assertion-file", token).want(t, cli.ExitRefused, "is it a token endpoint?")
}

// TestUntrustedCertificate: the message says all of what is wrong with it.
func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	token := u.write(t, "token", "secret")
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	for _, args := range [][]string{
		{"get", "agents", "--server", srv.URL, "--token-file", token},
		{"token", "exchange", "--issuer", srv.URL, "--client-assertion-file", token},
	} {
		r := u.run(args...)
		r.want(t, cli.ExitUnreachable, "tokenry: cannot reach "+srv.URL+": its certificate is not trusted (certificate signed by unknown authority",
			"); SSL_CERT_FILE names a file with more authorities\n")
	}
}

// TestPlainToTLS: a listener that wants TLS answers plain http with 400.
func TestPlainToTLS(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	token := u.write(t, "token", "secret")
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "https://")
	u.run("get", "agents", "--server", "http://"+host, "--token-file", token).want(t, cli.ExitRefused, "the server answered 400; it may want https: "+srv.URL+"\n")
	u.run("token", "exchange", "--issuer", "http://"+host, "--client-assertion-file", token).want(t, cli.ExitRefused, "400 Bad Request", "; it may want https: "+srv.URL)
}

// TestCausesAreNotMixedUp: a name that leads nowhere is told without the address
// of the resolver, and a refusal of the API itself is no hint at TLS.
func TestCausesAreNotMixedUp(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	token := u.write(t, "token", "secret")
	get := func(server string) result {
		return u.run("get", "agents", "--server", server, "--token-file", token)
	}
	get("https://nowhere.invalid").want(t, cli.ExitUnreachable, "tokenry: cannot reach https://nowhere.invalid: no such host\n")

	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"title":"Bad Request","status":400,"code":"malformed","detail":"odd"}`)
	}))
	defer refusing.Close()
	hides(t, get(refusing.URL), "it may want https")
}

// TestFixNamesTheAgent where the fix is about the one that asked.
func TestFixNamesTheAgent(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	token := u.write(t, "token", "secret")
	for code, want := range map[string]string{
		"client_auth.secret": "\nFix: rotate a.\n", "client_auth.disabled": "\nFix: rotate a.\n",
		"exchange.actor_disabled": "\nFix: rotate NAME.\n",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id":"dec_1","outcome":"refused","agent":"a","errorCode":%q,"fix":"rotate NAME.","checks":[]}`, code)
		}))
		u.run("explain", "dec_1", "--server", srv.URL, "--token-file", token).want(t, cli.ExitOK, want)
		srv.Close()
	}
}
