package jose

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Object is a JSON object that was parsed strictly. Its values are string,
// bool, nil, json.Number, []any and map[string]any.
type Object map[string]any

// ParseObject reads a JSON object, which must be all of raw. The error is an
// *Error.
func ParseObject(raw []byte) (Object, error) {
	p := parser{text: string(raw)}
	return p.document()
}

// String returns a string member; ok is false when there is none. Whatever
// else it is, null too, is a FaultClaimType.
func (o Object) String(name string) (value string, ok bool, err error) {
	v, has := o[name]
	if !has {
		return "", false, nil
	}
	s, ok := v.(string)
	if !ok {
		return "", false, wrongType(name, "a string")
	}
	return s, true, nil
}

// Strings returns a member that is a string or an array of strings, as aud is
// (RFC 7519, Section 4.1.3). An empty array is an empty list, not an absent
// one.
func (o Object) Strings(name string) ([]string, bool, error) {
	switch v := o[name].(type) {
	case string:
		return []string{v}, true, nil
	case []any:
		list := make([]string, len(v))
		for i, element := range v {
			s, ok := element.(string)
			if !ok {
				return nil, false, wrongType(name, "an array of strings")
			}
			list[i] = s
		}
		return list, true, nil
	}
	if _, has := o[name]; has {
		return nil, false, wrongType(name, "a string or an array of strings")
	}
	return nil, false, nil
}

// Object returns a member that is an object.
func (o Object) Object(name string) (Object, bool, error) {
	v, has := o[name]
	if !has {
		return nil, false, nil
	}
	inner, ok := v.(map[string]any)
	if !ok {
		return nil, false, wrongType(name, "an object")
	}
	return inner, true, nil
}

// maxSeconds is the greatest number of seconds that a float64 holds exactly.
// Milliseconds, the common mistake, are within it and end as a token that lives
// too long.
const maxSeconds = 1 << 53

// Time returns a NumericDate (RFC 7519, Section 2). A fraction is cut off, so
// that no token lives longer than it says.
func (o Object) Time(name string) (time.Time, bool, error) {
	v, has := o[name]
	if !has {
		return time.Time{}, false, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false, wrongType(name, "a number")
	}
	seconds, err := strconv.ParseInt(string(n), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(n), 64)
		if err != nil || math.Abs(f) > maxSeconds {
			return time.Time{}, false, wrongType(name, "a date")
		}
		seconds = int64(math.Floor(f))
	} else if seconds > maxSeconds || seconds < -maxSeconds {
		return time.Time{}, false, wrongType(name, "a date")
	}
	return time.Unix(seconds, 0).UTC(), true, nil
}

// wrongType names the member, which is ours, and never its value.
func wrongType(name, want string) error {
	return &Error{Fault: FaultClaimType, Err: fmt.Errorf("%q is not %s", name, want)}
}
