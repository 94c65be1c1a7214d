package server_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

const ours = string(oauth.AccessTokenType)

// TestSlowBodyIsDecidedNow: a request whose headers came before a change and
// whose body came after it is decided on what is true when it can be decided.
func TestSlowBodyIsDecidedNow(t *testing.T) { // SEC-DL-42
	t.Parallel()
	as := authtest.Start(t)
	body := itself()(t, as).Encode()
	u, err := url.Parse(as.PublicURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /token HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", u.Host, formType, len(body))
	time.Sleep(100 * time.Millisecond) // the server waits for the body by now
	if _, err := as.Admin.SetState(t.Context(), registry.KindBlueprint, "researcher", registry.Disabled, ""); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, body)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d after the blueprint was disabled, want 401", res.StatusCode)
	}
}

// TestConditionCannotBeLaundered: a claim that our token does not carry is
// unknown on the next hop, and not absent.
func TestConditionCannotBeLaundered(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: users-to-analysis }
spec:
  subjects: { issuer: corp-idp, condition: '!has(claims.contractor)' }
  actors: { blueprints: [analyst, writer] }
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
`)
	contractor := as.User(t, "alice", authtest.Claims{"contractor": true})
	as.WantRefused(t, as.Post(t, as.As(t, "analysis", authtest.ExchangeForm(contractor))), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
	first := as.Post(t, as.As(t, "research", authtest.ExchangeForm(contractor)))
	authtest.WantIssued(t, first)
	as.WantRefused(t, onward(t, as, "analysis", first.AccessToken), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
}

// TestClientAuthHoldsEverywhere: what a blueprint does not allow as a client
// assertion it does not allow as a bootstrap either.
func TestClientAuthHoldsEverywhere(t *testing.T) { // SEC-CA-07, SEC-CA-21
	t.Parallel()
	as := authtest.Start(t)
	// apply refuses this as useless; a stored object may be older than that rule.
	conn, err := pgx.Connect(t.Context(), as.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `UPDATE tokenry.registry_objects
		SET spec = jsonb_set(spec, '{clientAuth}', '["secret"]'), change = nextval('tokenry.registry_change') WHERE name = 'researcher'`); err != nil {
		t.Fatal(err)
	}
	as.Advance(t, 0)
	as.WantRefused(t, as.Post(t, itself()(t, as)), oauth.InvalidClient, oauth.ReasonAuthMethod)
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(as.ServiceAccount(t, "research", nil))), oauth.InvalidClient, oauth.ReasonAuthMethod)
	as.WantRefused(t, as.Post(t, keyed(t, as, "", nil)), oauth.InvalidClient, oauth.ReasonAuthMethod)
}

// TestNamesakes: a token stands for the agent that had the name when it was
// issued, not for whoever has it now.
func TestNamesakes(t *testing.T) { // SEC-DL-26
	t.Parallel()
	// When an agent was made is told by Postgres' clock. Ours is behind at first,
	// so that what we issue is from before the agent that has the name now.
	clock := &authtest.Clock{}
	clock.Advance(-4 * time.Minute)
	as := authtest.StartWith(t, authtest.Options{Clock: clock})
	older := delegated(t, as)
	as.Advance(t, 4*time.Minute)
	as.WantRefused(t, onward(t, as, "research", older), oauth.InvalidRequest, oauth.ReasonSubjectDisabled)
	authtest.WantIssued(t, onward(t, as, "research", delegated(t, as)))
}

// TestWorkloadScopeLimits: the scope of a workload's token limits as a user's
// does.
func TestWorkloadScopeLimits(t *testing.T) { // TX-40
	t.Parallel()
	as := authtest.Start(t)
	limited := as.ServiceAccount(t, "research", authtest.Claims{"scope": "llm:read"})
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(limited, "scope", "memory:write")), oauth.InvalidScope, oauth.ReasonScope)
	authtest.WantIssued(t, as.Post(t, authtest.ExchangeForm(limited, "scope", "llm:read")))
	odd := as.ServiceAccount(t, "research", authtest.Claims{"scope": []string{"x"}})
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(odd)), oauth.InvalidRequest, subjectFault("scope_type"))
}

// TestOwnTokensHaveNoLeeway: what has expired has expired.
func TestOwnTokensHaveNoLeeway(t *testing.T) { // SEC-TM-08
	t.Parallel()
	as := authtest.Start(t)
	token := delegated(t, as)
	as.Advance(t, 5*time.Minute+time.Second)
	as.WantRefused(t, onward(t, as, "analysis", token), oauth.InvalidRequest, subjectFault("expired"))
	form := forAlice("actor_token", token, "actor_token_type", ours)(t, as)
	as.WantRefused(t, as.Post(t, form), oauth.InvalidRequest, oauth.TokenFault(oauth.AreaActor, "expired"))
}

// TestActorTokens: an actor token adds nothing, and takes nothing away when it
// is the presenter's own.
func TestActorTokens(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	with := func(token, typ string) *authtest.Answer {
		return as.Post(t, forAlice("actor_token", token, "actor_token_type", typ)(t, as))
	}
	authtest.WantIssued(t, with(as.ServiceAccount(t, "research", nil), string(oauth.JWTType)))
	as.WantRefused(t, with(as.ServiceAccount(t, "analysis", nil), string(oauth.JWTType)), oauth.InvalidRequest, oauth.ReasonActorNotClient) // SEC-DL-01
	as.WantRefused(t, with(as.User(t, "alice", nil), string(oauth.JWTType)), oauth.InvalidRequest, oauth.ReasonActorNotClient)
	itsOwn := as.Post(t, itself()(t, as))
	as.WantRefused(t, with(itsOwn.AccessToken, ours), oauth.InvalidRequest, oauth.TokenFault(oauth.AreaActor, "aud")) // SEC-DL-02
}

// TestMayActInBootstrap: may_act is enforced in any subject token.
func TestMayActInBootstrap(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	other := as.ServiceAccount(t, "research", authtest.Claims{"may_act": authtest.Claims{"sub": "analysis-agent"}})
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(other)), oauth.InvalidRequest, oauth.ReasonMayAct)
}

// TestBootstrapAnswersInOrder: whose token it is comes before what else was sent.
func TestBootstrapAnswersInOrder(t *testing.T) { // SEC-DL-31, SEC-AC-21
	t.Parallel()
	as := authtest.Start(t)
	user := as.User(t, "alice", nil)
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(user, "actor_token", user, "actor_token_type", string(oauth.JWTType))), oauth.InvalidClient, oauth.ReasonAuthNone)
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(user, "requested_actor", "x")), oauth.InvalidClient, oauth.ReasonAuthNone)
	workload := as.ServiceAccount(t, "research", nil)
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm(workload, "subject_token_type", "urn:ietf:params:oauth:token-type:saml2")), oauth.InvalidRequest, oauth.ReasonSubjectTokenType)
	as.WantRefused(t, as.Post(t, authtest.ExchangeForm("garbage", "subject_token_type", "foo")), oauth.InvalidRequest, oauth.ReasonSubjectTokenType)
}

// TestIDTokens: an ID token is one for our application and has its time.
func TestIDTokens(t *testing.T) { // TX-11, SEC-AC-29
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: corp-idp }
spec: { type: oidc, issuer: "`+as.IDP.URL+`", keys: { discovery: true }, tokenTypes: [id_token], audiences: [web-app] }
`)
	post := func(change authtest.Claims) *authtest.Answer {
		claims := authtest.Claims{"aud": "web-app"}
		for k, v := range change {
			claims[k] = v
		}
		return as.Post(t, forAlice("subject_token", as.User(t, "alice", claims), "subject_token_type", string(oauth.IDTokenType))(t, as))
	}
	authtest.WantIssued(t, post(nil))
	authtest.WantIssued(t, post(authtest.Claims{"aud": []string{"web-app", "other"}, "azp": "web-app"}))
	as.WantRefused(t, post(authtest.Claims{"aud": []string{"web-app", "evil"}, "azp": "evil"}), oauth.InvalidRequest, subjectFault("aud"))
	as.WantRefused(t, post(authtest.Claims{"iat": nil}), oauth.InvalidRequest, subjectFault("iat_missing"))
}

// TestThreeCredentials: RFC 7521, Section 4.2.1.
func TestThreeCredentials(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	a := raw(t, as, http.MethodPost, formType, itself("client_secret", "x")(t, as).Encode(), func(r *http.Request) { r.SetBasicAuth("a", "b") })
	as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
}

// TestRate: an agent is held to limits.token_per_agent, and others are not.
func TestRate(t *testing.T) {
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Config: func(c *config.Config) { c.Limits.TokenPerAgent = config.Rate{Count: 1, Per: time.Second} }})
	for range 20 {
		a := as.Post(t, itself()(t, as))
		if a.Status == http.StatusOK {
			continue
		}
		as.WantRefused(t, a, oauth.TemporarilyUnavailable, oauth.ReasonQuota)
		if a.Header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		authtest.WantIssued(t, as.Post(t, as.As(t, "analysis", url.Values{"grant_type": {"client_credentials"}})))
		return
	}
	t.Error("20 requests at once were let through at one per second")
}

// TestIssuerUnavailable: keys that cannot be had make the request unanswered, not
// wrong.
func TestIssuerUnavailable(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: gone-idp }
spec: { type: oidc, issuer: "http://127.0.0.1:1", keys: { jwksUrl: "http://127.0.0.1:1/jwks" } }
`)
	token := as.User(t, "alice", authtest.Claims{"iss": "http://127.0.0.1:1"})
	a := as.Post(t, forAlice("subject_token", token)(t, as))
	as.WantRefused(t, a, oauth.TemporarilyUnavailable, oauth.ReasonIssuerUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

// TestOddRequests: what HTTP lets through and we do not.
func TestOddRequests(t *testing.T) { // SEC-HT-09
	t.Parallel()
	as := authtest.Start(t)
	body := itself()(t, as).Encode()
	a := raw(t, as, "FOO", formType, "", nil)
	as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonHTTPMethod)
	if a.Header.Get("Allow") != http.MethodPost {
		t.Errorf("Allow %q", a.Header.Get("Allow"))
	}
	a = raw(t, as, http.MethodPost, "", body, func(r *http.Request) { r.Header["Content-Type"] = []string{formType, formType} })
	as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonHeaderDuplicate)
	a = raw(t, as, http.MethodPost, formType, body, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") })
	as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonHTTPEncoding)
	a = raw(t, as, http.MethodPost, formType, body, func(r *http.Request) { r.ContentLength = -1 })
	as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonHTTPLength)
	a = raw(t, as, http.MethodPost, formType, body, func(r *http.Request) {
		r.URL.Path, r.URL.RawPath = "/token", "/%74oken"
	})
	if a.Status != http.StatusNotFound {
		t.Errorf("another spelling of /token answers %d", a.Status)
	}
	long := "urn:" + strings.Repeat("x", 20000)
	a = as.Post(t, itself("grant_type", long)(t, as))
	as.WantRefused(t, a, oauth.UnsupportedGrantType, oauth.ReasonGrantType)
	if ev := as.Event(t, a.DecisionID); len(ev.Detail) == 0 || len(ev.Detail) > 1024 {
		t.Errorf("the refusal of a long grant_type keeps %d bytes of detail", len(ev.Detail))
	}
}

// TestGuessersShareABucket: whoever has one IPv6 address has its /64, and names
// that do not exist are counted together.
func TestGuessersShareABucket(t *testing.T) { // SEC-CA-18
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Config: func(c *config.Config) {
		c.Public.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}})
	secret := as.Secret(t, "secret-agent")
	guess := func(from, client, secret string) *authtest.Answer {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
		return raw(t, as, http.MethodPost, formType, form.Encode(), func(r *http.Request) { r.Header.Set("X-Forwarded-For", from) })
	}
	slowed := func(who func(i int) (from, client string)) bool {
		for i := range 60 {
			from, client := who(i + 1)
			if guess(from, client, "wrong").Status == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	if !slowed(func(i int) (string, string) { return fmt.Sprintf("2001:db8::%x", i), "secret-agent" }) {
		t.Error("60 guesses from one /64 were not slowed down")
	}
	if slowed(func(i int) (string, string) { return fmt.Sprintf("2001:db8:%x::1", i), "secret-agent" }) {
		t.Error("guesses from different networks slowed each other down")
	}
	authtest.WantIssued(t, guess("198.51.100.7", "secret-agent", secret))
	if !slowed(func(i int) (string, string) { return "203.0.113.9", fmt.Sprintf("nobody-%d", i) }) {
		t.Error("60 guesses at names that do not exist were not slowed down")
	}
}

// TestHighRiskIsNotGrantedByDefault: without a scope parameter what needs an
// approval is left out; asked for, it is refused.
func TestHighRiskIsNotGrantedByDefault(t *testing.T) { // SEC-SC-07
	t.Parallel()
	as := authtest.Start(t)
	c := authtest.WantIssued(t, as.Post(t, itself("resource", "https://payments.example", "scope", "")(t, as)))
	if c["scope"] != "payments:read" {
		t.Errorf("scope %v, want what needs no approval", c["scope"])
	}
	as.WantRefused(t, as.Post(t, itself("resource", "https://payments.example", "scope", "payments:write")(t, as)), oauth.InvalidRequest, oauth.ReasonApprovalRequired)
}

// TestDepthIsTheReason: when all but the depth fits, the depth is what is said.
func TestDepthIsTheReason(t *testing.T) { // AP-03
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: a-shallow }
spec: { subjects: { issuer: corp-idp }, actors: { blueprints: [analyst] }, resources: [ { name: gateway, scopes: ["llm:read"] } ], maxDepth: 1 }
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: users-to-analysis }
spec: { subjects: { issuer: corp-idp }, actors: { blueprints: [analyst, writer] }, resources: [ { name: vault, scopes: ["llm:read"] } ] }
`)
	as.WantRefused(t, onward(t, as, "analysis", delegated(t, as)), oauth.InvalidRequest, oauth.ReasonDepth)
}

// TestRulesAreTriedTogether: a rule for the subject and one for the hand-off
// must cover the request as a pair; the first pair that does is taken.
func TestRulesAreTriedTogether(t *testing.T) { // SEC-SC-07
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: analyst }
spec:
  resources: [ { name: gateway, scopes: ["llm:read", "memory:write"] }, { name: vault, scopes: ["llm:read"] } ]
  defaultResource: gateway
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: aa-writes }
spec: { subjects: { issuer: corp-idp }, actors: { blueprints: [analyst] }, resources: [ { name: gateway, scopes: ["memory:write"] } ] }
`)
	c := authtest.WantIssued(t, onward(t, as, "analysis", delegated(t, as)))
	if c["scope"] != "llm:read" {
		t.Errorf("scope %v, want what the hand-off and one of the two user rules allow", c["scope"])
	}
}

// TestUnsignedIsUndelivered: what was recorded as issued and could not be
// signed is told as undelivered.
func TestUnsignedIsUndelivered(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Clock.Advance(-2 * time.Minute) // before the signing key may sign
	a := as.Post(t, itself()(t, as))
	if a.Status != http.StatusServiceUnavailable || a.ErrorCode != string(oauth.ReasonNoSigningKey) || a.AccessToken != "" {
		t.Fatalf("status %d, %s, want 503 and %s", a.Status, a.Body, oauth.ReasonNoSigningKey)
	}
	page, _, err := as.DB.Events(t.Context(), storage.EventFilter{Kinds: []audit.Kind{audit.TokenIssued, audit.TokenUndelivered}}, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(page) != 2 || page[0].Kind != audit.TokenUndelivered || page[1].Kind != audit.TokenIssued ||
		page[1].ID != a.DecisionID || page[0].JTI != page[1].JTI || !strings.Contains(string(page[0].Detail), a.DecisionID) {
		t.Errorf("decision %s left %+v, want it issued and then undelivered", a.DecisionID, page)
	}
}
