package registry

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tokenry/tokenry/condition"
)

// AgentEntry is an agent in the read model.
type AgentEntry struct {
	Entry[AgentName, Agent]
	Change     int64     // number of the write that made it so
	Created    time.Time // when this agent took the name
	SecretHash []byte    // SHA-256 of the client secret; nil = it has none

	// conditions are those of Spec.Credentials, by index; nil when none has any.
	conditions []*condition.Program
}

// BoundCredential is a credential and whom it stands for.
type BoundCredential struct {
	Agent      AgentName     // empty for a blueprint's: then whoever matches is an instance
	AgentID    string        // … and empty with it
	Blueprint  BlueprintName // … of this blueprint
	Credential *Credential
	Condition  *condition.Program // nil = it has none
}

// Instance returns the name of the instance that subject is, and whether a name
// can be made of it. The credential must be a blueprint's and match subject.
func (b *BoundCredential) Instance(subject string) (AgentName, bool) {
	name := string(b.Blueprint) + "/" + b.Credential.Subject.Suffix(subject)
	return AgentName(name), ValidInstanceName(name)
}

// CanAuthenticate says that the agent has a way left to prove itself: a secret,
// keys of its own, here or at a URL, a certificate, or a credential of an issuer
// that admits. An instance has those of its blueprint that match its subject,
// whatever they are called now.
func (e *AgentEntry) CanAuthenticate(rules *Rules) bool {
	admits := func(c *Credential) bool {
		issuer := rules.Issuer(c.Issuer)
		return issuer != nil && issuer.Admits() && c.Mode != Shadow
	}
	if made := e.Spec.Instance; made != nil {
		b := rules.Blueprint(e.Spec.Blueprint)
		return b != nil && slices.ContainsFunc(b.Spec.Credentials, func(c PatternCredential) bool {
			return c.Issuer == made.Issuer && c.Subject.Matches(made.Subject) && admits(&c.Credential)
		})
	}
	if len(e.SecretHash) > 0 || len(e.Spec.JWKS) > 0 || e.Spec.JWKSURL != "" || e.Spec.TLS != nil {
		return true
	}
	return slices.ContainsFunc(e.Spec.Credentials, func(c Credential) bool { return admits(&c) })
}

const shards = 64

// agents holds the agents by name and by what their credentials bind. It is
// updated row by row: a hundred thousand agents are never copied.
type agents struct {
	seed   maphash.Seed
	byName [shards]nameShard
	bound  [shards]boundShard

	patternsLock sync.RWMutex
	patterns     patterns
}

type nameShard struct {
	sync.RWMutex
	m map[AgentName]*AgentEntry
}

type boundShard struct {
	sync.RWMutex
	m map[binding]boundEntry
}

// binding is what a credential binds.
type binding struct {
	issuer  IssuerName
	subject string
}

type boundEntry struct {
	agent *AgentEntry
	index int32 // of the credential in the agent
}

func newAgents() *agents {
	a := &agents{seed: maphash.MakeSeed()}
	for i := range shards {
		a.byName[i].m = map[AgentName]*AgentEntry{}
		a.bound[i].m = map[binding]boundEntry{}
	}
	return a
}

func (a *agents) nameShard(name AgentName) *nameShard {
	return &a.byName[maphash.String(a.seed, string(name))%shards]
}

func (a *agents) boundShard(b binding) *boundShard {
	return &a.bound[maphash.Comparable(a.seed, b)%shards]
}

func (a *agents) agent(name AgentName) *AgentEntry {
	s := a.nameShard(name)
	s.RLock()
	defer s.RUnlock()
	return s.m[name]
}

// matching lists the credentials of agents that a subject of an issuer matches.
func (a *agents) matching(b binding) []BoundCredential {
	var found []BoundCredential
	s := a.boundShard(b)
	s.RLock()
	if e, ok := s.m[b]; ok {
		found = append(found, pattern{agent: e.agent, index: e.index}.bound())
	}
	s.RUnlock()
	a.patternsLock.RLock()
	defer a.patternsLock.RUnlock()
	return a.patterns.matching(b.issuer, b.subject, found)
}

// apply replaces or forgets one agent, and returns the entry that it replaced:
// the caller unbinds it once all that is new is bound. Only one goroutine
// applies at a time.
func (a *agents) apply(o *Object, p *programs, in *interner) *AgentEntry {
	var entry *AgentEntry
	if known := a.agent(AgentName(o.Name)); known != nil && known.Change >= o.Change {
		return nil // what this replica wrote itself is as new as what it has read
	}
	if spec, ok := o.Spec.(*Agent); ok && spec != nil && !o.Deleted {
		entry = newAgentEntry(o, spec, p, in)
	}
	old := a.put(AgentName(o.Name), entry)
	if entry != nil {
		a.bind(entry)
	}
	return old
}

// put stores an entry under its name, or forgets the name when entry is nil. It
// returns what was there.
func (a *agents) put(name AgentName, entry *AgentEntry) *AgentEntry {
	s := a.nameShard(name)
	s.Lock()
	defer s.Unlock()
	old := s.m[name]
	if entry == nil {
		delete(s.m, name)
	} else {
		s.m[entry.Name] = entry
	}
	return old
}

// unbind forgets what an entry bound, unless another agent has it by now.
func (a *agents) unbind(e *AgentEntry) {
	for i := range e.Spec.Credentials {
		c := &e.Spec.Credentials[i]
		if _, isPattern := c.Subject.Pattern(); isPattern {
			a.patternsLock.Lock()
			a.patterns.remove(pattern{agent: e, index: int32(i)})
			a.patternsLock.Unlock()
			continue
		}
		b := binding{c.Issuer, c.Subject.Exact}
		s := a.boundShard(b)
		s.Lock()
		if s.m[b].agent == e {
			delete(s.m, b)
		}
		s.Unlock()
	}
}

// binds reports whether a credential is one that finds the agent. One without a
// subject, or with a condition that does not compile, would admit anybody.
func (e *AgentEntry) binds(i int) bool {
	c := &e.Spec.Credentials[i]
	return c.Subject != (SubjectMatch{}) && (c.Condition == "" || e.conditions[i] != nil)
}

// bind makes the credentials of an entry known.
func (a *agents) bind(e *AgentEntry) {
	for i := range e.Spec.Credentials {
		c := &e.Spec.Credentials[i]
		if !e.binds(i) {
			continue
		}
		if _, isPattern := c.Subject.Pattern(); isPattern {
			a.patternsLock.Lock()
			a.patterns.add(pattern{agent: e, index: int32(i)})
			a.patternsLock.Unlock()
			continue
		}
		b := binding{c.Issuer, c.Subject.Exact}
		s := a.boundShard(b)
		s.Lock()
		s.m[b] = boundEntry{agent: e, index: int32(i)}
		s.Unlock()
	}
}

// newAgentEntry copies an agent into the smallest form: strings that many
// agents share are kept once, lists are cut to their length, and labels, which
// no decision reads, are left out.
func newAgentEntry(o *Object, spec *Agent, p *programs, in *interner) *AgentEntry {
	s := *spec
	s.Blueprint = BlueprintName(in.text(string(s.Blueprint)))
	s.Owner, s.Sponsor = in.text(s.Owner), in.text(s.Sponsor)
	s.Credentials = slices.Clip(slices.Clone(s.Credentials))
	for i := range s.Credentials {
		c := &s.Credentials[i]
		c.Name, c.Issuer = in.text(c.Name), IssuerName(in.text(string(c.Issuer)))
		c.Audience, c.Condition = in.text(c.Audience), in.text(c.Condition)
		c.Mode = Mode(in.text(string(c.Mode)))
		c.Subject.Exact = strings.Clone(c.Subject.Exact)
	}
	if made := s.Instance; made != nil {
		s.Instance = &InstanceOf{Credential: in.text(made.Credential), Issuer: IssuerName(in.text(string(made.Issuer))), Subject: strings.Clone(made.Subject)}
	}
	e := &AgentEntry{Change: o.Change, Created: o.Created, SecretHash: slices.Clone(o.SecretHash)}
	e.Entry = Entry[AgentName, Agent]{
		ID: strings.Clone(o.ID), Name: AgentName(strings.Clone(o.Name)), State: State(in.text(string(o.State))), Version: o.Version, Spec: &s,
	}
	for i := range s.Credentials {
		if s.Credentials[i].Condition == "" {
			continue
		}
		if e.conditions == nil {
			e.conditions = make([]*condition.Program, len(s.Credentials))
		}
		e.conditions[i], _ = p.compile(s.Credentials[i].Condition) // reported there
	}
	return e
}

// interner keeps one copy of each text. It lives as long as one read: what
// arrives together repeats itself most, and nothing is kept for ever.
type interner struct{ m map[string]string }

func (in *interner) text(s string) string {
	if s == "" {
		return ""
	}
	if kept, ok := in.m[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	in.m[s] = s
	return s
}
