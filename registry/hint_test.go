package registry_test

import (
	"testing"

	"github.com/tokenry/tokenry/registry"
)

func TestUnknownField(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		known []string
		want  string
	}{
		{"ownr", []string{"sponsor", "owner"}, `is not a field; did you mean "owner"?`},
		{"colour", []string{"sponsor", "owner"}, `is not a field; there are owner, sponsor`},
		{"owner", nil, `is not a field`},
	} {
		if got := registry.UnknownField(row.name, row.known); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}
