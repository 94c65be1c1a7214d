package admin_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/jose"
)

// TestCredentialTestLength: what is refused for its length is what package jose
// would refuse for it, and nothing shorter.
func TestCredentialTestLength(t *testing.T) {
	t.Parallel()
	p := start(t)
	longest := strings.Repeat("a", 16<<10-4) + ".a.a"
	if r, err := p.TestCredential(t.Context(), api.CredentialTest{Token: longest}); err != nil || r.Fault == "" || r.Fault == string(jose.FaultTooLarge) {
		t.Errorf("the longest token: %+v, %v", r, err)
	}
	var bad *jose.Error
	if _, err := jose.Parse("a" + longest); !errors.As(err, &bad) || bad.Fault != jose.FaultTooLarge {
		t.Errorf("package jose says of one byte more: %v", err)
	}
	a := p.send(t, request{method: http.MethodPost, path: "/credential-tests", body: `{"token":"a` + longest + `"}`}).
		want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
	if locations(a.problem) != "token" {
		t.Errorf("one byte more: %s", a.body)
	}
}

// TestCredentialTests: what is no token is an answer and no error, and nothing
// of it comes back.
func TestCredentialTests(t *testing.T) {
	t.Parallel()
	p := start(t)
	r, err := p.TestCredential(t.Context(), api.CredentialTest{Token: canary})
	if err != nil || r.Admitted || r.Fault != "not_compact_jws" || strings.Contains(r.Wrong, "4711") || len(r.Checks) != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
	send := func(body string) answer {
		return p.send(t, request{method: http.MethodPost, path: "/credential-tests", body: body})
	}
	for body, want := range map[string]struct {
		status int
		code   api.Code
		at     string
	}{
		``:                                 {http.StatusBadRequest, api.CodeMalformed, ""},
		`{}`:                               {http.StatusUnprocessableEntity, api.CodeInvalid, "token"},
		`{"token":""}`:                     {http.StatusUnprocessableEntity, api.CodeInvalid, "token"},
		`{"token":null}`:                   {http.StatusUnprocessableEntity, api.CodeInvalid, "token"},
		`{"Token":"` + canary + `"}`:       {http.StatusUnprocessableEntity, api.CodeInvalid, "Token"},
		`{"token":["` + canary + `"]}`:     {http.StatusUnprocessableEntity, api.CodeInvalid, "token"},
		`{"token":"a","tokenType":"4711"}`: {http.StatusUnprocessableEntity, api.CodeInvalid, "tokenType"},
		`{"token":"` + canary:              {http.StatusBadRequest, api.CodeMalformed, ""},
		`{"token":"` + strings.Repeat(canary, 2000) + `"}`:    {http.StatusUnprocessableEntity, api.CodeInvalid, "token"},
		`{"token":"` + strings.Repeat(canary, 100_000) + `"}`: {http.StatusRequestEntityTooLarge, api.CodeTooLarge, ""},
	} {
		a := send(body).want(t, want.status, want.code)
		if locations(a.problem) != want.at || strings.Contains(a.body, "4711") {
			t.Errorf("%.40s: %s", body, a.body)
		}
	}
	// Who has no admin token tests nothing: the answer tells who has which agent.
	p.send(t, request{method: http.MethodPost, path: "/credential-tests", body: `{"token":"a.b.c"}`, header: map[string]string{"Authorization": ""}}).
		want(t, http.StatusUnauthorized, api.CodeUnauthenticated)
	if n := p.written.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
	p.quiet(t)
}
