package registry

// Type is what a field holds.
type Type string

// Types of field.
const (
	TextType     Type = "text"
	NumberType   Type = "number"
	BoolType     Type = "true or false"
	DurationType Type = "duration"
	TimeType     Type = "time"
	ListType     Type = "list"
	ObjectType   Type = "object"
	MapType      Type = "map of texts"
	AnyType      Type = "any" // JSON that is not looked into by the decoder
)

// Field is one member of the spec of a kind.
type Field struct {
	Kind      Kind
	Path      string // "keys.jwksUrl", "scopes[].name"
	Type      Type
	Supported bool     // false = refused whenever it is set
	Only      []string // the values that this version takes; nil = not limited
	Note      string
}

// Fields lists every field of every kind.
func Fields() []Field { return nil }
