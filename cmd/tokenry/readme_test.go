package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tokenry": main, // For TestHowTo:
		"gh":      standIn, "kubectl": standIn, "spire-agent": standIn, "spire-server": standIn,
	})
}

// free lets the kernel choose ports: somebody's `make dev` may have the usual
// ones.
const free = "--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0"

// TestReadme runs what the README tells a newcomer to type, in its order:
// `make dev` as `tokenry dev --once`, then every line that begins with tokenry
// against a running `tokenry dev`.
func TestReadme(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := readmeScript(t)
	if err := os.WriteFile(filepath.Join(dir, "readme.txt"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:   dir,
		Setup: setup(t),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "fetch": fetch, "post": post, "waitdev": waitDev,
		},
	})
}

// readmeScript turns the README's shell lines into a test script.
func readmeScript(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script := []string{
		"exec tokenry dev --once --demo-listen 127.0.0.1:0 " + free,
		"stdout 'verified offline'",
		"! exists $XDG_CONFIG_HOME/tokenry/config.yaml", // nothing serves: nothing is remembered
		"exec tokenry dev " + free + " &dev&",
		"waitdev",
	}
	curl := regexp.MustCompile(`^curl -s '(http://[^']+)' .* > (\S+)$`)
	form := regexp.MustCompile(`^curl -sS (http://\S+)((?: +--data-urlencode \S+)+)$`)
	ran, posted := 0, 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", "")) {
			line = strings.TrimSpace(line)
			switch m, p := curl.FindStringSubmatch(line), form.FindStringSubmatch(line); {
			case m != nil:
				script = append(script, "fetch "+m[1]+" "+m[2])
			case p != nil:
				script = append(script, "post "+p[1]+strings.ReplaceAll(p[2], "--data-urlencode", ""))
				posted++
			case strings.HasPrefix(line, "tokenry "):
				script = append(script, commandLine(line)...)
				ran++
			}
		}
	}
	if ran < 12 || posted != 1 {
		t.Fatalf("found %d lines with tokenry and %d exchanges by curl in the README; has its form changed?", ran, posted)
	}
	return strings.Join(script, "\n") + "\n"
}

// commandLine turns "tokenry … > file      # exits 5" into script lines.
func commandLine(line string) []string {
	line, comment, _ := strings.Cut(line, "#")
	line, file, redirected := strings.Cut(line, ">")
	code := "0"
	if m := regexp.MustCompile(`exits (\d)`).FindStringSubmatch(comment); m != nil {
		code = m[1]
	}
	lines := []string{"exits " + code + " " + strings.TrimSpace(line)}
	if redirected {
		lines = append(lines, "cp stdout "+strings.TrimSpace(file))
	}
	return lines
}

// setup gives the script a home of its own, in a place through which the
// database's user may pass, and the repository's examples.
func setup(t *testing.T) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		data, err := os.MkdirTemp("", "tokenry-readme-")
		if err != nil {
			return err
		}
		t.Cleanup(func() { os.RemoveAll(data) })
		if err := os.Chmod(data, 0o711); err != nil {
			return err
		}
		env.Setenv("XDG_DATA_HOME", data)
		env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
		return os.CopyFS(filepath.Join(env.WorkDir, "docs", "examples"), os.DirFS("../../docs/examples"))
	}
}

// exits runs a command and wants an exit code: exits 5 tokenry try …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// contexts is what the script reads of the file of contexts.
type contexts struct {
	Contexts map[string]struct {
		Server string `yaml:"server"`
		Public string `yaml:"public_url"`
		Demo   string `yaml:"demo_url"`
	} `yaml:"contexts"`
}

func devContext(ts *testscript.TestScript) (c contexts, err error) {
	data, err := os.ReadFile(filepath.Join(ts.Getenv("XDG_CONFIG_HOME"), "tokenry", "config.yaml"))
	if err == nil {
		err = yaml.Unmarshal(data, &c)
	}
	return c, err
}

// fetch gets a demo token as the README's curl does, from where this demo is.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	c, err := devContext(ts)
	ts.Check(err)
	from := strings.Replace(args[0], "http://127.0.0.1:8082", c.Contexts["dev"].Demo, 1)
	res, err := http.Get(from)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	m := regexp.MustCompile(`"token":"([^"]*)"`).FindSubmatch(body)
	if m == nil {
		ts.Fatalf("%s answered %d without a token", from, res.StatusCode)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), m[1], 0o600))
}

// post sends a form as curl --data-urlencode does, NAME=VALUE or NAME@FILE, and
// wants a token.
func post(ts *testscript.TestScript, _ bool, args []string) {
	c, err := devContext(ts)
	ts.Check(err)
	form := url.Values{}
	for _, arg := range args[1:] {
		name, value, literal := strings.Cut(arg, "=")
		if !literal {
			name, value, _ = strings.Cut(arg, "@")
			value = ts.ReadFile(value)
		}
		form.Set(name, value)
	}
	to := strings.Replace(args[0], "http://127.0.0.1:8080", c.Contexts["dev"].Public, 1)
	res, err := http.PostForm(to, form)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), `"access_token"`) {
		ts.Fatalf("%s answers %d: %s", to, res.StatusCode, body)
	}
}

// waitDev waits until the server in the background is ready.
func waitDev(ts *testscript.TestScript, _ bool, _ []string) {
	var last error
	for range 300 {
		c, err := devContext(ts)
		if err == nil {
			var res *http.Response
			if res, err = http.Get(c.Contexts["dev"].Public + "/readyz"); err == nil {
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					return
				}
				err = fmt.Errorf("readyz answers %s", res.Status)
			}
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("tokenry dev is not ready after 30 s: %v", last)
}
