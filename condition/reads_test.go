package condition_test

import (
	"testing"

	"github.com/tokenry/tokenry/condition"
)

func TestWithin(t *testing.T) {
	t.Parallel()
	known := []string{"iss", "sub", "acr"}
	for expr, want := range map[string]bool{
		`claims.sub == "alice"`:                             true,
		`claims["sub"] == "alice" && claims.acr == "phr"`:   true,
		`has(claims.acr)`:                                   true,
		`true`:                                              true,
		`claims.sub.startsWith("a")`:                        true,
		`claims.groups.exists(g, g == "staff")`:             false,
		`!has(claims.contractor)`:                           false,
		`!("contractor" in claims)`:                         false,
		`claims.all(name, name != "contractor")`:            false,
		`claims[claims.sub] == "x"`:                         false,
		`size(claims) < 10`:                                 false,
		`claims.sub == "alice" || claims.groups == ["x"]`:   false,
		`[claims].exists(c, has(c.contractor))`:             false,
		`claims.sub == "a" ? claims.acr == "b" : claims.no`: false,
	} {
		p, err := condition.Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := p.Within(known); got != want {
			t.Errorf("%s looks at no more than %v: %v, want %v", expr, known, got, want)
		}
	}
}
