package credential

import (
	"context"
	"strings"
)

const (
	kubernetesClaim      = "kubernetes.io"
	serviceAccountPrefix = "system:serviceaccount:"
)

// serviceAccount verifies a Kubernetes service-account token: a projected,
// short-lived one for our audience.
func (e *exam) serviceAccount(ctx context.Context, typ string) error {
	if e.position == asSubject && typ != jwtType {
		return e.fail(CheckType, FaultType, typ, jwtType)
	}
	if err := e.plainTyp(); err != nil {
		return err
	}
	if err := e.workload(ctx); err != nil {
		return err
	}
	return e.review(ctx)
}

// account cross-checks `sub` with the kubernetes.io claims, which the API
// server fills from the same object: where they differ, it did not.
func (e *exam) account() error {
	namespace, name, ok := strings.Cut(strings.TrimPrefix(e.identity.Subject, serviceAccountPrefix), ":")
	if !ok || namespace == "" || name == "" || strings.Contains(name, ":") ||
		!strings.HasPrefix(e.identity.Subject, serviceAccountPrefix) {
		return e.fail(CheckClaims, FaultSubject, e.identity.Subject, serviceAccountPrefix+"<namespace>:<name>")
	}
	own, ok, err := e.claims.Object(kubernetesClaim)
	if err != nil {
		return e.refused(CheckClaims, err)
	}
	if !ok {
		return e.claimType(kubernetesClaim, "an object")
	}
	// A token that the API server made long-lived for an old client carries
	// warnafter: it is meant for the API server alone.
	if _, extended := own["warnafter"]; extended {
		return e.fail(CheckClaims, FaultLifetime, "kubernetes.io.warnafter", "a projected token")
	}
	account, ok, err := own.Object("serviceaccount")
	if err != nil {
		return e.refused(CheckClaims, err)
	}
	if !ok {
		return e.claimType("kubernetes.io.serviceaccount", "an object")
	}
	gotNamespace, _, err := own.String("namespace")
	if err != nil {
		return e.refused(CheckClaims, err)
	}
	gotName, _, err := account.String("name")
	if err != nil {
		return e.refused(CheckClaims, err)
	}
	if gotNamespace != namespace || gotName != name {
		return e.fail(CheckClaims, FaultClaimConflict, gotNamespace+":"+gotName, namespace+":"+name)
	}
	return nil
}

// apiServer reports whether aud is an audience of the cluster's own API server.
// A token that it would accept must never leave the cluster, so one found here
// was misdirected, whoever else it names. Unless it is told otherwise, an API
// server's audience is its issuer.
func (e *exam) apiServer(aud string) bool {
	return strings.HasPrefix(aud, "https://kubernetes.default.svc") || aud == e.issuer.Spec.Issuer
}
