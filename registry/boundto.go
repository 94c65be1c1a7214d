package registry

import "iter"

// BoundTo yields every credential that binds subjects of an issuer, of agents
// and of rules' blueprints, in no order and whoever its subject is: for reports,
// which go through all of them. What Bindings can never find is left out.
func (m *Model) BoundTo(rules *Rules, issuer IssuerName) iter.Seq[BoundCredential] {
	return func(yield func(BoundCredential) bool) {
		for _, b := range rules.blueprints {
			for i := range b.Spec.Credentials {
				p := pattern{blueprint: b, index: int32(i)}
				if c, _ := p.credential(); c.Issuer == issuer && b.binds(i) && !yield(p.bound()) {
					return
				}
			}
		}
		m.agents.Load().each(func(e *AgentEntry) bool {
			for i := range e.Spec.Credentials {
				if e.Spec.Credentials[i].Issuer == issuer && e.binds(i) && !yield(pattern{agent: e, index: int32(i)}.bound()) {
					return false
				}
			}
			return true
		})
	}
}

// each calls f with every agent until it returns false. No lock is held
// meanwhile: f may take its time.
func (a *agents) each(f func(*AgentEntry) bool) {
	for i := range a.byName {
		s := &a.byName[i]
		s.RLock()
		entries := make([]*AgentEntry, 0, len(s.m))
		for _, e := range s.m {
			entries = append(entries, e)
		}
		s.RUnlock()
		for _, e := range entries {
			if !f(e) {
				return
			}
		}
	}
}
