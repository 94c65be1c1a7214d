package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
)

// terminal is somebody who types commands: with a home and a folder of their
// own, so that nothing of the machine's is read or written.
type terminal struct {
	dir    string
	config cli.Config
}

type result struct {
	code        int
	out, errors string
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	dir := t.TempDir()
	return &terminal{dir: dir, config: cli.Config{Version: "1.2.3", Env: []string{"HOME=" + dir}}}
}

// at is a terminal whose current context is the server.
func at(t *testing.T, as *authtest.Server) *terminal {
	t.Helper()
	u := newTerminal(t)
	u.config.Now = as.Clock.Now
	token := u.write(t, "admin_token", as.AdminToken+"\n")
	u.contexts(t, cli.Contexts{Current: "test", Contexts: map[string]cli.Context{
		"test": {Server: as.AdminURL, TokenFile: token, Issuer: as.Issuer, Public: as.PublicURL},
	}})
	return u
}

func (u *terminal) contexts(t *testing.T, c cli.Contexts) {
	t.Helper()
	data, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	u.write(t, ".config/tokenry/config.yaml", string(data))
}

// write makes a file in the terminal's folder and returns its path.
func (u *terminal) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(u.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (u *terminal) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(u.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var variable = regexp.MustCompile("^[A-Z_]+=")

func (u *terminal) run(args ...string) result { return u.pipe("", args...) }

// pipe runs a command with text on stdin. Variables stand before its name as in
// a shell: "NAME=value", "get", "agents".
func (u *terminal) pipe(stdin string, args ...string) result {
	c := u.config
	c.Env = slices.Clone(c.Env)
	for len(args) > 0 && variable.MatchString(args[0]) {
		c.Env, args = append(c.Env, args[0]), args[1:]
	}
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	code := cli.Run(context.Background(), c, args)
	return result{code, out.String(), errs.String()}
}

// want fails the test unless the command ended with code, and its output (or,
// for code other than 0, what it says of the failure) holds every text.
func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	where := r.out
	if code != cli.ExitOK {
		where = r.errors
	}
	if r.code != code {
		t.Fatalf("exit code %d, want %d\n%s%s", r.code, code, r.out, r.errors)
	}
	for _, text := range texts {
		if !strings.Contains(where, text) {
			t.Errorf("no %q in:\n%s", text, where)
		}
	}
}

func TestHelpIsComplete(t *testing.T) {
	t.Parallel()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Runnable() && !cmd.HasSubCommands() && cmd.Example == "" && cmd.Name() != "version" {
			t.Errorf("%s: no short text or no example", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no text", cmd.CommandPath(), f.Name)
			}
			for _, word := range []string{"token", "secret", "password"} {
				// Every user of a machine can read the arguments of every program.
				if f.Value.Type() == "string" && strings.HasSuffix(f.Name, word) {
					t.Errorf("%s: --%s takes a secret as an argument", cmd.CommandPath(), f.Name)
				}
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(cli.New(cli.Config{}))
}

func TestRootHelp(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	for _, args := range [][]string{{"--help"}, {}} {
		r := u.run(args...)
		r.want(t, cli.ExitOK, "Getting started:", "Running a server:", "Managing resources:", "Tokens and decisions:", "Other:", "Exit codes: 0 ok, 1 usage")
		for _, name := range strings.Fields("dev try serve migrate apply get describe delete agent blueprint issuer resource rule token explain config version completion") {
			if !strings.Contains(r.out, "\n  "+name+" ") {
				t.Errorf("the help does not list %s", name)
			}
		}
		if strings.Contains(r.out, "Additional Commands") {
			t.Error("a command is in no group")
		}
	}
	for _, name := range []string{"agent", "blueprint", "issuer", "resource", "rule", "token", "config", "migrate", "completion"} {
		u.run(name).want(t, cli.ExitOK, "Available Commands:")
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	u.run("version").want(t, cli.ExitOK, "tokenry 1.2.3 (go1.")
	u.run("version", "-o", "json").want(t, cli.ExitOK, `"version": "1.2.3"`)
	u.run("version", "-o", "yaml").want(t, cli.ExitOK, "version: 1.2.3\n")
	if r := u.run("version", "-o", "name"); r.out != "1.2.3\n" {
		t.Errorf("-o name printed %q", r.out)
	}
	u.run("--version").want(t, cli.ExitOK, "tokenry 1.2.3\n")
	u.config.Version = ""
	u.run("version").want(t, cli.ExitOK, "tokenry unknown")
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"gte"}, `tokenry: tokenry has no command "gte"; did you mean "get"?; see tokenry --help`},
		{[]string{"agent", "stop"}, `tokenry agent has no command "stop"; there are disable, enable, secret`},
		{[]string{"completion", "foo"}, `tokenry completion has no command "foo"; there are bash, fish, powershell, zsh`},
		{[]string{"get", "--outpt", "json"}, "unknown flag: --outpt; see tokenry get --help"},
		{[]string{"get", "agents", "-o", "wide"}, "there are table, json, yaml, name"},
		{[]string{"get"}, "use it as: tokenry get KIND [NAME]"},
		{[]string{"get", "agents", "a", "b"}, "use it as: tokenry get KIND [NAME]"},
		{[]string{"get", "agnets"}, `no kind "agnets"; did you mean "agents"?`},
		{[]string{"get", "unicorns"}, `no kind "unicorns"; there are agents, blueprints, issuers, resources, rules`},
		{[]string{"get", "agent/a", "b"}, "agent/a and b: name one object"},
		{[]string{"get", "agents", ""}, "which agent? its name is empty"},
		{[]string{"describe", "agents"}, "describe which agent? see: tokenry get agents"},
		{[]string{"delete", "agents"}, "delete which agent?"},
		{[]string{"delete", "agents/"}, "which agent? its name is empty"},
		{[]string{"agent", "disable"}, "use it as: tokenry agent disable NAME"},
		{[]string{"issuer", "enable"}, "use it as: tokenry issuer enable NAME"},
		{[]string{"rule", "disable", "a", "b"}, "use it as: tokenry rule disable NAME"},
		{[]string{"blueprint", "secret"}, `tokenry blueprint has no command "secret"; there are disable, enable`},
		{[]string{"apply"}, "apply what? give -f FILE"},
		{[]string{"apply", "-f", "absent.yaml"}, "absent.yaml: no such file"},
		{[]string{"explain"}, "explain which decision?"},
		{[]string{"explain", "dec_x", "--last-denied"}, "explain which decision?"},
		{[]string{"explain", "dec_x", "--agent", "a"}, "--agent goes with --last-denied"},
		{[]string{"get", "agents"}, "no server: start one with `tokenry dev`, or give --server and --token-file"},
		{[]string{"get", "agents", "--server", "http://127.0.0.1:1"}, "no admin token for http://127.0.0.1:1: give --token-file"},
		{[]string{"get", "agents", "--server", "127.0.0.1:1", "--token-file", "x"}, `"127.0.0.1:1" is no URL of a server: it begins with https:// or http://, as in http://127.0.0.1:8081`},
		{[]string{"get", "agents", "--server", "localhost:1"}, `"localhost:1" is no URL of a server`},
		{[]string{"get", "agents", "--server", "ftp://127.0.0.1", "--token-file", "-"}, `"ftp://127.0.0.1" is no URL of a server`},
		{[]string{"get", "agents", "--server", "http://127.0.0.1", "--token-file", "-"}, "stdin is empty"},
		{[]string{"issuer", "tset"}, `tokenry issuer has no command "tset"; did you mean "test"?`},
		{[]string{"issuer", "test"}, "test which token? give --token-file FILE, or - for stdin"},
		{[]string{"issuer", "test", "--token-file", "x", "--token-type", "saml"}, "--token-type saml: there are jwt, id_token"},
		{[]string{"issuer", "test", "--token-file", "x", "--server", "http://127.0.0.1:1"}, "no admin token for http://127.0.0.1:1: give TOKENRY_TOKEN_FILE"},
		{[]string{"try"}, "try needs a running dev: start `tokenry dev`"},
		{[]string{"token", "verify"}, "whose tokens? start a server with `tokenry dev`, or give --issuer"},
		{[]string{"dev"}, "this build has no server in it"},
		{[]string{"serve"}, "this build has no server in it"},
		{[]string{"migrate", "up"}, "this build has no server in it"},
	} {
		r := u.run(c.args...)
		if r.code != cli.ExitUsage || !strings.Contains(r.errors, c.want) || !strings.HasPrefix(r.errors, "tokenry: ") || r.out != "" {
			t.Errorf("%q: exit code %d, %q and %q; want %q", c.args, r.code, r.out, r.errors, c.want)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	u := newTerminal(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := u.run("completion", shell); r.code != cli.ExitOK || !strings.Contains(r.out, "tokenry") {
			t.Errorf("completion %s: exit code %d, %d bytes", shell, r.code, len(r.out))
		}
	}
}
