package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
)

// TestExchange asks with each kind of credential that the command can send.
func TestExchange(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	alice := u.write(t, "alice", as.User(t, "alice", nil))
	research := u.write(t, "research", as.ServiceAccount(t, "research", nil))
	svid := u.write(t, "svid", as.SVID(t, "/agents/research/r7", nil))
	secret := u.write(t, "secret", as.Secret(t, "secret-agent"))
	gateway := "--resource=https://gateway.example"
	actor := func(sub string) func(map[string]any) bool {
		return func(claims map[string]any) bool {
			names := authtest.Actors(claims)
			return len(names) == 1 && names[0] == sub && claims["sub"] == "corp-idp|alice"
		}
	}
	alone := func(sub string) func(map[string]any) bool {
		return func(claims map[string]any) bool { return claims["sub"] == sub && claims["act"] == nil }
	}

	for name, c := range map[string]struct {
		args []string
		is   func(claims map[string]any) bool
	}{
		"service account for a user": {[]string{"--subject-token-file", alice, "--client-assertion-file", research, gateway, "--scope", "llm:read", "--scope", "memory:write"}, actor("research-agent")},
		"with its name":              {[]string{"--subject-token-file", alice, "--client-assertion-file", research, "--client-id", "research-agent", gateway}, actor("research-agent")},
		"with an actor token":        {[]string{"--subject-token-file", alice, "--subject-token-type", "urn:ietf:params:oauth:token-type:jwt", "--actor-token-file", research, "--client-assertion-file", research, gateway}, actor("research-agent")},
		"JWT-SVID":                   {[]string{"--subject-token-file", alice, "--client-assertion-file", svid, "--client-assertion-type", "jwt-spiffe", gateway}, actor("svid-agent")},
		"secret":                     {[]string{"--subject-token-file", alice, "--client-id", "secret-agent", "--client-secret-file", secret, "--audience", "gateway"}, actor("secret-agent")},
		"private key":                {[]string{"--client-assertion-file", u.write(t, "assertion", as.Assertion(t, "", nil)), gateway}, alone("key-agent")},
		"client credentials":         {[]string{"--client-assertion-file", research, gateway}, alone("research-agent")},
		"bootstrap":                  {[]string{"--subject-token-file", research, gateway}, alone("research-agent")},
	} {
		r := u.run(append([]string{"token", "exchange"}, c.args...)...)
		if r.code != cli.ExitOK {
			t.Errorf("%s: exit code %d: %s", name, r.code, r.errors)
			continue
		}
		if strings.Count(r.out, "\n") != 1 {
			t.Errorf("%s: more than the token: %q", name, r.out)
		}
		claims := authtest.Payload(t, strings.TrimSpace(r.out))
		if !c.is(claims) || claims["aud"] != "https://gateway.example" {
			t.Errorf("%s: claims %v", name, claims)
		}
	}

	exchange := []string{"token", "exchange", "--subject-token-file", alice, "--client-assertion-file", "-", gateway}
	var whole map[string]any
	r := u.pipe(as.ServiceAccount(t, "research", nil), append(exchange, "-o", "json")...)
	if err := json.Unmarshal([]byte(r.out), &whole); err != nil || whole["token_type"] != "Bearer" || whole["expires_in"] == nil || whole["access_token"] == "" {
		t.Errorf("-o json printed %q: %v", r.out, err)
	}
	u.pipe(as.ServiceAccount(t, "research", nil), append(exchange, "-o", "yaml")...).want(t, cli.ExitOK, "token_type: Bearer\n")
	u.pipe(as.ServiceAccount(t, "research", nil), append(exchange, "-o", "name")...).want(t, cli.ExitOK, "eyJ")

	u.run("token", "exchange", "--subject-token-file", alice, "--client-assertion-file", research, gateway, "--scope", "payments:write").
		want(t, cli.ExitDenied, "tokenry: invalid_scope (exchange.scope): ", "\n  why: tokenry explain dec_")
	u.run("token", "exchange", "--client-id", "secret-agent", "--client-secret-file", alice).want(t, cli.ExitDenied, "invalid_client (client_auth.failed)")
	u.run("token", "exchange", "--client-secret-file", secret).want(t, cli.ExitUsage, "--client-secret-file needs --client-id")
	u.pipe("x", "token", "exchange", "--subject-token-file", "-", "--client-assertion-file", "-").want(t, cli.ExitUsage, "stdin (-) can be read only once")
	u.run("token", "exchange", "--client-assertion-file", research, "--resource", "gateway").want(t, cli.ExitUsage, "--resource gateway: it takes an identifier, which is a URI; a name goes to --audience")
	u.run("token", "exchange", "--help").want(t, cli.ExitOK, "identifier (a URI) of the target resource", "name or identifier of the target resource")
	u.run("try", "--help").want(t, cli.ExitOK, "name or identifier (a URI) of the target resource")
	u.run("token", "exchange", "--client-id", "research-agent").want(t, cli.ExitUsage, "who asks?")
	u.run("token", "exchange", "--actor-token-file", research, "--client-assertion-file", research).want(t, cli.ExitUsage, "--actor-token-file needs --subject-token-file")
}

// TestTokenEndpointAnswers: what is said of answers that only a broken or busy
// server gives, and no redirect takes the credentials elsewhere.
func TestTokenEndpointAnswers(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	assertion := u.write(t, "assertion", "a.b.c")
	elsewhere := newRecorder(t)
	for _, c := range []struct {
		status int
		body   string
		code   int
		want   string
	}{
		{503, `{"error":"temporarily_unavailable","error_code":"server.busy","error_description":"try again"}`, cli.ExitRefused, "temporarily_unavailable (server.busy): try again"},
		{500, `{"error":"server_error"}`, cli.ExitRefused, "server_error (-)"},
		{400, `{"error":"invalid_grant"}`, cli.ExitDenied, "invalid_grant (-)"},
		{502, `{}`, cli.ExitRefused, "the server answered 502 Bad Gateway"},
		{200, `{}`, cli.ExitRefused, "neither a token nor an error"},
		{307, ``, cli.ExitRefused, "307 Temporary Redirect"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.url)
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		}))
		u.run("token", "exchange", "--issuer", srv.URL+"/", "--client-assertion-file", assertion).want(t, c.code, c.want)
		srv.Close()
	}
	if got := elsewhere.asked(); got != "" {
		t.Error("a redirect was followed")
	}
}

// TestBasicEncoding: both halves are form-encoded before they are joined, or a
// secret with a plus or a percent sign in it never works:
// RFC 6749, Section 2.3.1.
func TestBasicEncoding(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	r := newRecorder(t)
	u.run("token", "exchange", "--issuer", r.url, "--client-id", "a/b", "--client-secret-file", u.write(t, "secret", "c+d%")).want(t, cli.ExitRefused)
	if got, want := r.asked(), "Basic "+base64.StdEncoding.EncodeToString([]byte("a%2Fb:c%2Bd%25")); got != want {
		t.Errorf("it showed %q, want %q", got, want)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	p := authtest.NewParty(t, false)
	now := time.Unix(1_800_000_000, 0)
	u.config.Now = func() time.Time { return now }
	token := p.Sign(t, "JWT", authtest.Claims{"sub": "alice", "jti": "j1", "exp": now.Add(90 * time.Minute).Unix()})
	file := u.write(t, "token", token+"\n")

	for _, r := range []result{u.run("token", "inspect", file), u.pipe(token, "token", "inspect"), u.pipe(token, "token", "inspect", "-")} {
		r.want(t, cli.ExitOK, "token (JWT, ES256, kid k1)\n", `    "sub": "alice"`, "\n  expires in 1h30m\n", "not verified; to verify: tokenry token verify\n")
	}
	now = now.Add(2 * time.Hour)
	u.run("token", "inspect", file).want(t, cli.ExitOK, "expired 30m ago")
	u.run("token", "inspect", file, "-o", "json").want(t, cli.ExitOK, `"alg": "ES256"`, `"kid": "k1"`, `"sub": "alice"`)
	u.run("token", "inspect", file, "-o", "yaml").want(t, cli.ExitOK, "header:\n  alg: ES256\n", "\n  sub: alice\n")
	if r := u.run("token", "inspect", file, "-o", "name"); r.out != "j1\n" {
		t.Errorf("-o name printed %q", r.out)
	}
	r := u.pipe(p.Sign(t, "", authtest.Claims{"sub": "alice"}), "token", "inspect")
	if r.want(t, cli.ExitOK, "token (ES256, kid k1)"); strings.Contains(r.out, "expire") {
		t.Errorf("it expires without exp:\n%s", r.out)
	}

	// Two readers would read two things: RFC 8725, Section 2.4.
	u.pipe(p.SignRaw(t, []byte(`{"alg":"ES256"}`), []byte(`{"exp":1,"exp":9999999999}`)), "token", "inspect").want(t, cli.ExitUsage, "not a token: ")
	u.pipe("no token", "token", "inspect").want(t, cli.ExitUsage, "holds more than one token")
	u.pipe("garbage", "token", "inspect").want(t, cli.ExitUsage, "not a token: ")
	r = u.run("token", "inspect", token)
	if r.want(t, cli.ExitUsage, "tokens are not taken as arguments"); strings.Contains(r.errors, token) {
		t.Error("the error repeats the token")
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	issued := as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil))))
	file := u.write(t, "token", issued.AccessToken)

	u.run("token", "verify", "--audience", "https://gateway.example", file).want(t, cli.ExitOK,
		"token (at+jwt, ES256, kid ", `"sub": "corp-idp|alice"`, "✓ verified with the keys of "+as.Issuer+"\n")
	u.pipe(issued.AccessToken, "token", "verify").want(t, cli.ExitOK, "any audience was accepted")
	u.run("token", "verify", file, "--issuer", as.Issuer, "-o", "json").want(t, cli.ExitOK, `"client_id": "research-agent"`)
	u.run("token", "verify", file, "-o", "yaml").want(t, cli.ExitOK, "  client_id: research-agent\n")
	u.run("token", "verify", file, "-o", "name").want(t, cli.ExitOK, "at_")

	u.run("token", "verify", "--audience", "https://vault.example/api", file).
		want(t, cli.ExitDenied, "tokenry: the token is not valid (aud): it shows https://gateway.example, wanted is https://vault.example/api\n")
	u.run("token", "verify", u.write(t, "alice", as.User(t, "alice", nil))).want(t, cli.ExitDenied, "the token is not valid (type): it shows JWT, wanted is at+jwt")
	forged := as.IDP.Sign(t, "at+jwt", authtest.Claims{"iss": as.Issuer, "aud": "https://gateway.example"})
	u.run("token", "verify", u.write(t, "forged", forged)).want(t, cli.ExitDenied, "the token is not valid: ")
	u.run("token", "verify", file, "--issuer", as.IDP.URL).want(t, cli.ExitDenied, "the token is not valid")

	u.run("token", "verify", "--issuer", "http://127.0.0.1:1", file).want(t, cli.ExitUnreachable, "tokenry: issuer http://127.0.0.1:1: the keys cannot be read")
	u.run("token", "verify", "--issuer", "http://sts.example.com", file).want(t, cli.ExitUsage, "keys fetched over plain http prove nothing")
	u.run("token", "verify", "--issuer", "http://sts.example.com", "--insecure-plaintext", file).want(t, cli.ExitUsage, "keys fetched over plain http prove nothing")
	u.run("token", "verify", "--issuer", "sts", file).want(t, cli.ExitUsage, `"sts" is no issuer`)
	u.run("token", "verify", issued.AccessToken).want(t, cli.ExitUsage, "tokens are not taken as arguments")

	as.Clock.Advance(time.Hour)
	u.run("token", "verify", file).want(t, cli.ExitDenied, "the token is not valid (expired)")
}
