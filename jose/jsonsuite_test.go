package jose_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/jose"
)

var update = flag.Bool("update", false, "write the golden files")

// TestJSONSuite: each text of JSONTestSuite is read as the value of a
// claim, because claims are an object and most of the texts are not. What is no
// JSON is refused, by itself too; what is JSON is read as encoding/json reads it,
// unless it is listed; and where RFC 8259 leaves it open, golden file and code
// say the same.
func TestJSONSuite(t *testing.T) {
	t.Parallel()
	t.Run("SEC-JS-24", jsonSuite)
}

func jsonSuite(t *testing.T) {
	files, err := fs.Sub(suite(t, "github.com/nst/JSONTestSuite"), "test_parsing")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]jose.Fault{ // though they are JSON
		"y_object_duplicated_key":           jose.FaultJSONDuplicate,
		"y_object_duplicated_key_and_value": jose.FaultJSONDuplicate,
		"y_object_escaped_null_in_key":      jose.FaultControlChar,
		"y_string_null_escape":              jose.FaultControlChar,
	}
	count := map[byte]int{}
	var open strings.Builder
	for _, file := range names {
		raw, err := fs.ReadFile(files, file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(path.Base(file), ".json")
		text := `{"a":` + string(raw) + `}`
		o, err := jose.ParseObject([]byte(text))
		count[name[0]]++
		switch name[0] {
		case 'n':
			if _, bare := jose.ParseObject(raw); err == nil || bare == nil {
				t.Errorf("%s is accepted", name)
			}
		case 'y':
			wantFault(t, err, refused[name])
			if err == nil {
				asEncodingJSON(t, text, o)
			}
			delete(refused, name)
		case 'i':
			fmt.Fprintln(&open, name, saying(err))
		}
	}
	if count['n'] != 188 || count['y'] != 95 || count['i'] != 35 || len(refused) > 0 {
		t.Errorf("the suite has %v texts; of those refused it lacks %v", count, refused)
	}
	golden(t, "testdata/jsonsuite.golden", open.String())
}

func saying(err error) string {
	var refused *jose.Error
	if errors.As(err, &refused) {
		return string(refused.Fault)
	}
	return "accepted"
}

// golden compares text with a file, or writes it with -update.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-file +now):\n%s", file, diff)
	}
}
