// Package arch holds the shape of this repository as a test: which room may
// import which, where each large dependency may be seen, how long a file and a
// function may be, what has to be documented, and how often the protocol rooms
// cite the rules that they obey. It reads source, it does not build it, so that
// a tree that does not compile is still told where its arrows go wrong.
//
// The table of arrows is in arrows.go and explained in docs/architecture.md.
// What linters know is not repeated here; see .golangci.yml.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// module is the path that import paths of this repository begin with.
const module = "github.com/tokenry/tokenry"

// Tree is the Go source of the repository.
type Tree struct {
	set   *token.FileSet
	files []file
}

// file is one Go file.
type file struct {
	name    string // "grants/endpoint.go"
	source  string
	syntax  *ast.File
	imports []string
}

// Load reads every Go file below root but those of nested modules, test data
// and other packages' folders (node_modules, hidden ones).
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{set: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(root, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		return t.read(root, name)
	})
	return t, err
}

func skipped(root fs.FS, dir string) bool {
	base := path.Base(dir)
	if dir == "." {
		return false
	}
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

func (t *Tree) read(root fs.FS, name string) error {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.set, name, data, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("reading the tree: %w", err)
	}
	f := file{name: name, source: string(data), syntax: syntax}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("reading the tree: %s: %w", name, err)
		}
		f.imports = append(f.imports, imported)
	}
	t.files = append(t.files, f)
	return nil
}

// Problems lists everything that breaks a rule, in order.
func (t *Tree) Problems() []string {
	var all []string
	for _, f := range t.files {
		all = append(all, f.arrows()...)
		all = append(all, f.homes()...)
		all = append(all, f.words()...)
		if !f.test() {
			all = append(all, t.size(f)...)
			all = append(all, t.undocumented(f)...)
		}
	}
	all = append(all, t.packageComments()...)
	all = append(all, t.citations()...)
	sort.Strings(all)
	return all
}

// dir is the folder of the file: "server/admin".
func (f file) dir() string { return path.Dir(f.name) }

// room is the top folder: "server".
func (f file) room() string {
	room, _, _ := strings.Cut(f.dir(), "/")
	return room
}

func (f file) test() bool { return strings.HasSuffix(f.name, "_test.go") }

func (f file) lines() int { return strings.Count(f.source, "\n") }
