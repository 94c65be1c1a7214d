package credential

import (
	"sync"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/registry"
)

// agentKeys remembers the parsed keys of agents that sign their assertions
// themselves. It is a cache: what it forgets is parsed again.
type agentKeys struct {
	mu   sync.RWMutex
	sets map[string]agentSet // by the agent's id
}

type agentSet struct {
	version int // of the agent's spec
	set     jose.Set
}

// maxAgentSets bounds the cache; agents that were deleted leave by it.
const maxAgentSets = 10_000

// set returns the keys of an agent; none, when it registered none or they
// cannot be read, which `apply` refuses.
func (k *agentKeys) set(agent *registry.AgentEntry) jose.Set {
	k.mu.RLock()
	known, ok := k.sets[agent.ID]
	k.mu.RUnlock()
	if ok && known.version == agent.Version {
		return known.set
	}
	var set jose.Set
	if len(agent.Spec.JWKS) > 0 {
		if parsed, _, err := jose.ReadSet(agent.Spec.JWKS); err == nil {
			set = parsed
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.sets {
		if len(k.sets) < maxAgentSets {
			break
		}
		delete(k.sets, id)
	}
	k.sets[agent.ID] = agentSet{version: agent.Version, set: set}
	return set
}
