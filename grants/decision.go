package grants

import (
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/token"
)

// Decision is one request on its way through the pipeline. It is opened
// before anything is checked and closed in every case; not issued means
// refused and recorded.
type Decision struct {
	ID        string // "dec_…"
	Time      time.Time
	Request   *Request
	Presenter *Presenter // nil until authenticated

	iss     string          // our issuer identifier
	rules   *registry.Rules // the snapshot that the whole decision is made on, taken by Authenticate
	input   policy.Input
	verdict policy.Verdict
	checks  []policy.Check
	replay  []audit.ReplayKey
	proofs  []Proof

	claimed      registry.AgentName // whom a failed authentication was about, if that is known
	bootstrap    *credential.Identity
	subjectToken *credential.Identity // foreign subject token, verified
	area         string               // of the reasons about that token
	own          *token.Claims        // our own subject token, verified

	recorded bool // the ledger has its outcome
}

// Presenter is the authenticated client of a request.
type Presenter struct {
	policy.Party
	Method   string               // private_key_jwt, federated, spiffe_jwt, secret, bootstrap, spiffe_x509, tls, self_signed_tls
	Identity *credential.Identity // the credential used now; nil for a secret
}

// Open begins a decision at the endpoint's clock. Its request is filled in as
// soon as it has been parsed; time and registry are taken anew when that is
// done, for a body may have taken seconds to arrive.
func (e *Endpoint) Open() *Decision {
	now := e.Now()
	return &Decision{ID: audit.NewID("dec", now), Time: now, Request: &Request{}, iss: e.Issuer, rules: e.Model.Rules()}
}

func (d *Decision) pass(name, shown, wanted string) {
	d.checks = append(d.checks, policy.Check{Name: name, OK: true, Shown: shown, Wanted: wanted})
}

func (d *Decision) refuse(err *oauth.Error, name, shown, wanted string) *oauth.Error {
	d.checks = append(d.checks, policy.Check{Name: name, Shown: shown, Wanted: wanted})
	return err
}

// verified adds the checks of a credential, marked with its place.
func (d *Decision) verified(place string, checks []credential.Check) {
	for _, c := range checks {
		d.checks = append(d.checks, policy.Check{Name: place + " " + c.Name, OK: c.OK, Shown: c.Shown, Wanted: c.Wanted})
	}
}
