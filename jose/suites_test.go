package jose_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"testing"
)

// suite is the files of a module of public test vectors, in the version that
// testdata/suites/go.mod names. The go command keeps them in its module cache
// and checks them against go.sum.
func suite(t *testing.T, module string) fs.FS {
	t.Helper()
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "testdata/suites", &out, &problems
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	if err := cmd.Run(); err != nil {
		t.Fatalf("downloading %s: %v: %s %s", module, err, &problems, &out)
	}
	var got struct{ Dir string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Dir == "" {
		t.Fatalf("downloading %s: %v: %s", module, err, &out)
	}
	return os.DirFS(got.Dir)
}

// suiteFile decodes a file of a suite.
func suiteFile(t *testing.T, files fs.FS, name string, into any) {
	t.Helper()
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
