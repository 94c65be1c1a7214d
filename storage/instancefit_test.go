package storage_test

import (
	"errors"
	"testing"

	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// A replica that has not read a change of the pattern yet proposes a name that
// the pattern gives to somebody else now. It must not be spent: names are for
// ever.
func TestAdmitAgainstNewerPattern(t *testing.T) {
	t.Parallel()
	db := storagetest.OpenURL(t, storagetest.URL(t))
	b := fleet("a", 10)
	b.Spec.(*registry.Blueprint).Credentials[0].Subject.Prefix = "spiffe://prod.example/new/"
	upsert(t, db, b)
	if got := admit(t, db, candidate("a", "x"))[0]; !errors.Is(got.Err, registry.ErrInstanceOrphan) {
		t.Errorf("a subject outside of the pattern: %+v", got)
	}
	rightful := candidate("a", "x")
	rightful.Subject = "spiffe://prod.example/new/x"
	odd := rightful
	odd.Name = "a/y"
	if got := admit(t, db, odd)[0]; !errors.Is(got.Err, registry.ErrInstanceOrphan) {
		t.Errorf("a name that the pattern does not give: %+v", got)
	}
	if got := admit(t, db, rightful)[0]; got.Err != nil {
		t.Errorf("the rightful one: %v", got.Err)
	}
}
