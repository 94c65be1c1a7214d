package server_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lastRow is the last number of each area of requirements.
func lastRow() map[string]int {
	return map[string]int{
		"AT": 14,
		"FC": 9,
		"JA": 12,
		"K8": 10,
		"MD": 10,
		"MT": 9,
		"OA": 19,
		"SB": 9,
		"SP": 12,
		"SV": 10,
		"TX": 42,
		"XS": 7,
	}
}

// TestEveryRowIsProvenOrListed: each requirement of the token endpoint has a
// proof in a table of this package, or stands in docs/divergences.md as not yet
// there. A row in both is out of date.
func TestEveryRowIsProvenOrListed(t *testing.T) {
	t.Parallel()
	areas := strings.Join(slices.Collect(maps.Keys(lastRow())), "|")
	proven := ids(t, "rows_*_test.go", regexp.MustCompile(`(?:\{|svid\(|issued\(|refused\()"((?:`+areas+`)-\d\d)"`))
	missing := map[string]bool{}
	page, err := os.ReadFile("../docs/divergences.md")
	if err != nil {
		t.Fatal(err)
	}
	for paragraph := range strings.SplitSeq(string(page), "\n\n") {
		if strings.Contains(paragraph, "*not yet*") {
			for _, id := range regexp.MustCompile(`(?:`+areas+`)-\d\d`).FindAllString(paragraph, -1) {
				missing[id] = true
			}
		}
	}
	for area, last := range lastRow() {
		for n := 1; n <= last; n++ {
			id := fmt.Sprintf("%s-%02d", area, n)
			switch {
			case !proven[id] && !missing[id]:
				t.Errorf("%s has neither a proof nor a place in docs/divergences.md", id)
			case proven[id] && missing[id]:
				t.Errorf("%s is proven and listed as not yet", id)
			}
		}
	}
}

func ids(t *testing.T, pattern string, id *regexp.Regexp) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files like %s: %v", pattern, err)
	}
	found := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range id.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	return found
}
