package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
	"github.com/tokenry/tokenry/registry"
)

func TestGet(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)

	for _, c := range []struct{ kind, head, row string }{
		{"agents", "NAME STATE VERSION BLUEPRINT OWNER CREDENTIALS", "research-agent active 1 researcher alice@example.com 1"},
		{"bp", "NAME STATE VERSION ACCESS MAX TTL", "researcher active 1 gateway: llm:read memory:write; vault: llm:read vault:open; payments: payments:read payments:write 10m"},
		{"Blueprint", "NAME STATE VERSION ACCESS MAX TTL", "legacy active 1 gateway: llm:read -"},
		{"issuers", "NAME STATE VERSION TYPE TOKENS ISSUER", "corp-idp active 1 oidc user " + as.IDP.URL},
		{"TrustedIssuer", "NAME STATE VERSION TYPE TOKENS ISSUER", "prod-spire active 1 spiffe workload spiffe://prod.example"},
		{"resource", "NAME STATE VERSION IDENTIFIER SCOPES", "gateway active 1 https://gateway.example llm:read memory:write"},
		{"DelegationRules", "NAME STATE VERSION SUBJECTS ACTORS ACCESS", "analysis-hands-to-writer active 1 blueprint analyst blueprint writer vault: llm:read"},
		{"rules", "NAME STATE VERSION SUBJECTS ACTORS ACCESS", "users-to-analysis active 1 users of corp-idp blueprint analyst, blueprint writer gateway: llm:read; vault: llm:read"},
	} {
		r := u.run("get", c.kind)
		r.want(t, cli.ExitOK)
		var lines []string
		for line := range strings.Lines(r.out) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		if lines[0] != c.head || !strings.Contains(strings.Join(lines, "\n")+"\n", "\n"+c.row+"\n") {
			t.Errorf("get %s:\n%s", c.kind, r.out)
		}
	}

	u.run("get", "agents", "-o", "name").want(t, cli.ExitOK, "agent/analysis-agent\nagent/key-agent\n")
	u.run("get", "agent/research-agent", "-o", "name").want(t, cli.ExitOK, "agent/research-agent\n")
	one := u.run("get", "agent", "research-agent")
	if one.want(t, cli.ExitOK); strings.Count(one.out, "\n") != 2 {
		t.Errorf("get of one agent:\n%s", one.out)
	}

	var list api.ObjectList
	if err := json.Unmarshal([]byte(u.run("get", "agents", "-o", "json").out), &list); err != nil || len(list.Items) != 6 {
		t.Errorf("-o json: %d items, %v", len(list.Items), err)
	}
	var o struct {
		Kind     string
		Metadata struct{ Name string }
		Status   struct{ State string }
	}
	if err := yaml.Unmarshal([]byte(u.run("get", "agent", "research-agent", "-o", "yaml").out), &o); err != nil || o.Kind != "Agent" || o.Metadata.Name != "research-agent" || o.Status.State != "active" {
		t.Errorf("-o yaml: %+v, %v", o, err)
	}

	u.run("get", "agents", "nobody").want(t, cli.ExitNotFound, `tokenry: no agent "nobody"; see: tokenry get agents`)
	for _, args := range [][]string{{"get"}, {"describe"}, {"delete"}, {"agent", "disable"}, {"agent", "secret"}} {
		if args[0] != "agent" {
			args = append(args, "agent")
		}
		u.run(append(args, "reserch-agent")...).want(t, cli.ExitNotFound, `no agent "reserch-agent"; did you mean "research-agent"?; see: tokenry get agents`)
	}
	u.run("get", "rule/none").want(t, cli.ExitNotFound, `no rule "none"; see: tokenry get rules`)
	r := u.run("get", "agents", "--token-file", u.write(t, "other", "wrong"))
	r.want(t, cli.ExitRefused, "tokenry: "+as.AdminURL+" does not take the admin token in "+u.dir+"/other (401)\n  is it that of another server, or of an earlier start of `tokenry dev`? see --token-file\n")
	hides(t, r, "an admin token is needed")
	u.pipe("wrong", "get", "agents", "--token-file", "-").want(t, cli.ExitRefused, "does not take the admin token from stdin (401)\n")
}

func TestGetNothing(t *testing.T) {
	t.Parallel()
	u := at(t, authtest.StartWith(t, authtest.Options{Empty: true}))
	u.run("get", "rules").want(t, cli.ExitOK, "No rules.\n")
	if r := u.run("get", "rules", "-o", "json"); r.out != "{\n  \"items\": []\n}\n" {
		t.Errorf("-o json printed %q", r.out)
	}
	if r := u.run("get", "rules", "-o", "yaml"); r.code != cli.ExitOK || r.out != "" {
		t.Errorf("-o yaml printed %q", r.out)
	}
	if r := u.run("get", "rules", "-o", "name"); r.code != cli.ExitOK || r.out != "" {
		t.Errorf("-o name printed %q", r.out)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	as.Apply(t, "apiVersion: tokenry/v1\nkind: Agent\nmetadata: { name: labelled, labels: { team: research, env: prod } }\nspec: { blueprint: legacy, owner: a@example.com, sponsor: s }\n")
	as.Secret(t, "labelled")

	u.run("describe", "agent", "labelled").want(t, cli.ExitOK, "Kind:      Agent\n", "Name:      labelled\n", "Labels:    env=prod, team=research\n", "Id:        agt_",
		"State:     active\n", "Version:   1\n", "Secret:    set\n", " UTC\n", "Spec:\n  blueprint: legacy\n  owner: a@example.com\n")
	r := u.run("describe", "rule/staff-to-research")
	r.want(t, cli.ExitOK, "Kind:      DelegationRule\n", "Spec:\n  subjects:\n    issuer: corp-idp\n")
	if strings.Contains(r.out, "Labels:") || strings.Contains(r.out, "Secret:") {
		t.Errorf("labels or a secret that are not there:\n%s", r.out)
	}
	u.run("describe", "agent", "labelled", "-o", "json").want(t, cli.ExitOK, `"secret": true`)
	u.run("describe", "agent", "labelled", "-o", "yaml").want(t, cli.ExitOK, "kind: Agent\n")
	u.run("describe", "agent", "labelled", "-o", "name").want(t, cli.ExitOK, "agent/labelled\n")
	u.run("describe", "agent", "nobody").want(t, cli.ExitNotFound, `no agent "nobody"`)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)

	u.run("delete", "agent", "key-agent", "--dry-run").want(t, cli.ExitOK, "agent/key-agent deleted (dry run)\n")
	u.run("get", "agent", "key-agent").want(t, cli.ExitOK)
	u.run("delete", "agent/key-agent").want(t, cli.ExitOK, "agent/key-agent deleted\n")
	u.run("get", "agent", "key-agent").want(t, cli.ExitNotFound)
	u.run("delete", "agent", "key-agent").want(t, cli.ExitNotFound, `no agent "key-agent"`)
	r := u.run("delete", "blueprint", "researcher")
	r.want(t, cli.ExitConflict, `tokenry: blueprint "researcher" is in use`, "\n  Agent research-agent: spec.blueprint: ", "\n  DelegationRule staff-to-research: spec.actors.blueprints[0]: ")
	u.run("get", "blueprint", "researcher").want(t, cli.ExitOK)
}

// TestState stops an object of each kind and lets it go on.
func TestState(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	for _, c := range []struct {
		kind       registry.Kind
		noun, name string
	}{
		{registry.KindAgent, "agent", "research-agent"},
		{registry.KindBlueprint, "blueprint", "researcher"},
		{registry.KindTrustedIssuer, "issuer", "corp-idp"},
		{registry.KindResource, "resource", "gateway"},
		{registry.KindDelegationRule, "rule", "staff-to-research"},
	} {
		change := func(verb string, want registry.State) {
			t.Helper()
			u.run(c.noun, verb, c.name, "--reason", "incident 4711 "+verb).want(t, cli.ExitOK, c.noun+"/"+c.name+" "+verb+"d\n")
			o, err := as.Admin.Object(t.Context(), c.kind, c.name)
			if err != nil || o.Status.State != want {
				t.Errorf("%s %s: state %s, %v; want %s", c.noun, verb, o.Status.State, err, want)
			}
			events, err := as.Admin.AuditEvents(t.Context(), api.Page{Limit: 1})
			if err != nil || !strings.Contains(string(events.Items[0].Detail), "incident 4711 "+verb) {
				t.Errorf("the audit trail does not say why: %s, %v", events.Items[0].Detail, err)
			}
			u.run(c.noun, verb, "nobody").want(t, cli.ExitNotFound, "no "+c.noun+` "nobody"; see: tokenry get `+c.noun+"s")
		}
		change("disable", registry.Disabled)
		change("enable", registry.Active)
	}
	u.run("issuer", "disable", "corp-ipd").want(t, cli.ExitNotFound, `no issuer "corp-ipd"; did you mean "corp-idp"?`)
	u.run("resource", "disable", "gateway", "--token-file", u.write(t, "other", "wrong")).want(t, cli.ExitRefused, "does not take the admin token")
	u.run("agent", "secret", "nobody").want(t, cli.ExitNotFound, `no agent "nobody"; see: tokenry get agents`)
}

func TestAgentSecret(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)

	r := u.run("agent", "secret", "secret-agent")
	if r.want(t, cli.ExitOK); len(strings.TrimSpace(r.out)) != 43 || strings.Count(r.out, "\n") != 1 { // 256 bits in base64url
		t.Errorf("it printed %q", r.out)
	}
	u.run("agent", "secret", "secret-agent", "-o", "json").want(t, cli.ExitOK, `"clientId": "secret-agent"`, `"secret": "`)
	u.run("agent", "secret", "research-agent").want(t, cli.ExitRefused, "does not list secret in clientAuth")
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	as.Event(t, as.Post(t, authtest.ExchangeForm("x")).DecisionID)
	const noFiles = ":4\n"
	for _, c := range []struct {
		args string
		want string
	}{
		{"get |", "agents\nblueprints\nissuers\nresources\nrules\n" + noFiles},
		{"describe issuers |", "corp-idp\nprod-cluster\nprod-spire\n" + noFiles},
		{"delete agents k|", "key-agent\n"},
		{"get agents key-agent |", noFiles},
		{"agent disable |", "analysis-agent\n"},
		{"agent disable a |", noFiles},
		{"blueprint disable |", "researcher\n"},
		{"issuer disable |", "corp-idp\nprod-cluster\nprod-spire\n" + noFiles},
		{"issuer enable corp-idp |", noFiles},
		{"resource enable |", "gateway\npayments\nvault\n" + noFiles},
		{"rule disable |", "staff-to-research\n"},
		{"rule disable x --reason |", noFiles},
		{"explain --last-denied --agent |", "analysis-agent\n"},
		{"try --agent |", "analysis-agent\n"},
		{"try --resource |", "gateway\npayments\nvault\n" + noFiles},
		{"try --user |", "alice\nmallory\n" + noFiles},
		{"--context |", "test\n" + noFiles},
		{"get agents -o |", "table\njson\nyaml\nname\n" + noFiles},
		{"token exchange --subject-token-type |", "jwt\nid_token\naccess_token\n" + noFiles},
		{"token exchange --client-id |", "analysis-agent\n"},
		{"serve --set |", "tokens.max_ttl=\n"},
		{"version |", noFiles},
		{"apply -f |", ":0\n"},
		{"token inspect |", ":0\n"},
		{"token inspect x |", noFiles},
		{"config check |", ":0\n"},
		{"serve --config |", ":0\n"},
		{"get agents --token-file |", ":0\n"},
	} {
		line, last := strings.Fields(strings.TrimSuffix(c.args, "|")), ""
		if !strings.HasSuffix(c.args, " |") {
			last = line[len(line)-1]
			line = line[:len(line)-1]
		}
		r := u.run(append(append([]string{"__complete"}, line...), last)...)
		if !strings.Contains(r.out, c.want) || strings.HasPrefix(c.want, ":") && !strings.HasPrefix(r.out, c.want) {
			t.Errorf("%s completes to\n%s", c.args, r.out)
		}
	}
	if r := u.run("__complete", "explain", ""); !strings.HasPrefix(r.out, "dec_") || !strings.Contains(r.out, "\trefused") {
		t.Errorf("explain completes to\n%s", r.out)
	}
	// A server that is away, or a token that would have to be typed.
	for _, args := range [][]string{{"--server", "http://127.0.0.1:1"}, {"--token-file", "-"}} {
		if r := u.pipe(as.AdminToken, append(append([]string{"__complete"}, args...), "get", "agents", "")...); r.out != noFiles {
			t.Errorf("%q completes to\n%s", args, r.out)
		}
	}
}
