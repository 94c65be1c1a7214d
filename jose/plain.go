package jose

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Plain returns v as an expression language wants it: a number is an int64 or a
// uint64 when it is written as an integer, a float64 otherwise. Nothing of v is
// shared with the result but strings. The error is an *Error.
//
// Numbers stay what they are. One that would be rounded to an integer is refused,
// for it would then equal the number of somebody else; and so is an integer in
// another spelling, such as 0.1e1 or -0, which a comparison of texts and one of
// values take for different things.
func Plain(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return plainNumber(string(v))
	case Object:
		return plainObject(v)
	case map[string]any:
		return plainObject(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = Plain(v[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return v, nil
}

func plainObject(o map[string]any) (map[string]any, error) {
	plain := make(map[string]any, len(o))
	for name, v := range o {
		var err error
		if plain[name], err = Plain(v); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

// plainNumber reads a number that the parser took. RFC 8259, Section 6 leaves
// range and precision to the reader.
func plainNumber(text string) (any, error) {
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
			return n, nil
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return n, nil
		}
		return nil, inexact("an integer of 64 bits in its one spelling")
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, inexact("a finite number")
	}
	if f != math.Trunc(f) {
		return f, nil // a fraction equals no integer, whatever became of its last digits
	}
	const exact = 1 << 53 // below it a float64 holds every integer, and nothing is rounded to one
	whole, fraction, _ := strings.Cut(text, ".")
	if strings.Trim(fraction, "0") != "" || strings.ContainsAny(whole, "eE") || whole == "-0" || math.Abs(f) >= exact {
		return nil, inexact("an integer in its one spelling, or a fraction")
	}
	return f, nil // 2.0, as many libraries write 2
}

func inexact(want string) error {
	return &Error{Fault: FaultClaimType, Err: fmt.Errorf("a number is not %s", want)}
}
