package condition

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// Path is a claim by its names, from the outside in.
type Path []string

// String is the path as pinned claims are written: kubernetes.io/namespace.
func (p Path) String() string {
	names := make([]string, len(p))
	for i, name := range p {
		names[i] = strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	return strings.Join(names, "/")
}

// Expression is the path as conditions write it: claims["kubernetes.io"].namespace.
func (p Path) Expression() string {
	text := Variable
	for _, name := range p {
		if identifier.MatchString(name) {
			text += "." + name
		} else {
			text += "[" + strconv.Quote(name) + "]"
		}
	}
	return text
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Paths lists the claims that the condition looks at, each once, in the order in
// which they stand. Of claims.a.b it is a/b alone.
func (p *Program) Paths() []Path { return slices.Clone(p.paths) }

// pathsOf finds what Paths lists.
func pathsOf(parsed *cel.Ast) []Path {
	var found []Path
	known := map[string]bool{}
	inner := map[int64]bool{} // what a longer path has taken in
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		names, operands := chain(e)
		if len(names) == 0 || inner[e.ID()] {
			return
		}
		for _, id := range operands {
			inner[id] = true
		}
		if key := names.String(); !known[key] {
			known[key], found = true, append(found, names)
		}
	}))
	return found
}

// chain reads claims.a["b"].c from the inside out; none when e is no such thing.
func chain(e ast.Expr) (names Path, operands []int64) {
	for !isClaims(e) {
		switch e.Kind() {
		case ast.SelectKind: // claims.name, has(claims.name)
			names, e = append(names, e.AsSelect().FieldName()), e.AsSelect().Operand()
		case ast.CallKind: // claims["name"]
			args := e.AsCall().Args()
			if e.AsCall().FunctionName() != "_[_]" || len(args) != 2 || args[1].Kind() != ast.LiteralKind {
				return nil, nil
			}
			name, ok := args[1].AsLiteral().(types.String)
			if !ok {
				return nil, nil
			}
			names, e = append(names, string(name)), args[0]
		default:
			return nil, nil
		}
		operands = append(operands, e.ID())
	}
	slices.Reverse(names)
	return names, operands
}

// maxSeen bounds how many claims a text tells of, and each of their values.
const (
	maxSeen  = 8
	maxValue = 64
)

// Seen says what a condition that did not hold has looked at, and which name may
// have been meant where there is no such claim; err is what Eval returned. It is
// for those who may see the token's claims.
func (p *Program) Seen(claims map[string]any, err error) string {
	var texts []string
	missing := false
	for _, at := range p.paths[:min(len(p.paths), maxSeen)] {
		text, ok := at.seen(claims)
		texts, missing = append(texts, text), missing || !ok
	}
	if err != nil && !missing { // else the missing claim is what err is about
		texts = append([]string{strings.TrimPrefix(err.Error(), evaluating)}, texts...)
	}
	if len(texts) == 0 {
		return "false"
	}
	return strings.Join(texts, ", ")
}

// seen tells what claims have at the path, and whether they have it.
func (p Path) seen(claims map[string]any) (text string, ok bool) {
	var value any = claims
	for i, name := range p {
		object, isObject := value.(map[string]any)
		if !isObject {
			return fmt.Sprintf("no claim %s (%s is no object)", p, p[:i]), false
		}
		inner, has := object[name]
		if !has {
			text = "no claim " + p.String()
			if near := Nearest(name, slices.Sorted(maps.Keys(object))); near != "" {
				text += fmt.Sprintf(" (the token has %s)", append(slices.Clone(p[:i]), near))
			}
			return text, false
		}
		value = inner
	}
	return p.String() + " is " + shown(value), true
}

// shown is a value as JSON writes it, cut short.
func shown(v any) string {
	if _, isObject := v.(map[string]any); isObject {
		return "an object"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "unreadable" // no claim is
	}
	text := []rune(string(data))
	if len(text) > maxValue {
		return string(text[:maxValue]) + "…"
	}
	return string(text)
}
