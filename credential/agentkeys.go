package credential

import (
	"context"
	"sync"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/jwks"
	"github.com/tokenry/tokenry/registry"
)

// agentKeys holds the keys of agents that sign their assertions themselves:
// those in their spec, parsed, or a set that is fetched from their jwksUrl. It is
// a cache: what it forgets is parsed or fetched again.
type agentKeys struct {
	open func(*registry.AgentEntry) (*jwks.Set, error)

	mu   sync.RWMutex
	sets map[string]agentSet // by the agent's id
}

type agentSet struct {
	version int // of the agent's spec
	set     jose.Set
	remote  *jwks.Set // nil = the keys stand in the spec
}

// maxAgentSets bounds the cache; agents that were deleted leave by it.
const maxAgentSets = 10_000

// key returns the key of an agent that an assertion names. A *jose.Error says
// that the agent has none that fits, as one has that registered no keys, or keys
// that cannot be read, which `apply` refuses. Any other error says that its keys
// cannot be had now.
func (k *agentKeys) key(ctx context.Context, agent *registry.AgentEntry, alg, kid string) (jose.Key, error) {
	held, err := k.held(agent)
	switch {
	case err != nil:
		return jose.Key{}, err
	case held.remote != nil:
		return held.remote.Key(ctx, alg, kid)
	}
	return held.set.Select(alg, kid)
}

// held returns the keys of an agent, made anew when its spec has changed.
func (k *agentKeys) held(agent *registry.AgentEntry) (agentSet, error) {
	if agent.Spec.JWKSURL == "" && len(agent.Spec.JWKS) == 0 {
		return agentSet{}, nil // not worth a place: whoever names agents would push others out
	}
	k.mu.RLock()
	known, ok := k.sets[agent.ID]
	k.mu.RUnlock()
	if ok && known.version >= agent.Version {
		return known, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	// Somebody else may have made it meanwhile, and two sets would fetch twice.
	if known, ok := k.sets[agent.ID]; ok && known.version >= agent.Version {
		return known, nil
	}
	made := agentSet{version: agent.Version}
	switch {
	case agent.Spec.JWKSURL != "":
		var err error
		if made.remote, err = k.open(agent); err != nil {
			return agentSet{}, err
		}
	case len(agent.Spec.JWKS) > 0:
		if parsed, _, err := jose.ReadSet(agent.Spec.JWKS); err == nil {
			made.set = parsed
		}
	}
	for id := range k.sets {
		if len(k.sets) < maxAgentSets {
			break
		}
		delete(k.sets, id)
	}
	k.sets[agent.ID] = made
	return made, nil
}

// openAgent makes the key set of an agent with a jwksUrl (RFC 7591, Section 2).
// It fetches nothing yet.
func (c Config) openAgent(agent *registry.AgentEntry) (*jwks.Set, error) {
	config := jwks.Config{Source: jwks.Source{URL: agent.Spec.JWKSURL}, Client: c.Outbound, Now: c.Now}
	if c.ReportAgent != nil {
		name := agent.Name
		config.Report = func(err error) { c.ReportAgent(name, err) }
	}
	return jwks.New(config)
}
