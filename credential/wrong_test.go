package credential_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/registry"
)

// foundAt says at which checks each fault of a token can be found.
func foundAt() map[string][]string {
	at := map[string][]string{
		credential.FaultUnavailable: {credential.CheckSignature}, credential.FaultReviewUnavailable: {credential.CheckReview},
		credential.FaultType: {credential.CheckIssuer, credential.CheckType}, "typ": {credential.CheckType},
		credential.FaultNoBinding:     {credential.CheckIssuer, credential.CheckType, credential.CheckBinding},
		credential.FaultAudience:      {credential.CheckAudience, credential.CheckReview},
		credential.FaultClaimConflict: {credential.CheckTimes, credential.CheckClaims, credential.CheckReview},
		credential.FaultLifetime:      {credential.CheckTimes, credential.CheckClaims},
		"claim_type":                  {credential.CheckForm, credential.CheckIssuer, credential.CheckAudience, credential.CheckTimes, credential.CheckClaims},
		credential.FaultAmbiguous:     {credential.CheckBinding}, credential.FaultInstanceTaken: {credential.CheckBinding}, credential.FaultShadow: {credential.CheckMode},
		"header_forbidden": {credential.CheckForm, credential.CheckSignature}, "signature": {credential.CheckForm, credential.CheckSignature},
		"alg_not_allowed": {credential.CheckForm, credential.CheckSignature},
	}
	for check, faults := range map[string]string{
		credential.CheckForm: "not_compact_jws not_canonical too_large jwe_unsupported header_malformed header_too_large crit nested " +
			"kid_malformed json_duplicate json_invalid_unicode json_malformed control_char too_deep",
		credential.CheckIssuer:    "issuer_unknown issuer_missing issuer_disabled spiffe_id issuer_tenant unknown iss_sub",
		credential.CheckSignature: "kid_missing kid_unknown kid_ambiguous key_type_mismatch key_alg_mismatch key_use key_ops key_weak key_too_large",
		credential.CheckAudience:  "aud_missing aud_multiple azp",
		credential.CheckTimes:     "exp_missing expired not_yet_valid iat_missing iat_future",
		credential.CheckClaims:    "sub scope_type act_untrusted cnf jti_missing jti_malformed",
		credential.CheckReview:    "inactive too_old",
	} {
		for _, fault := range strings.Fields(faults) {
			at[fault] = []string{check}
		}
	}
	return at
}

// unsaid are the faults that no sentence is made of here, with the reason.
func unsaid(fault string) string {
	switch {
	case strings.HasPrefix(fault, "svid_"), strings.HasPrefix(fault, "cert_"):
		return "a certificate's, and what is tested is a token"
	case fault == credential.FaultImmutable:
		return "a credential's pin: its sentence is made of the credential, and tested with it"
	}
	return ""
}

// TestEveryFaultHasASentence: whoever adds a fault says what is wrong with the
// token in words of its own. None makes a report panic, wherever it is found.
func TestEveryFaultHasASentence(t *testing.T) {
	t.Parallel()
	w, cluster, _ := clusterWorld(t)
	token := cluster.sign(t, nil, accountClaims(cluster.URL))
	places := foundAt()
	checks := []string{
		credential.CheckForm, credential.CheckIssuer, credential.CheckType, credential.CheckSignature, credential.CheckAudience, credential.CheckTimes,
		credential.CheckClaims, credential.CheckLeaf, credential.CheckChain, credential.CheckBinding, credential.CheckPins, credential.CheckCondition,
		credential.CheckShadow, credential.CheckMode, credential.CheckReview,
	}
	for _, name := range append(credential.Faults(), credential.FaultUnavailable, credential.FaultReviewUnavailable) {
		made := func() *credential.Fault { return &credential.Fault{Name: name, Shown: "shown", Wanted: "wanted"} }
		for _, check := range checks {
			w.Sentence(token, check, made())
		}
		why := unsaid(name)
		if (why == "") != (len(places[name]) > 0) {
			t.Errorf("%s is found at %v, and left out because %q", name, places[name], why)
		}
		for _, check := range places[name] {
			if said, own := w.Sentence(token, check, made()); !own {
				t.Errorf("%s at %s has no sentence of its own: %s", name, check, said)
			}
		}
	}
}

// TestWrongParts: the sentence names the claim that is wrong, and not the one
// that the check is about.
func TestWrongParts(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t, t0), newSigner(t, "k1")
	keys := registry.KeySource{JWKS: encode(t, object{"keys": []object{key.jwk(t, "sig")}})}
	w.put(registry.KindTrustedIssuer, "listed", &registry.TrustedIssuer{Type: registry.OIDC, Issuer: "https://listed.example", Keys: keys, AuthorizedParties: []string{"portal", "app"}})
	w.put(registry.KindTrustedIssuer, "ids", &registry.TrustedIssuer{Type: registry.OIDC, Issuer: "https://ids.example", Keys: keys, TokenTypes: []string{"id_token"}, Audiences: []string{"console"}})
	const listed, ids = "https://listed.example", "https://ids.example"
	const noAZP = `azp is missing; wanted is one of authorizedParties, "portal, app"`
	for _, c := range []struct {
		iss    string
		change object
		wrong  string
	}{
		{listed, object{"azp": "other"}, `azp is "other"; wanted is one of authorizedParties, "portal, app"`},
		{listed, object{"client_id": "other"}, `client_id is "other"; wanted is one of authorizedParties, "portal, app"`},
		{listed, nil, noAZP},
		{listed, object{"azp": 1}, `claim azp is not as it must be; wanted is a string`},
		{ids, object{"azp": "other", "aud": "console"}, `azp is "other"; wanted is "console": of an ID token it must be an audience of the issuer`},
		{listed, object{"aud": []string{"a", ""}}, `aud is an array; wanted is a string or an array of strings, none of them empty`},
		{listed, object{"azp": "app", "exp": "soon"}, `claim exp is not as it must be; wanted is a number`},
		{listed, object{"azp": "app", "nbf": t0.Unix() + 900}, `nbf is 2026-11-20T10:15:00Z; wanted is a time at most 2026-11-20T10:10:00Z: it would never be valid`},
		{listed, object{"azp": "app", "sub": nil}, `sub is missing; wanted is a string that is not empty`},
		{listed, object{"azp": "app", "sub": ""}, `sub is empty; wanted is a string that is not empty`},
		{listed, object{"azp": "app", "scope": 1}, `scope is not as it must be; wanted is a string`},
		{listed, object{"azp": "app", "scope": "a", "scp": []string{"b"}}, `scope and scp differ; wanted is one of them: the narrower one might be the true one`},
		{listed, object{"azp": "app", "auth_time": "x"}, `claim auth_time is not as it must be; wanted is a number`},
		{listed, object{"azp": "app", "x": rawJSON("-0")}, `a number in the claims is not as it must be; wanted is an integer of 64 bits in its one spelling`},
		{listed, object{"token_use": "refresh"}, `claim token_use is "refresh"; wanted is an ID or access token`},
		{listed, object{"typ": "Refresh"}, `claim typ is "Refresh"; wanted is an ID or access token`},
	} {
		claims := object{"iss": c.iss, "sub": "alice", "aud": ours, "iat": t0.Unix(), "exp": t0.Unix() + 600}
		for name, value := range c.change {
			claims[name] = value
		}
		if r := w.Test(t.Context(), key.sign(t, nil, claims), ""); r.Wrong != c.wrong {
			t.Errorf("%v\n got: %s\nwant: %s", c.change, r.Wrong, c.wrong)
		}
	}
}

// TestWrongReviews: of a token that its cluster does not vouch for the sentence
// says what the cluster said.
func TestWrongReviews(t *testing.T) {
	t.Parallel()
	w, cluster, _ := clusterWorld(t)
	answer := ""
	api := newAPIServer(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })
	reviewed(t, w, cluster, api.URL, tokenFile(t, "ours"))
	token := cluster.sign(t, nil, accountClaims(cluster.URL))
	const server = `the API server of issuer "cluster"`
	good := `{"status":{"authenticated":true,"audiences":["` + ours + `"]`
	for _, c := range []struct{ answer, wrong string }{
		{`{"status":{"authenticated":false}}`, `what ` + server + ` says is that the token lives no more; wanted is status.authenticated: true: its pod, account or namespace was deleted or made anew`},
		{`{"status":{"authenticated":true}}`, `the audience for which ` + server + ` vouches is missing; wanted is "` + ours + `": one that knows nothing of audiences would vouch for every token of its cluster`},
		{`{"status":{"authenticated":true,"audiences":["a"]}}`, `the audience for which ` + server + ` vouches is "a"; wanted is "` + ours + `"`},
		{good + `,"user":"x"}}`, `the account for which ` + server + ` vouches is missing; wanted is status.user`},
		{good + `,"user":{"username":"x"}}}`, `the account for which ` + server + ` vouches is "x"; wanted is "` + accountSubject + `": so says sub`},
		{`<html>`, `the answer of ` + server + ` is missing; wanted is one that says whether the token lives: the cluster's API server cannot be asked: the answer is not strict JSON`},
	} {
		answer = c.answer
		r := w.Test(t.Context(), token, "")
		if r.Wrong != c.wrong {
			t.Errorf("%s\n got: %s\nwant: %s", c.answer, r.Wrong, c.wrong)
		}
		if !slices.ContainsFunc(r.Checks, func(c credential.Check) bool { return c.Name == credential.CheckReview && !c.OK }) {
			t.Errorf("checks: %+v", r.Checks)
		}
	}
}
