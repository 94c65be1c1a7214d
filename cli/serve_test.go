package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
	"github.com/tokenry/tokenry/cli/config"
)

const production = `version: 1
issuer: https://sts.example.com
public: { listen: "127.0.0.1:8080" }
admin: { bootstrap_token_file: /run/secrets/admin }
database: { url: "postgres://db/tokenry" }
keys: { kek_file: /run/secrets/kek }
`

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	file := u.write(t, "tokenry.yaml", production)
	u.run("config", "check", file).want(t, cli.ExitOK, file+" is good: issuer https://sts.example.com\n")
	u.run("TOKENRY_ISSUER=https://other.example.com", "config", "check", file).want(t, cli.ExitOK, "issuer https://other.example.com\n")
	broken := u.write(t, "broken.yaml", production+"trust:\n\tallow_http: true\n")
	u.run("config", "check", broken).want(t, cli.ExitUsage, "tokenry: "+broken+":8: is not YAML: found character that cannot start any token\n")
	u.run("config", "check", u.write(t, "typo.yaml", production+"isuer: x\n")).want(t, cli.ExitUsage, "tokenry: "+u.dir+`/typo.yaml:7: unknown key "isuer"; did you mean "issuer"?`)
	u.run("config", "check", u.write(t, "bare.yaml", "version: 1\nissuer: https://sts.example.com\npublic: { listen: \"127.0.0.1:8080\" }\n")).
		want(t, cli.ExitUsage, "tokenry: more than one thing is wrong\ndatabase.url: serve needs a database", "\nkeys.kek_file: ")
	u.run("config", "check", u.dir+"/absent").want(t, cli.ExitUsage, "read the configuration: ", "no such file")
	u.run("config", "check").want(t, cli.ExitUsage, "use it as: tokenry config check FILE")
}

func TestConfigSchema(t *testing.T) {
	t.Parallel()
	var schema map[string]any
	r := newTerminal(t).run("config", "schema")
	if err := json.Unmarshal([]byte(r.out), &schema); r.code != cli.ExitOK || err != nil || schema["$schema"] == nil {
		t.Errorf("exit code %d, %v", r.code, err)
	}
}

// TestServe: flag over variable over file, and nothing starts on a configuration
// that is not fit for production.
func TestServe(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	file := u.write(t, "tokenry.yaml", production)
	var got []config.Config
	u.config.Serve = func(_ context.Context, c config.Config) error { got = append(got, c); return nil }

	u.run("TOKENRY_TOKENS__DEFAULT_TTL=2m", "TOKENRY_TOKENS__MAX_TTL=3m", "serve", "-c", file, "--set", "tokens.default_ttl=1m").want(t, cli.ExitOK)
	if len(got) != 1 || got[0].Issuer != "https://sts.example.com" || got[0].Tokens.DefaultTTL != time.Minute || got[0].Tokens.MaxTTL != 3*time.Minute {
		t.Fatalf("served with %+v", got)
	}
	u.run("serve", "-c", file, "--set", "issuer").want(t, cli.ExitUsage, "--set wants KEY=VALUE")
	u.run("serve", "-c", file, "--set", "isuer=x").want(t, cli.ExitUsage, `did you mean "issuer"?`)
	u.run("serve", "-c", file, "--set", "database.url=postgres://u:p@db/x").want(t, cli.ExitUsage, "a secret is not taken from an argument")
	u.run("serve", "-c", file, "--set", "keys.kek_file=").want(t, cli.ExitUsage, "keys.kek_file: serve needs the key")
	if len(got) != 1 {
		t.Error("it served all the same")
	}
	u.config.Serve = func(context.Context, config.Config) error { return errors.New("the port is taken") }
	u.run("serve", "-c", file).want(t, cli.ExitUsage, "tokenry: the port is taken\n")
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	var migrated []string
	status := cli.MigrationStatus{Version: 3, Wanted: 3}
	u.config.Migrate = func(_ context.Context, c config.Config) error {
		migrated = append(migrated, c.Database.URL)
		return nil
	}
	u.config.MigrationStatus = func(context.Context, config.Config) (cli.MigrationStatus, error) { return status, nil }

	u.run("migrate", "up", "-c", u.write(t, "tokenry.yaml", production)).want(t, cli.ExitOK, "The schema is up to date.\n")
	// A job that migrates has no issuer and no listeners.
	u.run("TOKENRY_DATABASE__URL=postgres://db/alone", "migrate", "up").want(t, cli.ExitOK)
	if len(migrated) != 2 || migrated[0] != "postgres://db/tokenry" || migrated[1] != "postgres://db/alone" {
		t.Fatalf("migrated %q", migrated)
	}
	u.run("migrate", "up").want(t, cli.ExitUsage, "no database: set database.url, TOKENRY_DATABASE__URL or TOKENRY_DATABASE__URL_FILE")
	u.run("TOKENRY_DATABASE__URL=mysql://db/alone", "migrate", "up").want(t, cli.ExitUsage, "TOKENRY_DATABASE__URL: database.url: must start with postgres://")
	u.run("TOKENRY_DATABASE__ULR=postgres://db/alone", "migrate", "up").want(t, cli.ExitUsage, `did you mean "TOKENRY_DATABASE__URL"?`)
	if len(migrated) != 2 {
		t.Error("it migrated all the same")
	}

	at := func(args ...string) result {
		return u.run(append([]string{"TOKENRY_DATABASE__URL=postgres://db/x", "migrate", "status"}, args...)...)
	}
	if r := at(); r.out != "applied 3, this build knows 3\n" {
		t.Errorf("status printed %q", r.out)
	}
	status.Version, status.Advice = 2, "run: tokenry migrate up"
	at().want(t, cli.ExitOK, "applied 2, this build knows 3\nrun: tokenry migrate up\n")
	at("-o", "json").want(t, cli.ExitOK, `"wanted": 3`)
	at("-o", "yaml").want(t, cli.ExitOK, "version: 2\n")
	at("-o", "name").want(t, cli.ExitOK, "2\n")
}

// TestDev has everything of `dev` but the server that it would start.
func TestDev(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	as.Apply(t, strings.Replace(authtest.Resources(as), "  maxDelegationDepth: 3\n", "  maxDelegationDepth: 3\n  defaultResource: gateway\n", 1))
	u := newTerminal(t)
	u.config.Now = as.Clock.Now
	token := u.write(t, "admin_token", as.AdminToken)
	info := cli.DevInfo{DataDir: u.dir, Issuer: as.Issuer, PublicURL: as.PublicURL, AdminURL: as.AdminURL, DemoURL: demoFor(t, as), AdminToken: as.AdminToken, TokenFile: token}
	stopped := false
	u.config.Dev = func(ctx context.Context, o cli.DevOptions, ready func(cli.DevInfo)) error {
		if o.Listen != "127.0.0.1:0" || o.AdminListen != "127.0.0.1:8081" || o.DemoListen != "" || o.DataDir != "" {
			t.Errorf("options %+v", o)
		}
		o.Step("PostgreSQL", "private", 1234*time.Millisecond)
		ready(info)
		stopped = ctx.Err() != nil
		return nil
	}
	// The server that dev has started is used, whatever the shell exports.
	args := []string{"TOKENRY_SERVER=http://127.0.0.1:1", "TOKENRY_CONTEXT=none", "dev", "--listen", "127.0.0.1:0"}

	r := u.run(args...)
	r.want(t, cli.ExitOK, "tokenry dev 1.2.3   not for production\n", "  ✓ PostgreSQL    private  (1.234s)\n", `saved as context "dev"`, as.AdminToken+"   until the next start; in "+token+"\n",
		"\n200 OK in ", "From another terminal:   tokenry try\n", "\nServing until ^C.\n\nStopped.\n")
	if stopped || r.errors != "" {
		t.Errorf("it stopped at once; %s", r.errors)
	}
	u.run(args...).want(t, cli.ExitOK, `saved as context "dev"`) // and again after ^C
	var saved cli.Contexts
	data, err := os.ReadFile(u.dir + "/.config/tokenry/config.yaml")
	if err == nil {
		err = yaml.Unmarshal(data, &saved)
	}
	want := cli.Context{Server: as.AdminURL, TokenFile: token, Issuer: as.Issuer, Public: as.PublicURL, Demo: info.DemoURL}
	if err != nil || saved.Current != "dev" || saved.Contexts["dev"] != want {
		t.Errorf("the context is %+v: %v", saved, err)
	}
	if mode, err := os.Stat(u.dir + "/.config/tokenry/config.yaml"); err != nil || mode.Mode().Perm() != 0o600 {
		t.Errorf("mode of the contexts: %v, %v", mode, err)
	}

	// A second dev leaves the context of the first alone while that serves, and
	// says how it is reached; with --once nothing serves afterwards.
	first := info
	elsewhere := newRecorder(t)
	info.AdminURL, info.TokenFile = elsewhere.url, u.write(t, "second", as.AdminToken)
	info.DemoURL = "http://127.0.0.1:1"
	r = u.run(args...)
	r.want(t, cli.ExitOK, `not saved: context "dev" is the dev at `+as.AdminURL+"\n",
		"\nFrom another terminal:   tokenry get agents --server "+info.AdminURL+" --token-file "+info.TokenFile+"\n")
	hides(t, r, "tokenry try")
	if got := u.read(t, ".config/tokenry/config.yaml"); got != string(data) {
		t.Errorf("the second dev took over:\n%s", got)
	}
	u.write(t, "gone", "of.an.earlier.start")
	u.contexts(t, cli.Contexts{Current: "dev", Contexts: map[string]cli.Context{"dev": {Server: as.AdminURL, TokenFile: u.dir + "/gone"}}})
	before := u.read(t, ".config/tokenry/config.yaml")
	u.run(append(args, "--once")...)
	if got := u.read(t, ".config/tokenry/config.yaml"); got != before {
		t.Errorf("--once saved a context:\n%s", got)
	}
	u.run(args...).want(t, cli.ExitOK, `saved as context "dev"`)

	// Our token is not shown to whoever listens where we were before.
	elsewhere.requests()
	info.AdminURL = as.AdminURL
	u.run(args...).want(t, cli.ExitOK, `saved as context "dev"`)
	if n := elsewhere.requests(); n != 0 {
		t.Errorf("%d requests with this dev's token went to its former address", n)
	}
	info = first

	if r = u.run(append(args, "--once")...); r.code != cli.ExitOK || !stopped {
		t.Errorf("--once: exit code %d, stopped %t", r.code, stopped)
	}
	hides(t, r, "From another terminal", "Serving until", "Stopped.")

	info.DemoURL = "http://127.0.0.1:1"
	u.run(append(args, "--once")...).want(t, cli.ExitUnreachable, "cannot reach http://127.0.0.1:1")
	if r = u.run(args...); r.code != cli.ExitOK || r.errors != "tokenry: the exchange did not succeed: cannot reach http://127.0.0.1:1: connection refused\n" {
		t.Errorf("exit code %d, %q", r.code, r.errors)
	}
	u.config.Dev = func(context.Context, cli.DevOptions, func(cli.DevInfo)) error {
		return errors.New("no PostgreSQL here")
	}
	u.run(args...).want(t, cli.ExitUsage, "tokenry: no PostgreSQL here\n")
	u.config.Env = nil
	u.config.Dev = func(_ context.Context, _ cli.DevOptions, ready func(cli.DevInfo)) error { ready(info); return nil }
	u.run(args[2:]...).want(t, cli.ExitOK, "not saved: neither XDG_CONFIG_HOME nor HOME is set")
}
