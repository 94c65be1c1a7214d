package storage_test

import (
	"testing"

	"github.com/tokenry/tokenry/storage/storagetest"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
