package server_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cmd/wire"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/storage"
)

// TestSecurityTM proves the abuse cases of time that need a whole server; the
// others stand beside the clock's checks in package credential. Cases that move
// the clock have a server of their own.
func TestSecurityTM(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		{"SEC-TM-04", func(t *testing.T, as *authtest.Server) {
			for _, exp := range []int{0, -1} {
				change := authtest.Claims{"exp": exp}
				as.WantRefused(t, as.Post(t, forAlice("subject_token", as.User(t, "alice", change))(t, as)), oauth.InvalidRequest, subjectFault("expired"))
				as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", change)), oauth.InvalidRequest, subjectFault("expired"))
				as.WantRefused(t, as.Post(t, keyed(t, as, "", change)), oauth.InvalidClient, clientFault("expired"))
			}
		}},
		{"SEC-TM-16", func(t *testing.T, as *authtest.Server) {
			now := as.Clock.Now().Unix()
			authtest.WantIssued(t, as.Post(t, keyed(t, as, "", authtest.Claims{"iat": now, "exp": now + 300})))
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"iat": now, "exp": now + 301})), oauth.InvalidClient, clientFault("lifetime"))
		}},
		{"SEC-TM-17", func(t *testing.T, as *authtest.Server) {
			far := as.Clock.Now().Add(48 * time.Hour).Unix()
			for _, iat := range []any{nil, far - 60} {
				a := as.Post(t, keyed(t, as, "", authtest.Claims{"iat": iat, "exp": far}))
				if iat == nil {
					as.WantRefused(t, a, oauth.InvalidClient, clientFault("lifetime"))
				} else { // short by its own account, and not valid for two days
					as.WantRefused(t, a, oauth.InvalidClient, clientFault("iat_future"))
				}
			}
		}},
		{"SEC-TM-20", leapSecond},
		{"SEC-TM-21", func(t *testing.T, as *authtest.Server) {
			short := authtest.Claims{"exp": as.Clock.Now().Add(3 * time.Second).Unix()}
			as.WantRefused(t, as.Post(t, forAlice("subject_token", as.User(t, "alice", short))(t, as)), oauth.InvalidRequest, oauth.ReasonLifetime)
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", short)), oauth.InvalidRequest, oauth.ReasonLifetime)
			// An assertion never caps: it says who asks, not for how long.
			authtest.WantIssued(t, asserted(t, as, as.ServiceAccount(t, "research", short)))
		}},
		// No parameter asks for a lifetime; the blueprint allows 10 minutes, the rule 5.
		{"SEC-TM-22", func(t *testing.T, as *authtest.Server) {
			exp := as.Clock.Now().Add(60 * time.Second).Unix()
			a := as.Post(t, forAlice("subject_token", as.User(t, "alice", authtest.Claims{"exp": exp}))(t, as))
			c := authtest.WantIssued(t, a)
			if a.ExpiresIn > 60 || a.ExpiresIn < 50 || int64(c["exp"].(float64)) > exp {
				t.Errorf("expires_in %d, exp %v, want at most 60 and %d", a.ExpiresIn, c["exp"], exp)
			}
		}},
		{"SEC-TM-23", slowCommit},
		{"SEC-TM-24", clocksApart},
		{"SEC-TM-25", clockSetBack},
		{"SEC-TM-26", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"exp": nil})), oauth.InvalidClient, clientFault("exp_missing"))
		}},
	})
}

// leapSecond: NumericDate has no leap seconds (RFC 7519, Section 2), so 23:59:60
// is written like 00:00:00; nothing around it is refused.
func leapSecond(t *testing.T, _ *authtest.Server) {
	midnight := time.Date(time.Now().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC)
	clock := &authtest.Clock{}
	clock.Advance(time.Until(midnight.Add(-3 * time.Second)))
	as := authtest.StartWith(t, authtest.Options{Clock: clock})
	for clock.Now().Before(midnight.Add(2 * time.Second)) {
		for _, issued := range []time.Time{midnight.Add(-time.Second), midnight} {
			if issued.After(clock.Now()) {
				issued = clock.Now()
			}
			user := as.User(t, "alice", authtest.Claims{"iat": issued.Unix(), "nbf": issued.Unix(), "exp": issued.Add(time.Hour).Unix()})
			authtest.WantIssued(t, as.Post(t, forAlice("subject_token", user)(t, as)))
		}
		as.Advance(t, 400*time.Millisecond)
	}
}

// slowCommit: what has expired while its event was being written does not leave.
// The event says issued, as it was when it was written, and another one closes
// it: the trail is appended to and never changed.
func slowCommit(t *testing.T, _ *authtest.Server) {
	as := authtest.Start(t)
	user := as.User(t, "alice", authtest.Claims{"exp": as.Clock.Now().Add(20 * time.Second).Unix()})
	exchange := forAlice("subject_token", user)(t, as)
	a := whileCommitting(t, as, exchange, 21*time.Second)
	// The token was good when it was read; to send it once more is of no use.
	wantUndelivered(t, as, a, oauth.InvalidRequest, subjectFault("expired"))
	// Nobody's token is to blame when it is our own that would have expired.
	a = whileCommitting(t, as, itself()(t, as), 11*time.Minute)
	wantUndelivered(t, as, a, oauth.TemporarilyUnavailable, oauth.ReasonLedgerUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

// whileCommitting posts form, and moves the clock while its event waits to be
// written.
func whileCommitting(t *testing.T, as *authtest.Server, form url.Values, d time.Duration) *authtest.Answer {
	t.Helper()
	as.Advance(t, 0)
	conn, err := pgx.Connect(t.Context(), as.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE tokenry.audit_events IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	answer := make(chan *authtest.Answer, 1)
	go func() { answer <- as.Post(t, form) }()
	until(t, "the event waits", func() bool {
		var waits bool
		if err := tx.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE NOT l.granted AND d.datname = current_database())`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
		return waits
	})
	time.Sleep(100 * time.Millisecond) // it is signed meanwhile
	as.Clock.Advance(d)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return <-answer
}

// wantUndelivered wants a decision that was recorded as issued and then closed,
// for that reason.
func wantUndelivered(t *testing.T, as *authtest.Server, a *authtest.Answer, code oauth.Code, reason oauth.Reason) {
	t.Helper()
	if a.Error != string(code) || a.ErrorCode != string(reason) || a.Status != reason.Definition().Status || a.AccessToken != "" {
		t.Fatalf("%d %s, want %s and %s", a.Status, a.Body, code, reason)
	}
	page, _, err := as.DB.Events(t.Context(), storage.EventFilter{Kinds: []audit.Kind{audit.TokenIssued, audit.TokenUndelivered}}, "", 2)
	if err != nil || len(page) != 2 {
		t.Fatalf("%d events, %v", len(page), err)
	}
	closing, issued := page[0], page[1]
	if issued.ID != a.DecisionID || closing.Kind != audit.TokenUndelivered || closing.JTI != issued.JTI || closing.Reason != string(reason) {
		t.Errorf("decision %s left %+v", a.DecisionID, page)
	}
}

// clocksApart: a replica whose clock is behind takes what another one has just
// issued, within trust.clock_skew.
func clocksApart(t *testing.T, _ *authtest.Server) {
	ahead := authtest.Start(t)
	behind := &authtest.Clock{}
	behind.Advance(-29 * time.Second)
	other := authtest.StartWith(t, authtest.Options{Like: ahead, Database: ahead.Database, Clock: behind})
	form := func(token string) url.Values {
		return with(other.As(t, "research", authtest.ExchangeForm(token)), []string{"subject_token_type", string(oauth.AccessTokenType)})
	}
	authtest.WantIssued(t, other.Post(t, form(delegated(t, ahead))))
	other.Advance(t, -3*time.Second) // 32 s, for iat is in whole seconds
	other.WantRefused(t, other.Post(t, form(delegated(t, ahead))), oauth.InvalidRequest, subjectFault("iat_future"))
}

// clockSetBack: an assertion that was used stays used, whatever our clock does.
func clockSetBack(t *testing.T, _ *authtest.Server) {
	as := authtest.Start(t)
	form := keyed(t, as, "", nil)
	authtest.WantIssued(t, as.Post(t, form))
	as.Advance(t, -10*time.Minute)
	// It is from the future now, or would live too long: refused before anybody
	// asks whether it was used.
	as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, clientFault("iat_future"))
	as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"iat": nil, "exp": as.Clock.Now().Add(10 * time.Minute).Unix()})), oauth.InvalidClient, clientFault("lifetime"))

	// The worst of it: the clock comes back to the very minute of the first use,
	// when the database has long taken the assertion for expired and has cleared
	// away. This server's clock has been ten minutes behind since it started.
	clock := &authtest.Clock{}
	clock.Advance(-10 * time.Minute)
	as = authtest.StartWith(t, authtest.Options{Clock: clock})
	form = keyed(t, as, "", nil)
	authtest.WantIssued(t, as.Post(t, form))
	if _, err := as.DB.PurgeReplay(t.Context(), wire.ReplayMargin); err != nil {
		t.Fatal(err)
	}
	as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, oauth.ReasonAuthReplay)
}
