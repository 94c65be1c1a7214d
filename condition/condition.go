// Package condition compiles and evaluates the conditions that operators write
// on bindings and delegation rules: CEL over the verified claims of one token.
// It decides nothing; whoever evaluates a condition treats an error as "does
// not match".
package condition

// Program is a compiled condition.
type Program struct{ source string }

// Compile compiles expr.
func Compile(expr string) (*Program, error) { return &Program{source: expr}, nil }

// Eval evaluates the condition over claims.
func (p *Program) Eval(claims map[string]any) (bool, error) { return false, nil }

// String returns the source text.
func (p *Program) String() string { return p.source }
