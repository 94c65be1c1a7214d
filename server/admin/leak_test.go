package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
)

// canary stands for a secret that was put where it does not belong.
const canary = "Canary 4711;"

// spoiled returns copies of v in each of which one value, at any depth, is
// another one.
func spoiled(v any, with any) []any {
	all := []any{with}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			for _, inner := range spoiled(v[name], with) {
				c := maps.Clone(v)
				c[name] = inner
				all = append(all, c)
			}
		}
	case []any:
		for i := range v {
			for _, inner := range spoiled(v[i], with) {
				c := slices.Clone(v)
				c[i] = inner
				all = append(all, c)
			}
		}
	}
	return all
}

// TestProblemsKeepValues: whatever is wrong with a value, and wherever it
// stands, no answer repeats it.
func TestProblemsKeepValues(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	objects := append(standard(), object("Agent", "research-agent", `{"blueprint":"researcher","owner":"o","sponsor":"s","maxTtl":"5m","expiresAt":"2027-01-31T12:00:00Z",
		"jwks":{"keys":[{"kty":"EC","kid":"k"}]},"resources":[{"name":"calendar","scopes":["calendar.read"]}],
		"credentials":[{"name":"c","issuer":"prod","audience":"a","condition":"claims.a == \"b\"","mode":"enforce","subject":{"exact":"x"}}]}`))
	sent, refusals := 0, 0
	for _, o := range objects {
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(raw, &tree); err != nil {
			t.Fatal(err)
		}
		for _, with := range []any{canary, map[string]any{"a": canary}, []any{canary}, 47114711471147114711.0, "claims.a == '" + canary + "' '" + canary + "'", `"` + canary} {
			for _, body := range spoiled(tree, with) {
				data, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range []request{
					{method: http.MethodPut, path: "/" + api.Collection(o.Kind) + "/" + o.Metadata.Name + "?dry_run=true", body: string(data)},
					{method: http.MethodPost, path: "/apply?dry_run=true", body: `{"objects":[` + string(data) + `]}`},
				} {
					a := p.send(t, r)
					sent++
					if a.status < 400 {
						continue
					}
					refusals++
					if strings.Contains(a.body, "4711") || strings.Contains(a.body, "anary") {
						t.Errorf("%s %s: %s", r.method, r.body, a.body)
					}
				}
			}
		}
	}
	if refusals < 500 {
		t.Errorf("only %d of %d requests were refused", refusals, sent)
	}
	escaped := strings.NewReplacer(" ", "%20", ";", "%3B").Replace(canary)
	for _, r := range []request{
		{method: http.MethodGet, path: "/agents/" + escaped},
		{method: http.MethodPut, path: "/agents/" + escaped, body: `{"spec":{}}`},
		{method: http.MethodPost, path: "/agents/research-agent:" + escaped},
		{method: http.MethodGet, path: "/agents?limit=" + escaped},
		{method: http.MethodGet, path: "/agents?cursor=" + escaped},
		{method: http.MethodGet, path: "/decisions?outcome=" + escaped},
		{method: http.MethodGet, path: "/decisions?agent=" + escaped},
		{method: http.MethodDelete, path: "/agents/research-agent?dry_run=" + escaped},
		{method: http.MethodDelete, path: "/agents/research-agent", header: map[string]string{"If-Match": canary}},
		{method: http.MethodPost, path: "/agents", body: canary},
		{method: http.MethodPost, path: "/agents", body: `{"spec":` + canary},
		{method: http.MethodPost, path: "/agents", body: "x", header: map[string]string{"Content-Type": canary}},
		{method: http.MethodPost, path: "/agents/research-agent:disable", body: `{"reason":"` + strings.Repeat(canary, 30) + `"}`},
		{method: http.MethodGet, path: "/agents", header: map[string]string{"Authorization": "Bearer " + canary}},
		{method: http.MethodGet, path: "/" + escaped},
	} {
		a := p.send(t, r)
		if a.status < 400 || strings.Contains(a.body, "4711") || strings.Contains(fmt.Sprint(a.header), "4711") {
			t.Errorf("%s %s: %d %v %s", r.method, r.path, a.status, a.header, a.body)
		}
	}
	p.quiet(t)
}
