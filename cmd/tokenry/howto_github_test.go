package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/authtest"
)

const gitHubIssuer = "https://token.actions.githubusercontent.com"

// gitHubPage: an issuer with GitHub's name, whose keys the server is given in a
// file, as the page says of a server that cannot reach GitHub: the preset knows
// no other host than GitHub's own.
func gitHubPage(t *testing.T) *page {
	p := newPage(t, authtest.Options{})
	party := authtest.NewParty(t, false)
	party.AddKey(t, "github-1", "RS256")
	keys, err := json.Marshal(party.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(p.dir, "github.jwks")
	write(t, file, string(keys))
	const preset = "  preset: github-actions\n"
	p.replace = append(p.replace, preset, preset+"  keys: { jwksFile: "+file+" }\n")
	p.tools["gh api repos/acme/app --jq .id, .owner.id"] = func(*testing.T, []string) string { return "2002\n1001\n" }

	job := func(sub, repository, id string, change authtest.Claims) string {
		now := p.as.Clock.Now().Unix()
		claims := authtest.Claims{
			"iss": gitHubIssuer, "sub": sub, "aud": p.as.Issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": "j-1",
			"repository": "acme/" + repository, "repository_id": id, "repository_owner": "acme", "repository_owner_id": "1001",
			"job_workflow_ref": "acme/" + repository + "/.github/workflows/release.yaml@refs/heads/main",
		}
		for name, value := range change {
			claims[name] = value
		}
		return party.Sign(t, "JWT", claims)
	}
	shared := func(branch string) authtest.Claims {
		return authtest.Claims{"job_workflow_ref": "acme/workflows/.github/workflows/agent.yaml@refs/heads/" + branch}
	}
	write(t, filepath.Join(p.dir, "lint.jwt"), job("repo:acme/lint:environment:agents", "lint", "3003", shared("main")))
	p.wrote[".github/workflows/release.yaml"] = func(t *testing.T, text string) {
		p.runWorkflow(t, text, func(audience, environment string) string {
			return job("repo:acme@1001/app@2002:environment:"+environment, "app", "2002", authtest.Claims{"aud": audience})
		})
	}
	p.mistakes = map[string]func(*testing.T) string{
		"no audience was asked for": func(*testing.T) string {
			return job("repo:acme/app:environment:release", "app", "2002", authtest.Claims{"aud": "https://github.com/acme"})
		},
		"the job runs on a branch, without the environment": func(*testing.T) string { return job("repo:acme/app:ref:refs/heads/main", "app", "2002", nil) },
		"the repository was made again":                     func(*testing.T) string { return job("repo:acme/app:environment:release", "app", "6006", nil) },
		"the immutable form, and a credential with the older one": func(*testing.T) string {
			return job("repo:acme@1001/lint@3003:environment:agents", "lint", "3003", shared("main"))
		},
		"the shared workflow from another branch": func(*testing.T) string {
			return job("repo:acme/lint:environment:agents", "lint", "3003", shared("dev"))
		},
	}
	return p
}

// runWorkflow does what a runner does: it runs the steps of the job, with a
// place to ask for the job's token when it may ask for one.
func (p *page) runWorkflow(t *testing.T, text string, mint func(audience, environment string) string) {
	t.Helper()
	var workflow struct {
		Jobs map[string]struct {
			Environment string
			Permissions map[string]string
			Steps       []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(text), &workflow); err != nil || len(workflow.Jobs) != 1 {
		t.Fatalf("no workflow with one job: %v", err)
	}
	for _, job := range workflow.Jobs {
		env := p.env
		if job.Permissions["id-token"] == "write" {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.EqualFold(r.Header.Get("Authorization"), "bearer of-this-job") {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				audience := r.URL.Query().Get("audience")
				if audience == "" {
					audience = "https://github.com/acme"
				}
				fmt.Fprintf(w, `{"count":1234,"value":"%s"}`, mint(audience, job.Environment))
			}))
			t.Cleanup(srv.Close)
			p.env = append(p.env[:len(p.env):len(p.env)], "ACTIONS_ID_TOKEN_REQUEST_URL="+srv.URL+"/idtoken?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=of-this-job")
		}
		for _, step := range job.Steps {
			p.out = p.bash(t, step.Run)
		}
		p.env = env
	}
}
