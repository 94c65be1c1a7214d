package arch_test

import (
	"slices"
	"testing"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/registry"
)

// A list that no import can share: a key that one room takes for private must
// not be registered through the other.
func TestPrivateMembers(t *testing.T) {
	t.Parallel()
	if ours, theirs := registry.PrivateMembers(), jose.PrivateMembers(); len(ours) == 0 || !slices.Equal(ours, theirs) {
		t.Errorf("registry has %q, jose %q", ours, theirs)
	}
}
