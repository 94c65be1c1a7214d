package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/server/admin"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

const (
	issuer    = "https://tokenry.example"
	principal = "alice"
	token     = "admin-token-of-alice"
)

// plane is an admin API on a database of its own.
type plane struct {
	*api.Client
	url     string // scheme, host, port and api.Prefix
	pg      string // address of the database
	db      *storage.DB
	model   *registry.Model
	written atomic.Int32
	log     *log
}

// log collects what the server logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// config is one that New takes.
func config(db *storage.DB) admin.Config {
	model := registry.NewModel(registry.ModelConfig{Fetch: db.Changes})
	return admin.Config{
		DB: db, Model: model, Issuer: issuer, Test: tester(model),
		Authenticate: admin.Tokens(map[string]string{principal: token, "bob": "admin-token-of-bob"}),
		Explain: func(_ context.Context, id string) (api.Decision, error) {
			if !strings.HasPrefix(id, "dec_") || strings.ContainsAny(id, "\x00/") {
				return api.Decision{}, errors.New("a database cannot be asked for this")
			}
			if id != "dec_known" {
				return api.Decision{}, storage.ErrNotFound
			}
			return api.Decision{ID: id, Outcome: api.Refused, Checks: []api.Check{{Name: "scope", Wanted: "calendar.read"}}}, nil
		},
		Schema: func(context.Context) (api.Schema, error) { return api.Schema{Version: 3, Wanted: 4}, nil },
		MaxTTL: time.Hour, Version: "1.2.3", Log: slog.New(slog.DiscardHandler),
	}
}

// tester examines tokens by the registry alone.
func tester(m *registry.Model) func(context.Context, string, string) grants.Tested {
	return func(ctx context.Context, raw, typ string) grants.Tested {
		client, err := outbound.New(outbound.Config{})
		if err != nil {
			panic(err) // the zero Config is one that New takes
		}
		v, err := credential.New(credential.Config{Issuer: issuer, Model: m, Outbound: client})
		if err != nil {
			panic(err) // nothing is missing
		}
		return grants.Tested{Report: v.Test(ctx, raw, typ)}
	}
}

// start serves an admin API until the end of the test. Unless the test says so
// (faults), a line in the log fails it.
func start(t *testing.T, change ...func(*admin.Config)) *plane {
	t.Helper()
	p := &plane{pg: storagetest.URL(t), log: &log{}}
	p.db = storagetest.OpenURL(t, p.pg)
	c := config(p.db)
	p.model = c.Model
	c.Log = slog.New(slog.NewTextHandler(p.log, nil))
	c.Written = func(ctx context.Context) {
		p.written.Add(1)
		if err := p.model.Poll(ctx); err != nil {
			t.Error(err)
		}
	}
	for _, f := range change {
		f(&c)
	}
	handler, err := admin.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	p.url = server.URL + api.Prefix
	p.Client = p.client(t, token)
	return p
}

func (p *plane) client(t *testing.T, token string) *api.Client {
	t.Helper()
	c, err := api.New(api.Config{URL: strings.TrimSuffix(p.url, api.Prefix), Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// quiet fails the test when the server had something to log.
func (p *plane) quiet(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(p.log.String()) {
		if !strings.Contains(line, "without a valid token") {
			t.Errorf("the server logged: %s", line)
		}
		if strings.Contains(line, token) || strings.Contains(line, "4711") {
			t.Errorf("the log shows what was sent: %s", line)
		}
	}
}

// request is one raw request; Authorization and the media type are filled in.
type request struct {
	method, path, body string
	header             map[string]string
}

// answer is one raw answer.
type answer struct {
	status  int
	header  http.Header
	body    string
	problem api.Problem
}

func (p *plane) send(t *testing.T, r request) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, p.url+r.path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if resp.StatusCode >= 400 {
		if got := resp.Header.Get("Content-Type"); got != "application/problem+json" { // RFC 9457, Section 3
			t.Errorf("%s %s: %d as %q: %s", r.method, r.path, a.status, got, a.body)
		}
		if err := json.Unmarshal(body, &a.problem); err != nil || a.problem.Status != a.status {
			t.Errorf("%s %s: %d with the problem %s", r.method, r.path, a.status, a.body)
		}
	}
	return a
}

// refused checks that err is a problem of that status and code, and returns it.
func refused(t *testing.T, err error, status int, code api.Code) api.Problem {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want %d %s", err, status, code)
	}
	if e.Status != status || e.Problem.Code != code {
		t.Errorf("got %d %+v, want %d %s", e.Status, e.Problem, status, code)
	}
	return e.Problem
}

// want checks the same of a raw answer.
func (a answer) want(t *testing.T, status int, code api.Code) answer {
	t.Helper()
	if a.status != status || a.problem.Code != code {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	return a
}

// locations are the places that a problem names.
func locations(p api.Problem) string {
	var all []string
	for _, i := range p.Errors {
		all = append(all, i.Location)
	}
	return strings.Join(all, " ")
}

func object(kind registry.Kind, name, spec string) api.Object {
	return api.Object{Kind: kind, Metadata: api.Metadata{Name: name}, Spec: json.RawMessage(spec)}
}

func agent(name string, subject string) api.Object {
	return object(registry.KindAgent, name, `{"blueprint":"researcher","owner":"Alice","sponsor":"Research","credentials":[
		{"name":"spire","issuer":"prod","subject":{"exact":"spiffe://prod.example/`+subject+`"}}]}`)
}

// standard is one object of each kind and what they need, in the order of
// apply.
func standard() []api.Object {
	return []api.Object{
		object(registry.KindTrustedIssuer, "prod", `{"type":"spiffe","trustDomain":"prod.example","keys":{"bundleUrl":"https://spire.example/bundle"}}`),
		object(registry.KindTrustedIssuer, "corp", `{"type":"oidc","issuer":"https://idp.example","keys":{"discovery":true},"audiences":["portal"],"tokenTypes":["id_token"]}`),
		object(registry.KindResource, "calendar", `{"identifier":"https://calendar.example","scopes":[{"name":"calendar.read"},{"name":"calendar.write","risk":"high"}],"maxTtl":"15m"}`),
		object(registry.KindBlueprint, "researcher", `{"resources":[{"name":"calendar","scopes":["calendar.read"]}],"maxTtl":"10m","clientAuth":["federated","secret"]}`),
		agent("research-agent", "research"),
		object(registry.KindDelegationRule, "staff", `{"subjects":{"issuer":"corp"},"actors":{"blueprints":["researcher"]},"resources":[{"name":"calendar","scopes":["calendar.read"]}]}`),
	}
}

func (p *plane) standard(t *testing.T) {
	t.Helper()
	if _, err := p.Apply(t.Context(), api.ApplyRequest{Objects: standard()}); err != nil {
		t.Fatal(err)
	}
}

// sql runs a statement behind the server's back.
func (p *plane) sql(t *testing.T, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.pg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	for name, spoil := range map[string]func(*admin.Config){
		"no db":           func(c *admin.Config) { c.DB = nil },
		"no model":        func(c *admin.Config) { c.Model = nil },
		"no log":          func(c *admin.Config) { c.Log = nil },
		"no authenticate": func(c *admin.Config) { c.Authenticate = nil },
		"no explain":      func(c *admin.Config) { c.Explain = nil },
		"no test":         func(c *admin.Config) { c.Test = nil },
		"no schema":       func(c *admin.Config) { c.Schema = nil },
		"no issuer":       func(c *admin.Config) { c.Issuer = "" },
		"no max ttl":      func(c *admin.Config) { c.MaxTTL = 0 },
		"no version":      func(c *admin.Config) { c.Version = "" },
	} {
		c := config(db)
		spoil(&c)
		if _, err := admin.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := admin.New(config(db)); err != nil {
		t.Errorf("with defaults: %v", err)
	}
}
