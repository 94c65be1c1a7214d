// Package condition compiles and evaluates the conditions that operators write
// on bindings and delegation rules: CEL over the verified claims of one token.
// It decides nothing; whoever evaluates a condition treats an error as "does
// not match".
//
// A condition sees one variable, `claims`, a map made of texts, booleans,
// numbers, lists and maps. It has the standard functions of CEL and those of
// its strings extension, except replace, join and format. It has no clock, no network and no Go types.
package condition

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/ext"
)

// Limits of one condition. A condition is written by an operator but runs over
// claims that a token holder had a hand in, on the hot path of every request.
const (
	MaxSize  = 4096   // bytes of source
	maxCost  = 20_000 // units of CEL's cost model, about one per operation
	maxDepth = 60     // nesting of the source
	maxRegex = 1_000  // size of a compiled regular expression
)

// Variable is the only root variable of a condition.
const Variable = "claims"

// ErrNotBool is returned by Eval when the condition is neither true nor false.
var ErrNotBool = errors.New("the condition is neither true nor false")

// Program is a compiled condition. It is safe for concurrent use.
type Program struct {
	source  string
	program cel.Program
	reads   []string // claims that it looks at by name
	all     bool     // … or at any
	paths   []Path   // claims that it looks at, in full
}

// evaluating begins every error of Eval but ErrNotBool.
const evaluating = "evaluating the condition: "

// environment is what every condition is compiled in; it never changes.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable(Variable, cel.MapType(cel.StringType, cel.DynType)),
		cel.CrossTypeNumericComparisons(true), // `claims.level >= 2`, whether the token says 2 or 2.0
		cel.ParserExpressionSizeLimit(MaxSize),
		cel.ParserRecursionLimit(maxDepth),
		cel.RegexProgramSizeLimit(maxRegex),
		ext.Strings(ext.StringsVersion(5)),
	)
})

// Compile compiles expr. The error is a *SyntaxError when expr is at fault.
func Compile(expr string) (*Program, error) {
	switch {
	case strings.TrimSpace(expr) == "":
		return nil, &SyntaxError{Line: 1, Column: 1, Message: "the condition is empty"}
	case len(expr) > MaxSize:
		return nil, &SyntaxError{Line: 1, Column: 1, Message: fmt.Sprintf("the condition has %d bytes; at most %d are allowed", len(expr), MaxSize)}
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("making the environment of conditions: %w", err)
	}
	parsed, issues := env.Compile(expr)
	if issues.Err() != nil {
		return nil, syntaxError(env, issues)
	}
	// A claim has no static type, so `claims.admin` passes here and Eval looks.
	if t := parsed.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, &SyntaxError{Line: 1, Column: 1, Message: fmt.Sprintf("a condition must be true or false; this one is a %s", t)}
	}
	if name := growing(parsed); name != "" {
		return nil, &SyntaxError{Line: 1, Column: 1, Message: fmt.Sprintf("%s is not available in a condition", name)}
	}
	program, err := env.Program(parsed, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return nil, &SyntaxError{Line: 1, Column: 1, Message: err.Error()}
	}
	p := &Program{source: expr, program: program}
	p.reads, p.all = reads(parsed)
	p.paths = pathsOf(parsed)
	return p, nil
}

// growing returns the name of a function in ast whose result can be far larger
// than its inputs. The cost of a call is counted after the call, so
// s.replace("", s) with a long claim would have taken the memory by then.
func growing(parsed *cel.Ast) string {
	name := ""
	ast.PostOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		switch f := e.AsCall().FunctionName(); f {
		case "replace", "join", "format":
			name = f
		}
	}))
	return name
}

// Eval evaluates the condition over claims, which hold string, bool, int64,
// uint64, float64, nil, []any and map[string]any. Everything that stops the evaluation
// is an error and never true: a missing claim, a wrong type, a limit reached.
func (p *Program) Eval(claims map[string]any) (bool, error) {
	if claims == nil {
		claims = map[string]any{}
	}
	out, _, err := p.program.Eval(map[string]any{Variable: claims})
	if err != nil {
		return false, fmt.Errorf(evaluating+"%w", err)
	}
	b, ok := out.Value().(bool)
	if !ok {
		return false, ErrNotBool
	}
	return b, nil
}

// String returns the source text.
func (p *Program) String() string { return p.source }
