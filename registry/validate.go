package registry

// Validate checks one object by itself: its name, its labels and its spec.
func Validate(o *Object) []Problem { return nil }

// ValidateChange checks what may not change between two versions of an object.
// before may be a tombstone, whose name after takes again.
func ValidateChange(before, after *Object) []Problem { return nil }

// ValidateAll checks what objects say about each other. after is the whole
// would-be state; ours is our own issuer identifier.
func ValidateAll(after []*Object, ours string) []ObjectProblem { return nil }
