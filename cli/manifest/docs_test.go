package manifest_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/cli/manifest"
	"github.com/tokenry/tokenry/condition"
	"github.com/tokenry/tokenry/registry"
)

const page = "../../docs/manifests.md"

// TestDocsExamples reads the examples of the page as apply does, and checks
// them together as the server does.
func TestDocsExamples(t *testing.T) {
	t.Parallel()
	text := readPage(t)
	var all []manifest.Document
	for i, block := range regexp.MustCompile("(?s)\n```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
		docs, err := manifest.Parse(fmt.Sprintf("block %d", i+1), strings.NewReader(block[1]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, docs...)
	}
	if err := manifest.Unique(all); err != nil {
		t.Fatal(err)
	}
	var objects []*registry.Object
	shown := map[registry.Kind]int{}
	for _, d := range all {
		spec, err := registry.DecodeSpec(d.Kind, d.Spec)
		if err != nil {
			t.Fatalf("%s %s: %v", d.Kind, d.Name, err)
		}
		objects = append(objects, &registry.Object{Kind: d.Kind, Name: d.Name, Labels: d.Labels, Spec: spec})
		shown[d.Kind]++
	}
	for _, p := range registry.ValidateAll(objects, "https://sts.example.com") {
		t.Errorf("the examples together: %s", p.String())
	}
	for _, k := range registry.Kinds() {
		if shown[k] == 0 {
			t.Errorf("there is no example of kind %s", k)
		}
	}
}

// TestDocsConditions compiles the conditions that the page shows.
func TestDocsConditions(t *testing.T) {
	t.Parallel()
	_, rest, found := strings.Cut(readPage(t), "\n```cel\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("there is no block of conditions")
	}
	for line := range strings.Lines(block) {
		if _, err := condition.Compile(strings.TrimSpace(line)); err != nil {
			t.Errorf("%s%v", line, err)
		}
	}
}

// TestDocsFields holds the tables of the page and the table of fields together:
// a field that is enforced has a row below the heading of its kind with all its
// values, one that is refused a row in the last chapter, and no row is about
// anything else.
func TestDocsFields(t *testing.T) {
	t.Parallel()
	text := readPage(t)
	refused := rows(chapter(t, text, "Known, and refused in this version"))
	var want []string // rows of refused fields and values
	for _, k := range registry.Kinds() {
		there := rows(chapter(t, text, string(k)))
		for _, f := range registry.Fields() {
			if f.Kind != k {
				continue
			}
			at := slices.IndexFunc(there, func(r string) bool { return strings.HasPrefix(r, "`"+f.Path+"` |") })
			switch {
			case !f.Supported:
				want = append(want, fmt.Sprintf("%s | `%s`", k, f.Path))
			case at < 0:
				t.Errorf("%s: the table has no row for %s", k, f.Path)
			default:
				for _, v := range f.Values {
					if !strings.Contains(there[at], "`"+v+"`") {
						t.Errorf("%s: the row of %s does not tell its value %s", k, f.Path, v)
					}
				}
				there = slices.Delete(there, at, at+1)
			}
			if f.Later != nil {
				want = append(want, fmt.Sprintf("%s | `%s` | `%s`", k, f.Path, strings.Join(f.Later, "`, `")))
			}
		}
		for _, r := range there {
			t.Errorf("%s: there is no enforced field for the row %s", k, r)
		}
	}
	slices.Sort(want)
	slices.Sort(refused)
	if !slices.Equal(refused, want) {
		t.Errorf("the lists of what is refused:\n%s\nwant:\n%s", strings.Join(refused, "\n"), strings.Join(want, "\n"))
	}
}

func readPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// chapter returns what stands below a heading.
func chapter(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("there is no chapter %q", heading)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

// rows returns the rows of the tables of a chapter without their outer bars.
func rows(chapter string) []string {
	var found []string
	for line := range strings.Lines(chapter) {
		line = strings.TrimSpace(line)
		row, ok := strings.CutPrefix(line, "| ")
		if ok && !strings.HasPrefix(row, "field |") && !strings.HasPrefix(row, "kind |") {
			found = append(found, strings.TrimSuffix(row, " |"))
		}
	}
	return found
}
