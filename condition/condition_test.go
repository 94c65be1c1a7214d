package condition_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tokenry/tokenry/condition"
)

func claims() map[string]any {
	return map[string]any{
		"sub":            "alice",
		"groups":         []any{"staff", "eng"},
		"email_verified": true,
		"level":          int64(2),
		"score":          2.5,
		"none":           nil,
		"kubernetes.io":  map[string]any{"namespace": "prod"},
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]bool{
		`"staff" in claims.groups`:                                  true,
		`"admin" in claims.groups`:                                  false,
		`claims["kubernetes.io"].namespace == "prod"`:               true,
		`claims.email_verified`:                                     true,
		`claims.level >= 2 && claims.level == 2.0`:                  true,
		`claims.score > 2`:                                          true,
		`has(claims.level) && !has(claims.missing)`:                 true,
		`claims.groups.exists(g, g.startsWith("st"))`:               true,
		`claims.sub in ["alice", "bob"]`:                            true,
		`claims.sub.upperAscii() == "ALICE"`:                        true,
		`claims.sub.matches("^al")`:                                 true,
		`claims.none == null`:                                       true,
		`claims.missing == "x" || claims.sub == "alice"`:            true,
		`size(claims.groups) == 2 && claims.groups[1] == "eng"`:     true,
		`claims.sub == "Alice"`:                                     false,
		"claims.sub ==\n  'alice'":                                  true,
		`claims.groups.all(g, g in ["staff", "eng", "research"])`:   true,
		`claims.groups.filter(g, g != "eng").size() == 1`:           true,
		`type(claims.level) == int && type(claims.score) == double`: true,
	} {
		p, err := condition.Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got, err := p.Eval(claims()); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", expr, got, err, want)
		}
		if p.String() != expr {
			t.Errorf("String() = %q", p.String())
		}
	}
}

// A condition that cannot be evaluated does not match, whatever it says.
func TestEvalErrors(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{
		`claims.missing == "x"`,
		`claims.missing != "x"`,
		`!(claims.missing in ["x"])`,
		`claims.groups`,
		`claims.sub > 3`,
		`claims.groups[7] == "x"`,
		`claims.level / 0 == 1`,
	} {
		p, err := condition.Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got, err := p.Eval(claims()); err == nil || got {
			t.Errorf("%s: %v, %v; want false and an error", expr, got, err)
		}
	}
	p, err := condition.Compile(`claims.sub == "x"`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Eval(nil); err == nil || got {
		t.Errorf("no claims: %v, %v; want false and an error", got, err)
	}
}

func TestEvalNotBool(t *testing.T) {
	t.Parallel()
	p, err := condition.Compile("claims.sub")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Eval(claims()); !errors.Is(err, condition.ErrNotBool) {
		t.Errorf("%v, want ErrNotBool", err)
	}
}

// Nested loops may not eat the server.
func TestEvalLimits(t *testing.T) {
	t.Parallel()
	many := make([]any, 2000)
	for i := range many {
		many[i] = "g"
	}
	big := map[string]any{"l": many}
	for name, expr := range map[string]string{
		"loops": `claims.l.all(a, claims.l.all(b, claims.l.all(c, a == b && b == c)))`,
		"list":  `claims.l.map(a, claims.l.map(b, claims.l)).size() == 1`,
	} {
		p, err := condition.Compile(expr)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := p.Eval(big); err == nil || got || !strings.Contains(err.Error(), "limit exceeded") {
			t.Errorf("%s: %v, %v; want a limit", name, got, err)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		``:                                 `1:1: the condition is empty`,
		" \n":                              `1:1: the condition is empty`,
		`claim.groups == "x"`:              `1:1: nothing is called "claim"; did you mean "claims"?`,
		"true &&\n  Claims.a == 1":         `2:3: nothing is called "Claims"; did you mean "claims"?`,
		`token.groups == "x"`:              `1:1: nothing is called "token"; the claims of the token are in "claims"`,
		`claims.sub.startWith("a")`:        `1:21: nothing is called "startWith"; did you mean "startsWith"?`,
		`"a"`:                              `1:1: a condition must be true or false; this one is a string`,
		`claims.groups.map(g, g)`:          `1:1: a condition must be true or false; this one is a list(dyn)`,
		`"a" == 1`:                         `1:5: found no matching overload for '_==_' applied to '(string, int)'`,
		strings.Repeat(" ", 4096) + "true": `1:1: the condition has 4100 bytes; at most 4096 are allowed`,
		`claims.sub.replace("", claims.sub) == "x"`: `1:1: replace is not available in a condition`,
		`claims.l.all(a, claims.l.join(a) == "")`:   `1:1: join is not available in a condition`,
		`"%s".format([claims.sub]) == "x"`:          `1:1: format is not available in a condition`,
		`claims.sub ==`:                             `1:14: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`,
		strings.Repeat("(", 200) + "true)":          `1:1: expression recursion limit exceeded: 60`,
		`claims.sub.matches("(a{500}){2}")`:         `regex`,
		`claims.sub.matches("(")`:                   `regex`,
	} {
		_, err := condition.Compile(expr)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s\n got: %v\nwant: %s", expr, err, want)
		}
		var se *condition.SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%.60s: %T, want a *SyntaxError", expr, err)
		}
	}
}

func TestProgramIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	p, err := condition.Compile(`"staff" in claims.groups`)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if ok, err := p.Eval(claims()); !ok || err != nil {
					t.Errorf("%v, %v", ok, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"issuer", "audiences", "keys", "caFile"}
	for word, want := range map[string]string{
		"isuer": "issuer", "isseur": "issuer", "audience": "audiences", "kesy": "keys", "cafile": "caFile", "xyz": "", "": "",
		strings.Repeat("k", 1000): "",
	} {
		if got := condition.Nearest(word, known); got != want {
			t.Errorf("Nearest(%.10q) = %q, want %q", word, got, want)
		}
	}
}

func TestMisspelt(t *testing.T) {
	t.Parallel()
	known := []string{"repository", "ref", "sub", "sha", "run_id"}
	for word, want := range map[string]string{
		"repositry": "repository", "respoitory": "repository", "repo": "", "repositories": "", "repository": "", "Repository": "repository",
		"reff": "ref", "sup": "sub", "sua": "sub", "xyz": "", "run_ids": "run_id", "": "",
	} {
		if got := condition.Misspelt(word, known); got != want {
			t.Errorf("Misspelt(%q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`"staff" in claims.groups`)
	f.Add(`claims["a"].b.matches("x+")`)
	f.Add(`claims.l.map(a, [a, a])`)
	f.Fuzz(func(t *testing.T, expr string) {
		p, err := condition.Compile(expr)
		if err != nil {
			return
		}
		if ok, err := p.Eval(claims()); ok && err != nil {
			t.Errorf("true with an error: %v", err)
		}
	})
}
