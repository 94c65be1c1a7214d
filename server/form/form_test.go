package form_test

import (
	"net/url"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/server/form"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]url.Values{
		"":                                {},
		"a=1&b=2":                         {"a": {"1"}, "b": {"2"}},
		"&&a=1&":                          {"a": {"1"}},
		"a":                               {"a": nil}, // RFC 6749, Section 3.2: empty is absent
		"a=":                              {"a": nil},
		"a=b=c":                           {"a": {"b=c"}},
		"a=x+y%20z":                       {"a": {"x y z"}},
		"resource=1&resource=2":           {"resource": {"1", "2"}}, // RFC 8707, Section 2
		"audience=1&audience=":            {"audience": {"1"}},
		"%67rant_type=client_credentials": {"grant_type": {"client_credentials"}},
	} {
		got, err := form.Parse(body)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %v, %v; want %v", body, got, err, want)
		}
	}
	for body, want := range map[string]oauth.Reason{
		"a=1&a=1":              oauth.ReasonDuplicateParam,
		"a=&a=1":               oauth.ReasonDuplicateParam,
		"a=1&%61=2":            oauth.ReasonDuplicateParam,
		"a=1;b=2":              oauth.ReasonMalformed,
		"a=%":                  oauth.ReasonMalformed,
		"a=%4":                 oauth.ReasonMalformed,
		"%zz=1":                oauth.ReasonMalformed,
		"a=%00":                oauth.ReasonControlChar,
		"%00=1":                oauth.ReasonControlChar,
		"a=\xff":               oauth.ReasonEncoding,
		"a=%C3%28":             oauth.ReasonEncoding,
		params(65):             oauth.ReasonTooManyParams,
		"Resource=1&Resource=": oauth.ReasonDuplicateParam,
	} {
		if got, err := form.Parse(body); err == nil || err.Reason != want {
			t.Errorf("%q is %v, %v; want %s", body, got, err, want)
		}
	}
	if _, err := form.Parse(params(64)); err != nil {
		t.Errorf("64 parameters are refused: %v", err)
	}
}

func params(n int) string {
	body := ""
	for i := range n {
		body += "&p" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "=1"
	}
	return body
}

// FuzzParse: what is accepted reads the same to net/url, which other
// programs use, and holds nothing that could not be stored.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "resource=x&resource=y", "a=%00", "a=1;b=2", "a=%zz", "a=\xff", "scope=a+b", "=&==", "%67rant_type=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		values, refused := form.Parse(body)
		if refused != nil {
			if values != nil {
				t.Fatal("a refused body gives parameters")
			}
			return
		}
		theirs, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("%q: net/url refuses it: %v", body, err)
		}
		for name, ours := range values {
			var given []string
			for _, v := range theirs[name] {
				if v != "" {
					given = append(given, v)
				}
			}
			if !reflect.DeepEqual(ours, given) {
				t.Fatalf("%q: %q is %q here and %q there", body, name, ours, given)
			}
			for _, v := range append(ours, name) {
				if !utf8.ValidString(v) {
					t.Fatalf("%q: %q is not UTF-8", body, v)
				}
			}
		}
	})
}
