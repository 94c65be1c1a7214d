package admin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/server/admin"
)

// routes are all operations of the document, with a name filled in, and what
// is no operation.
func (p *plane) routes(t *testing.T) []request {
	t.Helper()
	a := p.send(t, request{method: http.MethodGet, path: "/openapi.json"})
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(a.body), &document); err != nil {
		t.Fatal(err)
	}
	var all []request
	for path, operations := range document.Paths {
		path = strings.NewReplacer("{name}", "research-agent", "{id}", "dec_known").Replace(path)
		for method := range operations {
			all = append(all, request{method: strings.ToUpper(method), path: path})
		}
	}
	if len(all) < 43 {
		t.Fatalf("only %d operations", len(all))
	}
	return append(all,
		request{method: http.MethodGet, path: "/openapi.json"}, request{method: http.MethodGet, path: "/openapi.yaml"},
		request{method: http.MethodGet, path: ""}, request{method: http.MethodGet, path: "/"}, request{method: http.MethodGet, path: "/nothing"},
		request{method: http.MethodPatch, path: "/agents/research-agent"}, request{method: http.MethodPut, path: "/agents"},
		request{method: http.MethodGet, path: "/agents/"}, request{method: http.MethodOptions, path: "/agents"}, request{method: http.MethodTrace, path: "/agents"},
		request{method: http.MethodPost, path: "/agents/research-agent:explode"}, request{method: http.MethodGet, path: "/../../etc/passwd"},
		request{method: http.MethodGet, path: "/debug/pprof"}, request{method: http.MethodHead, path: "/agents"},
	)
}

// TestUnauthenticated: no route, known or not, answers anything but 401 to who
// shows no admin token (AM-01, AM-02), and no failed attempt changes anything.
func TestUnauthenticated(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	before := p.state(t)
	for _, r := range p.routes(t) {
		for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer  " + token, "Basic " + token, token, "Bearer " + token[1:]} {
			r.header = map[string]string{"Authorization": authorization}
			if r.method == http.MethodHead {
				continue // has no body to look at
			}
			a := p.send(t, r).want(t, http.StatusUnauthorized, api.CodeUnauthenticated)
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") { // RFC 6750, Section 3
				t.Errorf("%s %s as %q: %v", r.method, r.path, authorization, a.header)
			}
		}
	}
	// Not in the query either (RFC 9700, Section 4.3.2).
	p.send(t, request{method: http.MethodGet, path: "/agents?access_token=" + token, header: map[string]string{"Authorization": ""}}).
		want(t, http.StatusUnauthorized, api.CodeUnauthenticated)
	if after := p.state(t); after != before {
		t.Error("something was changed")
	}
	p.quiet(t)
	// An operator hears of it, and strangers cannot fill the log.
	if n := strings.Count(p.log.String(), "without a valid token"); n == 0 || n > 60 {
		t.Errorf("%d lines about failed logins", n)
	}
}

// TestTwoAuthorizations: of two credentials nobody can tell which one counts.
func TestTwoAuthorizations(t *testing.T) {
	t.Parallel()
	p := start(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/agents", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = []string{"Bearer " + token, "Bearer other"}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", resp.StatusCode)
	}
}

// TestEveryAnswer: nothing is kept by a cache, read as something else or lent
// to another origin (AM-29), and no request makes the server fail (AM-45).
func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	bodies := []string{"", "{}", "[]", "null", "7", `"x"`, `{"spec":null}`, `{"metadata":7,"spec":{}}`, `{"metadata":{"name":null},"spec":{}}`,
		`{"metadata":{"name":"` + strings.Repeat("x", 1<<18) + `"},"spec":{}}`, `{"spec":{"blueprint":{},"owner":[],"credentials":[null]}}`, `{"reason":7}`, `{"objects":7}`}
	for _, r := range p.routes(t) {
		for _, body := range bodies {
			r.body = body
			if r.method == http.MethodHead || r.method == http.MethodTrace && body != "" { // the client refuses it
				continue
			}
			a := p.send(t, r)
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: headers %v", r.method, r.path, a.header)
			}
			if a.status >= 500 {
				t.Errorf("%s %s %.80s: %d %s", r.method, r.path, body, a.status, a.body)
			}
		}
	}
	p.quiet(t)
}

// TestBodies: only one strict JSON document is a body (AM-22, AM-23).
func TestBodies(t *testing.T) {
	t.Parallel()
	p := start(t)
	const good = `{"metadata":{"name":"r"},"spec":{"identifier":"https://r.example"}}`
	media := func(v string) map[string]string { return map[string]string{"Content-Type": v} }
	for _, row := range []struct {
		name   string
		body   string
		header map[string]string
		status int
		code   api.Code
	}{
		{"a form", "a=b", media("application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia},
		{"a form of a browser", good, media("text/plain"), http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia},
		{"no media type", good, media(""), http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia},
		{"XML", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>`, media("application/xml"), http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia},
		{"multipart", good, media("multipart/form-data; boundary=x"), http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia},
		{"YAML", good, media("application/yaml"), http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia},
		{"another charset", good, media("application/json; charset=utf-16"), http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia},
		{"compressed", zipped(t, good), map[string]string{"Content-Encoding": "gzip"}, http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia},
		{"none", "", nil, http.StatusBadRequest, api.CodeMalformed},
		{"not JSON", "{", nil, http.StatusBadRequest, api.CodeMalformed},
		{"a comment", good + "//x", nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"two documents", good + good, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"a trailing comma", `{"metadata":{"name":"r"},}`, nil, http.StatusBadRequest, api.CodeMalformed},
		{"not UTF-8", "{\"metadata\":{\"name\":\"\xff\"},\"spec\":{}}", nil, http.StatusBadRequest, api.CodeMalformed},
		{"a lone surrogate", `{"metadata":{"name":"r","labels":{"a":"\ud800"}},"spec":{}}`, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"U+0000", `{"metadata":{"name":"r","labels":{"a":"\u0000"}},"spec":{}}`, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"U+0000 in a name", `{"a\u0000":1}`, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"too large", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, nil, http.StatusRequestEntityTooLarge, api.CodeTooLarge},
		{"too deep", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"far too deep", strings.Repeat("[", 1<<19), nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"a number without end", `{"a":1e999999}`, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"a member twice", `{"spec":{},"metadata":{"name":"r"},"spec":{"identifier":"https://r.example"}}`, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"a member twice, escaped", `{"metadata":{"name":"r","n\u0061me":"s"},"spec":{}}`, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"a label twice", `{"metadata":{"name":"r","labels":{"a":"1","a":"2"}},"spec":{}}`, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
		{"in the query (AM-24)", good, nil, http.StatusUnprocessableEntity, api.CodeInvalid},
	} {
		path := "/resources"
		if strings.Contains(row.name, "query") {
			path += "?name=other"
		}
		a := p.send(t, request{method: http.MethodPost, path: path, body: row.body, header: row.header})
		if a.status != row.status || a.problem.Code != row.code {
			t.Errorf("%s: %d %s, want %d %s", row.name, a.status, a.body, row.status, row.code)
		}
	}
	if a := p.send(t, request{method: http.MethodPost, path: "/resources", body: good, header: media("Application/JSON; charset=UTF-8")}); a.status != http.StatusCreated {
		t.Errorf("a good one: %d %s", a.status, a.body)
	}
	list, err := p.AllObjects(t.Context(), "Resource")
	if err != nil || len(list) != 1 {
		t.Errorf("%d resources, %v; want the one that was good", len(list), err)
	}
	p.quiet(t)
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPanic: a handler that panics answers without detail, once.
func TestPanic(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *admin.Config) {
		c.Explain = func(context.Context, string) (api.Decision, error) { panic("the secret is 42") }
	})
	a := p.send(t, request{method: http.MethodGet, path: "/decisions/dec_known"}).want(t, http.StatusInternalServerError, api.CodeInternal)
	if strings.Contains(a.body, "42") || !strings.Contains(p.log.String(), "42") {
		t.Errorf("answer %s, log %s", a.body, p.log.String())
	}
}

// TestPrefix: what is not below the prefix is not served, to nobody.
func TestPrefix(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, path := range []string{"/", "/agents", "/api/v1agents", "/api/v2/agents", "/token"} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(p.url, api.Prefix)+path, nil)
		req.RequestURI = ""
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	authenticate := admin.Tokens(map[string]string{"alice": "a-token", "bob": "b-token", "nobody": ""})
	for shown, want := range map[string]string{"a-token": "alice", "b-token": "bob", "": "", "a-toke": "", "a-tokenb": "", "alice": ""} {
		if got, ok := authenticate(shown); got != want && ok || ok != (want != "") {
			t.Errorf("%q is %q, %v; want %q", shown, got, ok, want)
		}
	}
}
