package authtest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// APIServer is the API server of a Kubernetes cluster, over TLS under a CA of its
// own: it publishes the keys of its service accounts, projects tokens into pods,
// and answers TokenReviews about them as long as their pod, account and namespace
// are there.
type APIServer struct {
	*Party           // its keys; its URL is the `iss` of what it mints
	CAFile    string // PEM of its CA
	TokenFile string // a token that may create TokenReviews

	clock *Clock

	mu      sync.Mutex
	bearer  string
	uids    map[string]string // of what is there: "namespace/prod", "serviceaccount/prod/research", "pod/prod/research-0"
	minted  map[[sha256.Size]byte]projected
	reviews int
	shown   []string // Authorization headers of requests for keys
	broken  http.HandlerFunc
	change  func(status map[string]any)
}

// projected is what the cluster knows of a token that it minted.
type projected struct {
	audiences     []string
	expires       int64
	username, uid string            // of the account
	needs         map[string]string // object -> uid: what it dies with
}

// NewAPIServer starts a cluster that looks at clock.
func NewAPIServer(t testing.TB, clock *Clock) *APIServer {
	t.Helper()
	c := &APIServer{
		Party: &Party{}, clock: clock, bearer: "bearer-" + rand.Text(), uids: map[string]string{}, minted: map[[sha256.Size]byte]projected{},
	}
	c.AddKey(t, "k1", "ES256")
	keys := c.routes()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.shown = append(c.shown, r.Header.Get("Authorization"))
		c.mu.Unlock()
		keys.ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", c.serveReview)
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that do not trust its CA
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c.URL = srv.URL
	dir := t.TempDir()
	c.CAFile, c.TokenFile = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	c.write(t, c.CAFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	c.write(t, c.TokenFile, c.bearer+"\n")
	return c
}

func (c *APIServer) write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Manifest is the cluster as a TrustedIssuer, whose keys are found through its
// metadata. With review its API server is asked; more are further members of
// that, such as "onOutage: offline".
func (c *APIServer) Manifest(name string, review bool, more ...string) string {
	spec := `type: kubernetes, issuer: "` + c.URL + `", keys: { discovery: true }, caFile: "` + c.CAFile + `"`
	if review {
		members := append([]string{`url: "` + c.URL + `"`, `tokenFile: "` + c.TokenFile + `"`}, more...)
		spec += ", tokenReview: { " + strings.Join(members, ", ") + " }"
	}
	return "---\napiVersion: tokenry/v1\nkind: TrustedIssuer\nmetadata: { name: " + name + " }\nspec: { " + spec + " }\n"
}

// Token projects a token for aud into pod "<account>-0" of an account,
// "<namespace>/<name>". Whatever is not there is made. Claims replace the usual
// ones.
func (c *APIServer) Token(t testing.TB, aud, account string, change Claims) string {
	t.Helper()
	namespace, name, _ := strings.Cut(account, "/")
	now := c.clock.Now()
	claims := merge(Claims{
		"iss": c.URL, "sub": "system:serviceaccount:" + namespace + ":" + name, "aud": []string{aud}, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Unix() + 3600,
		"kubernetes.io": Claims{
			"namespace":      namespace,
			"serviceaccount": Claims{"name": name, "uid": c.uid("serviceaccount/" + account)},
			"pod":            Claims{"name": name + "-0", "uid": c.uid("pod/" + account + "-0")},
			"node":           Claims{"name": "node-1", "uid": c.uid("node/node-1")},
		},
	}, change)
	token := c.Sign(t, "", claims)
	c.mu.Lock()
	defer c.mu.Unlock()
	p := projected{expires: now.Unix() + 3600, username: "system:serviceaccount:" + namespace + ":" + name, needs: map[string]string{}}
	p.audiences, _ = claims["aud"].([]string)
	for _, object := range []string{"namespace/" + namespace, "serviceaccount/" + account, "pod/" + account + "-0"} {
		p.needs[object] = c.made(object)
	}
	p.uid = c.made("serviceaccount/" + account)
	c.minted[sha256.Sum256([]byte(token))] = p
	return token
}

func (c *APIServer) uid(object string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made(object)
}

// made returns the uid of an object, which is made if it is not there. c.mu is
// held.
func (c *APIServer) made(object string) string {
	if c.uids[object] == "" {
		c.uids[object] = rand.Text()
	}
	return c.uids[object]
}

// Delete deletes an object: "pod/prod/research-0", "serviceaccount/prod/research"
// or "namespace/prod". Made again, it has another uid.
func (c *APIServer) Delete(object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.uids, object)
}

// Break has something else answer TokenReviews; nil mends it.
func (c *APIServer) Break(how http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = how
}

// BreakStatus has TokenReviews answered with an HTTP status and nothing else.
func (c *APIServer) BreakStatus(code int) {
	c.Break(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

// Change gives how the last word on the status of each answer; nil takes it back.
func (c *APIServer) Change(how func(status map[string]any)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change = how
}

// RotateToken replaces the token that may create TokenReviews. The old one is
// worth nothing any more.
func (c *APIServer) RotateToken(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bearer = "bearer-" + rand.Text()
	c.write(t, c.TokenFile, c.bearer)
}

// Reviews is how often it was asked about a token.
func (c *APIServer) Reviews() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reviews
}

// Shown are the Authorization headers of the requests for its keys, "" for one
// without.
func (c *APIServer) Shown() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.shown)
}

func (c *APIServer) serveReview(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.reviews++
	broken, bearer := c.broken, c.bearer
	c.mu.Unlock()
	var review struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			Token     string   `json:"token"`
			Audiences []string `json:"audiences"`
		} `json:"spec"`
	}
	body, err := io.ReadAll(r.Body) // to its end, or a handler that waits would not notice that the client has gone
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		err = decoder.Decode(&review)
	}
	switch {
	case broken != nil:
		broken(w, r)
	case r.Header.Get("Authorization") != "Bearer "+bearer:
		w.WriteHeader(http.StatusUnauthorized)
	case err != nil || review.Kind != "TokenReview" || review.APIVersion != "authentication.k8s.io/v1":
		w.WriteHeader(http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusCreated)
		writeJSON(w, map[string]any{
			"kind": review.Kind, "apiVersion": review.APIVersion, "metadata": map[string]any{},
			"spec": review.Spec, "status": c.status(review.Spec.Token, review.Spec.Audiences),
		})
	}
}

// status says of a token what an API server would.
func (c *APIServer) status(token string, audiences []string) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := map[string]any{"authenticated": false, "error": "[invalid bearer token, service account token has been invalidated]", "user": map[string]any{}}
	if p, ok := c.minted[sha256.Sum256([]byte(token))]; ok {
		both := slices.DeleteFunc(slices.Clone(audiences), func(a string) bool { return !slices.Contains(p.audiences, a) })
		alive := p.expires > c.clock.Now().Unix() && len(both) > 0
		for object, uid := range p.needs {
			alive = alive && c.uids[object] == uid
		}
		if alive {
			status = map[string]any{"authenticated": true, "audiences": both, "user": map[string]any{
				"username": p.username, "uid": p.uid, "groups": []string{"system:serviceaccounts", "system:authenticated"},
			}}
		}
	}
	if c.change != nil {
		c.change(status)
	}
	return status
}
