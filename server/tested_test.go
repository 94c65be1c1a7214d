package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestTestedAgrees: what a test of a token admits gets a token, and what it
// refuses is refused for the reason that the test names.
func TestTestedAgrees(t *testing.T) {
	t.Parallel()
	n := startNear(t)
	form := func(token string) *authtest.Answer {
		return n.Post(t, authtest.ExchangeForm(token, "resource", "https://gateway.example"))
	}
	for name, token := range map[string]string{
		"job": n.job(t, nil), "account": n.ServiceAccount(t, "writer", nil), "svid": n.SVID(t, "/agents/research/r7", nil), "prefix": n.SVID(t, "/jobs/a", nil),
		"one of two": n.job(t, authtest.Claims{"sub": "repo:acme/twin:ref:x", "runner": "own"}),
	} {
		if r := n.test(t, token, ""); !r.Admitted || !r.Genuine || !r.Verified || r.Wrong != "" || r.ErrorCode != "" || r.Expires == nil || r.KeyID == "" || r.Bindings[0].Agent != r.Agent || !r.Bindings[0].Admits {
			t.Errorf("%s: %+v", name, r)
		}
		authtest.WantIssued(t, form(token))
	}
	for _, c := range nearMisses() {
		t.Run(c.name, func(t *testing.T) {
			token := c.token(t, n)
			if strings.HasPrefix(c.code, "client_auth.") && c.fault != "" {
				a := n.Post(t, with(itself()(t, n.Server), []string{"client_assertion", token}))
				n.WantRefused(t, a, oauth.InvalidClient, oauth.Reason(c.code))
				return
			}
			request := authtest.ExchangeForm(token)
			if strings.HasPrefix(c.name, "user's ") { // it proves no client
				request = n.As(t, "research", request)
			}
			a := n.Post(t, request)
			reason := oauth.Reason(c.code)
			if c.name == "a token of this server" {
				reason = oauth.ReasonAuthNone // without its own token type it is no credential at all
			}
			n.WantRefused(t, a, reason.Definition().Code, reason)
		})
	}
}

// TestTestedLeavesNothing: no event, no instance, and an assertion stays good.
func TestTestedLeavesNothing(t *testing.T) {
	t.Parallel()
	n := startNear(t)
	before, err := n.Admin.AuditEvents(t.Context(), api.Page{})
	if err != nil {
		t.Fatal(err)
	}
	assertion := n.Assertion(t, "", nil)
	for range 2 {
		if r := n.test(t, assertion, ""); !r.Admitted || r.Agent != "key-agent" || r.Parameter != "client_assertion" {
			t.Errorf("an assertion: %+v", r)
		}
		r := n.test(t, n.SVID(t, "/fleet/r7", nil), "")
		if !r.Admitted || !r.Made || r.Agent != "fleet/r7" || r.Credential != "pods" || r.Bindings[0].Blueprint != "fleet" {
			t.Errorf("an instance: %+v", r)
		}
	}
	if n.Model.Agent("fleet/r7") != nil {
		t.Error("an instance was made")
	}
	form := itself()(t, n.Server)
	form.Set("client_assertion", assertion)
	authtest.WantIssued(t, n.Post(t, form))
	after, err := n.Admin.AuditEvents(t.Context(), api.Page{})
	if err != nil || len(after.Items) != len(before.Items)+1 {
		t.Errorf("%d events, then %d (%v); want the one of the exchange more", len(before.Items), len(after.Items), err)
	}
}

// TestTestedUnverified: what the exam did not get to is held against the claims
// as they stand, and said to be that.
func TestTestedUnverified(t *testing.T) {
	t.Parallel()
	n := startNear(t)
	forged := n.closed.Sign(t, "", n.jobClaims("https://ci.example/Org", authtest.Claims{"runner": "own", "repository_owner": "evil", "aud": "https://deploy.example"}))
	r := n.test(t, forged, "")
	if r.Fault != "signature" || r.Verified || r.Agent != "" || len(r.Bindings) != 10 {
		t.Fatalf("%+v", r)
	}
	first := r.Bindings[0]
	if first.Credential != "main" || first.Admits || len(first.Checks) != 2 || !first.Checks[0].OK || first.Checks[1].Name != "condition" {
		t.Errorf("nearest is %+v", first)
	}
	// Each check is made, whatever failed before it.
	at := slices.IndexFunc(r.Bindings, func(b api.TestedBinding) bool { return b.Credential == "pinned" })
	if at < 0 || r.Bindings[at].Why != `one segment is "app" instead of "lib"` || len(r.Bindings[at].Checks) != 2 || !r.Bindings[at].Checks[1].OK {
		t.Errorf("pinned is %+v", r.Bindings)
	}
	at = slices.IndexFunc(r.Bindings, func(b api.TestedBinding) bool { return b.Agent == "stopped-agent" })
	if at < 0 || r.Bindings[at].Inactive != "stopped-agent is disabled" {
		t.Errorf("stopped is %+v", r.Bindings)
	}
	// What the refusal is about comes first, however much of it is wrong.
	if r := n.test(t, n.job(t, authtest.Claims{"sub": "repo:acme/strict:ref:refs/heads/main"}), ""); r.Bindings[0].Credential != "strict" || len(r.Bindings[0].Checks) != 3 {
		t.Errorf("strict: %+v", r.Bindings[0])
	}
	r = n.test(t, n.job(t, authtest.Claims{"sub": "repo:acme/trial:ref:refs/heads/main"}), "")
	if first := r.Bindings[0]; first.Credential != "trial" || first.Admits || first.Checks[1].Name != "mode" || first.Checks[1].OK {
		t.Errorf("in shadow: %+v", first)
	}
	user := n.test(t, n.User(t, "alice", nil), "")
	if !user.Genuine || !user.Verified || len(user.Bindings) != 0 {
		t.Errorf("a user's token: %+v", user)
	}
	if r := n.test(t, n.User(t, "alice", nil), "id_token"); r.Fault != "type" || r.Wrong != `the token type is "id_token"; wanted is jwt` {
		t.Errorf("as id_token: %+v", r)
	}
}

// TestTestedKeepsToken: neither answer nor log has any part of the token.
func TestTestedKeepsToken(t *testing.T) {
	t.Parallel()
	var log lines
	as := authtest.StartWith(t, authtest.Options{Log: &log})
	good := as.ServiceAccount(t, "research", nil)
	for _, token := range []string{good, good[:len(good)-6] + "AAAAAA", strings.ToLower(good), good + good, "Canary4711", good + " ", as.User(t, "alice", nil)} {
		body, err := json.Marshal(api.CredentialTest{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, as.AdminURL+api.Prefix+"/credential-tests", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+as.AdminToken)
		req.Header.Set("Content-Type", "application/json")
		a := as.Do(t, req)
		if a.Status != http.StatusOK {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		for _, part := range strings.Split(token, ".") {
			if strings.Contains(string(a.Body), part) || strings.Contains(log.String(), part) {
				t.Errorf("a part of the token came back or is in the log: %s %s", a.Body, log.String())
			}
		}
	}
}

// lines collects what a server logs.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
