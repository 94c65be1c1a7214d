package admin

import (
	"crypto/sha256"

	"github.com/tokenry/tokenry/storage"
)

// The types here are parts of what operations take. They are exported for huma
// alone: it passes over embedded types that are not, without a word.

// Named is a path to one object.
type Named struct {
	Name string `path:"name" maxLength:"264" doc:"Name or id. That of an instance is one segment: researcher%2Fr7."`
}

// Writing is what every call that changes something takes.
type Writing struct {
	DryRun bool `query:"dry_run" doc:"Check and answer, change nothing."`
}

// Repeatable is a call whose sender may not hear the answer and ask again.
type Repeatable struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" doc:"Any text, for this request alone. The same request with the same key within a day changes nothing more and has the same outcome, or 404 if what it made is gone."`
}

// once is how storage knows the request again.
func (r Repeatable) once(about string, body []byte) storage.Once {
	return storage.Once{Key: r.IdempotencyKey, Request: sha256.Sum256(append([]byte(about+"\x00"), body...))}
}

// Page says which part of a list is asked for.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The most to answer with."`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next_cursor of the page before; absent = the first page."`
}
