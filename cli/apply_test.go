package cli_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
)

const (
	billing = `apiVersion: tokenry/v1
kind: Resource
metadata: { name: billing }
spec: { identifier: "https://billing.example", scopes: [ { name: "bill:read" } ] }
`
	clerk = `apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: clerk }
spec: { resources: [ { name: billing, scopes: ["bill:read"] } ] }
`
)

// TestRoundTrip: what get prints as YAML can be applied, and changes nothing.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	as.Apply(t, "apiVersion: tokenry/v1\nkind: Agent\nmetadata: { name: odd, labels: { country: \"NO\", \"a.b/c\": \"0777\" } }\n"+
		"spec: { blueprint: legacy, owner: \"on: # off\", sponsor: \"y\", expiresAt: \"2031-01-31T12:00:00Z\" }\n")

	for _, kind := range []string{"agents", "blueprints", "issuers", "resources", "rules"} {
		all := u.run("get", kind, "-o", "yaml")
		all.want(t, cli.ExitOK, "\nstatus:\n", "\n---\napiVersion: tokenry/v1\n")
		r := u.pipe(all.out, "apply", "-f", "-")
		if r.want(t, cli.ExitOK, " unchanged\n"); strings.Count(r.out, "\n") != strings.Count(r.out, " unchanged\n") || strings.Count(r.out, "\n") != 1+strings.Count(all.out, "---\n") {
			t.Errorf("%s:\n%s", kind, r.out)
		}
	}
	for _, verb := range []string{"get", "describe"} {
		u.pipe(u.run(verb, "agent", "odd", "-o", "yaml").out, "apply", "-f", "-").want(t, cli.ExitOK, "agent/odd unchanged\n")
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Empty: true})
	u := at(t, as)
	file := u.write(t, "m/billing.yaml", billing)
	u.write(t, "m/clerk.yml", clerk)
	dir := filepath.Dir(file)

	u.run("apply", "-f", dir, "--dry-run").want(t, cli.ExitOK, "resource/billing created (dry run)\n", "blueprint/clerk created (dry run)\n")
	u.run("get", "resources").want(t, cli.ExitOK, "No resources.\n")
	u.run("apply", "-f", dir).want(t, cli.ExitOK, "resource/billing created\n", "blueprint/clerk created\n")
	u.pipe(strings.Replace(billing, "billing.example", "bills.example", 1), "apply", "-f", "-").want(t, cli.ExitOK, "resource/billing configured\n")
	u.run("apply", "-f", file, "-f", u.dir+"/m/clerk.yml", "-o", "name").want(t, cli.ExitOK, "resource/billing\n", "blueprint/clerk\n")
	u.run("apply", "-f", file).want(t, cli.ExitOK, "resource/billing unchanged\n")
	var result api.ApplyResult
	if r := u.run("apply", "-f", file, "-o", "json"); json.Unmarshal([]byte(r.out), &result) != nil || len(result.Results) != 1 || result.Results[0].Outcome != api.Unchanged {
		t.Errorf("-o json: %s%s", r.out, r.errors)
	}
	u.run("apply", "-f", file, "-o", "yaml").want(t, cli.ExitOK, "outcome: unchanged\n")

	u.run("apply", "-f", file, "--prune", "--dry-run").want(t, cli.ExitOK, "blueprint/clerk deleted (dry run)\n")
	u.run("get", "blueprint", "clerk").want(t, cli.ExitOK)
	u.run("apply", "-f", file, "--prune").want(t, cli.ExitOK, "blueprint/clerk deleted\n")
	u.run("get", "blueprint", "clerk").want(t, cli.ExitNotFound)
}

// TestApplyRefused: whatever is wrong is told with its file and line, whether
// it was found here or on the server, and then nothing is written.
func TestApplyRefused(t *testing.T) {
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Empty: true})
	u := at(t, as)
	good := u.write(t, "a.yaml", billing)
	bad := u.write(t, "b.yaml", clerk+`---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: ada }
spec:
  blueprint: clark
  owner: a@example.com
  sponsor: s
  credentials:
    - { name: k8s, issuer: nowhere, subject: { exact: "system:serviceaccount:a:b" } }
`)
	u.run("apply", "-f", good, "-f", bad).want(t, cli.ExitRefused, "tokenry: more than one thing is wrong\n",
		"\n"+bad+":10: Agent ada: spec.blueprint: ", "\n"+bad+":14: Agent ada: spec.credentials[0].issuer: ")
	u.run("get", "resources").want(t, cli.ExitOK, "No resources.")
	u.run("apply", "-f", u.write(t, "c.yaml", strings.Replace(clerk, "billing", "nothing", 1))).want(t, cli.ExitRefused, "c.yaml:4: Blueprint clerk: spec.resources[0].name: ")

	local := u.write(t, "d.yaml", strings.Replace(billing, "identifier", "identifierr", 1))
	u.run("apply", "-f", local, "--server", "http://127.0.0.1:1").want(t, cli.ExitUsage, "tokenry: "+local+`:4: Resource billing: spec.identifierr: is not a field; did you mean "identifier"?`)
	u.pipe("kind: [", "apply", "-f", "-").want(t, cli.ExitUsage, "tokenry: stdin:1: ")
	u.pipe("", "apply", "-f", "-").want(t, cli.ExitUsage, "tokenry: no objects in -")
	u.run("apply", "-f", t.TempDir()).want(t, cli.ExitUsage, "has no *.yaml")
	u.run("apply", "-f", good, "-f", good).want(t, cli.ExitUsage, "a.yaml:3: Resource billing: metadata.name: is there twice; the first is at "+good+":3")

	u.run("apply", "-f", good).want(t, cli.ExitOK)
	u.pipe(clerk, "apply", "-f", "-").want(t, cli.ExitOK)
	u.pipe(clerk, "apply", "-f", "-", "--prune").want(t, cli.ExitRefused, "stdin:4: Blueprint clerk: spec.resources[0].name: ")
	u.run("get", "resource", "billing").want(t, cli.ExitOK)
}
