package credential_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/registry"
)

// crowded is a verifier for a registry with n agents of one cluster.
func crowded(t testing.TB, n int, key signer) *credential.Verifier {
	t.Helper()
	objects := []registry.Object{{Kind: registry.KindTrustedIssuer, ID: "i", Name: "cluster", State: registry.Active, Version: 1, Change: 1, Spec: &registry.TrustedIssuer{
		Type: registry.Kubernetes, Issuer: "https://cluster.example", Keys: registry.KeySource{JWKS: encode(t, object{"keys": []object{key.jwk(t, "sig")}})},
	}}}
	for i := range n {
		objects = append(objects, registry.Object{Kind: registry.KindAgent, ID: fmt.Sprint("a", i), Name: fmt.Sprint("agent-", i), State: registry.Active, Version: 1, Change: 1, Spec: &registry.Agent{
			Blueprint: "b", Owner: "o", Sponsor: "s", Credentials: []registry.Credential{{
				Name: "k8s", Issuer: "cluster", Condition: `claims["kubernetes.io"].namespace == "prod"`,
				Subject: registry.SubjectMatch{Exact: fmt.Sprint("system:serviceaccount:prod:worker-", i)},
			}},
		}})
	}
	m := registry.NewModel(registry.ModelConfig{Now: func() time.Time { return t0 }, Fetch: func(context.Context, int64) ([]registry.Object, int64, error) { return objects, 1, nil }})
	if err := m.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	client, err := outbound.New(outbound.Config{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := credential.New(credential.Config{Issuer: ours, Model: m, Outbound: client, Now: func() time.Time { return t0 }})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func account(namespace, name string) object {
	return object{
		"iss": "https://cluster.example", "sub": "system:serviceaccount:" + namespace + ":" + name, "aud": ours, "iat": t0.Unix(), "exp": t0.Unix() + 600,
		"kubernetes.io": object{"namespace": namespace, "serviceaccount": object{"name": name}},
	}
}

// TestNearestOfMany: the likest subject is first among more credentials than are
// held in full, and two reports of one token are the same.
func TestNearestOfMany(t *testing.T) {
	t.Parallel()
	key := newSigner(t, "k1")
	v := crowded(t, 3000, key)
	for subject, want := range map[[2]string]string{
		{"prod", "Worker-2741"}:  "agent-2741",
		{"dev", "worker-2741"}:   "agent-2741",
		{"prod", "worker-2741x"}: "agent-2741",
	} {
		token := key.sign(t, nil, account(subject[0], subject[1]))
		r := v.Test(t.Context(), token, "")
		if r.Fault == nil || r.Fault.Name != credential.FaultNoBinding || len(r.Bindings) != 10 || string(r.Bindings[0].Agent) != want {
			t.Errorf("%v: %v, %s; %+v", subject, r.Fault, r.Wrong, r.Bindings)
		}
		if again := v.Test(t.Context(), token, ""); fmt.Sprint(names(again)) != fmt.Sprint(names(r)) {
			t.Errorf("%v: %v, then %v", subject, names(r), names(again))
		}
	}
}

func names(r *credential.Report) (list []registry.AgentName) {
	for _, b := range r.Bindings {
		list = append(list, b.Agent)
	}
	return list
}

func BenchmarkTestAmongManyAgents(b *testing.B) {
	key := newSigner(b, "k1")
	v := crowded(b, 100_000, key)
	token := key.sign(b, nil, account("dev", "worker-74110"))
	for b.Loop() {
		if r := v.Test(b.Context(), token, ""); len(r.Bindings) != 10 {
			b.Fatal(r.Wrong)
		}
	}
}
