package demo

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
)

// user is somebody who can sign in at the demo's provider.
type user struct {
	name   string
	groups []string
}

// users are the demo's people. Mallory signs in like anybody, and is nobody
// that an agent may act for.
func users() map[string]user {
	return map[string]user{
		"alice":   {name: "Alice Example", groups: []string{"staff"}},
		"mallory": {name: "Mallory Example", groups: []string{"guests"}},
	}
}

// userToken is GET /idp/token?user=alice: the JWT that the user's sign-in
// would have given to the application.
func (w *World) userToken(rw http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("user")
	u, ok := users()[id]
	if !ok {
		http.Error(rw, "no such demo user; there are alice and mallory", http.StatusNotFound)
		return
	}
	w.respond(rw, w.provider, map[string]any{
		"sub": id, "name": u.name, "email": id + "@example.com", "groups": u.groups,
		"auth_time": w.now().Unix(), "amr": []string{"pwd", "otp"}, "jti": rand.Text(),
	})
}

// defaultNamespace is where the demo's agents run.
const defaultNamespace = "demo"

// serviceAccountToken is GET /cluster/token?sa=research-agent: what the kubelet
// projects into a pod of that service account. With namespace= and audience=,
// which may be repeated, it is a token that is wrong in the one or the other.
func (w *World) serviceAccountToken(rw http.ResponseWriter, r *http.Request) {
	q, err := accountQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	name, namespace := q.Get("sa"), q.Get("namespace")
	claims := map[string]any{
		"sub": "system:serviceaccount:" + namespace + ":" + name,
		"nbf": w.now().Unix(), "jti": rand.Text(),
		// The shape of a bound service-account token of Kubernetes.
		"kubernetes.io": map[string]any{
			"namespace":      namespace,
			"serviceaccount": map[string]any{"name": name, "uid": "0b8e5a0e-0000-4000-8000-000000000001"},
			"pod":            map[string]any{"name": name + "-0", "uid": "0b8e5a0e-0000-4000-8000-000000000002"},
		},
	}
	switch aud := q["audience"]; len(aud) {
	case 0:
	case 1:
		claims["aud"] = aud[0] // one is a text, several are a list: RFC 7519, Section 4.1.3
	default:
		claims["aud"] = aud
	}
	w.respond(rw, w.cluster, claims)
}

// accountQuery reads the parameters of /cluster/token. A misspelt one would
// give a good token where a broken one was asked for, so it is refused.
func accountQuery(raw string) (url.Values, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errors.New("the query is malformed")
	}
	for key, values := range q {
		switch {
		case key != "sa" && key != "namespace" && key != "audience":
			return nil, errors.New("unknown parameter; there are sa, namespace, audience")
		case key != "audience" && len(values) > 1:
			return nil, errors.New(key + " must be given once")
		case slices.Contains(values, ""):
			return nil, errors.New(key + " is empty")
		}
	}
	if !q.Has("namespace") {
		q.Set("namespace", defaultNamespace)
	}
	label := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	if !label.MatchString(q.Get("sa")) {
		return nil, errors.New("sa must be the name of a service account")
	}
	if !label.MatchString(q.Get("namespace")) {
		return nil, errors.New("namespace must be the name of a namespace")
	}
	return q, nil
}
