package jose_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// TestParseObjectRefuses: the rows of the catalogue about JSON. Where
// encoding/json takes what we refuse, the row is about that.
func TestParseObjectRefuses(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string {
		return strings.Repeat(`{"act":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
	}
	for _, row := range []struct {
		id, text string
		want     jose.Fault
	}{
		{"SEC-JS-01", `{"sub":"user","sub":"admin"}`, jose.FaultJSONDuplicate},
		{"SEC-JS-01_same", `{"sub":"user","sub":"user"}`, jose.FaultJSONDuplicate},
		{"SEC-JS-01_escaped", `{"sub":"user","s\u0075b":"admin"}`, jose.FaultJSONDuplicate},
		{"SEC-JS-01_empty", `{"":1,"":2}`, jose.FaultJSONDuplicate},
		{"SEC-JS-03_act", `{"act":{"sub":"a","sub":"b"}}`, jose.FaultJSONDuplicate},
		{"SEC-JS-03_array", `{"a":[[{"b":1,"b":1}]]}`, jose.FaultJSONDuplicate},
		{"SEC-JS-04", `{"sub":"user","Sub":"admin"}`, ""},
		{"SEC-JS-05", `{"sub":"user","ſub":"admin"}`, ""},
		{"SEC-JS-06", `{"sub":"a\ud800"}`, jose.FaultJSONInvalidUnicode},
		{"SEC-JS-06_low", `{"sub":"\udc00a"}`, jose.FaultJSONInvalidUnicode},
		{"SEC-JS-06_high_high", `{"sub":"\ud800\ud800"}`, jose.FaultJSONInvalidUnicode},
		{"SEC-JS-06_then_text", `{"sub":"\ud800abcdef"}`, jose.FaultJSONInvalidUnicode},
		{"SEC-JS-06_then_escape", `{"sub":"\ud800\n12345"}`, jose.FaultJSONInvalidUnicode},
		{"SEC-JS-06_name", `{"\ud800":1}`, jose.FaultJSONInvalidUnicode},
		{"SEC-JS-06_pair", `{"sub":"\ud83d\ude00"}`, ""},
		{"SEC-JS-06_FFFD", `{"sub":"\ufffd"}`, ""},
		{"SEC-JS-07", "{\"sub\":\"a\xff\"}", jose.FaultJSONInvalidUnicode},
		{"SEC-JS-07_escaped", "{\"sub\":\"\\n\xff\"}", jose.FaultJSONInvalidUnicode},
		{"SEC-JS-07_overlong", "{\"sub\":\"\xc0\xaf\"}", jose.FaultJSONInvalidUnicode},
		{"SEC-JS-07_surrogate", "{\"sub\":\"\xed\xa0\x80\"}", jose.FaultJSONInvalidUnicode},
		{"SEC-JS-07_name", "{\"\xff\":1}", jose.FaultJSONInvalidUnicode},
		{"SEC-JS-08", `{"sub":"a\u0000b"}`, jose.FaultControlChar},
		{"SEC-JS-08_name", `{"\u0000":1}`, jose.FaultControlChar},
		{"SEC-JS-08_raw", "{\"sub\":\"a\x00\"}", jose.FaultJSONMalformed},
		{"SEC-JS-08_newline", "{\"sub\":\"a\n\"}", jose.FaultJSONMalformed},
		{"SEC-JS-08_after_escape", "{\"sub\":\"\\t\n\"}", jose.FaultJSONMalformed},
		{"SEC-JS-08_DEL", "{\"sub\":\"\x7f\\u0001\"}", ""},
		{"SEC-JS-09", nested(10_000), jose.FaultTooDeep},
		{"SEC-JS-09_33", nested(33), jose.FaultTooDeep},
		{"SEC-JS-09_32", nested(32), ""},
		{"SEC-JS-09_arrays", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, jose.FaultTooDeep},
		{"SEC-JS-11", `{}{}`, jose.FaultJSONMalformed},
		{"SEC-JS-11_text", `{} x`, jose.FaultJSONMalformed},
		{"SEC-JS-11_NUL", "{}\x00", jose.FaultJSONMalformed},
		{"SEC-JS-11_space", " \t\r\n{ } \n", ""},
		{"SEC-JS-12_BOM", "\ufeff{}", jose.FaultJSONMalformed},
		{"SEC-JS-12_UTF16", "{\x00}\x00", jose.FaultJSONMalformed},
		{"SEC-JS-12_space", "{\u00a0}", jose.FaultJSONMalformed},
		{"SEC-JS-13_array", `[]`, jose.FaultJSONMalformed},
		{"SEC-JS-13_string", `"x"`, jose.FaultJSONMalformed},
		{"SEC-JS-13_number", `1`, jose.FaultJSONMalformed},
		{"SEC-JS-13_null", `null`, jose.FaultJSONMalformed},
		{"SEC-JS-13_empty", ``, jose.FaultJSONMalformed},
		{"SEC-JS-14_comment", `{"a":1/**/}`, jose.FaultJSONMalformed},
		{"SEC-JS-14_quotes", `{'a':1}`, jose.FaultJSONMalformed},
		{"SEC-JS-14_NaN", `{"a":NaN}`, jose.FaultJSONMalformed},
		{"SEC-JS-14_Infinity", `{"a":-Infinity}`, jose.FaultJSONMalformed},
		{"SEC-JS-14_hex", `{"a":0x10}`, jose.FaultJSONMalformed},
		{"number_zero", `{"a":-0,"b":0.1e1,"c":1E+2,"d":0}`, ""},
		{"number_leading_zero", `{"a":01}`, jose.FaultJSONMalformed},
		{"number_minus_zero", `{"a":-01}`, jose.FaultJSONMalformed},
		{"number_minus", `{"a":-}`, jose.FaultJSONMalformed},
		{"number_plus", `{"a":+1}`, jose.FaultJSONMalformed},
		{"number_point", `{"a":1.}`, jose.FaultJSONMalformed},
		{"number_no_whole", `{"a":.5}`, jose.FaultJSONMalformed},
		{"number_exponent", `{"a":1e}`, jose.FaultJSONMalformed},
		{"number_exponent_sign", `{"a":1e+}`, jose.FaultJSONMalformed},
		{"number_underscore", `{"a":1_000}`, jose.FaultJSONMalformed},
		{"SEC-JS-16", `{"a":1e400}`, jose.FaultClaimType},
		{"SEC-JS-16_digits", `{"a":` + strings.Repeat("9", 400) + `}`, jose.FaultClaimType},
		{"SEC-JS-16_small", `{"a":1e-400}`, ""},
		{"literal_cut", `{"a":tru`, jose.FaultJSONMalformed},
		{"literal_case", `{"a":True}`, jose.FaultJSONMalformed},
		{"literal_longer", `{"a":nulls}`, jose.FaultJSONMalformed},
		{"comma_trailing", `{"a":1,}`, jose.FaultJSONMalformed},
		{"comma_leading", `{,"a":1}`, jose.FaultJSONMalformed},
		{"comma_missing", `{"a":1 "b":2}`, jose.FaultJSONMalformed},
		{"comma_array", `{"a":[1,]}`, jose.FaultJSONMalformed},
		{"comma_array_missing", `{"a":[1 2]}`, jose.FaultJSONMalformed},
		{"colon_missing", `{"a" 1}`, jose.FaultJSONMalformed},
		{"name_number", `{1:1}`, jose.FaultJSONMalformed},
		{"bracket", `{"a":[1}`, jose.FaultJSONMalformed},
		{"open", `{"a":1`, jose.FaultJSONMalformed},
		{"open_string", `{"a":"x`, jose.FaultJSONMalformed},
		{"open_escape", `{"a":"\`, jose.FaultJSONMalformed},
		{"open_escaped_string", `{"a":"\n`, jose.FaultJSONMalformed},
		{"open_hex", `{"a":"\u12`, jose.FaultJSONMalformed},
		{"hex", `{"a":"\u12g4"}`, jose.FaultJSONMalformed},
		{"hex_low", `{"a":"\ud83d\u12g4"}`, jose.FaultJSONMalformed},
		{"escape", `{"a":"\x41"}`, jose.FaultJSONMalformed},
		{"escape_upper", `{"a":"\U0041"}`, jose.FaultJSONMalformed},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u00e4\u00E4x"}`, ""},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			o, err := jose.ParseObject([]byte(row.text))
			wantFault(t, err, row.want)
			if row.want == "" {
				asEncodingJSON(t, row.text, o)
			}
		})
	}
}

// asEncodingJSON checks that o is what encoding/json makes of text.
func asEncodingJSON(t testing.TB, text string, o jose.Object) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var want map[string]any
	if err := decoder.Decode(&want); err != nil {
		t.Fatalf("only we accept %q: %v", text, err)
	}
	if !reflect.DeepEqual(map[string]any(o), want) {
		t.Errorf("%q: read %v, want %v", text, o, want)
	}
}

func FuzzParseObject(f *testing.F) {
	for _, v := range vectors(f).Tokens {
		f.Add([]byte(v.Claims))
	}
	f.Add([]byte(`{"a":"\ud83d\ude00\\","b":[1,-0.5e+3,true,false,null,{}],"c":{"d":[[]]}}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte("{\"a\":\"\xff\"}"))
	f.Add([]byte(`{"a":12345678901234567890,"b":-0,"c":0.1e1,"d":1e400,"e":1.00000000000000000001,"f":9007199254740993.0}`))
	f.Add([]byte("\xff\xfe{\x00}\x00"))
	f.Add([]byte(`{"act":{"sub":"a","act":{"sub":"b","s\u0075b":"c"}}}{}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := jose.ParseObject(raw)
		if err != nil {
			if !slices.Contains(jose.Faults(), fault(t, err)) {
				t.Errorf("%v is in no list", err)
			}
			return
		}
		asEncodingJSON(t, string(raw), o)
		again, err := jose.ParseObject(encode(t, o))
		if err != nil || !reflect.DeepEqual(o, again) {
			t.Errorf("%q: read again as %v, %v", raw, again, err)
		}
		if _, err := jose.Plain(o); err != nil && fault(t, err) != jose.FaultClaimType {
			t.Errorf("%q: %v", raw, err)
		}
	})
}

func TestObjectMembers(t *testing.T) {
	t.Parallel()
	o, err := jose.ParseObject([]byte(`{"s":"x","e":"","n":null,"i":1,"l":["a","b"],"m":["a",1],"z":[],"o":{"s":"y"},"b":true}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]jose.Fault{ // SEC-JS-19, SEC-JS-20
		"s": "", "e": "", "absent": "", "n": jose.FaultClaimType, "i": jose.FaultClaimType,
		"l": jose.FaultClaimType, "o": jose.FaultClaimType, "b": jose.FaultClaimType,
	} {
		s, ok, err := o.String(name)
		wantFault(t, err, want)
		if isString := name == "s" || name == "e"; ok != isString || (name == "s") != (s == "x") {
			t.Errorf("String(%q) = %q, %t", name, s, ok)
		}
	}
	for name, want := range map[string]jose.Fault{ // SEC-JS-17
		"s": "", "e": "", "l": "", "z": "", "absent": "", "m": jose.FaultClaimType,
		"n": jose.FaultClaimType, "i": jose.FaultClaimType, "o": jose.FaultClaimType,
	} {
		_, ok, err := o.Strings(name)
		wantFault(t, err, want)
		if wantOK := want == "" && name != "absent"; ok != wantOK {
			t.Errorf("Strings(%q): ok %t", name, ok)
		}
	}
	for name, want := range map[string][]string{"s": {"x"}, "e": {""}, "l": {"a", "b"}, "z": {}} {
		if got, _, _ := o.Strings(name); !reflect.DeepEqual(got, want) {
			t.Errorf("Strings(%q) = %q", name, got)
		}
	}
	for name, want := range map[string]jose.Fault{"o": "", "absent": "", "n": jose.FaultClaimType, "l": jose.FaultClaimType} {
		inner, ok, err := o.Object(name)
		wantFault(t, err, want)
		if s, _, _ := inner.String("s"); ok != (name == "o") || ok && s != "y" {
			t.Errorf("Object(%q) = %v, %t", name, inner, ok)
		}
	}
}

func TestObjectTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{ // what they mean is decided by package credential
		"1795168800": 1795168800, "0": 0, "-0": 0, "-1": -1, "1.7951688e9": 1795168800, "-0.5": -1,
		"1795168800.9":     1795168800,    // SEC-TM-06
		"1795168800000":    1795168800000, // SEC-TM-18
		"253402300799":     253402300799,  // SEC-TM-19
		"9007199254740992": 1 << 53,
	} {
		o, err := jose.ParseObject([]byte(`{"exp":` + text + `}`))
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := o.Time("exp")
		if err != nil || !ok || !got.Equal(time.Unix(want, 0)) || got.Location() != time.UTC {
			t.Errorf("%s: %v %t %v", text, got, ok, err)
		}
	}
	for _, text := range []string{ // SEC-TM-02, SEC-TM-03, SEC-TM-05
		`null`, `"1795166786"`, `true`, `[]`, `{}`, `1e30`, `9223372036854775808`, `9223372036854775807`, `1e19`,
		`-1e19`, `-9223372036854775808`, `9007199254740993`, `-9007199254740993`, `1e308`,
	} {
		o, err := jose.ParseObject([]byte(`{"exp":` + text + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := o.Time("exp"); err == nil || fault(t, err) != jose.FaultClaimType {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, ok, err := (jose.Object{}).Time("exp"); ok || err != nil {
		t.Error("a time that is absent was found")
	}
	if _, _, err := (jose.Object{"exp": json.Number("x")}).Time("exp"); err == nil {
		t.Error("a number that is none was taken")
	}
}
