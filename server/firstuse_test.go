package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// twoClusters are two clusters whose accounts would get the same names: fleet/foo
// is prod:foo of whichever comes first. With reviews the second one is asked.
func twoClusters(t *testing.T, as *authtest.Server, reviews bool) (a, b *authtest.APIServer) {
	t.Helper()
	a, b = authtest.NewAPIServer(t, as.Clock), authtest.NewAPIServer(t, as.Clock)
	as.Apply(t, a.Manifest("cl-a", false)+b.Manifest("cl-b", reviews)+`---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: fleet }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  credentials:
    - { name: a, issuer: cl-a, subject: { prefix: "system:serviceaccount:prod:" }, maxInstances: 10, allowBroad: true }
    - { name: b, issuer: cl-b, subject: { prefix: "system:serviceaccount:prod:" }, maxInstances: 10, allowBroad: true }
`)
	return a, b
}

// vouches answers a TokenReview in favour of an account.
func vouches(as *authtest.Server, w http.ResponseWriter, account string) {
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"status":{"authenticated":true,"audiences":["`+as.Issuer+`"],"user":{"username":"system:serviceaccount:prod:`+account+`"}}}`)
}

// An instance belongs to the workload that it was made for, however late in
// another one's request it was made.
func TestInstanceMadeMeanwhile(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	a, b := twoClusters(t, as, true)
	first, second := a.Token(t, as.Issuer, "prod/foo", nil), b.Token(t, as.Issuer, "prod/foo", nil)
	b.Break(func(w http.ResponseWriter, _ *http.Request) {
		// While cluster b thinks, the workload of cluster a is used for the first time.
		authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(first)))
		vouches(as, w, "foo")
	})
	for _, reason := range []oauth.Reason{oauth.ReasonNoBinding, subjectFault("instance_taken")} { // while it is made, and when it is known
		as.WantRefused(t, as.Post(t, authtest.ExchangeForm(second)), oauth.InvalidRequest, reason)
		b.Break(nil)
	}
	if made := as.Model.Agent("fleet/foo").Spec.Instance; made.Issuer != "cl-a" {
		t.Errorf("fleet/foo belongs to %s", made.Issuer)
	}
}

// Two workloads that would have one name are two, also before either has it.
func TestProvisionalInstancesOfOneName(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	a, b := twoClusters(t, as, false)
	form := authtest.ExchangeForm(b.Token(t, as.Issuer, "prod/bar", nil))
	form.Set("client_assertion", a.Token(t, as.Issuer, "prod/bar", nil))
	form.Set("client_assertion_type", string(oauth.JWTBearerAssertion))
	as.WantRefused(t, as.Post(t, form), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
	if as.Model.Agent("fleet/bar") != nil {
		t.Error("a refused request made an instance")
	}
	// An actor token of the other one is not the presenter's either.
	form.Set("subject_token", as.User(t, "alice", nil))
	form.Set("actor_token", b.Token(t, as.Issuer, "prod/bar", nil))
	form.Set("actor_token_type", string(oauth.JWTType))
	as.WantRefused(t, as.Post(t, form), oauth.InvalidRequest, oauth.ReasonActorNotClient)
}

// A cluster that takes its time must not stretch the time in which a disabled
// blueprint, or agent, is out everywhere.
func TestDisabledWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, disable := range map[string]func(*testing.T, *authtest.Server){
		"blueprint": func(t *testing.T, as *authtest.Server) { disableNow(t, as, registry.KindBlueprint, "researcher") },
		"agent":     func(t *testing.T, as *authtest.Server) { disableNow(t, as, registry.KindAgent, "waiting-agent") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := authtest.Start(t)
			c := cluster(t, as, "waiting", true)
			as.Apply(t, boundTo("waiting-agent", "waiting", "prod/slow", ""))
			c.Break(func(w http.ResponseWriter, _ *http.Request) {
				disable(t, as)
				as.Clock.Advance(2 * time.Second)
				if err := as.Model.Poll(t.Context()); err != nil {
					t.Error(err)
				}
				vouches(as, w, "slow")
			})
			token := c.Token(t, as.Issuer, "prod/slow", nil)
			form := authtest.ExchangeForm(token)
			form.Set("client_assertion", token)
			form.Set("client_assertion_type", string(oauth.JWTBearerAssertion))
			a := as.Post(t, form)
			if a.Status == http.StatusOK {
				t.Fatal("issued after it was disabled, and after this replica had read that")
			}
			if a.Status != http.StatusServiceUnavailable && a.Status != http.StatusUnauthorized {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			c.Break(nil)
			as.WantRefused(t, as.Post(t, authtest.ExchangeForm(token)), oauth.InvalidClient, oauth.ReasonAuthDisabled)
		})
	}
}

func disableNow(t *testing.T, as *authtest.Server, kind registry.Kind, name string) {
	t.Helper()
	if _, err := as.DB.SetState(t.Context(), "test", kind, name, registry.Disabled, ""); err != nil {
		t.Error(err)
	}
}

// One account cannot have its cluster asked without end: its rate is looked at
// before the question too.
func TestReviewsHaveARate(t *testing.T) {
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Config: func(c *config.Config) {
		c.Limits.TokenPerAgent = config.Rate{Count: 1, Per: time.Minute}
	}})
	c := cluster(t, as, "rated", true)
	form := authtest.ExchangeForm(c.Token(t, as.Issuer, "prod/runner", nil))
	codes := map[int]int{}
	for range 40 {
		codes[as.Post(t, form).Status]++
	}
	if c.Reviews() > 3 || codes[http.StatusOK] == 0 {
		t.Errorf("%d questions for 40 requests, answered %v", c.Reviews(), codes)
	}
}

// What changes about others does not hold a slow request up, and the first use of
// an instance may be slow.
func TestOthersWhileWaiting(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	_, b := twoClusters(t, as, true)
	b.Break(func(w http.ResponseWriter, _ *http.Request) {
		disableNow(t, as, registry.KindAgent, "writer-agent")
		as.Clock.Advance(2 * time.Second)
		if err := as.Model.Poll(t.Context()); err != nil {
			t.Error(err)
		}
		vouches(as, w, "slow")
	})
	for range 2 { // as a new instance, and as one that is known
		authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(b.Token(t, as.Issuer, "prod/slow", nil))))
		as.Advance(t, 0) // the row of the instance is read again
	}
}

// A test of a token says what the store would say of its instance, and not only
// what this replica remembers: one that was disabled and deleted comes back
// disabled, and where there is no room none is made.
func TestTestedInstances(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, bindings)
	tested := func(path string) api.CredentialReport {
		t.Helper()
		r, err := as.Admin.TestCredential(t.Context(), api.CredentialTest{Token: as.SVID(t, path, nil)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := tested("/matched/a"); !r.Admitted || as.Model.Agent("matched/a") != nil {
		t.Fatalf("a new one: %+v", r)
	}
	authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(as.SVID(t, "/matched/a", nil))))
	disableNow(t, as, registry.KindAgent, "matched/a")
	if err := as.Admin.Delete(t.Context(), registry.KindAgent, "matched/a", api.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if r := tested("/matched/a"); r.Admitted || r.ErrorCode != string(oauth.ReasonAuthDisabled) {
		t.Errorf("disabled and deleted: %+v", r)
	}
	as.Apply(t, strings.Replace(bindings, `matched/" }, maxInstances: 50 }`, `matched/" }, maxInstances: 1 }`, 1))
	authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(as.SVID(t, "/matched/b", nil))))
	if r := tested("/matched/c"); r.Admitted || r.ErrorCode != string(oauth.ReasonInstances) {
		t.Errorf("no room: %+v", r)
	}
}
