package token_test

import (
	"crypto"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/token"
)

var update = flag.Bool("update", false, "write the golden files")

const issuer = "https://sts.example.com"

var issuedAt = time.Unix(1795168800, 0).UTC()

// agentToken is what an agent gets for itself.
func agentToken() *token.Claims {
	return &token.Claims{
		Issuer: issuer, Subject: "research-agent", Audience: "https://llm.example", ClientID: "research-agent",
		Scope: "llm:read", JTI: "at_01A", Txn: "txn_5f0c", IssuedAt: issuedAt, Expires: issuedAt.Add(5 * time.Minute),
		Agent: &token.AgentInfo{Blueprint: "researcher", Version: 3, SPIFFEID: "spiffe://prod.example/agents/research/r7"},
	}
}

// delegatedToken is what an agent gets for a user.
func delegatedToken(t testing.TB) *token.Claims {
	c := agentToken()
	c.Subject, c.JTI = "corp-idp|u-8841", "at_01B"
	c.ACR, c.AMR, c.AuthTime = "phr", []string{"hwk", "user"}, json.RawMessage("1795168200")
	c.Act = then(t, nil, "research-agent")
	return c
}

// depth2Token is what the next agent gets for that token.
func depth2Token(t testing.TB) *token.Claims {
	c := delegatedToken(t)
	c.ClientID, c.JTI, c.Audience = "analysis-agent", "at_01C", "https://warehouse.example/api"
	c.Act = then(t, c.Act, "analysis-agent")
	c.Agent = &token.AgentInfo{Blueprint: "analyst", Version: 1}
	return c
}

// boundToken is what an agent gets that proved a key.
func boundToken(t testing.TB) *token.Claims {
	c := delegatedToken(t)
	c.JTI, c.Confirmation = "at_01D", &token.Confirmation{JKT: jkt, X5TS256: x5t}
	return c
}

func then(t testing.TB, a *token.Actor, name string) *token.Actor {
	t.Helper()
	next, err := a.Then(issuer, name, token.ProfileAgent)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func marshal(t testing.TB, c *token.Claims) []byte {
	t.Helper()
	payload, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func parse(t testing.TB, payload []byte) (*token.Claims, error) {
	t.Helper()
	o, err := jose.ParseObject(payload)
	if err != nil {
		t.Fatal(err)
	}
	return token.Parse(o, payload)
}

// TestGolden holds the exact bytes of each shape, and that they read back as
// what was written. Rows AT-04, AT-08, AT-09, AP-01, AP-02, TX-32.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*token.Claims{
		"agent.json":            agentToken(),
		"delegated.json":        delegatedToken(t),
		"delegated-depth2.json": depth2Token(t),
		"bound.json":            boundToken(t),
	} {
		path := filepath.Join("testdata", name)
		payload := marshal(t, c)
		if *update {
			if err := os.WriteFile(path, append(payload, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSuffix(string(want), "\n"), string(payload)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		back, err := parse(t, payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c, back, cmpopts.IgnoreUnexported(token.Actor{})); diff != "" {
			t.Errorf("%s read back (-want +got):\n%s", name, diff)
		}
		if again := marshal(t, back); string(again) != string(payload) {
			t.Errorf("%s written again:\n%s", name, again)
		}
	}
}

// TestEarlierActorsStayByteForByte: rows TX-35 and AP-06. The odd order, the
// space and the escapes would not survive a second encoding.
func TestEarlierActorsStayByteForByte(t *testing.T) {
	t.Parallel()
	const prior = `{"iss":"https:\/\/idp.example", "act":{"sub":"b<&>","iss":"x","more":1.0},"sub":"a\u0062"}`
	payload := strings.Replace(string(marshal(t, agentToken())), `"txn"`, `"act":`+prior+`,"txn"`, 1)
	c, err := parse(t, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	if c.Act.Subject != "ab" || token.Depth(c.Act) != 2 {
		t.Errorf("read %+v, depth %d", c.Act, token.Depth(c.Act))
	}

	narrowed := string(marshal(t, c))
	c.Act = then(t, c.Act, "next")
	exchanged := string(marshal(t, c))

	if !strings.Contains(narrowed, `"act":`+prior+`,`) {
		t.Errorf("the same actor again: %s", narrowed)
	}
	want := `"act":{"sub":"next","iss":"` + issuer + `","sub_profile":"ai_agent","act":` + prior + `},`
	if !strings.Contains(exchanged, want) {
		t.Errorf("below the next actor: %s", exchanged)
	}
	chain, err := c.Act.Chain()
	if err != nil || len(chain) != 3 || chain[0].Subject != "next" || chain[1].Subject != "ab" || chain[2].Subject != "b<&>" {
		t.Errorf("chain %+v, %v", chain, err)
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	var a *token.Actor
	for want := range 6 {
		if got := token.Depth(a); got != want {
			t.Errorf("depth %d, want %d", got, want)
		}
		a = then(t, a, "agent")
	}
	for name, act := range map[string]string{
		"not an object": `"x"`, "no issuer": `{"sub":"a"}`, "no subject": `{"iss":"a"}`, "bad JSON": `{`,
		"carries exp": `{"sub":"a","iss":"b","exp":1}`, // TX-34
	} {
		broken := &token.Actor{Subject: "a", Issuer: "b", Act: json.RawMessage(act)}
		if _, err := broken.Chain(); err == nil || token.Depth(broken) <= 32 {
			t.Errorf("%s: an unreadable chain has depth %d", name, token.Depth(broken))
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*token.Claims){
		"no iss":             func(c *token.Claims) { c.Issuer = "" },
		"no sub":             func(c *token.Claims) { c.Subject = "" },
		"no client_id":       func(c *token.Claims) { c.ClientID = "" },
		"no jti":             func(c *token.Claims) { c.JTI = "" },
		"no iat":             func(c *token.Claims) { c.IssuedAt = time.Time{} },
		"no lifetime":        func(c *token.Claims) { c.Expires = c.IssuedAt },
		"UTF-8":              func(c *token.Claims) { c.Scope = "\xff" },
		"auth_time text":     func(c *token.Claims) { c.AuthTime = json.RawMessage(`"1"`) },
		"auth_time injected": func(c *token.Claims) { c.AuthTime = json.RawMessage(`1,"sub":"root"`) },
		"auth_time empty":    func(c *token.Claims) { c.AuthTime = json.RawMessage{} },
		"actor without iss":  func(c *token.Claims) { c.Act = &token.Actor{Subject: "a"} }, // AP-01
		"actors not JSON":    func(c *token.Claims) { c.Act.Act = json.RawMessage(`{},"sub":"root"`) },
		"actors a string":    func(c *token.Claims) { c.Act.Act = json.RawMessage(`"x"`) },
	} {
		c := delegatedToken(t)
		spoil(c)
		if payload, err := c.Marshal(); err == nil {
			t.Errorf("%s: wrote %s", name, payload)
		}
	}
}

func TestMarshalEscapes(t *testing.T) {
	t.Parallel()
	c := agentToken()
	c.Subject = "idp|\"\\\n\x00\x1f\x7fé<&>\u2028😀"
	back, err := parse(t, []byte(strings.Replace(string(marshal(t, c)), `\u0000`, `\u0001`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(c.Subject, "\x00", "\x01", 1); back.Subject != want {
		t.Errorf("read %q, want %q", back.Subject, want)
	}
}

// TestParseRefuses: each claim that a resource relies on, with another type or
// absent (AT-04).
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	whole := string(marshal(t, depth2Token(t)))
	for name, edit := range map[string][2]string{
		"iss":       {`"iss":"https://sts.example.com","sub":"corp`, `"sub":"corp`},
		"sub":       {`"sub":"corp-idp|u-8841"`, `"sub":""`},
		"client_id": {`"client_id":"analysis-agent"`, `"client_id":["analysis-agent"]`},
		"jti":       {`"jti":"at_01C",`, ``},
		"iat":       {`"iat":1795168800`, `"iat":"1795168800"`},
		"exp":       {`"exp":1795169100,`, ``},
		"aud":       {`"aud":"https://warehouse.example/api"`, `"aud":["https://warehouse.example/api"]`},
		"scope":     {`"scope":"llm:read"`, `"scope":["llm:read"]`},
		"auth_time": {`"auth_time":1795168200`, `"auth_time":"x"`},
		"amr":       {`"amr":["hwk","user"]`, `"amr":7`},
		"act":       {`"act":{"sub":"analysis-agent"`, `"act":{"sub":7`},
		"act iss":   {`"iss":"https://sts.example.com","sub_profile":"ai_agent","act"`, `"sub_profile":"ai_agent","act"`},
		"act exp":   {`"act":{"sub":"analysis-agent"`, `"act":{"exp":9,"sub":"analysis-agent"`},
		"agent":     {`"agent":{"blueprint":"analyst","version":1}`, `"agent":"analyst"`},
		"version":   {`"version":1`, `"version":1.5`},
	} {
		payload := strings.Replace(whole, edit[0], edit[1], 1)
		if payload == whole {
			t.Fatalf("%s: nothing replaced", name)
		}
		_, err := parse(t, []byte(payload))
		var refused *token.Error
		if !errors.As(err, &refused) || refused.Reason != token.ReasonClaims {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// world is a signer and what a resource expects of its tokens.
type world struct {
	signer *jose.Signer
	cfg    token.VerifyConfig
	now    time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	var key crypto.Signer
	key, err := jose.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner("k1", "ES256", key)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{signer: signer, now: issuedAt.Add(time.Minute)}
	w.cfg = token.VerifyConfig{
		Issuer: issuer, Audience: "https://llm.example", Now: func() time.Time { return w.now },
		Key: func(_, kid string) (jose.Key, error) {
			if kid != "k1" {
				return jose.Key{}, &jose.Error{Fault: jose.FaultKidUnknown}
			}
			return signer.Key(), nil
		},
	}
	return w
}

func (w *world) sign(t testing.TB, typ string, payload []byte) string {
	t.Helper()
	compact, err := w.signer.Sign(typ, payload)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := delegatedToken(t)
	payload := marshal(t, want)
	for _, typ := range []string{"at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT"} { // AT-01
		got, err := token.Verify(w.sign(t, typ, payload), w.cfg)
		if err != nil {
			t.Fatalf("typ %q: %v", typ, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(token.Actor{})); diff != "" {
			t.Errorf("typ %q (-want +got):\n%s", typ, diff)
		}
	}
	w.cfg.Audience = ""
	if _, err := token.Verify(w.sign(t, token.Type, payload), w.cfg); err == nil {
		t.Error("a verifier that names no audience accepts a token")
	}
	w.cfg.AnyAudience = true
	if _, err := token.Verify(w.sign(t, token.Type, payload), w.cfg); err != nil {
		t.Errorf("any audience: %v", err)
	}
}

// TestVerifyRefuses: row AT-12 and the borders of each time.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		typ   string
		claim func(*token.Claims)
		extra string // members added to the payload
		world func(*world)
		want  token.Reason // "" = accepted
	}{
		"typ JWT":            {typ: "JWT", want: token.ReasonType},
		"no typ":             {typ: "none", want: token.ReasonType},
		"typ of an ID-JAG":   {typ: "oauth-id-jag+jwt", want: token.ReasonType},
		"other iss":          {claim: func(c *token.Claims) { c.Issuer += "/" }, want: token.ReasonIssuer},
		"other aud":          {claim: func(c *token.Claims) { c.Audience += "/x" }, want: token.ReasonAudience},
		"last second":        {world: func(w *world) { w.now = issuedAt.Add(5*time.Minute - 1) }},
		"expired":            {world: func(w *world) { w.now = issuedAt.Add(5 * time.Minute) }, want: token.ReasonExpired},
		"expired, with skew": {world: func(w *world) { w.now = issuedAt.Add(5 * time.Minute); w.cfg.Skew = time.Minute }, want: token.ReasonExpired},
		"cnf":                {extra: `"cnf":{"jkt":"x"}`, want: token.ReasonClaims},
		"bound":              {claim: func(c *token.Claims) { c.Confirmation = &token.Confirmation{JKT: jkt} }},
		"may_act":            {extra: `"may_act":{"sub":"x"}`, want: token.ReasonClaims},
		"details":            {extra: `"authorization_details":[]`, want: token.ReasonClaims},
		"iat now":            {world: func(w *world) { w.now = issuedAt }},
		"iat to come":        {world: func(w *world) { w.now = issuedAt.Add(-time.Second) }, want: token.ReasonIssuedAt},
		"iat within skew":    {world: func(w *world) { w.now = issuedAt.Add(-time.Second); w.cfg.Skew = time.Second }},
		"nbf to come":        {extra: `"nbf":1795168861`, want: token.ReasonNotYetValid},
		"nbf now":            {extra: `"nbf":1795168860`},
		"nbf text":           {extra: `"nbf":"1795168860"`, want: token.ReasonClaims},
	} {
		w := newWorld(t)
		c := agentToken()
		if row.claim != nil {
			row.claim(c)
		}
		if row.world != nil {
			row.world(w)
		}
		payload := marshal(t, c)
		if row.extra != "" {
			payload = append(payload[:len(payload)-1], ","+row.extra+"}"...)
		}
		typ := row.typ
		if typ == "" {
			typ = token.Type
		}
		got, err := token.Verify(w.sign(t, typ, payload), w.cfg)
		var refused *token.Error
		switch {
		case row.want == "":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case !errors.As(err, &refused) || refused.Reason != row.want || got != nil:
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
}

// TestVerifyRefusesNoLifetime: without its own check, a token that never was
// valid would live inside the skew.
func TestVerifyRefusesNoLifetime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now, w.cfg.Skew = issuedAt, time.Minute
	payload := strings.Replace(string(marshal(t, agentToken())), `"exp":1795169100`, `"exp":1795168800`, 1)
	_, err := token.Verify(w.sign(t, token.Type, []byte(payload)), w.cfg)
	var refused *token.Error
	if !errors.As(err, &refused) || refused.Reason != token.ReasonLifetime {
		t.Errorf("got %v, want lifetime", err)
	}
}

// TestVerifyAsksTheKey: an unknown kid, another key and another algorithm than
// the key's (AT-02, AT-14).
func TestVerifyAsksTheKey(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	compact := w.sign(t, token.Type, marshal(t, agentToken()))
	for name, row := range map[string]struct {
		key  func(alg, kid string) (jose.Key, error)
		want jose.Fault
	}{
		"unknown kid": {func(string, string) (jose.Key, error) { return jose.Key{}, &jose.Error{Fault: jose.FaultKidUnknown} }, jose.FaultKidUnknown},
		"other key":   {other.cfg.Key, jose.FaultSignature},
		"other alg": {func(_, kid string) (jose.Key, error) {
			k, err := w.cfg.Key("", kid)
			k.Alg = "ES384"
			return k, err
		}, jose.FaultKeyAlgMismatch},
	} {
		cfg := w.cfg
		cfg.Key = row.key
		_, err := token.Verify(compact, cfg)
		var fault *jose.Error
		if !errors.As(err, &fault) || fault.Fault != row.want {
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
	if _, err := token.Verify(compact, token.VerifyConfig{Key: w.cfg.Key}); err == nil {
		t.Error("no issuer wanted: accepted")
	}
	if _, err := token.Verify(compact, token.VerifyConfig{Issuer: issuer}); err == nil {
		t.Error("no key: accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(marshal(f, agentToken()))
	f.Add(marshal(f, depth2Token(f)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		o, err := jose.ParseObject(payload)
		if err != nil {
			return
		}
		c, err := token.Parse(o, payload)
		if err != nil {
			return
		}
		again, err := c.Marshal()
		if err != nil {
			return // for example "exp" before "iat", which Verify refuses
		}
		back, err := parse(t, again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if diff := cmp.Diff(c, back, cmpopts.IgnoreUnexported(token.Actor{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s\n%s\n%s", payload, again, diff)
		}
	})
}

func BenchmarkMarshal(b *testing.B) {
	c := depth2Token(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	payload := marshal(b, depth2Token(b))
	o, err := jose.ParseObject(payload)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.Parse(o, payload); err != nil {
			b.Fatal(err)
		}
	}
}
