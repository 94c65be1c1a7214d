// Package migrations holds the schema: golang-migrate files, embedded. They
// only go forward, and code of one version runs on the schema before its own
// too, so a release may be rolled back without touching the database. What
// runs them is storage.Migrate.
//
// Never CREATE INDEX CONCURRENTLY in one of them: it waits for every open
// transaction, so two replicas that start together would deadlock.
package migrations

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Schema is the schema that all tables are in.
const Schema = "tokenry"

// Files are the migrations, named NNNN_what.up.sql.
//
//go:embed *.up.sql
var Files embed.FS

// Latest returns the number of the last migration.
func Latest() (uint, error) {
	var latest uint
	err := each(func(name string, _ []byte) error {
		digits, _, _ := strings.Cut(name, "_")
		n, err := strconv.ParseUint(digits, 10, 32)
		latest = max(latest, uint(n))
		return err
	})
	return latest, err
}

// Hash returns a short name for exactly this set of migrations.
func Hash() (string, error) {
	h := sha256.New()
	err := each(func(name string, content []byte) error {
		_, err := fmt.Fprintf(h, "%s %d\n%s", name, len(content), content)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:8]), err
}

// each calls f with every file in the order of their names.
func each(f func(name string, content []byte) error) error {
	entries, err := fs.ReadDir(Files, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		content, err := Files.ReadFile(e.Name())
		if err == nil {
			err = f(e.Name(), content)
		}
		if err != nil {
			return fmt.Errorf("migration %s: %w", e.Name(), err)
		}
	}
	return nil
}
