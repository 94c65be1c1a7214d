package condition

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// reads lists the claims that a condition looks at by name. all is true when it
// may look at any: it goes over the claims as a whole, or computes a name.
func reads(parsed *cel.Ast) (names []string, all bool) {
	uses, named := 0, 0
	ast.PostOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			if e.AsIdent() == Variable {
				uses++
			}
		case ast.SelectKind: // claims.name, has(claims.name)
			if s := e.AsSelect(); isClaims(s.Operand()) {
				named++
				names = append(names, s.FieldName())
			}
		case ast.CallKind: // claims["name"]
			c := e.AsCall()
			if args := c.Args(); c.FunctionName() == "_[_]" && len(args) == 2 && isClaims(args[0]) && args[1].Kind() == ast.LiteralKind {
				if name, ok := args[1].AsLiteral().(types.String); ok {
					named++
					names = append(names, string(name))
				}
			}
		}
	}))
	slices.Sort(names)
	return slices.Compact(names), uses != named
}

func isClaims(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == Variable }

// Reads lists the claims that the condition looks at by name, sorted. any says
// that it may look at others too.
func (p *Program) Reads() (names []string, any bool) { return slices.Clone(p.reads), p.all }

// Within says that the condition looks at no claims but those named. One that
// does not must not be asked where only those are at hand: it would take a claim
// that was left out for one that never was.
func (p *Program) Within(names []string) bool {
	if p.all {
		return false
	}
	for _, name := range p.reads {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}
