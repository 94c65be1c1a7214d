package registry

import "time"

// What a TokenReview says of an API server that cannot be asked.
const (
	RefuseOnOutage  = "refuse"
	OfflineOnOutage = "offline"
)

// defaultOfflineMaxAge bounds how long a deleted pod can go on while its cluster
// cannot be asked. The kubelet replaces a projected token only after four fifths
// of its life, 48 minutes of the usual hour: who wants every pod to go on through
// an outage has to allow more.
const defaultOfflineMaxAge = 10 * time.Minute

// Offline returns how old a token may be to be accepted while the API server
// cannot be asked; false when none is.
func (r *TokenReview) Offline() (time.Duration, bool) {
	switch {
	case r.OnOutage != OfflineOnOutage:
		return 0, false
	case r.OfflineMaxAge == 0:
		return defaultOfflineMaxAge, true
	}
	return time.Duration(r.OfflineMaxAge), true
}

func validateTokenReview(ps *problems, t *TrustedIssuer) {
	r := t.TokenReview
	if r == nil {
		return
	}
	if t.Type != Kubernetes && t.Type != "" {
		ps.add("spec.tokenReview", "is only for an issuer of type kubernetes; leave it out")
		return
	}
	// Our own token goes there: nobody on the way may read it.
	if u := checkURL(ps, "spec.tokenReview.url", r.URL); u != nil && u.RawQuery != "" {
		ps.add("spec.tokenReview.url", "must not have a query: the path of the API is added to it")
	}
	if r.TokenFile == "" {
		ps.add("spec.tokenReview.tokenFile", "is missing; the API server answers nobody without a token")
	}
	checkPath(ps, "spec.tokenReview.tokenFile", r.TokenFile)
	checkPath(ps, "spec.tokenReview.caFile", r.CAFile)
	switch {
	case r.OfflineMaxAge < 0:
		ps.add("spec.tokenReview.offlineMaxAge", "must be longer than nothing; leave it out for %s", Duration(defaultOfflineMaxAge))
	case r.OfflineMaxAge > 0 && r.OnOutage != OfflineOnOutage:
		ps.add("spec.tokenReview.offlineMaxAge", "has no effect without onOutage: offline; leave it out")
	}
}
