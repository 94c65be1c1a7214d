package registry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/registry"
)

const (
	id     = "0a1b2c3d-0000-4000-8000-00000000abcd"
	github = `{"tokens":null,"preset":"github-actions","issuer":"https://token.actions.githubusercontent.com","keys":null}`
	google = `{"tokens":null,"preset":"google-cloud","issuer":"https://accounts.google.com","keys":null}`
	gitlab = `{"tokens":null,"preset":"gitlab-ci","issuer":"https://gitlab.com","keys":null}`
	azure  = `{"tokens":null,"preset":"azure","issuer":"https://login.microsoftonline.com/` + id + `/v2.0","keys":null}`
	aws    = `{"tokens":null,"preset":"aws","issuer":"https://6f9619ff.tokens.sts.global.api.aws","keys":null}`
)

// preset is a spec of a trusted issuer.
func preset(name, issuer, more string) string {
	return `{"preset":"` + name + `","issuer":"` + issuer + `","keys":null` + more + `}`
}

func TestValidatePreset(t *testing.T) {
	t.Parallel()
	const k = registry.KindTrustedIssuer
	is := func(name, form string) string {
		return "spec.issuer: is no issuer of " + name + ", which is " + form + "; leave spec.preset out for another one"
	}
	githubForm := "https://token.actions.githubusercontent.com or, of an enterprise, https://token.actions.githubusercontent.com/<enterprise>"
	azureForm := "https://login.microsoftonline.com/<tenant id>/v2.0 or https://sts.windows.net/<tenant id>/"
	checkValidations(t, []validation{
		{"of users", k, preset("github-actions", "https://token.actions.githubusercontent.com", `,"tokens":"user"`),
			`spec.preset: github-actions speaks of workloads; leave spec.tokens out`,
			preset("github-actions", "https://token.actions.githubusercontent.com", `,"tokens":"workload"`)},
		{"of a cluster", k, preset("gitlab-ci", "https://git.example", `,"type":"kubernetes"`),
			`spec.preset: is only for an issuer of type oidc; leave it out`, preset("gitlab-ci", "https://git.example", "")},
		{"github of another host", k, preset("github-actions", "https://ghes.example/_services/token", ""), is("github-actions", githubForm),
			preset("github-actions", "https://token.actions.githubusercontent.com/acme-inc", "")},
		{"github with a slash", k, preset("github-actions", "https://token.actions.githubusercontent.com/", ""), is("github-actions", githubForm), github},
		{"github by suffix", k, preset("github-actions", "https://token.actions.githubusercontent.com.evil.example", ""), is("github-actions", githubForm), github},
		{"google by another name", k, preset("google-cloud", "https://google.example", ""), is("google-cloud", "https://accounts.google.com"), google},
		{"gitlab at another platform", k, preset("gitlab-ci", "https://token.actions.githubusercontent.com", ""), is("gitlab-ci", "https://gitlab.com or the URL of your own GitLab"),
			preset("gitlab-ci", "https://git.example/gitlab", "")},
		{"terraform at gitlab", k, preset("terraform-cloud", "https://gitlab.com", ""), is("terraform-cloud", "https://app.terraform.io or the URL of your own Terraform Enterprise"),
			preset("terraform-cloud", "https://app.terraform.io", "")},
		{"aws of another host", k, preset("aws", "https://a.tokens.sts.global.api.aws.evil.example", ""), is("aws", "https://<uuid>.tokens.sts.global.api.aws"), aws},
		{"buildkite of another host", k, preset("buildkite", "https://buildkite.com", ""), is("buildkite", "https://agent.buildkite.com"), preset("buildkite", "https://agent.buildkite.com", "")},
		{"circleci without its organization", k, preset("circleci", "https://oidc.circleci.com", ""), is("circleci", "https://oidc.circleci.com/org/<organization id>"),
			preset("circleci", "https://oidc.circleci.com/org/"+id, "")},
		{"SEC-AC-25 azure of all tenants", k, preset("azure", "https://login.microsoftonline.com/common/v2.0", ""), is("azure", azureForm), azure},
		{"SEC-AC-27 azure of a template", k, preset("azure", "https://login.microsoftonline.com/{tenantid}/v2.0", ""), is("azure", azureForm),
			preset("azure", "https://sts.windows.net/"+id+"/", "")},
		{"roots for the preset's keys", k, preset("github-actions", "https://token.actions.githubusercontent.com", `,"caFile":"/ca.pem","keys":{"jwksFile":"/k"}`),
			`spec.caFile: has no effect: these keys are not fetched; leave it out`,
			preset("github-actions", "https://token.actions.githubusercontent.com", `,"caFile":"/ca.pem"`)},
	})
}

// SEC-AC-25: at a shared host anybody gets a token with the audience and, but
// for the names in it, the subject that they like.
func TestValidateSharedIssuer(t *testing.T) {
	t.Parallel()
	const k = registry.KindTrustedIssuer
	var rows []validation
	for host, name := range map[string]string{
		"token.actions.githubusercontent.com": "github-actions", "token.actions.githubusercontent.com/acme": "github-actions",
		"TOKEN.actions.githubusercontent.com": "github-actions", "gitlab.com": "gitlab-ci", "gitlab.com:443": "gitlab-ci", "gitlab.com.": "gitlab-ci",
		"app.terraform.io": "terraform-cloud", "agent.buildkite.com": "buildkite", "oidc.circleci.com/org/" + id: "circleci",
	} {
		want := fmt.Sprintf("spec.issuer: is a platform that everybody can use; set preset: %s (and tokens: workload), which has credentials hold on to what is yours", name)
		for _, tokens := range []string{"workload", "user"} {
			rows = append(rows, validation{"SEC-AC-25 " + host + " " + tokens, k, `{"tokens":"` + tokens + `","issuer":"https://` + host + `"}`, want,
				`{"tokens":"` + tokens + `","issuer":"https://my-` + host + `"}`})
		}
	}
	rows = append(rows, validation{"SEC-AC-25 google", k, `{"tokens":"workload","issuer":"https://accounts.google.com"}`,
		"spec.issuer: is a platform that everybody can use; set preset: google-cloud (and tokens: workload), which has credentials hold on to what is yours",
		`{"tokens":"user","issuer":"https://accounts.google.com"}`})
	for _, tenant := range []string{"common", "organizations", "consumers", "%7Btenantid%7D", "contoso.onmicrosoft.com", strings.ToUpper(id), ""} {
		for _, host := range []string{"login.microsoftonline.com", "login.microsoftonline.us"} {
			rows = append(rows, validation{"SEC-AC-27 " + host + " " + tenant, k, `{"issuer":"https://` + host + `/` + tenant + `/v2.0"}`,
				`spec.issuer: names no single tenant of Microsoft Entra: put the id of the tenant into its path, as the iss of its tokens has it`,
				`{"issuer":"https://` + host + `/` + id + `/v2.0"}`})
		}
	}
	checkValidations(t, rows)
}

func TestPresetDefaults(t *testing.T) {
	t.Parallel()
	const windows = "https://sts.windows.net/" + id + "/"
	for _, row := range []struct {
		spec registry.TrustedIssuer
		path string
		url  string
		algs string
	}{
		{registry.TrustedIssuer{Preset: "github-actions", Issuer: "https://token.actions.githubusercontent.com"}, "spec.preset", "https://token.actions.githubusercontent.com", "RS256"},
		{registry.TrustedIssuer{Preset: "google-cloud", Issuer: "https://accounts.google.com"}, "spec.preset", "https://www.googleapis.com/oauth2/v3/certs", "RS256"},
		{registry.TrustedIssuer{Preset: "aws", Issuer: "https://x.tokens.sts.global.api.aws"}, "spec.preset", "https://x.tokens.sts.global.api.aws", "ES384 RS256"},
		{registry.TrustedIssuer{Preset: "azure", Issuer: "https://login.microsoftonline.com/" + id + "/v2.0"}, "spec.preset", "https://login.microsoftonline.com/" + id + "/v2.0", "RS256"},
		{registry.TrustedIssuer{Preset: "azure", Issuer: windows}, "spec.preset", "https://login.microsoftonline.com/" + id + "/discovery/keys", "RS256"},
		{registry.TrustedIssuer{Preset: "azure", Issuer: windows, Keys: registry.KeySource{JWKSURL: "https://keys.example"}, Algorithms: []string{"ES256"}}, "spec.keys.jwksUrl", "https://keys.example", "ES256"},
		{registry.TrustedIssuer{Issuer: "https://idp.example", Keys: registry.KeySource{Discovery: true}}, "spec.issuer", "https://idp.example", "ES256 RS256"},
		{registry.TrustedIssuer{Preset: "gitlab-ci", Issuer: "https://gitlab.com", Keys: registry.KeySource{JWKSFile: "/k"}}, "", "", "RS256"},
	} {
		row.spec.Type = registry.OIDC
		path, url := row.spec.KeysURL()
		if path != row.path || url != row.url || strings.Join(row.spec.SignedWith(), " ") != row.algs {
			t.Errorf("%s %s: keys from %s %s, signed with %v", row.spec.Preset, row.spec.Issuer, path, url, row.spec.SignedWith())
		}
		if want := row.spec.Preset != ""; (row.spec.SubjectTokens() == registry.WorkloadTokens) != want {
			t.Errorf("%s: speaks of %ss", row.spec.Preset, row.spec.SubjectTokens())
		}
	}
}

// What is stored stays what the operator wrote.
func TestPresetIsStoredAsWritten(t *testing.T) {
	t.Parallel()
	const written = `{"type":"oidc","issuer":"https://gitlab.com","preset":"gitlab-ci"}`
	spec, err := registry.DecodeSpec(registry.KindTrustedIssuer, []byte(written))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written, string(raw)); diff != "" {
		t.Error(diff)
	}
}

// platformTown is the town with an issuer of each kind that has a table of
// claims.
func platformTown(name, agent string) edits {
	return edits{
		"TrustedIssuer github": github, "TrustedIssuer google": google, "TrustedIssuer gitlab": gitlab, "TrustedIssuer azure": azure, "TrustedIssuer aws": aws,
		"Agent " + name: agent,
	}
}

func TestCredentialsOfPlatforms(t *testing.T) {
	t.Parallel()
	const at = `Agent z: spec.credentials[0].`
	mutable := func(platform, advice string) string {
		return at + "claims: pins no immutable identifier of " + platform + ": a name there can be registered again by somebody else; " + advice
	}
	hub := mutable("github-actions", "add one of repository_id, repository_owner_id with its value, or give repo:<owner>@<id>/<repository>@<id>:… as subject.exact")
	amazon := mutable("aws", "add one of https:~1~1sts.amazonaws.com~1/aws_account with its value")
	number := mutable("google-cloud", "give the numeric unique id of the service account as subject.exact")
	object := mutable("azure", "add one of oid with its value, or give the object id of the managed identity or service principal as subject.exact")
	const main, role = "repo:acme/app:ref:refs/heads/main", "arn:aws:iam::123456789012:role/x"
	const hubID = `,"claims":{"repository_id":"42"}`
	rows := []struct{ name, bad, want, good string }{
		{"SEC-AC-25 github without a pin", cred("github", main, ""), hub, cred("github", main, hubID)},
		{"github pinned by a name", cred("github", main, `,"claims":{"repository":"acme/app"}`), hub, cred("github", main, `,"claims":{"repository":"acme/app","repository_owner_id":"7"}`)},
		{"github pinned to nothing", cred("github", main, `,"claims":{"repository_id":""}`), hub, cred("github", main, hubID)},
		{"github in half of the immutable form", cred("github", "repo:acme@7/app:ref:refs/heads/main", ""), hub, cred("github", "repo:acme@7/app@42:ref:refs/heads/main", "")},
		{"gitlab", cred("gitlab", "project_path:acme/app:ref_type:branch:ref:main", ""), mutable("gitlab-ci", "add one of project_id, namespace_id with its value"),
			cred("gitlab", "project_path:acme/app:ref_type:branch:ref:main", `,"claims":{"project_id":"42"}`)},
		{"SEC-ID-28 google by an address", cred("google", "ci@acme.iam.gserviceaccount.com", ""),
			number + "\n" + at + `subject.exact: is an e-mail address, which can be given to somebody else; name the id that the issuer puts into sub`, cred("google", "112233445566778899001", "")},
		{"azure by a name", cred("azure", "build-identity", ""), object, cred("azure", id, "")},
		{"azure by a pin", cred("azure", "build-identity", ""), object, cred("azure", "x", `,"claims":{"oid":"`+id+`"}`)},
		{"aws", cred("aws", role, ""), amazon, cred("aws", role, `,"claims":{"https:~1~1sts.amazonaws.com~1/aws_account":"123456789012"}`)},
		{"SEC-ID-30 aws with an unescaped path", cred("aws", role, `,"claims":{"https://sts.amazonaws.com//aws_account":"123456789012"}`), amazon,
			cred("aws", role, `,"claims":{"https:~1~1sts.amazonaws.com~1/aws_account":"123456789012"}`)},

		{"SEC-ID-28 pin of an address", cred("ci", "x", `,"claims":{"email":"a@acme.example"}`), at + `claims: email can be changed and given to somebody else; pin the id of the subject`,
			cred("ci", "x", `,"claims":{"email_verified":"true"}`)},
		{"SEC-ID-28 subject that is an address", cred("ci", "a@acme.example", ""), at + `subject.exact: is an e-mail address, which can be given to somebody else; name the id that the issuer puts into sub`,
			cred("ci", "repo:acme@7/app@42:ref", "")},
		{"SEC-ID-27 subject that is nearly an address", cred("ci", "a@b.example@acme.example", ""), at + `subject.exact: is an e-mail address, which can be given to somebody else; name the id that the issuer puts into sub`,
			cred("ci", "user-7", "")},

		{"misspelt condition", cred("github", main, hubID+`,"condition":"claims.repositry == 'acme/app'"`),
			at + `condition: claims.repositry: tokens of github-actions have no such claim; did you mean "repository"?`, cred("github", main, hubID+`,"condition":"claims.repository == 'acme/app'"`)},
		{"misspelt by index", cred("github", main, hubID+`,"condition":"claims['run_ids'] == '1'"`),
			at + `condition: claims.run_ids: tokens of github-actions have no such claim; did you mean "run_id"?`, cred("github", main, hubID+`,"condition":"claims['something_new'] == '1'"`)},
		{"misspelt pin", cred("github", main, `,"claims":{"repository_id":"42","environmen":"prod"}`),
			at + `claims: claims.environmen: tokens of github-actions have no such claim; did you mean "environment"?`, cred("github", main, `,"claims":{"repository_id":"42","environment":"prod"}`)},
		{"misspelt namespace", cred("aws", role, `,"claims":{"https:~1~1sts.amazonaws.com~1/aws_account":"1","https:~1~1sts.amazonaws.com/org_id":"o"}`),
			at + `claims: claims.https://sts.amazonaws.com: tokens of aws have no such claim; did you mean "https://sts.amazonaws.com/"?`,
			cred("aws", role, `,"claims":{"https:~1~1sts.amazonaws.com~1/aws_account":"1","https:~1~1sts.amazonaws.com~1/org_id":"o"}`)},
		{"misspelt of a cluster", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernets.io'].namespace == 'prod'"`),
			at + `condition: claims.kubernets.io: tokens of a Kubernetes cluster have no such claim; did you mean "kubernetes.io"?`,
			cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].namespace == 'prod'"`)},
		{"misspelt member of a cluster", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].namespce == 'x'"`),
			at + `condition: claims["kubernetes.io"].namespce: tokens of a Kubernetes cluster have no such claim; did you mean claims["kubernetes.io"].namespace?`,
			cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].tenant == 'x'"`)},
		{"misspelt account", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].serviceacount.uid == 'x'"`),
			at + `condition: claims["kubernetes.io"].serviceacount.uid: tokens of a Kubernetes cluster have no such claim; did you mean claims["kubernetes.io"].serviceaccount.uid?`,
			cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].serviceaccount.uid == 'x'"`)},
		{"misspelt member of an account", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].serviceaccount.uuid == 'x'"`),
			at + `condition: claims["kubernetes.io"].serviceaccount.uuid: tokens of a Kubernetes cluster have no such claim; did you mean claims["kubernetes.io"].serviceaccount.uid?`,
			cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].serviceaccount.tenant == 'x'"`)},
		{"cluster with dots", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims.kubernetes.io.namespace == 'x'"`),
			at + `condition: claims.kubernetes.io.namespace: tokens of a Kubernetes cluster have no such claim; did you mean claims["kubernetes.io"].namespace?`,
			cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims.kubernetes.namespace == 'x'"`)},
		{"cluster with dots alone", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims.kubernetes.io == 'x'"`),
			at + `condition: claims.kubernetes.io: tokens of a Kubernetes cluster have no such claim; did you mean claims["kubernetes.io"]?`,
			cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].warnafter == 1"`)},
		{"cluster with dots and a letter", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims.kubernets.io.pod.uuid == 'x'"`),
			at + `condition: claims.kubernets.io.pod.uuid: tokens of a Kubernetes cluster have no such claim; did you mean claims["kubernetes.io"].pod.uid?`,
			cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].pod.uid == 'x'"`)},
		{"misspelt member in a pin", cred("prod", "system:serviceaccount:prod:z", `,"claims":{"kubernetes.io/serviceaccount/uuid":"x"}`),
			at + `claims: "kubernetes.io/serviceaccount/uuid": tokens of a Kubernetes cluster have no such claim; did you mean "kubernetes.io/serviceaccount/uid"?`,
			cred("prod", "system:serviceaccount:prod:z", `,"claims":{"kubernetes.io/serviceaccount/uid":"x"}`)},
		{"pin with dots", cred("prod", "system:serviceaccount:prod:z", `,"claims":{"kubernetes.io.serviceaccount.uid":"x"}`),
			at + `claims: "kubernetes.io.serviceaccount.uid": tokens of a Kubernetes cluster have no such claim; did you mean "kubernetes.io/serviceaccount/uid"?`,
			cred("prod", "system:serviceaccount:prod:z", `,"claims":{"kubernetes.io/tenant.region/uuid":"x"}`)},
		{"pin with a dot", cred("prod", "system:serviceaccount:prod:z", `,"claims":{"kubernetes.io/secret.name":"x"}`),
			at + `claims: "kubernetes.io/secret.name": tokens of a Kubernetes cluster have no such claim; did you mean "kubernetes.io/secret/name"?`,
			cred("prod", "system:serviceaccount:prod:z", `,"claims":{"kubernetes.io/secret/name":"x"}`)},
		{"pin with dots of nobody knows what", cred("prod", "system:serviceaccount:prod:z", `,"claims":{"kubernetes.io.tenant~1x":"x"}`),
			at + `claims: "kubernetes.io.tenant~1x": tokens of a Kubernetes cluster have no such claim; did you mean "kubernetes.io/tenant~1x"?`,
			cred("prod", "system:serviceaccount:prod:z", `,"claims":{"kubernetes.io/tenant~1x":"x"}`)},
		{"misspelt twice", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernets.io'].pod.uid == 'x' && claims['kubernets.io'].pod.name == 'y'"`),
			at + `condition: claims.kubernets.io: tokens of a Kubernetes cluster have no such claim; did you mean "kubernetes.io"?`,
			cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims['kubernetes.io'].pod.uid == 'x' && claims['kubernetes.io'].pod.name == 'y'"`)},
		{"misspelt of a trust domain", cred("spire", "spiffe://prod.example/z", `,"condition":"claims.subb != ''"`),
			at + `condition: claims.subb: tokens of a SPIFFE trust domain have no such claim; did you mean "sub"?`, cred("spire", "spiffe://prod.example/z", `,"condition":"claims.region == 'eu'"`)},
		{"misspelt of nobody knows whom", cred("prod", "system:serviceaccount:prod:z", `,"condition":"claims.subb == ''"`),
			at + `condition: claims.subb: tokens of a Kubernetes cluster have no such claim; did you mean "sub"?`, cred("ci", "z", `,"condition":"claims.subb == ''"`)},
	}
	var all []reference
	for _, r := range rows {
		all = append(all, reference{r.name, platformTown("z", r.bad), r.want, platformTown("z", r.good)})
	}
	checkReferences(t, all)
}

// What a blueprint says of its instances holds on to the same.
func TestPatternCredentialsOfPlatforms(t *testing.T) {
	t.Parallel()
	blueprint := func(more string) edits {
		e := platformTown("z", `{"credentials":null}`)
		e["Blueprint z"] = `{"credentials":[{"name":"c","issuer":"github","subject":{"prefix":"repo:acme/"},"maxInstances":9` + more + `}]}`
		return e
	}
	var got []string
	for _, p := range registry.ValidateAll(state(t, blueprint("")), ours) {
		got = append(got, p.Path+": "+p.Message)
	}
	if !strings.Contains(strings.Join(got, "\n"), "spec.credentials[0].claims: pins no immutable identifier of github-actions") {
		t.Errorf("got %q", got)
	}
	for _, p := range registry.ValidateAll(state(t, blueprint(`,"claims":{"repository_owner_id":"7"}`)), ours) {
		if strings.Contains(p.Message, "immutable") {
			t.Errorf("with a pin: %s", p)
		}
	}
}

// So do labels. Only what is of a cluster has the members of a cluster.
func TestLabelsOfClusters(t *testing.T) {
	t.Parallel()
	const said = `spec.credentials[0].labels: "kubernetes.io/node/names": tokens of a Kubernetes cluster have no such claim; did you mean "kubernetes.io/node/name"?`
	for _, row := range []struct {
		issuer, path string
		refused      bool
	}{
		{"prod", "kubernetes.io/node/names", true},
		{"prod", "kubernetes.io/node/name", false},
		{"prod", "kubernetes.io/node/tenant", false},
		{"ci", "kubernetes.io/node/names", false},
		{"github", "kubernetes.io/node/names", false},
	} {
		e := platformTown("z", `{"credentials":null}`)
		e["Blueprint z"] = `{"credentials":[{"name":"c","issuer":"` + row.issuer + `","subject":{"prefix":"repo:acme/"},"maxInstances":9,"labels":{"n":"` + row.path + `"}}]}`
		var got []string
		for _, p := range registry.ValidateAll(state(t, e), ours) {
			got = append(got, p.Path+": "+p.Message)
		}
		if all := strings.Join(got, "\n"); strings.Contains(all, said) != row.refused || strings.Contains(all, "no such claim") != row.refused {
			t.Errorf("%s at %s: got %q", row.path, row.issuer, got)
		}
	}
}

// Where everybody has an account, a rule says whose users it means.
func TestRulesForUsersOfEverybody(t *testing.T) {
	t.Parallel()
	const needed = `DelegationRule z: spec.subjects.condition: is needed: everybody may have an account at trusted issuer "everybody"; say whose users you mean, for example claims.hd == "example.com"`
	with := func(issuer, condition string) edits {
		return edits{
			"TrustedIssuer everybody": `{"issuer":"` + issuer + `"}`,
			"DelegationRule z":        `{"subjects":{"issuer":"everybody"` + condition + `}}`,
		}
	}
	const acme = `,"condition":"claims.hd == 'acme.example'"`
	checkReferences(t, []reference{
		{"SEC-AC-25 google", with("https://accounts.google.com", ""), needed, with("https://accounts.google.com", acme)},
		{"SEC-AC-25 personal accounts", with("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", ""), needed,
			with("https://login.microsoftonline.com/"+id+"/v2.0", "")},
	})
}

// An address is believed only with the word that it was checked.
func TestRulesThatReadAddresses(t *testing.T) {
	t.Parallel()
	const k = registry.KindDelegationRule
	const believes = `spec.subjects.condition: believes claims.email whoever wrote it; add claims.email_verified == true, or ask for another claim`
	rule := func(condition string) string {
		return `{"subjects":{"issuer":"corp","condition":"` + condition + `"}}`
	}
	checkValidations(t, []validation{
		{"SEC-AC-24 address", k, rule(`claims.email.endsWith('@acme.example')`), believes, rule(`claims.email.endsWith('@acme.example') && claims.email_verified == true`)},
		{"SEC-AC-24 by index", k, rule(`claims['email'] == 'a@acme.example'`), believes, rule(`claims.groups == ['email']`)},
	})
}
