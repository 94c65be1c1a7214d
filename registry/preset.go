package registry

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// preset is what is known of a platform whose tokens speak of workloads: a CI
// system or a cloud. Names there can be given up and registered again by
// somebody else, so a credential must hold on to something that cannot.
type preset struct {
	issuer     *regexp.Regexp // the `iss` that it can have
	form       string         // … in words
	shared     []string       // its hosts at which everybody can get a token
	keys       func(issuer string) KeySource
	algorithms []string
	pins       []string       // claim paths of its immutable identifiers
	subject    *regexp.Regexp // an exact `sub` that is one itself; nil = none is
	subjectIs  string         // … in words
	claims     []string       // names that its tokens have besides the registered ones
	hint       string         // why a subject of the form `subject` may match nothing
}

// Regular expressions of more than one preset.
const (
	guid    = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
	anyHost = `^https://[^/?#]+(/[^?#]*[^/?#])?$`
)

// presets is the table, each from the page of the vendor's documentation that is
// named; it never changes.
var presets = sync.OnceValue(func() map[string]preset {
	return map[string]preset{
		"aws": {
			// "Understanding token claims" (AWS Identity and Access Management User Guide, outbound identity federation).
			issuer: regexp.MustCompile(`^https://[0-9a-z-]+\.tokens\.sts\.global\.api\.aws$`),
			form:   "https://<uuid>.tokens.sts.global.api.aws",
			keys:   discovered, algorithms: []string{"ES384", "RS256"},
			pins:   []string{"https:~1~1sts.amazonaws.com~1/aws_account"},
			claims: []string{"https://sts.amazonaws.com/"},
		},
		"azure": {
			// "Access token claims reference" (Microsoft identity platform).
			issuer: regexp.MustCompile(`^https://(?:login\.microsoftonline\.com/(` + guid + `)/v2\.0|sts\.windows\.net/(` + guid + `)/)$`),
			form:   "https://login.microsoftonline.com/<tenant id>/v2.0 or https://sts.windows.net/<tenant id>/",
			keys:   azureKeys, algorithms: []string{"RS256"},
			pins: []string{"oid"}, subject: regexp.MustCompile(`^` + guid + `$`), subjectIs: "the object id of the managed identity or service principal",
			claims: strings.Fields("acr acrs aio amr appid appidacr azp azpacr ctry email groups hasgroups idp idtyp in_corp ipaddr login_hint name nonce " +
				"oid onprem_sid preferred_username rh roles scp sid tenant_ctry tid unique_name upn uti ver verified_primary_email wids " +
				"xms_az_rid xms_cc xms_edov xms_ftd xms_idrel xms_mirid xms_pdl xms_pl xms_tpl xms_tcdt"),
		},
		"buildkite": {
			// "buildkite-agent oidc" (Buildkite documentation).
			issuer: regexp.MustCompile(`^https://agent\.buildkite\.com$`),
			shared: []string{"agent.buildkite.com"},
			form:   "https://agent.buildkite.com",
			keys:   discovered, algorithms: []string{"RS256"},
			pins: []string{"pipeline_id", "organization_id"},
			claims: strings.Fields("agent_id build_branch build_commit build_id build_number build_source build_tag cluster_id cluster_name job_id " +
				"organization_id organization_slug pipeline_id pipeline_slug queue_id queue_key runner_environment step_key"),
		},
		"circleci": {
			// "Using OpenID Connect tokens in jobs" (CircleCI documentation).
			issuer: regexp.MustCompile(`^https://oidc\.circleci\.com/org/` + guid + `$`),
			shared: []string{"oidc.circleci.com"},
			form:   "https://oidc.circleci.com/org/<organization id>",
			keys:   discovered, algorithms: []string{"RS256"},
			pins: []string{"oidc.circleci.com~1project-id"}, subject: regexp.MustCompile(`^org/` + guid + `/project/` + guid + `/`), subjectIs: "org/<id>/project/<id>/…",
			claims: strings.Fields("oidc.circleci.com/context-ids oidc.circleci.com/org-id oidc.circleci.com/pipeline-definition-id " +
				"oidc.circleci.com/project-id oidc.circleci.com/ssh-rerun oidc.circleci.com/vcs-origin " +
				"oidc.circleci.com/vcs-ref"),
		},
		"github-actions": {
			// "OpenID Connect reference" (GitHub Docs).
			issuer: regexp.MustCompile(`^https://token\.actions\.githubusercontent\.com(/[A-Za-z0-9_-]+)?$`),
			shared: []string{"token.actions.githubusercontent.com"},
			form:   "https://token.actions.githubusercontent.com or, of an enterprise, https://token.actions.githubusercontent.com/<enterprise>",
			keys:   discovered, algorithms: []string{"RS256"},
			pins: []string{"repository_id", "repository_owner_id"},
			// No name at GitHub has an "@".
			subject: regexp.MustCompile(`^repo:[^/:@]+@[0-9]+/[^/:@]+@[0-9]+:`), subjectIs: "repo:<owner>@<id>/<repository>@<id>:…",
			claims: strings.Fields("actor actor_id base_ref check_run_id enterprise enterprise_id environment environment_node_id event_name head_ref " +
				"job_workflow_ref job_workflow_sha ref ref_protected ref_type repository repository_id repository_owner repository_owner_id " +
				"repository_visibility run_attempt run_id run_number runner_environment sha workflow workflow_ref workflow_sha"),
			hint: "this sub has GitHub's immutable form, repo:<owner>@<id>/<repository>@<id>:…; a credential with the older form does not match it",
		},
		"gitlab-ci": {
			// "OpenID Connect (OIDC) authentication using ID tokens" (GitLab Docs).
			issuer: regexp.MustCompile(anyHost),
			shared: []string{"gitlab.com"},
			form:   "https://gitlab.com or the URL of your own GitLab",
			keys:   discovered, algorithms: []string{"RS256"},
			pins: []string{"project_id", "namespace_id"},
			claims: strings.Fields("ci_config_ref_uri ci_config_sha deployment_action deployment_tier environment environment_action environment_protected " +
				"groups_direct job_config job_id job_namespace_id job_namespace_path job_project_id job_project_path job_source namespace_id namespace_path " +
				"pipeline_id pipeline_source project_id project_path project_visibility ref ref_path ref_protected ref_type runner_environment " +
				"runner_id sha target_audience user_access_level user_email user_id user_identities user_login"),
		},
		"google-cloud": {
			// "Get an ID token" (Google Cloud, Authentication) and "Verify the identity of instances" (Compute Engine).
			issuer: regexp.MustCompile(`^https://accounts\.google\.com$`),
			shared: []string{"accounts.google.com"},
			form:   "https://accounts.google.com",
			keys:   func(string) KeySource { return KeySource{JWKSURL: "https://www.googleapis.com/oauth2/v3/certs"} }, algorithms: []string{"RS256"},
			subject: regexp.MustCompile(`^[0-9]{10,32}$`), subjectIs: "the numeric unique id of the service account",
			claims: strings.Fields("at_hash azp email email_verified family_name given_name google hd locale name nonce picture"),
		},
		"terraform-cloud": {
			// "Workload identity tokens" (HCP Terraform documentation).
			issuer: regexp.MustCompile(anyHost),
			shared: []string{"app.terraform.io", "app.eu.terraform.io"},
			form:   "https://app.terraform.io or the URL of your own Terraform Enterprise",
			keys:   discovered, algorithms: []string{"RS256"},
			pins: []string{"terraform_workspace_id", "terraform_project_id", "terraform_organization_id"},
			claims: strings.Fields("terraform_full_workspace terraform_operation terraform_organization_id terraform_organization_name terraform_plan_id " +
				"terraform_project_id terraform_project_name terraform_run_id terraform_run_phase terraform_stack_deployment_name terraform_stack_id " +
				"terraform_stack_name terraform_workspace_id terraform_workspace_name"),
		},
	}
})

func presetNames() []string { return slices.Sorted(maps.Keys(presets())) }

func discovered(string) KeySource { return KeySource{Discovery: true} }

// azureKeys: the keys of the older issuer are at another host than it is, which
// discovery does not follow.
func azureKeys(issuer string) KeySource {
	tenant, ok := strings.CutPrefix(issuer, "https://sts.windows.net/")
	if !ok {
		return KeySource{Discovery: true}
	}
	return KeySource{JWKSURL: "https://login.microsoftonline.com/" + strings.Trim(tenant, "/") + "/discovery/keys"}
}

// KeySource returns where the issuer's keys come from, with what its preset
// says filled in.
func (t *TrustedIssuer) KeySource() KeySource {
	if p, ok := presets()[t.Preset]; ok && len(t.Keys.sources()) == 0 {
		return p.keys(t.Issuer)
	}
	return t.Keys
}

// SignedWith returns the signature algorithms that are accepted, with the
// default filled in.
func (t *TrustedIssuer) SignedWith() []string {
	if len(t.Algorithms) > 0 {
		return t.Algorithms
	}
	if p, ok := presets()[t.Preset]; ok {
		return p.algorithms
	}
	return []string{"ES256", "RS256"}
}

// SubjectHint says why a subject of the issuer may be bound to nothing although
// it seems to be; empty = nothing is known.
func (t *TrustedIssuer) SubjectHint(sub string) string {
	if p, ok := presets()[t.Preset]; ok && p.hint != "" && p.subject.MatchString(sub) {
		return p.hint
	}
	return ""
}
