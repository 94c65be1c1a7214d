package jose_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/tokenry/tokenry/jose"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	o, err := jose.ParseObject([]byte(`{"i":12,"m":-9223372036854775808,"big":9223372036854775808,"f":1.5,"two":2.0,"s":"x","l":[1,[2]],"o":{"n":3},"b":true,"z":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := object{
		"i": int64(12), "m": int64(-9223372036854775808), "big": uint64(9223372036854775808), "f": 1.5, "two": 2.0,
		"s": "x", "l": []any{int64(1), []any{int64(2)}}, "o": object{"n": int64(3)}, "b": true, "z": nil,
	}
	if got, err := jose.Plain(o); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("plain %#v, %v", got, err)
	}
	if got, err := jose.Plain(map[string]any{"o": o}); err != nil || !reflect.DeepEqual(got, object{"o": want}) {
		t.Errorf("plain %#v, %v", got, err)
	}
	before := encode(t, o)
	copied, err := jose.Plain(o)
	if err != nil {
		t.Fatal(err)
	}
	copied.(map[string]any)["o"].(map[string]any)["n"] = "changed"
	if !bytes.Equal(before, encode(t, o)) {
		t.Error("the result shares a map with the object")
	}
}

// TestPlainNumbers: a number is what it says or it is refused.
func TestPlainNumbers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		id, text string
		want     any // nil = refused
	}{
		{"SEC-JS-15", "12345678901234567890", uint64(12345678901234567890)},
		{"SEC-JS-15_next", "12345678901234567891", uint64(12345678901234567891)},
		{"SEC-JS-15_2^53+1", "9007199254740993", int64(9007199254740993)},
		{"SEC-JS-15_largest", "18446744073709551615", uint64(18446744073709551615)},
		{"SEC-JS-15_larger", "18446744073709551616", nil},
		{"SEC-JS-15_smaller", "-9223372036854775809", nil},
		{"SEC-JS-15_2^53", "9007199254740992.0", nil},
		{"SEC-JS-15_rounded", "9007199254740993.0", nil},
		{"SEC-JS-15_rounded_to_1", "1.00000000000000000001", nil},
		{"fraction", "0." + zeros(250) + "1", 1e-251},
		{"SEC-JS-16_minus_zero", "-0", nil},
		{"SEC-JS-16_minus_zero_point", "-0.0", nil},
		{"SEC-JS-16_exponent", "0.1e1", nil},
		{"SEC-JS-16_large_exponent", "1E3", nil},
		{"SEC-JS-16_underflow", "1e-400", nil},
		{"zero", "0", int64(0)},
		{"zero_point", "0.0", 0.0},
		{"two_point", "2.0", 2.0},
		{"small", "1.5e-7", 1.5e-7},
		{"date", "1795166786.9", 1795166786.9},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			for _, text := range []string{`{"n":` + row.text + `}`, `{"n":[{"n":` + row.text + `}]}`} {
				o, err := jose.ParseObject([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				got, err := jose.Plain(o)
				if row.want == nil {
					wantFault(t, err, jose.FaultClaimType)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				n := got.(object)["n"]
				if list, ok := n.([]any); ok {
					n = list[0].(object)["n"]
				}
				if n != row.want {
					t.Errorf("%s became %#v, want %#v", row.text, n, row.want)
				}
			}
		})
	}
}

func zeros(n int) string { return string(bytes.Repeat([]byte("0"), n)) }
