package server_test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEveryAbuseIsARow: each case of these groups of the catalogue of abuse
// cases is a row of some test. The catalogue is no part of the repository; it numbers the cases of a group
// from 1.
func TestEveryAbuseIsARow(t *testing.T) {
	t.Parallel()
	rows := abuseRows(t)
	for group, last := range map[string]int{"JP": 40, "KH": 25, "JE": 9, "JS": 24, "ID": 32, "AC": 32, "K8": 17, "XM": 24, "TM": 26} {
		for n := 1; n <= last; n++ {
			id := fmt.Sprintf("%s-%02d", group, n)
			if !rows[id] {
				t.Errorf("SEC-%s is no row of any test", id)
			}
		}
	}
}

// abuseRows are the ids that begin a string in a test of the repository.
func abuseRows(t *testing.T) map[string]bool {
	t.Helper()
	found, name := map[string]bool{}, regexp.MustCompile(`"SEC-([A-Z][A-Z0-9]-\d\d)\D`)
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(root, path)
		for _, m := range name.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
