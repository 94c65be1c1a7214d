package cli_test

import (
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// instances makes instances of blueprint researcher.
func instances(t *testing.T, as *authtest.Server, suffixes ...string) {
	t.Helper()
	c := registry.PatternCredential{MaxInstances: 1000}
	c.Name, c.Issuer, c.Subject.Prefix = "fleet", "prod-spire", "spiffe://prod.example/fleet/"
	b, err := as.DB.Object(t.Context(), registry.KindBlueprint, "researcher")
	if err != nil {
		t.Fatal(err)
	}
	b.Spec.(*registry.Blueprint).Credentials = []registry.PatternCredential{c}
	if _, err := as.DB.Apply(t.Context(), storage.Write{By: "test", Upserts: []*registry.Object{&b}}); err != nil {
		t.Fatal(err)
	}
	var all []registry.Candidate
	for _, s := range suffixes {
		all = append(all, registry.Candidate{
			Name: registry.AgentName("researcher/" + s), Blueprint: "researcher", Labels: map[string]string{"pod": s},
			InstanceOf: registry.InstanceOf{Credential: "fleet", Issuer: "prod-spire", Subject: "spiffe://prod.example/fleet/" + s},
		})
	}
	admissions, err := as.DB.AdmitInstances(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range admissions {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
}

func TestGetInstances(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	instances(t, as, "r7", "pods/r8:x")

	r := u.run("get", "agents")
	r.want(t, cli.ExitOK, "NAME", "LAST USED\n", "\nresearch-agent ", "\nresearcher/pods/r8:x ", "\nresearcher/r7 ")
	for line := range strings.Lines(r.out) {
		got := strings.Join(strings.Fields(line), " ")
		if strings.HasPrefix(line, "researcher/r7 ") && (!strings.HasPrefix(got, "researcher/r7 active 1 researcher - fleet 2") || !strings.HasSuffix(got, " UTC")) {
			t.Errorf("an instance is shown as %s", line)
		}
		if strings.HasPrefix(line, "research-agent ") && got != "research-agent active 1 researcher alice@example.com 1 -" {
			t.Errorf("beside it an agent is shown as %s", line)
		}
	}
	r = u.run("get", "agents", "--instances", "exclude")
	if r.want(t, cli.ExitOK, "research-agent"); strings.Contains(r.out, "LAST USED") || strings.Contains(r.out, "researcher/r7") {
		t.Errorf("without instances:\n%s", r.out)
	}
	if r := u.run("get", "agents", "--instances", "only", "-o", "name"); r.out != "agent/researcher/pods/r8:x\nagent/researcher/r7\n" {
		t.Errorf("only instances:\n%s", r.out)
	}
	if r := u.run("get", "agents", "--blueprint", "researcher", "-o", "name"); r.out != "agent/key-agent\nagent/research-agent\nagent/researcher/pods/r8:x\nagent/researcher/r7\nagent/svid-agent\n" {
		t.Errorf("of one blueprint:\n%s", r.out)
	}
	u.run("get", "agents", "--blueprint", "nobody").want(t, cli.ExitOK, "No agents.\n")

	// What apply would refuse is in no manifest, unless it is asked for.
	list := u.run("get", "agents", "-o", "yaml")
	if list.want(t, cli.ExitOK, "name: research-agent\n"); strings.Contains(list.out, "researcher/r7") {
		t.Errorf("-o yaml has instances:\n%s", list.out)
	}
	u.run("apply", "-f", u.write(t, "agents.yaml", list.out)).want(t, cli.ExitOK, "agent/research-agent unchanged\n")
	u.run("get", "agents", "-o", "yaml", "--instances", "include").want(t, cli.ExitOK, "name: researcher/r7\n")
	u.run("get", "agents", "-o", "json").want(t, cli.ExitOK, `"name": "researcher/r7"`)

	for _, args := range [][]string{
		{"get", "rules", "--instances", "only"}, {"get", "issuers", "--blueprint", "researcher"},
		{"get", "agent", "researcher/r7", "--instances", "only"}, {"get", "agent/researcher/r7", "--blueprint", "researcher"},
	} {
		u.run(args...).want(t, cli.ExitUsage, "--blueprint and --instances go with a list")
	}
	u.run("get", "agents", "--instances", "true").want(t, cli.ExitUsage, "there are include, exclude, only")
	u.run("get", "agents", "--blueprint", "").want(t, cli.ExitUsage, "its name is empty")
	u.run("get", "agents", "--blueprint", "No").want(t, cli.ExitRefused, "query.blueprint: is not the name of a blueprint")
}

func TestOneInstance(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	instances(t, as, "r7", "pods/r8:x")

	for _, args := range [][]string{{"describe", "agent", "researcher/r7"}, {"describe", "agent/researcher/r7"}} {
		u.run(args...).want(t, cli.ExitOK, "Name:        researcher/r7\n", "Labels:      pod=r7\n", "Instance:    made on first use by credential fleet of its blueprint\n",
			"Issuer:      prod-spire\n", "Subject:     spiffe://prod.example/fleet/r7\n", "Last used:   2", " UTC\n", "  blueprint: researcher\n")
	}
	u.run("get", "agent", "researcher/pods/r8:x", "-o", "name").want(t, cli.ExitOK, "agent/researcher/pods/r8:x\n")
	u.run("agent", "disable", "researcher/pods/r8:x", "--reason", "odd").want(t, cli.ExitOK, "agent/researcher/pods/r8:x disabled\n")
	if o, err := as.Admin.Object(t.Context(), registry.KindAgent, "researcher/pods/r8:x"); err != nil || o.Status.State != registry.Disabled {
		t.Errorf("%+v, %v; want it disabled", o.Status, err)
	}
	u.run("agent", "enable", "researcher/pods/r8:x").want(t, cli.ExitOK, "agent/researcher/pods/r8:x enabled\n")
	u.run("agent", "secret", "researcher/r7").want(t, cli.ExitRefused, "an instance has no secret")
	u.run("delete", "agent", "researcher/r7", "--dry-run").want(t, cli.ExitOK, "agent/researcher/r7 deleted (dry run)\n")
	u.run("delete", "agent", "researcher/r7").want(t, cli.ExitOK, "agent/researcher/r7 deleted\n")
	u.run("describe", "agent", "researcher/pods/r8:y").want(t, cli.ExitNotFound, `no agent "researcher/pods/r8:y"; did you mean "researcher/pods/r8:x"?`)

	const manifest = "apiVersion: tokenry/v1\nkind: Agent\nmetadata: { name: researcher/r9 }\nspec: { blueprint: researcher, owner: o, sponsor: s }\n"
	u.run("apply", "-f", u.write(t, "instance.yaml", manifest)).want(t, cli.ExitUsage, "metadata.name")
	if list, err := as.Admin.AllAgents(t.Context(), api.AgentFilter{Instances: api.OnlyInstances}); err != nil || len(list) != 1 {
		t.Errorf("%d instances, %v; want 1", len(list), err)
	}
}

func TestCompleteInstances(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	instances(t, as, "r7", "pods/r8:x")
	for typed, want := range map[string]string{
		"":              "svid-agent\nwriter-agent\nresearcher/pods/r8:x\nresearcher/r7\n:4\n",
		"researcher/":   "researcher/pods/r8:x\nresearcher/r7\n:4\n",
		"researcher/r":  "researcher/pods/r8:x\nresearcher/r7\n:4\n", // the shell chooses
		"analyst/":      ":4\n",
		"Researcher/r7": ":4\n",
	} {
		for _, args := range [][]string{{"agent", "disable"}, {"describe", "agent"}, {"explain", "--last-denied", "--agent"}} {
			if r := u.run(append(append([]string{"__complete"}, args...), typed)...); !strings.HasSuffix(r.out, want) || strings.Contains(typed, "/") && r.out != want {
				t.Errorf("%s %q completes to\n%s", args, typed, r.out)
			}
		}
	}
	if r := u.run("__complete", "get", "agents", "--instances", ""); r.out != "include\nexclude\nonly\n:4\n" {
		t.Errorf("--instances completes to\n%s", r.out)
	}
	if r := u.run("__complete", "get", "agents", "--blueprint", ""); !strings.Contains(r.out, "researcher\n") {
		t.Errorf("--blueprint completes to\n%s", r.out)
	}
}
