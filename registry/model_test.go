package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// store is what a Model reads from: the latest row of each name, tombstones
// too.
type store struct {
	mu     sync.Mutex
	rows   []registry.Object
	latest int64
	fail   error
	asked  []int64 // change numbers after which was read
}

func (s *store) Fetch(_ context.Context, after int64) ([]registry.Object, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, after)
	if s.fail != nil {
		return nil, 0, s.fail
	}
	var changed []registry.Object
	for _, o := range s.rows {
		if o.Change > after {
			changed = append(changed, o)
		}
	}
	return changed, s.latest, nil
}

// write stores objects in one transaction: each takes the place of what has its
// kind and id.
func (s *store) write(objects ...*registry.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range objects {
		s.latest++
		row := *o
		row.Change = s.latest
		if row.ID == "" {
			row.ID = registry.IDPrefix(o.Kind) + o.Name
		}
		kept := s.rows[:0]
		for _, r := range s.rows {
			if r.Kind != row.Kind || r.ID != row.ID {
				kept = append(kept, r)
			}
		}
		s.rows = append(kept, row)
	}
}

func (s *store) failWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func gone(o *registry.Object) *registry.Object {
	tombstone := *o
	tombstone.Deleted = true
	return &tombstone
}

// agent returns an agent whose credentials are of issuer "ci" and the subjects.
func agent(t testing.TB, name string, subjects ...string) *registry.Object {
	o := object(t, registry.KindAgent, name, `{"credentials":null}`)
	spec := o.Spec.(*registry.Agent)
	for i, s := range subjects {
		spec.Credentials = append(spec.Credentials, registry.Credential{
			Name: fmt.Sprintf("c%d", i), Issuer: "ci", Subject: registry.SubjectMatch{Exact: s},
		})
	}
	return o
}

func poll(t testing.TB, m *registry.Model) {
	t.Helper()
	if err := m.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantBound checks what (ci, subject) stands for; "" = nothing.
func wantBound(t testing.TB, m *registry.Model, subject string, want registry.AgentName) {
	t.Helper()
	var got registry.AgentName
	if b := bound(m, "ci", subject); b != nil {
		got = b.Agent
	}
	if got != want {
		t.Errorf("%s stands for %q, want %q", subject, got, want)
	}
}

func TestModelKnowsNobodyAtFirst(t *testing.T) {
	t.Parallel()
	m := registry.NewModel(registry.ModelConfig{})
	r := m.Rules()
	if m.Fresh() || !m.LastRead().IsZero() || m.Agent("a") != nil || bound(m, "i", "s") != nil || r.Change != 0 ||
		r.Issuer("a") != nil || r.IssuerByURL("") != nil || r.IssuerByTrustDomain("") != nil || r.Resource("a") != nil ||
		r.ResourceByIdentifier("") != nil || r.Blueprint("a") != nil || len(r.Issuers()) != 0 || len(r.Delegations()) != 0 {
		t.Error("a model that has read nothing knows something")
	}
	if err := m.Poll(t.Context()); err == nil || m.Fresh() {
		t.Errorf("a model without a store reads: %v", err)
	}
}

// Whatever has been read is found by each of its names.
func TestModelFinds(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(state(t, nil)...)
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	r := m.Rules()
	if r.Change != s.latest || len(s.rows) != len(town()) {
		t.Errorf("change %d, want %d", r.Change, s.latest)
	}
	if e := r.Issuer("corp"); e == nil || e.ID != "iss_corp" || e.Name != "corp" || e.State != registry.Active || e.Version != 1 || e.Spec.Issuer != "https://idp.example" {
		t.Errorf("issuer %+v", e)
	}
	if r.IssuerByURL("https://idp.example") != r.Issuer("corp") || r.IssuerByURL("https://k8s.example") != r.Issuer("prod") {
		t.Error("an issuer is not found by its iss")
	}
	for _, iss := range []string{"", "prod.example", "spiffe://prod.example", "https://idp.example/", "https://IDP.example", "https://idp.example:443"} { // SEC-ID-01 to 03
		if e := r.IssuerByURL(iss); e != nil {
			t.Errorf("%q is issuer %q", iss, e.Name)
		}
	}
	if r.IssuerByTrustDomain("prod.example") != r.Issuer("spire") || r.IssuerByTrustDomain("") != nil || r.IssuerByTrustDomain("Prod.example") != nil {
		t.Error("a trust domain is not found byte for byte")
	}
	if e := r.ResourceByIdentifier("https://mail.example"); e == nil || e != r.Resource("mail") || e.ID != "res_mail" {
		t.Errorf("resource %+v", e)
	}
	if r.ResourceByIdentifier("https://mail.example/") != nil || r.ResourceByIdentifier("mail") != nil {
		t.Error("a resource is found by what is not its identifier")
	}
	if e := r.Blueprint("writer"); e == nil || e.ID != "bp_writer" {
		t.Errorf("blueprint %+v", e)
	}
	var names []string
	for _, e := range r.Issuers() {
		names = append(names, string(e.Name))
	}
	for _, e := range r.Delegations() {
		names = append(names, string(e.Name))
	}
	if got := strings.Join(names, " "); got != "ci corp prod spire hands staff" {
		t.Errorf("not in name order: %s", got)
	}
	if e := m.Agent("scout"); e == nil || e.ID != "agt_scout" || e.Name != "scout" || e.Version != 1 || e.State != registry.Active {
		t.Errorf("agent %+v", e)
	}
	b := bound(m, "spire", "spiffe://prod.example/scout")
	if b == nil || b.Agent != "scout" || b.Credential.Name != "svid" || b.Condition != nil {
		t.Errorf("bound %+v", b)
	}
	for _, other := range []string{"spiffe://prod.example/Scout", "spiffe://prod.example/scout/", "spiffe://prod.example/scout-2", "spiffe://prod.example/"} { // SEC-ID-22, SEC-ID-23
		if bound(m, "spire", other) != nil {
			t.Errorf("%s is bound", other)
		}
	}
	if bound(m, "ci", "spiffe://prod.example/scout") != nil {
		t.Error("the subject is bound for another issuer")
	}
}

// The second read takes only what changed, and what it leaves stays.
func TestModelReadsChanges(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(state(t, nil)...)
	first := s.latest
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	before := m.Rules()
	poll(t, m)
	if m.Rules() != before {
		t.Error("the rules were made anew although nothing changed")
	}

	s.write(object(t, registry.KindResource, "mail", `{"identifier":"urn:mail"}`), agent(t, "scout"))
	poll(t, m)
	now := m.Rules()
	if now.Resource("mail").Spec.Identifier != "urn:mail" || now.ResourceByIdentifier("https://mail.example") != nil || now.ResourceByIdentifier("urn:mail") == nil {
		t.Error("a changed resource is as before")
	}
	if bound(m, "spire", "spiffe://prod.example/scout") != nil {
		t.Error("a credential that was taken out is still bound")
	}
	if now.Resource("llm") != before.Resource("llm") || len(now.Issuers()) != 4 || m.Agent("worker") == nil {
		t.Error("what did not change is gone")
	}
	// Whoever decides on the old value goes on seeing the old world.
	if before.Change != first || before.Resource("mail").Spec.Identifier != "https://mail.example" || before.ResourceByIdentifier("urn:mail") != nil {
		t.Error("rules that were handed out changed")
	}
	s.write(agent(t, "scout"))
	poll(t, m)
	if m.Rules().Change != s.latest || m.Rules().Resource("llm") != before.Resource("llm") {
		t.Error("a change of agents alone is not counted, or loses the rest")
	}
	if got := fmt.Sprint(s.asked); got != fmt.Sprint([]int64{0, first, first, first + 2}) {
		t.Errorf("read after %s", got)
	}
	// A number may be spent on what this version does not know.
	s.latest++
	poll(t, m)
	if m.Rules().Change != s.latest {
		t.Error("a change number without an object is not counted")
	}
}

func TestModelForgets(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(state(t, nil)...)
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	for _, o := range state(t, nil) {
		s.write(gone(o))
	}
	poll(t, m)
	r := m.Rules()
	if len(r.Issuers()) != 0 || len(r.Delegations()) != 0 || r.IssuerByURL("https://idp.example") != nil || r.IssuerByTrustDomain("prod.example") != nil ||
		r.Resource("llm") != nil || r.ResourceByIdentifier("https://llm.example") != nil || r.Blueprint("writer") != nil {
		t.Error("something is remembered after its tombstone")
	}
	if m.Agent("scout") != nil || bound(m, "spire", "spiffe://prod.example/scout") != nil {
		t.Error("an agent is remembered after its tombstone")
	}
}

// Numbers say what is later, not the order in which rows arrive. A name that was
// deleted and taken again comes as two rows.
func TestModelFollowsChangeNumbers(t *testing.T) {
	t.Parallel()
	numbered := func(o *registry.Object, id string, change int64) registry.Object {
		o.ID, o.Change = id, change
		return *o
	}
	rows := []registry.Object{
		numbered(agent(t, "a", "new"), "agt_2", 5), numbered(gone(agent(t, "a", "old")), "agt_1", 4),
		numbered(object(t, registry.KindResource, "r", `{"identifier":"urn:new"}`), "res_2", 3), numbered(gone(object(t, registry.KindResource, "r", "")), "res_1", 2),
		numbered(gone(agent(t, "b", "b")), "agt_3", 7), numbered(agent(t, "b", "b"), "agt_3", 6),
	}
	m := registry.NewModel(registry.ModelConfig{Fetch: func(context.Context, int64) ([]registry.Object, int64, error) { return rows, 7, nil }})
	poll(t, m)
	if e := m.Agent("a"); e == nil || e.ID != "agt_2" {
		t.Errorf("agent %+v", e)
	}
	if e := m.Rules().Resource("r"); e == nil || e.ID != "res_2" {
		t.Errorf("resource %+v", e)
	}
	if m.Agent("b") != nil || bound(m, "ci", "b") != nil {
		t.Error("an older row counts for more than a later one")
	}
}

// SEC-AM-31: whoever takes the name of an agent takes none of its bindings.
func TestModelNameTakenAgain(t *testing.T) {
	t.Parallel()
	s := &store{}
	old := agent(t, "a", "old", "kept")
	old.ID, old.SecretHash, old.Created = "agt_1", []byte("hash"), time.Unix(1, 0)
	s.write(old)
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	again := agent(t, "a", "kept", "new")
	again.ID, again.Created = "agt_2", time.Unix(2, 0)
	s.write(gone(old))
	s.write(again)
	poll(t, m)
	e := m.Agent("a")
	if e == nil || e.ID != "agt_2" || e.SecretHash != nil || !e.Created.Equal(time.Unix(2, 0)) {
		t.Errorf("agent %+v", e)
	}
	wantBound(t, m, "old", "")
	wantBound(t, m, "kept", "a")
	wantBound(t, m, "new", "a")
}

// A credential moves from one agent to another in one write, whichever row
// comes first.
func TestModelRebinds(t *testing.T) {
	t.Parallel()
	for _, takerFirst := range []bool{true, false} {
		s := &store{}
		s.write(agent(t, "giver", "x", "y"), agent(t, "taker"))
		m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
		poll(t, m)
		wantBound(t, m, "x", "giver")
		moved := []*registry.Object{agent(t, "giver", "y"), agent(t, "taker", "x")}
		if takerFirst {
			moved[0], moved[1] = moved[1], moved[0]
		}
		s.write(moved...)
		poll(t, m)
		wantBound(t, m, "x", "taker")
		wantBound(t, m, "y", "giver")
		s.write(gone(agent(t, "giver", "y")))
		poll(t, m)
		wantBound(t, m, "x", "taker")
		wantBound(t, m, "y", "")
	}
}

// While a read is being taken in, a credential that stays or moves is never
// unknown. A condition that does not compile stops the read at a known place:
// after the giver, before the taker.
func TestModelRebindingLeavesNoGap(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(agent(t, "giver", "moves", "stays", "goes"), agent(t, "taker"))
	var m *registry.Model
	stops := 0
	m = registry.NewModel(registry.ModelConfig{Fetch: s.Fetch, Report: func(error) {
		stops++
		if bound(m, "ci", "moves") == nil || bound(m, "ci", "stays") == nil {
			t.Error("a credential is unknown while it moves")
		}
	}})
	poll(t, m)
	broken := agent(t, "broken", "b")
	broken.Spec.(*registry.Agent).Credentials[0].Condition = "nonsense"
	s.write(agent(t, "giver", "stays"), broken, agent(t, "taker", "moves"))
	poll(t, m)
	if stops != 1 {
		t.Errorf("stopped %d times", stops)
	}
	wantBound(t, m, "moves", "taker")
	wantBound(t, m, "stays", "giver")
	wantBound(t, m, "goes", "")
}

// An agent that is replaced again and again is never unknown, and neither is
// its credential. Run with -race.
func TestModelConcurrentReaders(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(state(t, nil)...)
	s.write(agent(t, "a", "stays"))
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				b, e, r := bound(m, "ci", "stays"), m.Agent("a"), m.Rules()
				if b == nil || e == nil || b.Credential.Subject.Exact != "stays" {
					t.Error("an agent is unknown while it is replaced")
					return
				}
				// One value, one world: the two names of a resource agree.
				if l := r.Resource("llm"); l == nil || r.ResourceByIdentifier(l.Spec.Identifier) != l {
					t.Error("the rules contradict themselves")
					return
				}
				m.Fresh()
				m.LastRead()
			}
		})
	}
	for i := range 2000 {
		s.write(agent(t, "a", "stays"), object(t, registry.KindResource, "llm", fmt.Sprintf(`{"identifier":"urn:%d"}`, i)))
		poll(t, m)
	}
	done.Store(true)
	readers.Wait()
}

// Two that poll at once do not take the older read over the newer one.
func TestModelConcurrentPolls(t *testing.T) {
	t.Parallel()
	s := &store{}
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	var polls sync.WaitGroup
	for range 4 {
		polls.Go(func() {
			for range 100 {
				s.write(agent(t, "a", "x"))
				if err := m.Poll(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	polls.Wait()
	if m.Rules().Change != 400 {
		t.Errorf("change %d", m.Rules().Change)
	}
}

// A store that is older than what we know was restored, or is another one:
// everything is read anew.
func TestModelRestarts(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(object(t, registry.KindResource, "kept", ""), object(t, registry.KindResource, "undone", `{"identifier":"urn:u"}`), agent(t, "undone", "x"), agent(t, "kept", "y"))
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)

	back := &store{}
	back.write(object(t, registry.KindResource, "kept", ""), agent(t, "kept", "y"))
	s.rows, s.latest = back.rows, back.latest
	poll(t, m)
	if r := m.Rules(); r.Change != 2 || r.Resource("kept") == nil || r.Resource("undone") != nil {
		t.Error("the rules of the other store are kept")
	}
	if m.Agent("undone") != nil || m.Agent("kept") == nil {
		t.Error("the agents of the other store are kept")
	}
	wantBound(t, m, "x", "")

	s.rows, s.latest = nil, 0 // an empty one is a store too
	poll(t, m)
	if r := m.Rules(); r.Change != 0 || r.Resource("kept") != nil || m.Agent("kept") != nil {
		t.Error("an empty store leaves what was known")
	}
}

func TestModelFailingReadKeepsState(t *testing.T) {
	t.Parallel()
	down := errors.New("the store is down")
	clock := time.Unix(1000, 0)
	s := &store{}
	s.write(agent(t, "a", "x"), object(t, registry.KindResource, "r", ""))
	failAtZero := false
	m := registry.NewModel(registry.ModelConfig{Now: func() time.Time { return clock }, Fetch: func(ctx context.Context, after int64) ([]registry.Object, int64, error) {
		if failAtZero && after == 0 {
			return nil, 0, down
		}
		return s.Fetch(ctx, after)
	}})
	poll(t, m)
	kept := func(when string) {
		t.Helper()
		if m.Agent("a") == nil || bound(m, "ci", "x") == nil || m.Rules().Resource("r") == nil || m.Rules().Change != 2 || !m.LastRead().Equal(time.Unix(1000, 0)) {
			t.Errorf("%s: what was known is not as before", when)
		}
	}
	clock = clock.Add(time.Second)
	s.failWith(down)
	if err := m.Poll(t.Context()); !errors.Is(err, down) {
		t.Errorf("error %v", err)
	}
	kept("a read that fails")

	s.failWith(nil)
	s.latest, failAtZero = 1, true
	if err := m.Poll(t.Context()); !errors.Is(err, down) {
		t.Errorf("error %v", err)
	}
	kept("a read from the beginning that fails")
}

// What this version does not know, and rows without a spec of their kind, are
// passed over.
func TestModelPassesOver(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.write(state(t, nil)...)
	m := registry.NewModel(registry.ModelConfig{Fetch: s.Fetch})
	poll(t, m)
	var nobody *registry.Agent
	var nothing *registry.Resource
	s.write(
		&registry.Object{Kind: "Gateway", Name: "llm", Spec: map[string]any{}},
		&registry.Object{Kind: registry.KindAgent, Name: "new", Spec: &registry.Resource{}},
		&registry.Object{Kind: registry.KindAgent, Name: "scout", Spec: nobody},
		&registry.Object{Kind: registry.KindAgent, Name: "clerk"},
		&registry.Object{Kind: registry.KindResource, Name: "plain", Spec: nothing},
		&registry.Object{Kind: registry.KindResource, Name: "mail", Spec: &registry.Agent{}},
	)
	poll(t, m)
	if m.Agent("new") != nil || m.Rules().Resource("llm") == nil {
		t.Error("an unknown row is taken for something")
	}
	// The row was replaced: what it said before no longer holds.
	if m.Agent("scout") != nil || m.Agent("clerk") != nil || m.Rules().Resource("plain") != nil || m.Rules().Resource("mail") != nil {
		t.Error("a row without a spec leaves the one before")
	}
}
