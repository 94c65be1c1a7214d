package arch

import (
	"fmt"
	"slices"
	"strings"
)

// anything is the arrow of rooms that put others together.
const anything = "*"

// arrows says which rooms a room may import. Within a room there are no rules.
// Tests may import what they like.
func arrows() map[string][]string {
	return map[string][]string{
		"cmd":      {anything}, // wires
		"internal": {anything}, // programs and checks for developers
		"authtest": {anything}, // the test kit: a whole server

		"server":     {"grants", "registry", "audit", "keys", "storage", "api", "console", "oauth", "token", "credential"},
		"grants":     {"credential", "policy", "token", "audit", "keys", "registry", "oauth", "jose"},
		"credential": {"registry", "condition", "jwks", "jose", "outbound"}, // outbound: the client it hands to jwks, and asks clusters with
		"policy":     {"registry", "condition", "oauth"},
		"registry":   {"condition"},
		"keys":       {"jose"},
		"jwks":       {"jose", "outbound"},
		"token":      {"jose"},
		"storage":    {"registry", "audit", "keys", "migrations"}, // their types
		"api":        {"registry"},
		"console":    {"api"},
		"cli":        {"api", "registry", "oauth", "token", "jwks", "jose", "outbound"},
		"demo":       {"jose", "api", "registry"},

		"oauth": {}, "audit": {}, "condition": {}, "jose": {}, "outbound": {}, "migrations": {},
	}
}

// testKits are imported by tests, by each other and by developers' programs,
// never by what runs in production.
func testKits() []string { return []string{"authtest", "storage/storagetest"} }

// arrows checks the imports of one file against the table.
func (f file) arrows() []string {
	if f.test() {
		return nil
	}
	table := arrows()
	allowed, known := table[f.room()]
	if !known {
		return []string{fmt.Sprintf("%s: room %q is not in the table of arrows; add it to internal/arch and docs/architecture.md", f.name, f.room())}
	}
	var problems []string
	for _, imported := range f.imports {
		dir, ours := strings.CutPrefix(imported, module+"/")
		if !ours {
			continue
		}
		room, _, _ := strings.Cut(dir, "/")
		if slices.Contains(testKits(), dir) && f.room() != "authtest" && f.room() != "internal" && !slices.Contains(testKits(), f.dir()) {
			problems = append(problems, fmt.Sprintf("%s: imports %s, which is for tests", f.name, dir))
			continue
		}
		if room == f.room() || slices.Contains(allowed, anything) || slices.Contains(allowed, room) {
			continue
		}
		problems = append(problems, fmt.Sprintf("%s: %s must not import %s", f.name, f.room(), dir))
	}
	return problems
}

// home is a dependency that only some rooms may see, so that replacing it
// touches only them.
type home struct {
	prefix string
	rooms  []string
}

func homes() []home {
	return []home{
		{"github.com/go-jose/go-jose", []string{"jose"}}, // one strict door for every token
		{"github.com/ory/fosite", []string{"server"}},    // frozen upstream: contained
		{"github.com/labstack/echo", []string{"server"}},
		{"github.com/danielgtaylor/huma", []string{"server"}},
		{"github.com/jackc/pgx", []string{"storage"}}, // SQL stands in the methods of storage
		{"github.com/golang-migrate/migrate", []string{"storage"}},
		{"cel.dev/cel-go", []string{"condition"}},
		{"github.com/spf13/cobra", []string{"cli", "cmd"}},
	}
}

// homes checks that dependencies stay at home, and that oauth has none.
func (f file) homes() []string {
	if f.test() || f.room() == "internal" {
		return nil
	}
	var problems []string
	for _, imported := range f.imports {
		for _, h := range homes() {
			if strings.HasPrefix(imported, h.prefix) && !slices.Contains(h.rooms, f.room()) {
				problems = append(problems, fmt.Sprintf("%s: only %s may import %s", f.name, strings.Join(h.rooms, " and "), imported))
			}
		}
		if host, _, _ := strings.Cut(imported, "/"); f.room() == "oauth" && strings.Contains(host, ".") {
			problems = append(problems, fmt.Sprintf("%s: oauth has the standard library alone, not %s", f.name, imported))
		}
	}
	return problems
}
