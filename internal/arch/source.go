package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Limits of STYLE: where a reader loses the thread.
const (
	maxFileLines     = 500
	maxFunctionLines = 100
)

// citationsPerThousand lines of the protocol rooms. Whoever writes such a line
// without having looked the rule up writes what he remembers of it.
const citationsPerThousand = 8

func citing() []string { return []string{"grants", "credential", "token", "jose", "jwks", "verify"} }

// citation matches "RFC 8693, Section 2.2.2", also across a line break of a
// comment, and drafts with their number.
var citation = regexp.MustCompile(`RFC \d{4,},[\s/]+Sections? \d|draft-[a-z0-9-]+-\d\d`)

// size checks the length of a file and its functions, and that nothing runs
// before main.
func (t *Tree) size(f file) []string {
	var problems []string
	if n := f.lines(); n > maxFileLines {
		problems = append(problems, fmt.Sprintf("%s: %d lines; %d is a stop", f.name, n, maxFileLines))
	}
	for _, d := range f.syntax.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := t.line(fn.End()) - t.line(fn.Pos()) + 1; n > maxFunctionLines {
			problems = append(problems, fmt.Sprintf("%s: %s has %d lines; %d is a stop", f.name, fn.Name.Name, n, maxFunctionLines))
		}
		if fn.Name.Name == "init" && fn.Recv == nil {
			problems = append(problems, fmt.Sprintf("%s:%d: an init function; say it in New", f.name, t.line(fn.Pos())))
		}
	}
	return problems
}

func (t *Tree) line(p token.Pos) int { return t.set.Position(p).Line }

// undocumented lists exported names without a comment. Methods of unexported
// types are not for others, and those of errors and handlers say what their
// interface says.
func (t *Tree) undocumented(f file) []string {
	var problems []string
	missing := func(p token.Pos, name string) {
		problems = append(problems, fmt.Sprintf("%s:%d: %s is exported and has no comment", f.name, t.line(p), name))
	}
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && !speaksForItself(d) {
				missing(d.Pos(), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				t.spec(d, spec, missing)
			}
		}
	}
	return problems
}

// speaksForItself reports whether a method needs no comment.
func speaksForItself(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	receiver := d.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if id, ok := receiver.(*ast.Ident); ok && !id.IsExported() {
		return true
	}
	return slices.Contains([]string{"Error", "Unwrap", "String", "ServeHTTP"}, d.Name.Name)
}

// spec looks at one type, constant or variable. The comment of a group speaks
// for all that is in it.
func (t *Tree) spec(group *ast.GenDecl, spec ast.Spec, missing func(token.Pos, string)) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && group.Doc == nil {
			missing(s.Pos(), s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && s.Doc == nil && s.Comment == nil && group.Doc == nil {
				missing(name.Pos(), name.Name)
			}
		}
	}
}

// packageComments wants one comment per package, in one place.
func (t *Tree) packageComments() []string {
	comments, first := map[string]int{}, map[string]string{}
	for _, f := range t.files {
		if f.test() {
			continue
		}
		if _, seen := first[f.dir()]; !seen {
			first[f.dir()] = f.name
		}
		if f.syntax.Doc != nil {
			comments[f.dir()]++
		}
	}
	var problems []string
	for dir, name := range first {
		if n := comments[dir]; n != 1 {
			problems = append(problems, fmt.Sprintf("%s: %d package comments in %s; there must be one", name, n, dir))
		}
	}
	return problems
}

// citations counts how often the protocol rooms name the rule that they obey.
func (t *Tree) citations() []string {
	lines, cited := map[string]int{}, map[string]int{}
	for _, f := range t.files {
		if f.test() || !slices.Contains(citing(), f.room()) {
			continue
		}
		lines[f.room()] += f.lines()
		cited[f.room()] += len(citation.FindAllString(f.source, -1))
	}
	var problems []string
	for room, n := range lines {
		if cited[room]*1000 < citationsPerThousand*n {
			problems = append(problems, fmt.Sprintf("%s: %d citations in %d lines; there must be %d per thousand", room, cited[room], n, citationsPerThousand))
		}
	}
	return problems
}

// nondescript names say nothing about what is inside.
func nondescript() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "misc", "x"}
}

// left matches work that was not finished. Split, so that it is not found here.
var left = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)

// words checks names, and that nothing was left open or skipped.
func (f file) words() []string {
	var problems []string
	base := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.name), ".go"), "_test")
	for _, name := range []string{f.syntax.Name.Name, base} {
		if slices.Contains(nondescript(), strings.TrimSuffix(name, "_test")) {
			problems = append(problems, fmt.Sprintf("%s: %q says nothing about what is inside", f.name, name))
		}
	}
	if left.MatchString(f.source) {
		problems = append(problems, f.name+": work left open")
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && f.test() && strings.HasPrefix(sel.Sel.Name, "Skip") && isTestVar(sel.X) {
			problems = append(problems, f.name+": skips a test")
		}
		return true
	})
	return problems
}

// isTestVar reports whether e is t, b, f or tb, as tests call it.
func isTestVar(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && slices.Contains([]string{"t", "b", "f", "tb"}, id.Name)
}
