package credential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/outbound"
)

// reviewPath is where an API server takes a TokenReview (Kubernetes API,
// authentication.k8s.io/v1).
const reviewPath = "/apis/authentication.k8s.io/v1/tokenreviews"

// How many questions one API server is asked at once, how many of them about one
// account, and how long another one waits for its turn. An API server that hangs
// then holds up its own tokens and not those of other clusters, and an account
// that asks without end holds up itself.
const (
	maxReviews = 32
	maxOfOne   = 8
	maxWait    = 5 * time.Second
)

// errBusy: there was no turn for the question. The API server may be well, so
// this is no outage of it.
var errBusy = errors.New("there are many questions to the API server already")

// cluster is what is held of an API server between two reviews. Its answers are
// not: a pod may be deleted in the next second.
type cluster struct {
	slots chan struct{}

	mu   sync.Mutex
	said string              // what Report has heard
	of   map[string]*account // by subject
}

// account is what is held of an account that is asked about. It is a verified
// one that is bound to an agent: nobody else can have a place here.
type account struct {
	asking int // questions that are asked or wait
	rate   *rate.Limiter
}

// maxAccounts bounds the map; an account that is forgotten begins with a full
// bucket again.
const maxAccounts = 10_000

func newCluster() *cluster {
	return &cluster{slots: make(chan struct{}, maxReviews), of: make(map[string]*account)}
}

// enter takes a place among the questions about a subject: its agent's rate is
// looked at long after, when the question has been asked.
func (c *cluster) enter(subject string, perSecond float64, now time.Time) (*account, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.of[subject]
	if a == nil {
		for name, old := range c.of {
			if len(c.of) < maxAccounts {
				break
			}
			if old.asking == 0 {
				delete(c.of, name)
			}
		}
		a = &account{rate: rate.NewLimiter(rate.Limit(perSecond), int(2*perSecond)+1)}
		c.of[subject] = a
	}
	switch {
	case a.asking == maxOfOne:
		return nil, fmt.Errorf("%w, %d of them about this account", errBusy, maxOfOne)
	case !a.rate.AllowN(now, 1):
		return nil, fmt.Errorf("%w, too many about this account", errBusy)
	}
	a.asking++
	return a, nil
}

func (c *cluster) leave(a *account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.asking--
}

// turn waits for a turn to ask about a subject. end ends it.
func (e *exam) turn(ctx context.Context, c *cluster) (end func(), err error) {
	a, err := c.enter(e.identity.Subject, e.config.Reviews, e.now)
	if err != nil {
		return nil, err
	}
	wait := time.NewTimer(maxWait)
	defer wait.Stop()
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots; c.leave(a) }, nil
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", errBusy, ctx.Err())
	case <-wait.C:
		err = errBusy
	}
	c.leave(a)
	return nil, err
}

// review asks the cluster whether the token still lives: offline, the token of a
// deleted pod is good until it expires (KEP-1205). It comes last of all. What
// does not pass the other checks must not make us call anybody.
func (e *exam) review(ctx context.Context) error {
	spec := e.issuer.Spec.TokenReview
	if spec == nil {
		return nil
	}
	audience := ""
	if values, _, err := e.claims.Strings("aud"); err == nil && len(values) == 1 { // as workloadAudience has found
		audience = values[0]
	}
	c := e.sources.cluster(e.issuer)
	answer, err := e.ask(ctx, c, audience)
	if ctx.Err() == nil && !errors.Is(err, errBusy) {
		e.tell(c, err)
	}
	if err == nil {
		return e.reviewed(answer, audience)
	}
	age, allowed := spec.Offline()
	// Only an API server that was asked and gave no answer is out: or whoever asks
	// without end could have the token of a deleted pod accepted.
	if !allowed || ctx.Err() != nil || errors.Is(err, errBusy) || errors.Is(err, outbound.ErrBusy) {
		return e.failed(CheckReview, &Fault{
			Name: FaultReviewUnavailable, Shown: "no answer: " + err.Error(), Wanted: "an answer of the API server",
			Err: fmt.Errorf("%w: %w", ErrReviewUnavailable, err),
		})
	}
	// Since iat: whoever deletes a pod knows when the last token of it is dead.
	if old := e.now.Sub(e.identity.IssuedAt); old > age {
		return e.fail(CheckReview, FaultTooOld, "offline, "+old.Truncate(time.Second).String()+" old", "at most "+age.String()+" while the API server gives no answer")
	}
	e.identity.Review = Offline
	e.pass(CheckReview, string(Offline), "at most "+age.String()+" old while the API server gives no answer")
	return nil
}

// ask puts the question. Every error means that there is no answer.
func (e *exam) ask(ctx context.Context, c *cluster, audience string) (jose.Object, error) {
	spec := e.issuer.Spec.TokenReview
	bearer, err := readToken(spec.TokenFile)
	if err != nil {
		return nil, err
	}
	question, err := json.Marshal(map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		// Without audiences an API server vouches for tokens that are meant for itself.
		"spec": map[string]any{"token": e.raw, "audiences": []string{audience}},
	})
	if err != nil {
		return nil, err
	}
	end, err := e.turn(ctx, c)
	if err != nil {
		return nil, err
	}
	defer end()
	q := outbound.Question{URL: strings.TrimRight(spec.URL, "/") + reviewPath, Body: question, Bearer: bearer, CAFile: spec.CAFile}
	if q.CAFile == "" {
		q.CAFile = e.issuer.Spec.CAFile
	}
	response, err := e.config.Outbound.Post(ctx, q)
	var status *outbound.StatusError
	if errors.As(err, &status) && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden) {
		return nil, fmt.Errorf("our own token is not accepted, or may not create tokenreviews: %w", err)
	}
	if err != nil {
		return nil, err
	}
	answer, err := jose.ParseObject(response.Body)
	if err != nil {
		return nil, errors.New("the answer is not strict JSON")
	}
	return answer, nil
}

// tell reports why a cluster gives no answer, once for each change.
func (e *exam) tell(c *cluster, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	c.mu.Lock()
	news := text != c.said
	c.said = text
	c.mu.Unlock()
	if news && err != nil && e.config.Report != nil {
		e.config.Report(e.issuer.Name, fmt.Errorf("asking its API server about a token: %w", err))
	}
}

// reviewed reads the answer. Whatever does not say in so many words that the
// token is good says that it is not.
func (e *exam) reviewed(answer jose.Object, audience string) error {
	status, _, err := answer.Object("status")
	good, _ := status["authenticated"].(bool) // true, and not "true"
	if problem, has := status["error"]; err != nil || !good || has && problem != "" {
		return e.fail(CheckReview, FaultInactive, "not authenticated", "status.authenticated: true")
	}
	// An API server that knows nothing of audiences names none, and would vouch
	// for every token of the cluster (Kubernetes API, TokenReviewStatus).
	audiences, _, err := status.Strings("audiences")
	if err != nil || !slices.Contains(audiences, audience) {
		return e.fail(CheckReview, FaultAudience, list(audiences), audience)
	}
	user, _, err := status.Object("user")
	if err != nil {
		return e.failed(CheckReview, &Fault{Name: FaultClaimConflict, Field: "user", Shown: "no user", Wanted: "status.user"})
	}
	if name, _, err := user.String("username"); err != nil || name != e.identity.Subject {
		return e.fail(CheckReview, FaultClaimConflict, name, e.identity.Subject)
	}
	// Another uid is another account, made under the name of a deleted one. An
	// API server behind a proxy may name none; it has compared them itself.
	own, _, _ := e.claims.Object(kubernetesClaim) // account has read both
	account, _, _ := own.Object("serviceaccount")
	wanted, named, err := account.String("uid")
	uid, told, err2 := user.String("uid")
	if err != nil || err2 != nil || named && told && uid != wanted {
		return e.failed(CheckReview, &Fault{Name: FaultClaimConflict, Field: "uid", Shown: kindOf(user["uid"]), Wanted: kindOf(account["uid"])})
	}
	e.identity.Review = Reviewed
	e.pass(CheckReview, string(Reviewed), "still alive by its API server")
	return nil
}
