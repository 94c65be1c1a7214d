package wire_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

const fleetBlueprint = `
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: fleet }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  credentials: [ { name: svid, issuer: prod-spire, subject: { prefix: "spiffe://prod.example/fleet/" }, maxInstances: %d } ]
`

// fleetForm asks for a token as a workload of the fleet.
func fleetForm(t testing.TB, as *authtest.Server, path string) url.Values {
	t.Helper()
	return url.Values{
		"grant_type": {string(oauth.ClientCredentials)}, "resource": {"https://gateway.example"},
		"client_assertion_type": {string(oauth.SPIFFEAssertion)}, "client_assertion": {as.SVID(t, path, nil)},
	}
}

// Ten thousand workloads under one binding, all of them at two replicas at the
// same time: each becomes one instance and gets its token from both, and the one
// after the last is refused.
func TestFleet(t *testing.T) {
	t.Parallel()
	const fleet = 10_000
	a := authtest.Start(t)
	a.Apply(t, fmt.Sprintf(fleetBlueprint, fleet))
	b := authtest.StartWith(t, authtest.Options{Like: a, Database: a.Database})
	if err := b.Model.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	subjects := map[string]int{}
	var group errgroup.Group
	group.SetLimit(32)
	for i := range fleet {
		form := fleetForm(t, a, fmt.Sprintf("/fleet/r%05d", i))
		for _, replica := range []*authtest.Server{a, b} {
			group.Go(func() error {
				got := replica.Post(t, form)
				if got.AccessToken == "" {
					return fmt.Errorf("r%05d: %s", i, got.Body)
				}
				sub := fmt.Sprint(authtest.Payload(t, got.AccessToken)["sub"])
				if want := fmt.Sprintf("fleet/r%05d", i); sub != want {
					return fmt.Errorf("sub %s, want %s", sub, want)
				}
				mu.Lock()
				defer mu.Unlock()
				subjects[sub]++
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(subjects) != fleet {
		t.Errorf("%d agents got tokens, want %d", len(subjects), fleet)
	}
	if n, ids := instances(t, a.DB); n != fleet || ids != fleet {
		t.Errorf("%d instances with %d ids, want %d", n, ids, fleet)
	}
	for _, replica := range []*authtest.Server{a, b} {
		got := replica.Post(t, fleetForm(t, a, "/fleet/one-too-many"))
		replica.WantRefused(t, got, oauth.TemporarilyUnavailable, oauth.ReasonInstances)
		if got.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if n, _ := instances(t, a.DB); n != fleet {
		t.Errorf("%d instances after the refusals, want %d", n, fleet)
	}
	authtest.WantIssued(t, b.Post(t, fleetForm(t, a, "/fleet/r00000"))) // who is there already is not refused
}

// instances counts the instances in the store and their ids.
func instances(t testing.TB, db *storage.DB) (n, ids int) {
	t.Helper()
	seen := map[string]bool{}
	for cursor := ""; ; {
		page, next, err := db.Objects(context.Background(), registry.KindAgent, cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			if page[i].IsInstance() {
				n++
				seen[page[i].ID] = true
			}
		}
		if cursor = next; cursor == "" {
			return n, len(seen)
		}
	}
}

// The life of one instance: refused requests make none; disabling it stops it
// alone, on every replica; being idle brings nobody back who was disabled, and
// whoever was forgotten comes back as the same agent.
func TestInstanceLife(t *testing.T) {
	t.Parallel()
	a := authtest.Start(t)
	a.Apply(t, fmt.Sprintf(fleetBlueprint, 2))
	refused := fleetForm(t, a, "/fleet/r1")
	refused.Set("scope", "memory:write")
	a.WantRefused(t, a.Post(t, refused), oauth.InvalidScope, oauth.ReasonScope)
	if n, _ := instances(t, a.DB); n != 0 {
		t.Fatalf("a refused request made %d instances", n)
	}
	for _, path := range []string{"/fleet/r1", "/fleet/r2"} {
		authtest.WantIssued(t, a.Post(t, fleetForm(t, a, path)))
	}
	a.WantRefused(t, a.Post(t, fleetForm(t, a, "/fleet/r3")), oauth.TemporarilyUnavailable, oauth.ReasonInstances)
	before := a.Model.Agent("fleet/r2").ID
	if _, err := a.DB.SetState(t.Context(), "test", registry.KindAgent, "fleet/r1", registry.Disabled, "drill"); err != nil {
		t.Fatal(err)
	}
	// A replica that has not read the change yet, and one that never knew it.
	b := authtest.StartWith(t, authtest.Options{Like: a, Database: a.Database})
	for _, replica := range []*authtest.Server{a, b} {
		if err := replica.Model.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		replica.WantRefused(t, replica.Post(t, fleetForm(t, a, "/fleet/r1")), oauth.InvalidClient, oauth.ReasonAuthDisabled)
		authtest.WantIssued(t, replica.Post(t, fleetForm(t, a, "/fleet/r2")))
	}
	n, err := a.DB.CollectInstances(t.Context(), a.Clock.Now().Add(8*24*time.Hour), 100)
	if err != nil || n != 1 {
		t.Fatalf("%d collected, %v; want the active one alone", n, err)
	}
	if err := a.Model.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.Model.Agent("fleet/r2") != nil || a.Model.Agent("fleet/r1") == nil {
		t.Fatal("the idle one is to be forgotten, the disabled one not")
	}
	a.WantRefused(t, a.Post(t, fleetForm(t, a, "/fleet/r1")), oauth.InvalidClient, oauth.ReasonAuthDisabled)
	authtest.WantIssued(t, a.Post(t, fleetForm(t, a, "/fleet/r2")))
	if again := a.Model.Agent("fleet/r2").ID; again != before {
		t.Errorf("it came back as %s, was %s", again, before)
	}
}
