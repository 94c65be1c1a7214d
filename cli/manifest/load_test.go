package manifest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/cli/manifest"
)

// files makes a directory; a name that ends in a slash is a directory in it.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func agent(name string) string { return strings.Replace(good, "research-agent", name, 1) }

func TestLoadDirectory(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"b.yaml": agent("b"), "a.yml": agent("a1") + "---\n" + agent("a2"), "c.yaml": "# nothing\n",
		"notes.txt": "no: [YAML", ".#b.yaml": "no: [YAML", "yaml": "no: [YAML", "d.yaml.bak": "no: [YAML",
		"sub/deep.yaml": agent("deep"), "e.yaml/x.yaml": agent("x"),
	})
	for link, to := range map[string]string{"z.yaml": "sub/deep.yaml", "y.yaml": "sub"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := manifest.Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range docs {
		got = append(got, filepath.Base(d.File)+" "+d.Name)
	}
	if diff := cmp.Diff([]string{"a.yml a1", "a.yml a2", "b.yaml b", "z.yaml deep"}, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	if docs[2].File != filepath.Join(dir, "b.yaml") || docs[2].Position("spec").Line != 4 {
		t.Errorf("b is at %v", docs[2].Position("spec"))
	}
}

// TestLoadReportsAllFiles: what is wrong in one file does not hide what is
// wrong in the next, or that both have one object.
func TestLoadReportsAllFiles(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"a.yaml": agent("x") + "  maxTtl: 9h\n", "b.yaml": "\n" + agent("x"), "c.yaml": "["})
	docs, err := manifest.Load(dir, nil)
	want := strings.ReplaceAll(`DIR/a.yaml:8: Agent x: spec.maxTtl: must be at most 1h: longer tokens are never issued
DIR/c.yaml:1: is not YAML: did not find expected node content (look at the indentation and the quotes there and in the lines around it)
DIR/b.yaml:4: Agent x: metadata.name: is there twice; the first is at DIR/a.yaml:3`, "DIR", dir)
	if err == nil || docs != nil {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestLoadFileAndStdin(t *testing.T) {
	t.Parallel()
	path := filepath.Join(files(t, map[string]string{"agents.txt": good}), "agents.txt")
	if docs, err := manifest.Load(path, nil); err != nil || len(docs) != 1 || docs[0].File != path {
		t.Errorf("%v, %v", docs, err)
	}
	docs, err := manifest.Load("-", strings.NewReader(good))
	if err != nil || len(docs) != 1 || docs[0].Position("spec").String() != "stdin:4" {
		t.Errorf("%v, %v", docs, err)
	}
	if _, err := manifest.Load("-", strings.NewReader("- x")); err == nil || !strings.HasPrefix(err.Error(), "stdin:1: ") {
		t.Error(err)
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"sub/a.yaml": good})
	if _, err := manifest.Load(filepath.Join(dir, "none.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	want := dir + " has no *.yaml and no *.yml in it; directories inside it are not read"
	if _, err := manifest.Load(dir, nil); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Load(dir, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
