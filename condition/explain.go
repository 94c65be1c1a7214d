package condition

import (
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// Explanation says why a condition does not hold.
type Explanation struct {
	Part string // the first part, of those joined by &&, that does not hold; empty = the condition holds
	Seen string // what that part has looked at: see Program.Seen
}

// explaining is the environment whose macros can be written back as text.
var explaining = sync.OnceValues(func() (*cel.Env, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	return env.Extend(cel.EnableMacroCallTracking())
})

// Explain evaluates the parts of a condition one by one. It compiles them anew,
// so it is for reports and not for the path of a request.
func (p *Program) Explain(claims map[string]any) Explanation {
	ok, err := p.Eval(claims)
	if ok {
		return Explanation{}
	}
	for _, text := range parts(p.source) {
		part, broken := Compile(text)
		if broken != nil {
			break
		}
		if ok, err := part.Eval(claims); !ok {
			return Explanation{Part: text, Seen: part.Seen(claims, err)}
		}
	}
	return Explanation{Part: p.source, Seen: p.Seen(claims, err)}
}

// parts are the texts that && joins at the top of a condition; none when they
// cannot be told apart.
func parts(source string) (texts []string) {
	env, err := explaining()
	if err != nil {
		return nil
	}
	parsed, issues := env.Parse(source)
	if issues.Err() != nil {
		return nil
	}
	info := parsed.NativeRep().SourceInfo()
	whole := true
	var split func(ast.Expr)
	split = func(e ast.Expr) {
		if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
			for _, arg := range e.AsCall().Args() {
				split(arg)
			}
			return
		}
		text, err := cel.ExprToString(e, info)
		whole = whole && err == nil
		texts = append(texts, text)
	}
	split(parsed.NativeRep().Expr())
	if !whole {
		return nil
	}
	return texts
}
