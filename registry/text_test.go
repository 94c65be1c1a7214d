package registry_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tokenry/tokenry/registry"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	const form = `must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit`
	for name, want := range map[string]string{
		"a": "", "0": "", "research-agent": "", "a.b_c-d": "", "a--b": "", "a..b": "", "1.2.3": "",
		"agt": "", "agt-1": "", "agt.x": "", "agents": "", "iss": "", "xagt_1": "", "rule_1": "", "null": "", "true": "",
		strings.Repeat("a", 63): "",
		strings.Repeat("a", 64): "is longer than 63 characters",
		"":                      "is missing",
		"-a":                    form, "a-": form, ".a": form, "a.": form, "_": form, "a_": form, "-": form,
		"A": form, "a B": form, "aB": form, "a/b": form, "a:b": form, "a|b": form, "a%b": form, "a\x00b": form, "a\nb": form,
		"a\n": form, "é": form, "aéb": form, "ａ": form, "a\u200bb": form, "a\xffb": form, "аb": form, // SEC-AM-19, SEC-AM-42
		"<img src=x>": form, "..": form, "a{b": form, "a`b": form,
		"agt_1": `must not begin with "agt_": ids begin like that`, "iss_x": `must not begin with "iss_": ids begin like that`,
		"res_x": `must not begin with "res_": ids begin like that`, "bp_x": `must not begin with "bp_": ids begin like that`,
		"rul_x": `must not begin with "rul_": ids begin like that`,
	} {
		got := ""
		if err := registry.CheckName(name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// A name is accepted exactly when it has the form of a name and cannot be taken
// for an id.
func TestCheckNameProperty(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
	id := regexp.MustCompile(`^(iss|res|bp|agt|rul)_`)
	names := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[a-z0-9._-]{0,70}`),
		rapid.StringMatching(`[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?`),
		rapid.StringMatching(`(iss|res|bp|agt|rul|x)[_-][a-z0-9]{1,3}`),
		rapid.StringMatching(`[a-z]{0,2}[ -~][a-z]{0,2}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		name := names.Draw(t, "name")
		want := len(name) <= registry.MaxName && form.MatchString(name) && !id.MatchString(name)
		if err := registry.CheckName(name); (err == nil) != want {
			t.Fatalf("%q: %v", name, err)
		}
	})
}

func TestKindsHaveIDPrefixes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range registry.Kinds() {
		p := registry.IDPrefix(k)
		if p == "" || seen[p] {
			t.Errorf("%s: %q", k, p)
		}
		seen[p] = true
	}
	if p := registry.IDPrefix("Agents"); p != "" {
		t.Errorf("an unknown kind has ids that begin with %q", p)
	}
}

// Free texts, looked at through the owner of an agent.
func TestText(t *testing.T) {
	t.Parallel()
	const hidden = "spec.owner: holds a control or an invisible character"
	for text, want := range map[string]string{
		"alice@example.com": "", "Zoë Müller": "", "研究チーム": "", "a  b": "", "<b>": "", "👩": "",
		"a\r\nb": hidden, "a\x1b[31m": hidden, "\x7f": hidden, "\u0085": hidden, "a\u2028b": hidden, "a\u2029b": hidden, "\x00": hidden, // SEC-AM-19
		"a\u202eb": hidden, "a\u2066b": hidden, "a\u200bb": hidden, "a\u200db": hidden, "\ufeffa": hidden, "a\ue000b": hidden, "a\u00adb": hidden,
		"\u3164": hidden, "\u115f": hidden, "a\u034fb": hidden, "\uffa0": hidden, // letters and marks that show nothing
		" a": "spec.owner: begins or ends with a space", "a ": "spec.owner: begins or ends with a space", "a\u00a0": "spec.owner: begins or ends with a space",
		"a\xffb": "spec.owner: is not UTF-8",
		// Bytes count, not characters: that is what is stored.
		strings.Repeat("ä", 128): "", strings.Repeat("ä", 128) + "x": "spec.owner: is longer than 256 bytes",
	} {
		o := object(t, registry.KindAgent, "x", "")
		o.Spec.(*registry.Agent).Owner = text
		if got := lines(registry.Validate(o)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// Scope tokens: RFC 6749, Section 3.3, %x21 / %x23-5B / %x5D-7E.
func TestScopeCharacters(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		name := "a" + string([]byte{byte(c)})
		o := object(t, registry.KindResource, "x", "")
		o.Spec.(*registry.Resource).Scopes = []registry.Scope{{Name: name}}
		want := c == 0x21 || 0x23 <= c && c <= 0x5b || 0x5d <= c && c <= 0x7e
		if ps := registry.Validate(o); (len(ps) == 0) != want {
			t.Errorf("%q: %v", name, ps)
		}
	}
	for length, want := range map[int]string{256: "", 257: "spec.scopes[0].name: is longer than 256 bytes"} {
		o := object(t, registry.KindResource, "x", "")
		o.Spec.(*registry.Resource).Scopes = []registry.Scope{{Name: strings.Repeat("x", length)}}
		if got := lines(registry.Validate(o)); got != want {
			t.Errorf("%d bytes: %s", length, got)
		}
	}
}

// URIs that name something: RFC 8707, Section 2 for resources; any scheme.
func TestIdentifiers(t *testing.T) {
	t.Parallel()
	const (
		ascii    = `must be ASCII without spaces, '\', '"', '<' and '>'`
		absolute = `must be an absolute URI like "https://api.example.com"`
	)
	for raw, want := range map[string]string{
		"https://llm.example": "", "https://llm.example/a?b=c": "", "http://llm.example": "", "urn:example:llm": "", "spiffe://a/b": "", "https://xn--idp-5ka.example": "",
		"":                        "is missing",
		"https://llm.example#":    "must not have a fragment",
		"https://llm.example#a":   "must not have a fragment",
		"urn:example:llm#a":       "must not have a fragment",
		"llm":                     absolute,
		"//llm.example":           absolute,
		"/llm":                    absolute,
		"llm:":                    absolute,
		"https:///a":              absolute,
		"https://llm.example/%z":  absolute,
		"https://llm.example:x":   absolute,
		"1https://llm.example":    absolute,
		"https://a@llm.example":   "must not have a user or a password",
		"https://a:b@llm.example": "must not have a user or a password",
		"https://llm.example/a b": ascii, "https://llm.example/\t": ascii, "https://llm.example\x00": ascii, "https://llm.example\x7f": ascii,
		"https://llm.example\\a": ascii, `https://llm.example/"`: ascii, "https://llm.example/<": ascii, "https://llm.example/>": ascii, // SEC-ID-31
		"https://ıdp.example": ascii, "https://llm.example/\u200d": ascii, "https://llm.example/\xff": ascii, // SEC-ID-09, SEC-ID-10
		"https://llm.example/" + strings.Repeat("a", 2028): "",
		"https://llm.example/" + strings.Repeat("a", 2029): "is longer than 2048 bytes",
	} {
		o := object(t, registry.KindResource, "x", "")
		o.Spec.(*registry.Resource).Identifier = raw
		if want != "" {
			want = "spec.identifier: " + want
		}
		if got := lines(registry.Validate(o)); got != want {
			t.Errorf("%.60q: %s, want %s", raw, got, want)
		}
	}
}

// URLs of servers: https, or http to this machine.
func TestURLs(t *testing.T) {
	t.Parallel()
	const (
		server = `must be an absolute URL like "https://idp.example.com"`
		scheme = "must begin with https://; http:// is only for this machine (localhost, 127.0.0.1, [::1])"
	)
	for raw, want := range map[string]string{
		"https://idp.example": "", "https://IDP.example:8443/a": "", "http://localhost:8080": "", "http://127.0.0.1": "", "http://127.9.9.9": "", "http://[::1]:80": "",
		"http://idp.example": scheme, "http://10.0.0.1": scheme, "http://localhost.evil.example": scheme, "http://127.0.0.1.evil.example": scheme, "http://0.0.0.0": scheme,
		"ftp://localhost": scheme, "file://localhost/etc/passwd": scheme, "spiffe://prod.example": scheme,
		"urn:example:idp": server, "https://:443": server, "https:idp.example": server,
	} {
		o := object(t, registry.KindTrustedIssuer, "x", "")
		o.Spec.(*registry.TrustedIssuer).Issuer = raw
		if want != "" {
			want = "spec.issuer: " + want
		}
		if got := lines(registry.Validate(o)); got != want {
			t.Errorf("%q: %s, want %s", raw, got, want)
		}
	}
}
