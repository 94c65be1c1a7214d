package credential_test

import (
	"testing"

	"github.com/tokenry/tokenry/registry"
)

const accountSubject = "system:serviceaccount:prod:payer"

func accountClaims(iss string) object {
	return object{
		"iss": iss, "sub": accountSubject, "aud": []string{ours},
		"iat": t0.Unix() - 30, "nbf": t0.Unix() - 30, "exp": t0.Unix() + 570,
		"kubernetes.io": object{"namespace": "prod", "serviceaccount": object{"name": "payer", "uid": "u-1"}},
	}
}

// clusterWorld trusts a cluster, and the same keys as an OpenID provider.
func clusterWorld(t *testing.T) (w *world, cluster, generic *issuer) {
	t.Helper()
	w, cluster, generic = newWorld(t, t0), newIssuer(t, "k8s-1"), newIssuer(t, "ci-1")
	w.put(registry.KindTrustedIssuer, "cluster", &registry.TrustedIssuer{
		Type: registry.Kubernetes, Issuer: cluster.URL, Keys: registry.KeySource{Discovery: true},
		Audiences: []string{ours, cluster.URL, "https://kubernetes.default.svc", "vault"},
	})
	w.put(registry.KindTrustedIssuer, "generic", &registry.TrustedIssuer{
		Type: registry.OIDC, Tokens: registry.WorkloadTokens, Issuer: generic.URL, Keys: registry.KeySource{Discovery: true},
	})
	w.put(registry.KindBlueprint, "researcher", &registry.Blueprint{})
	w.agent("payer", "researcher", exact("cluster", accountSubject))
	reader := exact("cluster", "system:serviceaccount:prod:reader")
	reader.Audience = "vault"
	w.agent("reader", "researcher", reader)
	pinned := exact("cluster", "system:serviceaccount:prod:pinned")
	pinned.Claims = map[string]string{"kubernetes.io/serviceaccount/uid": "u-1"}
	pinned.Condition = `claims["kubernetes.io"].pod.name != ""`
	w.agent("pinned", "researcher", pinned)
	return w, cluster, generic
}

// as returns a change that makes the token one of another account.
func as(name string) func(h, c object) {
	return func(_, c object) {
		c["sub"] = "system:serviceaccount:prod:" + name
		c["kubernetes.io"].(object)["serviceaccount"].(object)["name"] = name
	}
}

// inKubernetes returns a change of one member of the kubernetes.io claim.
func inKubernetes(name string, value any) func(h, c object) {
	return func(_, c object) { c["kubernetes.io"].(object)[name] = value }
}

func TestServiceAccountToken(t *testing.T) {
	t.Parallel()
	w, cluster, _ := clusterWorld(t)
	both := func(changes ...func(h, c object)) func(h, c object) {
		return func(h, c object) {
			for _, change := range changes {
				change(h, c)
			}
		}
	}
	rows := []row{
		{"good", nil, ""},
		{"typ_JWT", typ("JWT"), ""},
		{"typ_at+jwt", typ("at+jwt"), "type"},
		{"SEC-KH-12", func(h, _ object) { h["kid"] = nil }, "kid_missing"},
		{"K8-02_two", set("aud", []string{ours, "https://other.example"}), "aud_multiple"},
		{"K8-02_other", set("aud", []string{"https://other.example"}), "aud"},
		{"K8-03", set("aud", []string{ours, "https://kubernetes.default.svc"}), "aud"},
		{"SEC-K8-06", set("aud", []string{"https://kubernetes.default.svc"}), "aud"},
		{"SEC-K8-06_long", set("aud", []string{"https://kubernetes.default.svc.cluster.local"}), "aud"},
		{"SEC-K8-06_issuer", set("aud", []string{cluster.URL}), "aud"},
		{"SEC-K8-01_K8-07", drop("exp"), "exp_missing"},
		{"SEC-K8-07_lifetime", set("exp", t0.Unix()+365*86400), "lifetime"},
		{"SEC-K8-07_K8-08_warnafter", inKubernetes("warnafter", t0.Unix()+60), "lifetime"},
		{"SEC-K8-08_namespace", inKubernetes("namespace", "dev"), "claim_conflict"},
		{"SEC-K8-08_name", inKubernetes("serviceaccount", object{"name": "reader"}), "claim_conflict"},
		{"SEC-K8-09_missing", drop("kubernetes.io"), "claim_type"},
		{"SEC-K8-09_string", set("kubernetes.io", "prod"), "claim_type"},
		{"SEC-K8-09_null", set("kubernetes.io", nil), "claim_type"},
		{"SEC-K8-09_account", inKubernetes("serviceaccount", "payer"), "claim_type"},
		{"SEC-K8-09_no_account", inKubernetes("serviceaccount", nil), "claim_type"},
		{"SEC-K8-09_namespace", inKubernetes("namespace", 1), "claim_type"},
		{"K8-04_user", set("sub", "payer"), "sub"},
		{"K8-04_no_name", set("sub", "system:serviceaccount:prod:"), "sub"},
		{"K8-04_no_namespace", set("sub", "system:serviceaccount::payer"), "sub"},
		{"K8-04_three", set("sub", accountSubject+":x"), "sub"},
		{"K8-04_case", set("sub", "System:serviceaccount:prod:payer"), "sub"},
		{"unbound", as("stranger"), "no_binding"},
		{"FC-01_binding_audience", both(as("reader"), set("aud", "vault")), ""},
		{"FC-01_binding_audience_narrows", as("reader"), "aud"},
		{"FC-01_issuer_audience", set("aud", "vault"), ""},
		{"FC-06_SEC-K8-17_no_pod", as("pinned"), "no_binding"},
		{"FC-06_pod", both(as("pinned"), inKubernetes("pod", object{"name": "p"})), ""},
		{"SEC-K8-04", both(as("pinned"), inKubernetes("pod", object{"name": "p"}),
			inKubernetes("serviceaccount", object{"name": "pinned", "uid": "u-2"})), "immutable_id_mismatch"},
		{"FC-06_SEC-K8-04_no_uid", both(as("pinned"), inKubernetes("serviceaccount", object{"name": "pinned"})), "no_binding"},
	}
	good := func() (object, object) { return object{}, accountClaims(cluster.URL) }
	run(t, rows, good, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), cluster.sign(t, h, c), jwtURI))
	})
}

// A cluster that is registered as an OpenID provider would escape the rules
// for service accounts.
func TestServiceAccountThroughOpenIDIssuer(t *testing.T) {
	t.Parallel()
	w, _, generic := clusterWorld(t)
	claims := accountClaims(generic.URL)
	wantFault(t, second(w.Subject(t.Context(), generic.sign(t, nil, claims), jwtURI)), "type") // SEC-AC-20
	delete(claims, "kubernetes.io")
	wantFault(t, second(w.Subject(t.Context(), generic.sign(t, nil, claims), jwtURI)), "no_binding") // SEC-ID-14
}

func TestFederatedAssertion(t *testing.T) {
	t.Parallel()
	w, cluster, generic := clusterWorld(t)
	w.agent("job", "researcher", exact("generic", "repo:acme/app"))
	rows := []row{
		{"K8-10", nil, ""},
		{"JA-04", typ("client-authentication+jwt"), ""},
		{"JA-04_at+jwt", typ("at+jwt"), "type"},
		{"SEC-CA-10", set("aud", []string{ours, "https://other.example"}), "aud_multiple"},
		{"SEC-AC-05_issuer_audience", set("aud", "vault"), "aud"},
		{"SEC-AC-04", set("aud", ours+"/token"), "aud"},
		{"binding_audience", as("reader"), "aud"},
		{"SEC-CA-12", as("stranger"), "no_binding"},
		{"SEC-TM-26", drop("exp"), "exp_missing"},
		{"SEC-AC-11", drop("iss"), "issuer_missing"},
		{"SEC-AC-09", set("iss", "https://evil.example"), "issuer_unknown"},
	}
	good := func() (object, object) { return object{}, accountClaims(cluster.URL) }
	run(t, rows, good, func(t *testing.T, h, c object) error {
		a, err := w.Assertion(t.Context(), cluster.sign(t, h, c), bearerURI)
		if err == nil && (a.Agent != "payer" || a.Replay != nil) {
			t.Errorf("agent = %q, replay = %v", a.Agent, a.Replay)
		}
		return second(a, err)
	})
	job := object{"iss": generic.URL, "sub": "repo:acme/app", "aud": ours, "iat": t0.Unix(), "exp": t0.Unix() + 300}
	if _, err := w.Assertion(t.Context(), generic.sign(t, object{"typ": "JWT"}, job), bearerURI); err != nil {
		t.Errorf("a CI job: %v", err)
	}
	wantFault(t, second(w.Assertion(t.Context(), generic.sign(t, object{"typ": "at+jwt"}, job), bearerURI)), "type")
	wantFault(t, second(w.Assertion(t.Context(), generic.sign(t, nil, job), jwtURI)), "type") // SEC-CA-11
}
