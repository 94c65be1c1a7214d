package config

import (
	"strings"

	"github.com/tokenry/tokenry/registry"
)

// suggestion names the candidate nearest to name, as `; did you mean "…"?`, or
// nothing when none is near: a list of all settings would bury the fault. What
// is near is decided where the fields of manifests are.
func suggestion(name string, candidates []string) string {
	const start = "; did you mean "
	if _, near, ok := strings.Cut(registry.UnknownField(name, candidates), start); ok {
		return start + near
	}
	return ""
}
