package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of one spec.
const (
	maxSpecBytes = 256 << 10
	maxSpecDepth = 32
)

// NewSpec returns a new empty spec of kind k, or nil when there is no such
// kind.
func NewSpec(k Kind) any {
	switch k {
	case KindTrustedIssuer:
		return new(TrustedIssuer)
	case KindResource:
		return new(Resource)
	case KindBlueprint:
		return new(Blueprint)
	case KindAgent:
		return new(Agent)
	case KindDelegationRule:
		return new(DelegationRule)
	}
	return nil
}

// DecodeSpec reads the JSON of a spec of kind k and returns a pointer to it.
// Unknown members, members that differ from a known one by case, duplicates,
// nulls, wrong types and trailing bytes are refused. The error is Problems,
// with all that was found and the path of each.
//
// encoding/json alone would take "Issuer" for "issuer" and the last of two
// members of one name: an object could then be read in two ways.
func DecodeSpec(k Kind, raw []byte) (any, error) {
	spec := NewSpec(k)
	switch {
	case spec == nil:
		return nil, Problems{{Path: "kind", Message: "must be one of " + kindList()}}
	case len(raw) > maxSpecBytes:
		return nil, Problems{{Path: "spec", Message: fmt.Sprintf("is larger than %d KiB", maxSpecBytes>>10)}}
	case !utf8.Valid(raw):
		return nil, Problems{{Path: "spec", Message: "is not UTF-8"}}
	}
	d := &decoder{dec: json.NewDecoder(bytes.NewReader(raw)), schema: schemas()[k]}
	d.dec.UseNumber()
	err := d.object("", "spec", 0)
	if err == nil {
		if _, end := d.dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		return nil, Problems{{Path: "spec", Message: "is not a JSON object: " + err.Error()}}
	}
	if len(d.found) > 0 {
		return nil, Problems(d.found)
	}
	if err := json.Unmarshal(raw, spec); err != nil {
		return nil, Problems{{Path: "spec", Message: "cannot be read: " + err.Error()}}
	}
	return spec, nil
}

// Problems is an error made of everything that is wrong.
type Problems []Problem

// Error returns one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
