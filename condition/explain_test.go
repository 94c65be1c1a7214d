package condition_test

import (
	"testing"

	"github.com/tokenry/tokenry/condition"
)

// TestExplain: what is told is the one part that does not hold, and what it saw.
func TestExplain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, part, seen string }{
		{`claims.sub == "alice"`, "", ""},
		{`claims.sub == "bob"`, `claims.sub == "bob"`, `sub is "alice"`},
		{`claims.level >= 1 && claims["kubernetes.io"].namespace == "dev" && "x" in claims.groups`, `claims["kubernetes.io"].namespace == "dev"`, `kubernetes.io/namespace is "prod"`},
		{`claims.groups.exists(g, g == "admin") && claims.level == 2`, `claims.groups.exists(g, g == "admin")`, `groups is ["staff","eng"]`},
		{`claims.emial_verified`, `claims.emial_verified`, `no claim emial_verified (the token has email_verified)`},
		{`claims["kubernetes.io"].namespce == "prod"`, `claims["kubernetes.io"].namespce == "prod"`, `no claim kubernetes.io/namespce (the token has kubernetes.io/namespace)`},
		{`claims.missing.inner == "x"`, `claims.missing.inner == "x"`, `no claim missing/inner`},
		{`claims.sub.inner == "x"`, `claims.sub.inner == "x"`, `no claim sub/inner (sub is no object)`},
		{`claims.sub == "bob" || claims.level > 3`, `claims.sub == "bob" || claims.level > 3`, `sub is "alice", level is 2`},
		{`has(claims.tenant) && claims.tenant == "eu"`, `has(claims.tenant)`, `no claim tenant`},
		{`!claims.email_verified`, `!claims.email_verified`, `email_verified is true`},
		{`claims.sub > 3`, `claims.sub > 3`, `no such overload, sub is "alice"`},
		{`claims.sub`, `claims.sub`, `the condition is neither true nor false, sub is "alice"`},
		{`claims.none == "x"`, `claims.none == "x"`, `none is null`},
		{`"contractor" in claims`, `"contractor" in claims`, `false`},
	} {
		p, err := condition.Compile(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if got := p.Explain(claims()); got.Part != c.part || got.Seen != c.seen {
			t.Errorf("%s\n got: %q, %q\nwant: %q, %q", c.expr, got.Part, got.Seen, c.part, c.seen)
		}
	}
}

// TestSeen is cheap and speaks of the condition as a whole.
func TestSeen(t *testing.T) {
	t.Parallel()
	p, err := condition.Compile(`claims.sub == "alice" && claims.lvel == 2`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Eval(claims())
	if got, want := p.Seen(claims(), err), `sub is "alice", no claim lvel (the token has level)`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
