package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// memory prints the heap that the read model takes: in use after a collection
// with n agents, minus the same with none.
func memory(n int) error {
	empty, err := heapWith(0)
	if err != nil {
		return err
	}
	full, err := heapWith(n)
	if err != nil {
		return err
	}
	used := int64(full) - int64(empty)
	fmt.Printf("registry          %d agents           %6.1f MB heap (%d bytes an agent)\n", n, float64(used)/1e6, used/int64(max(n, 1)))
	return nil
}

// heapWith is the heap in use with a model of n agents, as a store would give
// them: each with its owner, its labels and one exact credential.
func heapWith(n int) (uint64, error) {
	fetch := func(_ context.Context, after int64) ([]registry.Object, int64, error) {
		if after > 0 {
			return nil, after, nil
		}
		objects := make([]registry.Object, 0, n+2)
		add := func(k registry.Kind, name string, spec any) {
			objects = append(objects, registry.Object{
				ID: fmt.Sprintf("%s_%026d", registry.IDPrefix(k), len(objects)), Kind: k, Name: name, State: registry.Active,
				Version: 1, Change: int64(len(objects) + 1), Created: time.Now(), Updated: time.Now(), Spec: spec,
			})
		}
		add(registry.KindTrustedIssuer, "spire", &registry.TrustedIssuer{Type: registry.SPIFFE, TrustDomain: "prod.example"})
		add(registry.KindBlueprint, "researcher", &registry.Blueprint{})
		for i := range n {
			add(registry.KindAgent, fmt.Sprintf("research-agent-%06d", i), &registry.Agent{
				Blueprint: "researcher", Owner: fmt.Sprintf("user-%d@example.com", i%500), Sponsor: "research-leads",
				Credentials: []registry.Credential{{
					Name: "svid", Issuer: "spire",
					Subject: registry.SubjectMatch{Exact: fmt.Sprintf("spiffe://prod.example/agents/research/%06d", i)},
				}},
			})
			objects[len(objects)-1].Labels = map[string]string{"team": fmt.Sprintf("team-%d", i%50)}
		}
		return objects, int64(len(objects)), nil
	}
	m := registry.NewModel(registry.ModelConfig{Fetch: fetch})
	if err := m.Poll(context.Background()); err != nil {
		return 0, err
	}
	runtime.GC()
	runtime.GC() // what finalizers of the first one let go
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	runtime.KeepAlive(m)
	return s.HeapInuse, nil
}
