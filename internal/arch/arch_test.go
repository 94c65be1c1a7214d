package arch_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tokenry/tokenry/internal/arch"
)

func TestTree(t *testing.T) {
	t.Parallel()
	tree, err := arch.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range tree.Problems() {
		t.Error(p)
	}
}

// Each rule must find what breaks it: a check that finds nothing anywhere looks
// the same as a clean tree.
func TestProblems(t *testing.T) {
	t.Parallel()
	const ours = `"github.com/tokenry/tokenry/`
	long := strings.Repeat("\n", 500)
	for _, row := range []struct {
		name, file, source string
		want               string // part of the only problem; empty = none
	}{
		{"an arrow of the table", "server/a.go", "// Package server.\npackage server\nimport _ " + ours + "grants\"\n", ""},
		{"an arrow back", "grants/a.go", "// Package grants. RFC 8693, Section 2.\npackage grants\nimport _ " + ours + "server\"\n", "grants must not import server"},
		{"a leaf with an import", "audit/a.go", "// Package audit.\npackage audit\nimport _ " + ours + "oauth\"\n", "audit must not import oauth"},
		{"storage from cli", "cli/a.go", "// Package cli.\npackage cli\nimport _ " + ours + "storage\"\n", "cli must not import storage"},
		{"an arrow of a folder below", "cli/config/a.go", "// Package config.\npackage config\nimport _ " + ours + "grants\"\n", "cli must not import grants"},
		{"a test may", "grants/a_test.go", "package grants_test\nimport _ " + ours + "server\"\n", ""},
		{"cmd may", "cmd/tokenry/main.go", "// Command tokenry.\npackage main\nimport _ " + ours + "storage\"\n", ""},
		{"cmd and the test kit", "cmd/tokenry/main.go", "// Command tokenry.\npackage main\nimport _ " + ours + "authtest\"\n", "is for tests"},
		{"storage and its test kit", "storage/a.go", "// Package storage.\npackage storage\nimport _ " + ours + "storage/storagetest\"\n", "is for tests"},
		{"an unknown room", "shed/a.go", "// Package shed.\npackage shed\n", "not in the table"},
		{"go-jose outside jose", "keys/a.go", "// Package keys.\npackage keys\nimport _ \"github.com/go-jose/go-jose/v4\"\n", "only jose may import"},
		{"go-jose in jose", "jose/a.go", "// Package jose. RFC 7515, Section 5.\npackage jose\nimport _ \"github.com/go-jose/go-jose/v4/jwt\"\n", ""},
		{"fosite outside server", "grants/a.go", "// Package grants. RFC 8693, Section 2.\npackage grants\nimport _ \"github.com/ory/fosite\"\n", "only server may import"},
		{"a library in oauth", "oauth/a.go", "// Package oauth.\npackage oauth\nimport _ \"golang.org/x/sync/errgroup\"\n", "standard library alone"},
		{"a long file", "oauth/a.go", "// Package oauth.\npackage oauth\n" + long, "502 lines"},
		{"a long function", "oauth/a.go", "// Package oauth.\npackage oauth\nfunc f() {" + long[:100] + "}\n", "f has 101 lines"},
		{"an init function", "oauth/a.go", "// Package oauth.\npackage oauth\nfunc init() {}\n", "an init function"},
		{"an undocumented function", "oauth/a.go", "// Package oauth.\npackage oauth\nfunc F() {}\n", "F is exported"},
		{"an undocumented method", "oauth/a.go", "// Package oauth.\npackage oauth\n// T is.\ntype T int\nfunc (*T) M() {}\n", "M is exported"},
		{"a method of an unexported type", "oauth/a.go", "// Package oauth.\npackage oauth\ntype t int\nfunc (*t) M() {}\n", ""},
		{"a method of error", "oauth/a.go", "// Package oauth.\npackage oauth\n// T is.\ntype T int\nfunc (*T) Error() string { return \"\" }\n", ""},
		{"an undocumented type", "oauth/a.go", "// Package oauth.\npackage oauth\ntype T int\n", "T is exported"},
		{"an undocumented constant", "oauth/a.go", "// Package oauth.\npackage oauth\nconst C = 1\n", "C is exported"},
		{"a documented group", "oauth/a.go", "// Package oauth.\npackage oauth\n// Both.\nconst (\n\tA = 1\n\tB = 2\n)\n", ""},
		{"no package comment", "oauth/a.go", "package oauth\n", "0 package comments"},
		{"no citation", "token/a.go", "// Package token.\npackage token\n", "0 citations"},
		{"a draft", "token/a.go", "// Package token, draft-ietf-oauth-status-list-12.\npackage token\n", ""},
		{"a package called util", "oauth/util/a.go", "// Package util.\npackage util\n", "says nothing"},
		{"a file called helpers", "oauth/helpers.go", "// Package oauth.\npackage oauth\n", "says nothing"},
		{"work left open", "oauth/a.go", "// Package oauth.\npackage oauth\n// TO" + "DO\n", "work left open"},
		{"a skipped test", "oauth/a_test.go", "package oauth_test\nfunc f(t *T) { t.Skip() }\n", "skips a test"},
		{"another module", "tools/a.go", "package tools\n", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			root := fstest.MapFS{"tools/go.mod": {Data: []byte("module tools\n")}, row.file: {Data: []byte(row.source)}}
			tree, err := arch.Load(root)
			if err != nil {
				t.Fatal(err)
			}
			got := tree.Problems()
			switch {
			case row.want == "" && len(got) > 0:
				t.Errorf("problems %q, want none", got)
			case row.want != "" && (len(got) != 1 || !strings.Contains(got[0], row.want)):
				t.Errorf("problems %q, want one with %q", got, row.want)
			}
		})
	}
}

func TestLoadRefusesWhatIsNotGo(t *testing.T) {
	t.Parallel()
	_, err := arch.Load(fstest.MapFS{"a.go": {Data: []byte("package")}})
	if err == nil || !strings.Contains(fmt.Sprint(err), "a.go") {
		t.Errorf("error %v, want one that names a.go", err)
	}
}
