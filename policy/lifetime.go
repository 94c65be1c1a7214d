package policy

import (
	"fmt"
	"time"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// minLifetime is what must be left of a token for it to be worth issuing.
const minLifetime = 10 * time.Second

// lifetime is the strictest maxTtl of agent, blueprint, applied rules and
// resource, or the server's default where none of them says one; never above
// the server's maximum; and never past the subject token, so that exchanging
// again and again cannot keep a session alive.
func (d *decision) lifetime() *oauth.Error {
	ttl, by := d.Limits.DefaultTTL, "the server's default"
	named := []struct {
		by  string
		max registry.Duration
	}{
		{"agent " + d.Presenter.name(), d.Presenter.Agent.Spec.MaxTTL},
		{"blueprint " + string(d.Presenter.Blueprint.Name), d.Presenter.Blueprint.Spec.MaxTTL},
		{"resource " + string(d.verdict.Resource.Name), d.verdict.Resource.Spec.MaxTTL},
	}
	for _, r := range d.applied {
		named = append(named, struct {
			by  string
			max registry.Duration
		}{"rule " + string(r.Name), r.Spec.MaxTTL})
	}
	explicit := false
	for _, n := range named {
		if m := time.Duration(n.max); m > 0 && (!explicit || m < ttl) {
			ttl, by, explicit = m, n.by, true
		}
	}
	if ttl > d.Limits.MaxTTL {
		ttl, by = d.Limits.MaxTTL, "tokens.max_ttl"
	}
	expires := d.Now.Add(ttl)
	if s := d.Subject.Expires; !s.IsZero() && s.Before(expires) {
		expires, by = s, "the subject token's exp"
	}
	left := expires.Sub(d.Now).Truncate(time.Second)
	if left < minLifetime {
		return d.refuse(oauth.ReasonLifetime, "lifetime", registry.Duration(left).String(), fmt.Sprintf("at least %s (%s)", minLifetime, by))
	}
	d.verdict.Expires = expires
	d.pass("lifetime", registry.Duration(left).String(), by)
	return nil
}
