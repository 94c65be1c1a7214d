package registry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/registry"
)

func TestDecodeSpecRefuses(t *testing.T) {
	t.Parallel()
	const agent, issuer, blueprint = registry.KindAgent, registry.KindTrustedIssuer, registry.KindBlueprint
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, row := range []struct {
		kind      registry.Kind
		raw, want string
	}{
		{agent, `{"blueprnt":"x"}`, `spec.blueprnt: is not a field; did you mean "blueprint"?`},
		{agent, `{"Owner":"x"}`, `spec.Owner: is not a field; did you mean "owner"?`},
		{agent, `{"id":"x"}`, `spec.id: is not a field; there are blueprint, card, credentials`}, // SEC-AM-07
		{agent, `{"owner":"a","owner":"b"}`, `spec.owner: is there twice; keep one`},
		{agent, `{"owner":null}`, `spec.owner: must be a text, not empty`},
		{agent, `{"owner":7}`, `spec.owner: must be a text, not a number; put it in quotes`},
		{agent, `{"owner":["a"]}`, `spec.owner: must be a text, not a list`},
		{agent, `{"credentials":{"name":"x"}}`, `spec.credentials: must be a list, not an object`},
		{agent, `{"credentials":["x"]}`, `spec.credentials[0]: must be an object, not a text`},
		{agent, `{"credentials":[{"name":"x","subject":{"exac":"y"}}]}`, `spec.credentials[0].subject.exac: is not a field; did you mean "exact"?`},
		{agent, `{"credentials":[{"claims":{"a":"1","a":"2"}}]}`, `spec.credentials[0].claims.a: is there twice; keep one`},
		{agent, `{"credentials":[{"claims":{"a":1}}]}`, `spec.credentials[0].claims.a: must be a text, not a number; put it in quotes`},
		{agent, `{"credentials":[{"claims":[]}]}`, `spec.credentials[0].claims: must be an object, not a list`},
		{agent, `{"jwks":{"keys":[{"kty":"EC","kty":"RSA"}]}}`, `spec.jwks.keys[0].kty: is there twice; keep one`},
		{agent, `{"jwks":null}`, `spec.jwks: has no value; give it one or leave it out`},
		{agent, `{"maxTtl":300}`, `spec.maxTtl: must be a duration like "90s", "5m" or "1h30m"`},
		{agent, `{"maxTtl":"300"}`, `spec.maxTtl: must be a duration like`},
		{agent, `{"maxTtl":"0s"}`, `spec.maxTtl: must be longer than nothing`},
		{agent, `{"maxTtl":"-5m"}`, `spec.maxTtl: must be longer than nothing`},
		{agent, `{"expiresAt":"tomorrow"}`, `spec.expiresAt: must be a time like "2027-01-31T12:00:00Z"`},
		{agent, `{"jwks":{"a":` + deep + `}}`, `spec: is not a JSON object: it is nested more than 32 deep`},
		{agent, `{"nonsense":` + deep + `}`, `spec: is not a JSON object: it is nested more than 32 deep`},
		{issuer, `{"keys":{"discovery":"yes"}}`, `spec.keys.discovery: must be true or false, not a text`},
		{issuer, `{"keys":"x"}`, `spec.keys: must be an object, not a text`},
		{issuer, `{"audiences":"x"}`, `spec.audiences: must be a list, not a text`},
		{issuer, `{"audiences":[null]}`, `spec.audiences[0]: must be a text, not empty`},
		{blueprint, `{"maxDelegationDepth":1.5}`, `spec.maxDelegationDepth: must be a whole number`},
		{blueprint, `{"maxDelegationDepth":99999999999}`, `spec.maxDelegationDepth: must be a whole number`},
		{blueprint, `{"maxDelegationDepth":"2"}`, `spec.maxDelegationDepth: must be a whole number`},
		{blueprint, `{} {}`, `spec: is not a JSON object: something follows the object`},
		{blueprint, `{`, `spec: is not a JSON object`},
		{blueprint, ``, `spec: is not a JSON object`},
		{blueprint, `[]`, `spec: must be an object, not a list`},
		{blueprint, `null`, `spec: must be an object, not empty`},
		{blueprint, "{\"rate\":\"\xff\"}", `spec: is not UTF-8`},
		{blueprint, `{"rate":"` + strings.Repeat("x", 300<<10) + `"}`, `spec: is larger than 256 KiB`},
		{"Agents", `{}`, `kind: must be one of TrustedIssuer, Resource, Blueprint, Agent, DelegationRule`},
	} {
		_, err := registry.DecodeSpec(row.kind, []byte(row.raw))
		var ps registry.Problems
		if !errors.As(err, &ps) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%.80s\n got: %v\nwant: %s", row.raw, err, row.want)
		}
	}
}

// All problems are reported at once, in the order of the document.
func TestDecodeSpecReportsAll(t *testing.T) {
	t.Parallel()
	_, err := registry.DecodeSpec(registry.KindAgent, []byte(`{"ownr":{"a":[1,{"a":1,"a":2}]},"sponsor":1,"blueprint":"b","maxTtl":"x"}`))
	want := "spec.ownr: is not a field; did you mean \"owner\"?\n" +
		"spec.sponsor: must be a text, not a number; put it in quotes\n" +
		"spec.maxTtl: must be a duration like \"90s\", \"5m\" or \"1h30m\""
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestDecodeSpecReads(t *testing.T) {
	t.Parallel()
	spec, err := registry.DecodeSpec(registry.KindAgent, []byte(`{"blueprint":"b","owner":"o","sponsor":"s","resources":[],
		"maxTtl":"1m30s","expiresAt":"2027-01-31T12:00:00Z","jwks":{"keys":[]},"credentials":[{"name":"n","issuer":"i","subject":{"exact":"x"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	want := &registry.Agent{
		Blueprint: "b", Owner: "o", Sponsor: "s", Resources: []registry.Access{}, MaxTTL: registry.Duration(90 * time.Second),
		ExpiresAt: &at, JWKS: json.RawMessage(`{"keys":[]}`),
		Credentials: []registry.Credential{{Name: "n", Issuer: "i", Subject: registry.SubjectMatch{Exact: "x"}}},
	}
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Error(diff)
	}
}

// An empty ceiling is nothing; an absent one is the blueprint's. Storing an
// object must not turn one into the other.
func TestEmptyResourcesSurviveStorage(t *testing.T) {
	t.Parallel()
	for raw, isNil := range map[string]bool{`{"resources":[]}`: false, `{}`: true} {
		spec, err := registry.DecodeSpec(registry.KindAgent, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		again, err := registry.DecodeSpec(registry.KindAgent, stored)
		if err != nil {
			t.Fatal(err)
		}
		if got := again.(*registry.Agent).Resources == nil; got != isNil {
			t.Errorf("%s: nil = %v after %s", raw, got, stored)
		}
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"5m": "5m", "90s": "1m30s", "1h30m": "1h30m", "720h": "720h", "60m": "1h", "1h0m5s": "1h0m5s", "250ms": "250ms", "10m": "10m", "0s": "0s",
	} {
		var d registry.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := d.String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "0", "5", "5 m", "five", "1d"} {
		var d registry.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %s", text, d)
		}
	}
}

// The limits are the last that is taken, and a document that is cut off anywhere
// is none.
func TestDecodeSpecLimits(t *testing.T) {
	t.Parallel()
	nested := func(lists int) string {
		return `{"jwks":` + strings.Repeat("[", lists) + strings.Repeat("]", lists) + `}`
	}
	padded := func(size int) string { return `{"rate":"` + strings.Repeat("x", size-len(`{"rate":""}`)) + `"}` }
	for _, row := range []struct {
		kind      registry.Kind
		raw, want string
	}{
		{registry.KindBlueprint, padded(256 << 10), ``},
		{registry.KindBlueprint, padded(256<<10 + 1), `spec: is larger than 256 KiB`},
		{registry.KindAgent, nested(32), ``},
		{registry.KindAgent, nested(33), `spec: is not a JSON object: it is nested more than 32 deep`},
		{registry.KindBlueprint, `{"maxDelegationDepth":-2147483648}`, ``},
		{registry.KindBlueprint, `{"maxDelegationDepth":-2147483649}`, `spec.maxDelegationDepth: must be a whole number`},
	} {
		got := ""
		if _, err := registry.DecodeSpec(row.kind, []byte(row.raw)); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%.40s… (%d bytes): %s, want %s", row.raw, len(row.raw), got, row.want)
		}
	}
	whole := `{"jwks":{"keys":[{"a":[1,null,{}]}]},"x":[{"y":1}],"maxTtl":"5m","credentials":[{"name":"n","claims":{"a":"b"}}]}`
	for i := range len(whole) {
		if _, err := registry.DecodeSpec(registry.KindAgent, []byte(whole[:i])); err == nil || !strings.HasPrefix(err.Error(), "spec: is not a JSON object: ") {
			t.Errorf("%s: %v", whole[:i], err)
		}
	}
}

// What DecodeSpec takes, it takes again after being stored, and Validate does
// not panic on it.
func FuzzDecodeSpec(f *testing.F) {
	for i, k := range registry.Kinds() {
		f.Add(i, good(k))
	}
	f.Add(3, `{"credentials":[{"claims":{"a":"b"}}],"jwks":{"keys":[{"kty":1}]}}`)
	f.Fuzz(func(t *testing.T, i int, raw string) {
		k := registry.Kinds()[uint(i)%5]
		spec, err := registry.DecodeSpec(k, []byte(raw))
		if err != nil {
			return
		}
		o := &registry.Object{Kind: k, Name: "x", Spec: spec}
		registry.Validate(o)
		registry.ValidateAll([]*registry.Object{o}, "https://sts.example")
		stored, err := json.Marshal(spec)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		again, err := registry.DecodeSpec(k, stored)
		if err != nil {
			t.Fatalf("%s is refused as stored: %s: %v", raw, stored, err)
		}
		if diff, err := json.Marshal(again); err != nil || string(diff) != string(stored) {
			t.Fatalf("%s changes when it is stored: %s, %v", stored, diff, err)
		}
	})
}
