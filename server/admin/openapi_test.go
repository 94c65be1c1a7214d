package admin_test

import (
	"flag"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write api/openapi.yaml anew")

// committed is the document that clients are generated from.
const committed = "../../api/openapi.yaml"

// TestOpenAPI holds the committed document and the code together. After a change:
//
//	go test ./server/admin -run TestOpenAPI -update
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	p := start(t)
	served := p.send(t, request{method: http.MethodGet, path: "/openapi.yaml"})
	if served.status != http.StatusOK {
		t.Fatalf("got %d %s", served.status, served.body)
	}
	if *update {
		if err := os.WriteFile(committed, []byte(served.body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), served.body); d != "" {
		t.Errorf("api/openapi.yaml is not what the code serves; run this test with -update (-committed +served):\n%s", d)
	}
}
