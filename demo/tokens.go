package demo

import (
	"crypto/rand"
	"net/http"
	"regexp"
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

// namespace is the only one of the demo's cluster.
const namespace = "demo"

// serviceAccountToken is GET /cluster/token?sa=research-agent: what the kubelet
// projects into a pod of that service account.
func (w *World) serviceAccountToken(rw http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("sa")
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`).MatchString(name) {
		http.Error(rw, "sa must be the name of a service account", http.StatusBadRequest)
		return
	}
	// The shape of a bound service-account token of Kubernetes.
	w.respond(rw, w.cluster, map[string]any{
		"sub": "system:serviceaccount:" + namespace + ":" + name,
		"nbf": w.now().Unix(), "jti": rand.Text(),
		"kubernetes.io": map[string]any{
			"namespace":      namespace,
			"serviceaccount": map[string]any{"name": name, "uid": "0b8e5a0e-0000-4000-8000-000000000001"},
			"pod":            map[string]any{"name": name + "-0", "uid": "0b8e5a0e-0000-4000-8000-000000000002"},
		},
	})
}
