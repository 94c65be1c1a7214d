package admin

// The types here are parts of what operations take. They are exported for huma
// alone: it passes over embedded types that are not, without a word.

// Named is a path to one object.
type Named struct {
	Name string `path:"name" maxLength:"128" doc:"Name or id."`
}

// Writing is what every call that changes something takes.
type Writing struct {
	DryRun bool `query:"dry_run" doc:"Check and answer, change nothing."`
}

// Page says which part of a list is asked for.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The most to answer with."`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next_cursor of the page before; absent = the first page."`
}
