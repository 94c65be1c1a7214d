package jwks

// SameOrigin lends sameOrigin to the tests, which have no server on port 443.
func SameOrigin(a, b string) bool { return sameOrigin(a, b) }
